"""Alerts of Alertmanager and Grafana come in: each is an incident, known by its labels and its start."""

import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest

from tests.events import Sender, Told, read, reason, recorded
from tracker.intakes.events import IncidentTold
from tracker.intakes.sources import EventSource
from tracker.integrations.events.alerts import ALERTMANAGER, GRAFANA

BEGUN, ENDED = "2026-03-02T10:00:00.123456789Z", "2026-03-02T10:20:00Z"
LABELS = {"alertname": "CheckoutErrors", "service": "checkout", "severity": "critical", "environment": "live"}


def alert(status: str = "firing", **fields: Any) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {**LABELS, **fields.pop("labels", {})},
        "annotations": {"summary": "One in five checkouts fails"},
        "startsAt": BEGUN,
        "endsAt": ENDED if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.acme.example/graph?g0.expr=errors",
        "fingerprint": "c0ffee0123456789",
        **fields,
    }


def group(*alerts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="CheckoutErrors"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "tracker",
        "externalURL": "https://alerts.acme.example",
        "alerts": list(alerts),
        **fields,
    }


def all_of(*alerts: dict[str, Any], source: EventSource = ALERTMANAGER, **options: str) -> list[Told]:
    return [one for part in alerts for one in read(source, group(part), **options)]


@pytest.mark.parametrize("source", [ALERTMANAGER, GRAFANA], ids=lambda one: one.name)
def test_an_alert_is_one_record_in_whatever_order(source: EventSource) -> None:
    assert recorded(all_of(alert(), alert("resolved"), source=source)) == {
        "title": "One in five checkouts fails",
        "url": "https://prometheus.acme.example/graph?g0.expr=errors",
        "service": "checkout",
        "environment": "live",
        "severity": "critical",
        "started_at": "2026-03-02T10:00:00.123456+00:00",
        "resolved_at": "2026-03-02T10:20:00+00:00",
    }


def test_a_resolution_says_itself_when_the_alert_began() -> None:
    assert recorded(all_of(alert("resolved")))["started_at"] == "2026-03-02T10:00:00.123456+00:00"


def test_the_next_alert_with_the_same_labels_is_another_incident() -> None:
    told = all_of(alert("resolved"), alert(startsAt="2026-03-05T08:00:00Z"))
    assert [one.key for one in told if isinstance(one, IncidentTold)] == [
        "alertmanager:alert:c0ffee0123456789@2026-03-02T10:00:00.123456+00:00",
        "alertmanager:alert:c0ffee0123456789@2026-03-05T08:00:00+00:00",
    ]


def test_a_group_tells_of_each_alert_and_of_those_that_it_leaves_out() -> None:
    told = read(
        ALERTMANAGER, group(alert(), alert("resolved", fingerprint="feed", labels={"service": "mail"}), truncatedAlerts=3)
    )  # fmt: skip
    assert [one.fields["service"] for one in told[:2] if isinstance(one, IncidentTold)] == [
        "checkout",
        "mail",
    ]
    assert reason(told[2:]) == "truncated_alerts: 3"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"severities": "critical,high"}, None),
        ({"severities": "page"}, "other_severity: critical"),
        ({"labels": "service=checkout|mail, environment=live"}, None),
        ({"labels": "alertname"}, None),
        ({"labels": "service=mail"}, "other_labels: service=mail"),
        ({"labels": "team"}, "other_labels: team"),
        ({"severity_label": "priority", "severities": "P1"}, "no_severity"),
    ],
)
def test_what_is_an_incident_goes_by_labels(options: dict[str, str], why: str | None) -> None:
    told = all_of(alert(), **options)
    assert (None if isinstance(told[0], IncidentTold) else reason(told)) == why


def test_labels_have_the_names_that_the_intake_says() -> None:
    other = alert(labels={"app": "shop", "stage": "prod", "level": "P1"})
    found = recorded(
        all_of(other, service_label="app", environment_label="stage", severity_label="level", severities="p1")
    )
    assert (found["service"], found["environment"], found["severity"]) == ("shop", "prod", "P1")


def test_an_annotation_may_name_the_repository() -> None:
    named = alert(annotations={"repository_url": "https://github.com/acme/shop"})
    found = recorded(all_of(named))
    assert (found["repository_url"], found["title"]) == ("https://github.com/acme/shop", "CheckoutErrors")


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"alertname": "TestAlert", "instance": "Grafana"}, "test"),
        ({"alertname": "DatasourceNoData"}, "no_data"),
        ({"alertname": "DatasourceError"}, "no_data"),
    ],
)
def test_what_grafana_cannot_judge_is_no_incident(labels: dict[str, str], why: str) -> None:
    assert reason(all_of(alert(labels=labels), source=GRAFANA)) == why


def test_grafana_signs_with_its_time_or_without(client: httpx.Client) -> None:
    grafana = Sender.to(
        client, "grafana", names={"checkout": {"repository_url": "https://github.com/acme/shop"}}
    )
    assert grafana.signed(group(alert()), "X-Grafana-Alerting-Signature")["outcome"] == "recorded"
    raw, time = json.dumps(group(alert("resolved"))).encode(), "1772445600"
    digest = hmac.new(grafana.secret.encode(), f"{time}:".encode() + raw, hashlib.sha256).hexdigest()
    headers = {"X-Grafana-Alerting-Signature": digest, "X-Grafana-Alerting-Timestamp": time}
    assert grafana.taken(grafana.post(None, headers, raw=raw))["outcome"] == "updated"
    headers["X-Grafana-Alerting-Timestamp"] = "1772445601"
    assert grafana.post(None, headers, raw=raw).status_code == 401
    (found,) = grafana.incidents()
    assert (found["repository"], found["resolved_at"]) == ("acme/shop", ENDED)


def test_alertmanager_shows_the_secret(client: httpx.Client) -> None:
    alertmanager = Sender.to(client, "alertmanager", options={"labels": "severity=critical"})
    assert alertmanager.bearer(group(alert(), alert()))["outcome"] == "recorded"
    assert alertmanager.bearer(group(alert("resolved")))["outcome"] == "updated"
    assert alertmanager.post(group(alert()), {"Authorization": "Bearer other"}).status_code == 401
    assert len(alertmanager.incidents()) == 1
