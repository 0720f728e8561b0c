"""Sentry's webhooks of an internal integration: metric alerts as incidents, and issues that alerted.

It tells nothing of releases.
"""

import re
from datetime import datetime
from urllib.parse import urlsplit

from tracker.intakes.events import Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import EventSource, HmacHeader, Incoming, Option
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.events.severities import SEVERITIES, not_counted
from tracker.senders import keys

_RESOURCE = "sentry-hook-resource"
_KINDS = ("metric_alerts", "issue_alerts", "all")
_METRIC = {"critical": Turn.BEGUN, "warning": Turn.BEGUN, "resolved": Turn.RESOLVED}
_ISSUE = {
    "resolved": Turn.RESOLVED,
    "unresolved": Turn.REOPENED,
    "archived": Turn.WITHDRAWN,
    "ignored": Turn.WITHDRAWN,
}
_PROJECT = re.compile(r"/projects/[^/]+/(?P<project>[^/]+)/")


def _read(incoming: Incoming) -> Told:
    event, resource = Fields.of(incoming.payload), incoming.headers.get(_RESOURCE, "")
    wanted = incoming.options.get("incidents", _KINDS[0])
    if resource == "metric_alert" and wanted != "issue_alerts":
        return _metric_alert(event, incoming)
    if resource == "event_alert" and wanted != "metric_alerts":
        return _issue_alert(event, incoming)
    if resource == "issue" and wanted != "metric_alerts":
        return _issue(event, incoming)
    return [Ignored("event_not_used", resource)]


def _metric_alert(event: Fields, incoming: Incoming) -> Told:
    data, action = event.object("data"), event.need("action")
    alert = data.object("metric_alert")
    if action not in _METRIC:
        return [Ignored("event_not_used", f"metric_alert.{action}")]
    turn, at = _METRIC[action], _sent_at(incoming)
    rule, projects = alert.object("alert_rule"), alert.names("projects")
    severity = action if turn is Turn.BEGUN else None
    fields = said(
        title=rule.short("name") or data.short("description_title"),
        url=data.url("web_url"),
        severity=severity,
        service=projects[0] if projects else None,
        environment=rule.short("environment"),
    )
    return [
        IncidentTold(
            key=keys.sender_key("sentry", _host(data, "web_url"), "alert", alert.need("id")),
            at=at,
            turn=turn,
            started_at=alert.instant("date_started") or alert.need_instant("date_created"),
            resolved_at=alert.instant("date_closed") if turn is Turn.RESOLVED else None,
            fields=fields,
            set_aside=not_counted(incoming.options, severity),
        )
    ]


def _issue_alert(event: Fields, incoming: Incoming) -> Told:
    """An issue that a rule alerts of: the only thing that makes an incident of an issue."""
    happening = event.object("data").object("event")
    severity, at = happening.text("level"), happening.need_instant("datetime")
    project = _PROJECT.search(happening.text("url") or happening.text("issue_url") or "")
    fields = said(
        title=happening.short("title"),
        url=happening.url("web_url"),
        severity=severity,
        service=project and project["project"],
        environment=happening.short("environment"),
    )
    key = keys.sender_key("sentry", _host(happening, "web_url"), "issue", happening.need("issue_id"))
    aside = not_counted(incoming.options, severity)
    return [IncidentTold(key=key, at=at, turn=Turn.BEGUN, fields=fields, set_aside=aside)]


def _issue(event: Fields, incoming: Incoming) -> Told:
    issue, action = event.object("data").object("issue"), event.need("action")
    if action not in _ISSUE:
        return [Ignored("event_not_used", f"issue.{action}")]
    address = "web_url" if issue.url("web_url") else "permalink"
    fields = said(
        title=issue.short("title"),
        url=issue.url(address),
        service=issue.object("project").short("slug"),
    )
    key = keys.sender_key("sentry", _host(issue, address), "issue", issue.need("id"))
    turn, at = _ISSUE[action], _sent_at(incoming)
    return [IncidentTold(key=key, at=at, turn=turn, fields=fields, set_aside="no_alert")]


def _host(part: Fields, name: str) -> str:
    """Sentry's own host; at sentry.io the organization's comes before it, or not."""
    host = urlsplit(part.url(name) or "").hostname or ""
    return "sentry.io" if host.endswith(".sentry.io") else host


def _sent_at(incoming: Incoming) -> datetime:
    headers = Fields({"timestamp": incoming.headers.get("sentry-hook-timestamp")}, "Sentry-Hook")
    return headers.instant("timestamp") or incoming.received_at


SOURCE = EventSource(
    name="sentry",
    title="Sentry",
    read=_read,
    event_of=lambda incoming: incoming.headers.get(_RESOURCE, ""),
    delivery_of=lambda incoming: incoming.headers.get("request-id"),
    credentials=(HmacHeader("sentry-hook-signature"),),
    options=(
        SEVERITIES,
        Option(
            "incidents", "what is an incident: metric alerts, issues that a rule alerts of, or both", _KINDS
        ),
    ),
    hint=(
        "Settings, Custom Integrations, Create New Integration, Internal: the address as Webhook URL, Alert "
        "Rule Action on, the webhook issue. Hand its Client Secret over with "
        "POST /api/v1/intakes/{id}/secrets, and add the integration to the actions of the alerts that count."
    ),
)
