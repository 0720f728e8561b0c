"""PagerDuty's webhooks come in: an incident is one record, however many alerts and events it has."""

from typing import Any

import httpx
import pytest

from tests.events import Sender, Told, read, reason, recorded
from tracker.intakes.events import IncidentTold, Turn
from tracker.integrations.events.pagerduty import SOURCE

BEGUN = "2026-03-02T10:00:00Z"


def event(kind: str, at: str, **incident: Any) -> dict[str, Any]:
    return {
        "event": {
            "id": "01EVENT" + kind,
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": at,
            "agent": None,
            "data": {
                "id": "Q2SHOPDOWN",
                "type": "incident",
                "html_url": "https://acme.pagerduty.com/incidents/Q2SHOPDOWN",
                "number": 77,
                "status": "triggered",
                "title": "Checkout answers 502",
                "created_at": BEGUN,
                "service": {"id": "PSHOP", "summary": "Shop / checkout", "type": "service_reference"},
                "priority": {"id": "PP1", "summary": "P1"},
                "urgency": "high",
                "resolve_reason": None,
                **incident,
            },
        }
    }


TRIGGERED = event("incident.triggered", "2026-03-02T10:00:01.250Z")
ACKNOWLEDGED = event("incident.acknowledged", "2026-03-02T10:03:00Z")
RESOLVED = event("incident.resolved", "2026-03-02T10:40:00Z")
REOPENED = event("incident.reopened", "2026-03-02T10:50:00Z")
MERGED = event(
    "incident.resolved",
    "2026-03-02T10:20:00Z",
    resolve_reason={"type": "merge_resolve_reason", "incident": {"id": "Q1OTHER"}},
)


def all_of(*payloads: Any, **options: str) -> list[Told]:
    return [one for payload in payloads for one in read(SOURCE, payload, **options)]


def test_an_incident_is_one_record_in_whatever_order_its_events_come() -> None:
    assert recorded(all_of(TRIGGERED, ACKNOWLEDGED, RESOLVED)) == {
        "title": "Checkout answers 502",
        "url": "https://acme.pagerduty.com/incidents/Q2SHOPDOWN",
        "service": "Shop / checkout",
        "severity": "P1",
        "started_at": "2026-03-02T10:00:00+00:00",
        "resolved_at": "2026-03-02T10:40:00+00:00",
    }


def test_every_event_tells_all_of_the_incident() -> None:
    assert recorded(all_of(RESOLVED))["started_at"] == "2026-03-02T10:00:00+00:00"
    assert recorded(all_of(ACKNOWLEDGED))["severity"] == "P1"


def test_a_reopened_incident_is_open_until_it_is_resolved_again() -> None:
    assert "resolved_at" not in recorded(all_of(TRIGGERED, RESOLVED, REOPENED))
    again = event("incident.resolved", "2026-03-02T11:30:00Z")
    found = recorded(all_of(TRIGGERED, RESOLVED, REOPENED, again))
    assert found["resolved_at"] == "2026-03-02T11:30:00+00:00"


def test_a_merged_incident_is_none_of_a_change() -> None:
    found = recorded(all_of(TRIGGERED, MERGED))
    assert (found["change_related"], found["resolved_at"]) == (False, "2026-03-02T10:20:00+00:00")


@pytest.mark.parametrize("counted", ["P1,P2", "high", " p1 "])
def test_severities_are_priorities_or_urgencies(counted: str) -> None:
    assert recorded(all_of(TRIGGERED, severities=counted))["severity"] == "P1"


def test_an_incident_that_was_severe_once_is_one_and_ends_however_severe_it_is_then() -> None:
    lowered = event("incident.resolved", "2026-03-02T10:40:00Z", priority={"summary": "P4"}, urgency="low")
    found = recorded(all_of(TRIGGERED, lowered, severities="P1"))
    assert (found["severity"], found["resolved_at"]) == ("P4", "2026-03-02T10:40:00+00:00")
    (alone,) = all_of(lowered, severities="P1")
    assert isinstance(alone, IncidentTold)
    assert alone.set_aside == "other_severity: P4"


def test_an_incident_without_priority_has_its_urgency() -> None:
    (told,) = all_of(event("incident.triggered", BEGUN, priority=None), severities="high")
    assert isinstance(told, IncidentTold)
    assert (told.turn, told.fields["severity"], told.set_aside) == (Turn.BEGUN, "high", None)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("pagey.ping", "ping"),
        ("incident.annotated", "event_not_used: incident.annotated"),
        ("service.created", "event_not_used: service.created"),
    ],
)
def test_what_else_is_told_is_ignored(kind: str, why: str) -> None:
    assert reason(read(SOURCE, event(kind, BEGUN))) == why


def test_it_is_believed_by_any_of_its_signatures(client: httpx.Client) -> None:
    pagerduty = Sender.to(client, "pagerduty", options={"severities": "P1"})
    other = "v1=" + "0" * 64 + ",v1="
    answered = pagerduty.signed(TRIGGERED, "X-PagerDuty-Signature", other, **{"X-Webhook-Id": "one"})
    assert answered["outcome"] == "recorded"
    assert pagerduty.signed(TRIGGERED, "X-PagerDuty-Signature", "v1=")["outcome"] == "repeated"
    assert pagerduty.post(RESOLVED, {"X-PagerDuty-Signature": "v1=" + "0" * 64}).status_code == 401
    low = event("incident.triggered", BEGUN, id="Q3LOW", priority={"summary": "P5"})
    answered = pagerduty.signed(low, "X-PagerDuty-Signature", "v1=")
    assert (answered["outcome"], answered["reason"]) == ("ignored", "other_severity: P5")
    assert pagerduty.signed(RESOLVED, "X-PagerDuty-Signature", "v1=")["outcome"] == "updated"
    (found,) = pagerduty.incidents()
    expected = {
        "key": "pagerduty:incident:Q2SHOPDOWN",
        "service": "Shop / checkout",
        "started_at": BEGUN,
        "resolved_at": "2026-03-02T10:40:00Z",
    }
    assert {name: found[name] for name in expected} == expected
