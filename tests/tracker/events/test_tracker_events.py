"""Opsgenie, Jira, Sentry, Statuspage, incident.io and FireHydrant tell of incidents."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.events import Sender, Told, read, reason, recorded
from tests.server import Server
from tracker.intakes.events import IncidentTold
from tracker.intakes.sources import EventSource
from tracker.integrations.events.firehydrant import SOURCE as FIREHYDRANT
from tracker.integrations.events.incident_io import SOURCE as INCIDENT_IO
from tracker.integrations.events.jira import SOURCE as JIRA
from tracker.integrations.events.opsgenie import SOURCE as OPSGENIE
from tracker.integrations.events.sentry import SOURCE as SENTRY
from tracker.integrations.events.statuspage import SOURCE as STATUSPAGE

DAY = "2026-03-02T"
BEGUN, ENDED = f"{DAY}10:00:00+00:00", f"{DAY}10:40:00+00:00"


def milliseconds(clock: str) -> int:
    return int(datetime.fromisoformat(f"{DAY}{clock}+00:00").timestamp() * 1000)


def all_of(source: EventSource, *payloads: Any, **options: str) -> list[Told]:
    return [one for payload in payloads for one in read(source, payload, **options)]


def aside(told: list[Told]) -> str | None:
    (one,) = told
    assert isinstance(one, IncidentTold)
    return one.set_aside


def opsgenie(action: str, at: str, **alert: Any) -> dict[str, Any]:
    return {
        "action": action,
        "integrationName": "tracker",
        "alert": {
            "alertId": "7c1f",
            "message": "Checkout is slow",
            "tags": ["Prod", "page"],
            "entity": "checkout",
            "priority": "P1",
            "createdAt": milliseconds("10:00"),
            "updatedAt": milliseconds(at),
            **alert,
        },
    }


def test_an_opsgenie_alert_is_one_incident_though_each_team_is_told_of_it() -> None:
    created = opsgenie("Create", "10:00"), opsgenie("Create", "10:05")
    told = all_of(OPSGENIE, *created, opsgenie("Acknowledge", "10:10"), opsgenie("Close", "10:40"))
    assert recorded(told) == {
        "title": "Checkout is slow",
        "severity": "P1",
        "service": "checkout",
        "started_at": BEGUN,
        "resolved_at": ENDED,
    }


def test_what_of_opsgenie_is_no_incident() -> None:
    assert reason(all_of(OPSGENIE, opsgenie("AddNote", "10:00"))) == "event_not_used: AddNote"
    assert reason(all_of(OPSGENIE, opsgenie("Create", "10:00"), tags="staging")) == "other_tags: page,prod"
    assert aside(all_of(OPSGENIE, opsgenie("Create", "10:00"), severities="P0")) == "other_severity: P1"
    assert recorded(all_of(OPSGENIE, opsgenie("Delete", "10:09")))["change_related"] is False
    without = opsgenie("Close", "10:00", updatedAt=None)
    (closed,) = all_of(OPSGENIE, without)
    assert isinstance(closed, IncidentTold)
    assert closed.at > datetime(2026, 3, 2, tzinfo=UTC)


def jira(kind: str, at: str, *changes: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {
        "timestamp": milliseconds(at),
        "webhookEvent": f"jira:issue_{kind}",
        "changelog": {"items": list(changes)},
        "issue": {
            "id": "10077",
            "key": "OPS-7",
            "self": "https://acme.atlassian.net/rest/api/2/issue/10077",
            "fields": {
                "summary": "Checkout is down",
                "issuetype": {"name": "[System] Incident"},
                "project": {"key": "OPS", "name": "Operations"},
                "created": f"{DAY}12:00:00.000+0200",
                "resolutiondate": None,
                "resolution": None,
                "priority": {"name": "Highest"},
                "labels": [],
                "components": [{"name": "checkout"}],
                **fields,
            },
        },
    }


DONE = {"resolutiondate": f"{DAY}12:40:00.000+0200", "resolution": {"name": "Done"}}


def test_a_jira_issue_says_what_it_is_now() -> None:
    edited = jira("updated", "15:00", **DONE)
    assert recorded(all_of(JIRA, jira("created", "10:00"), jira("updated", "10:41", **DONE), edited)) == {
        "title": "Checkout is down",
        "url": "https://acme.atlassian.net/browse/OPS-7",
        "severity": "Highest",
        "service": "checkout",
        "started_at": BEGUN,
        "resolved_at": ENDED,
    }
    reopened = jira("updated", "16:00")
    assert "resolved_at" not in recorded(all_of(JIRA, jira("created", "10:00"), edited, reopened))


@pytest.mark.parametrize(
    "last",
    [
        jira("updated", "11:00", **DONE | {"resolution": {"name": "Won\u2019t Do"}}),
        jira("updated", "11:00", **DONE | {"resolution": {"name": "Duplicate"}}),
        jira("deleted", "11:00"),
        jira("updated", "11:00", {"field": "issuetype", "fromString": "Incident"}, issuetype={"name": "Bug"}),
    ],
    ids=["won't do", "duplicate", "deleted", "another type"],
)
def test_a_jira_issue_that_was_none_after_all_is_of_no_change(last: dict[str, Any]) -> None:
    assert recorded(all_of(JIRA, jira("created", "10:00"), last))["change_related"] is False


def test_a_label_makes_an_incident_too_and_takes_it_back() -> None:
    bug = {"issuetype": {"name": "Bug"}}
    assert reason(all_of(JIRA, jira("created", "10:00", **bug))) == "no_incident"
    labelled = jira("updated", "10:05", labels=["Outage"], **bug)
    assert recorded(all_of(JIRA, labelled, incident_label="outage"))["started_at"] == BEGUN
    unlabelled = jira("updated", "10:09", {"field": "labels", "fromString": "outage x"}, **bug)
    found = recorded(all_of(JIRA, labelled, unlabelled, incident_label="outage"))
    assert found["change_related"] is False
    assert recorded(all_of(JIRA, jira("created", "10:00", **bug), issue_types="bug, outage"))["severity"]
    assert (
        reason(all_of(JIRA, {**labelled, "webhookEvent": "comment_created"}))
        == "event_not_used: comment_created"
    )


def metric_alert(action: str, closed: str | None = None) -> dict[str, Any]:
    return {
        "action": action,
        "data": {
            "description_title": f"{action.title()}: Checkout errors",
            "web_url": "https://acme.sentry.io/alerts/rules/details/9/",
            "metric_alert": {
                "id": "41",
                "alert_rule": {"name": "Checkout errors", "environment": "live"},
                "date_started": f"{DAY}10:00:00Z",
                "date_closed": closed,
                "projects": ["checkout"],
            },
        },
    }


def sentry(resource: str, clock: str, payload: Any, **options: str) -> list[Told]:
    headers = {"sentry-hook-resource": resource, "sentry-hook-timestamp": str(milliseconds(clock) // 1000)}
    return read(SENTRY, payload, headers, **options)


def test_a_metric_alert_of_sentry_is_an_incident() -> None:
    told = [
        *sentry("metric_alert", "10:01", metric_alert("warning")),
        *sentry("metric_alert", "10:05", metric_alert("critical")),
        *sentry("metric_alert", "10:41", metric_alert("resolved", f"{DAY}10:40:00Z")),
    ]
    assert recorded(told) == {
        "title": "Checkout errors",
        "url": "https://acme.sentry.io/alerts/rules/details/9/",
        "severity": "critical",
        "service": "checkout",
        "environment": "live",
        "started_at": BEGUN,
        "resolved_at": ENDED,
    }
    late = sentry("metric_alert", "10:40", metric_alert("resolved"))
    assert recorded([told[0], *late])["resolved_at"] == ENDED
    assert (
        aside(sentry("metric_alert", "10:01", metric_alert("warning"), severities="critical"))
        == "other_severity: warning"
    )


ALERTED = {
    "action": "triggered",
    "data": {
        "triggered_rule": "New errors in live",
        "event": {
            "issue_id": "1170",
            "title": "KeyError: cart",
            "level": "error",
            "datetime": f"{DAY}10:00:00.000000Z",
            "environment": "live",
            "url": "https://sentry.io/api/0/projects/acme/checkout/events/e4/",
            "web_url": "https://sentry.io/organizations/acme/issues/1170/events/e4/",
        },
    },
}


def issue(action: str) -> dict[str, Any]:
    found = {
        "id": "1170",
        "title": "KeyError: cart",
        "project": {"slug": "checkout"},
        "permalink": "https://acme.sentry.io/issues/1170/",
    }
    return {"action": action, "data": {"issue": found}}  # fmt: skip


def test_an_issue_of_sentry_is_an_incident_once_a_rule_alerts_of_it() -> None:
    both = {"incidents": "all"}
    alerted = sentry("event_alert", "10:00", ALERTED, **both)
    resolved = sentry("issue", "10:40", issue("resolved"), **both)
    found = recorded([*alerted, *resolved])
    assert (found["service"], found["environment"], found["resolved_at"]) == ("checkout", "live", ENDED)
    again = sentry("issue", "11:00", issue("unresolved"), **both)
    assert "resolved_at" not in recorded([*alerted, *resolved, *again])
    assert (
        recorded([*alerted, *sentry("issue", "10:09", issue("archived"), **both)])["change_related"] is False
    )
    assert aside(resolved) == "no_alert"
    assert reason(sentry("event_alert", "10:00", ALERTED)) == "event_not_used: event_alert"
    assert reason(sentry("issue", "10:00", issue("assigned"), **both)) == "event_not_used: issue.assigned"
    assert reason(sentry("installation", "10:00", {"action": "created"})) == "event_not_used: installation"


def statuspage(status: str, at: str, resolved: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "meta": {"unsubscribe": "https://status.acme.example/?unsubscribe=x"},
        "page": {"id": "acme", "status_indicator": "major"},
        "incident": {
            "id": "k4",
            "name": "Checkout is down",
            "status": status,
            "impact": "major",
            "created_at": f"{DAY}10:00:00.000Z",
            "updated_at": f"{DAY}{at}:00.000Z",
            "resolved_at": resolved,
            "shortlink": "https://stspg.io/k4",
            "components": [{"name": "Checkout"}],
            **fields,
        },
    }


def test_an_incident_of_a_status_page_is_one_record() -> None:
    over = f"{DAY}10:40:00.000Z"
    told = all_of(
        STATUSPAGE,
        statuspage("investigating", "10:00"),
        statuspage("monitoring", "10:30"),
        statuspage("resolved", "10:40", over),
        statuspage("postmortem", "18:00", over),
    )
    found = recorded(told)
    assert (found["service"], found["severity"], found["resolved_at"]) == ("Checkout", "major", ENDED)
    again = all_of(STATUSPAGE, statuspage("identified", "19:00"))
    assert "resolved_at" not in recorded([*told[:3], *again])


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"component_update": {}, "component": {}}, "component_update"),
        (statuspage("scheduled", "10:00"), "maintenance"),
        (statuspage("resolved", "10:00", impact="maintenance"), "maintenance"),
        (statuspage("thinking", "10:00"), "status_not_used: thinking"),
        ({"page": {}}, "event_not_used"),
    ],
)
def test_what_of_a_status_page_is_no_incident(payload: dict[str, Any], why: str) -> None:
    assert reason(all_of(STATUSPAGE, payload)) == why


def incident_io(category: str, at: str, kind: str = "incident_updated_v2", **fields: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": "01ACME",
        "name": "Checkout is down",
        "permalink": "https://app.incident.io/acme/incidents/7",
        "mode": "standard",
        "created_at": f"{DAY}10:05:00Z",
        "updated_at": f"{DAY}{at}:00Z",
        "incident_status": {"category": category, "name": category.title()},
        "severity": {"name": "Major"},
        "incident_timestamp_values": [
            {"incident_timestamp": {"name": name}, "value": {"value": text}}
            for name, text in fields.pop("stamps", {"Impact started at": f"{DAY}10:00:00Z"}).items()
        ],
        "custom_field_entries": [
            {"custom_field": {"name": "Affected services"}, "values": [{"value_catalog_entry": {"name": "Checkout"}}]},
            {"custom_field": {"name": "Environment"}, "values": [{"value_option": {"value": "live"}}]},
        ],
        **fields,
    }  # fmt: skip
    if kind == "incident_status_updated_v2":
        told = {
            "incident": told,
            "new_status": told["incident_status"],
            "previous_status": {"category": "live"},
        }
    return {"event_type": f"public_incident.{kind}", f"public_incident.{kind}": told}


STATUS = "incident_status_updated_v2"


def test_an_incident_of_incident_io_has_the_times_that_people_set() -> None:
    stamps = {"Impact started at": f"{DAY}10:00:00Z", "Resolved at": f"{DAY}10:40:00Z", "Closed at": None}
    told = all_of(
        INCIDENT_IO,
        incident_io("live", "10:06", "incident_created_v2"),
        incident_io("closed", "12:00", STATUS, stamps=stamps),
        incident_io("learning", "15:00", stamps=stamps),
    )
    assert recorded(told) == {
        "title": "Checkout is down",
        "url": "https://app.incident.io/acme/incidents/7",
        "severity": "Major",
        "service": "Checkout",
        "environment": "live",
        "started_at": BEGUN,
        "resolved_at": ENDED,
    }
    assert "resolved_at" not in recorded([*told, *all_of(INCIDENT_IO, incident_io("live", "16:00", STATUS))])


def test_without_a_timestamp_the_change_of_the_status_is_the_end() -> None:
    told = all_of(INCIDENT_IO, incident_io("closed", "10:40", STATUS), incident_io("closed", "15:00"))
    assert recorded(told)["resolved_at"] == ENDED
    fixed = incident_io("live", "10:50", stamps={"Fixed at": f"{DAY}10:40:00Z", "Alerted": f"{DAY}10:00:00Z"})
    chosen = {"resolved_timestamp": "Fixed at", "started_timestamp": "Alerted"}
    assert recorded(all_of(INCIDENT_IO, fixed, **chosen))["started_at"] == BEGUN


def test_what_incident_io_never_accepted_is_no_incident() -> None:
    assert aside(all_of(INCIDENT_IO, incident_io("triage", "10:06"))) == "triage"
    assert aside(all_of(INCIDENT_IO, incident_io("declined", "10:06"))) == "declined"
    live, merged = incident_io("live", "10:06"), incident_io("merged", "10:09", STATUS)
    assert recorded(all_of(INCIDENT_IO, live, merged))["change_related"] is False
    assert reason(all_of(INCIDENT_IO, incident_io("live", "10:06", mode="test"))) == "other_mode: test"
    other = {"event_type": "public_incident.follow_up_created_v1"}
    assert reason(all_of(INCIDENT_IO, other)) == "event_not_used: public_incident.follow_up_created_v1"


def firehydrant(milestone: str, at: str, operation: str = "UPDATED", **fields: Any) -> dict[str, Any]:
    milestones = [{"type": "started", "occurred_at": "2026-03-02 10:00:00 UTC"}]
    if milestone != "started":
        milestones.append({"type": "resolved", "occurred_at": "2026-03-02 10:40:00 UTC"})
    return {
        "event": {"operation": operation, "resource_type": "incident"},
        "data": {
            "incident": {
                "id": "04d9",
                "name": "Checkout is down",
                "current_milestone": milestone,
                "created_at": "2026-03-02 10:02:00 UTC",
                "updated_at": f"2026-03-02 {at}:00 UTC",
                "milestones": milestones,
                "severity": {"slug": "SEV1"},
                "priority": {"slug": "P2"},
                "impacts": [{"type": "environment", "name": "live"}, {"impact": {"type": "service", "name": "checkout"}}],
                **fields,
            }
        },
    }  # fmt: skip


def test_an_incident_of_firehydrant_goes_by_its_milestones() -> None:
    told = all_of(
        FIREHYDRANT,
        firehydrant("started", "10:02", "CREATED"),
        firehydrant("resolved", "10:41"),
        firehydrant("retrospective_completed", "17:00"),
    )
    assert recorded(told) == {
        "title": "Checkout is down",
        "severity": "SEV1",
        "service": "checkout",
        "environment": "live",
        "started_at": BEGUN,
        "resolved_at": ENDED,
    }
    assert "resolved_at" not in recorded([*told, *all_of(FIREHYDRANT, firehydrant("started", "18:00"))])
    discarded = all_of(FIREHYDRANT, firehydrant("started", "18:00", discarded_at=f"{DAY}18:00:00Z"))
    assert recorded([told[0], *discarded])["change_related"] is False
    assert aside(all_of(FIREHYDRANT, firehydrant("started", "10:02"), severities="p2")) is None
    other = {"event": {"resource_type": "change_event"}}
    assert reason(all_of(FIREHYDRANT, other)) == "event_not_used: change_event"


@pytest.mark.parametrize(
    ("source", "header", "prefix", "payload", "headers"),
    [
        ("jira", "X-Hub-Signature", "sha256=", jira("created", "10:00"), {}),
        ("sentry", "Sentry-Hook-Signature", "", metric_alert("critical"), {"Sentry-Hook-Resource": "metric_alert"}),
        ("firehydrant", "fh-signature", "", firehydrant("started", "10:02"), {}),
    ],
)  # fmt: skip
def test_they_sign_with_the_secret(
    client: httpx.Client, source: str, header: str, prefix: str, payload: Any, headers: dict[str, str]
) -> None:
    sender = Sender.to(client, source)
    assert sender.signed(payload, header, prefix, **headers)["outcome"] == "recorded"
    assert sender.signed(payload, header, prefix, **headers)["outcome"] in ("repeated", "updated")
    assert sender.post(payload, {header: prefix + "0" * 64, **headers}).status_code == 401
    assert len(sender.incidents()) == 1


def test_others_show_the_secret_or_have_it_in_the_address(client: httpx.Client, server: Server) -> None:
    sender = Sender.to(client, "opsgenie")
    assert sender.bearer(opsgenie("Create", "10:00"))["outcome"] == "recorded"
    page = Sender.to(client, "statuspage")
    for token, status in ((page.secret, 200), ("other", 401)):
        answered = httpx.post(
            server.url + page.url, params={"token": token}, json=statuspage("identified", "10:00")
        )
        assert answered.status_code == status
    hooks = Sender.to(client, "incident.io", secret="whsec_c2VjcmV0LW9mLWluY2lkZW50LWlv")
    raw, now = json.dumps(incident_io("live", "10:06")), datetime.now(UTC)
    signed = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(hooks.secret).sign("msg_1", now, raw),
    }
    assert hooks.taken(hooks.post(None, signed, raw=raw.encode()))["outcome"] == "recorded"
    assert hooks.post(None, {**signed, "webhook-id": "msg_2"}, raw=raw.encode()).status_code == 401
    assert len(hooks.incidents()) == 3
