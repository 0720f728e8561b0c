"""incident.io's webhooks: incidents by the category of their status, and the timestamps that people set."""

from collections.abc import Mapping
from datetime import datetime

from tracker.intakes.events import Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import EventSource, Incoming, Option, StandardWebhook
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.events.severities import SEVERITIES, not_counted
from tracker.senders import keys

_EVENTS = ("incident_created_v2", "incident_updated_v2", "incident_status_updated_v2")
_OVER = ("closed", "learning", "post-incident")
_NONE = ("declined", "merged", "canceled")
_REAL = "standard"
_BEGAN = ("Impact started at", "Started at", "Reported at")
_ENDED = ("Resolved at", "Closed at")


def _read(incoming: Incoming) -> Told:
    event, options = Fields.of(incoming.payload), incoming.options
    kind = event.need("event_type")
    if kind.partition(".")[2] not in _EVENTS:
        return [Ignored("event_not_used", kind)]
    told = event.object(kind)
    incident = told.object("incident") if "incident" in told.values else told
    mode = incident.text("mode") or _REAL
    if mode != _REAL:
        return [Ignored("other_mode", mode)]
    category = incident.object("incident_status").need("category")
    ended = _timestamp(incident, options, "resolved_timestamp", _ENDED)
    turn = _turn(category, ended, is_change="new_status" in told.values)
    severity = incident.object("severity").short("name")
    fields = said(
        title=incident.short("name"),
        url=incident.url("permalink"),
        severity=severity,
        service=_custom(incident, options.get("service_field", "Affected services")),
        environment=_custom(incident, options.get("environment_field", "Environment")),
    )
    # What nobody has accepted yet, or never did, is no incident by that.
    aside = category if category in ("triage", *_NONE) else not_counted(options, severity)
    return [
        IncidentTold(
            key=keys.sender_key("incident.io", "", "incident", incident.need("id")),
            at=incident.need_instant("updated_at"),
            turn=turn,
            started_at=_timestamp(incident, options, "started_timestamp", _BEGAN)
            or incident.need_instant("created_at"),
            resolved_at=ended if turn is Turn.RESOLVED else None,
            fields=fields,
            set_aside=aside,
        )
    ]


def _turn(category: str, ended: datetime | None, *, is_change: bool) -> Turn:
    if category in _NONE:
        return Turn.WITHDRAWN
    if category not in _OVER:
        return Turn.REOPENED
    # Without a timestamp the time of the change is the end, and later words on it are none.
    return Turn.RESOLVED if ended is not None or is_change else Turn.DESCRIBED


def _timestamp(
    incident: Fields, options: Mapping[str, str], option: str, names: tuple[str, ...]
) -> datetime | None:
    """The first of the incident's timestamps that has one of the names, in their order, and a value."""
    said_at = {
        one.object("incident_timestamp").text("name"): one.object("value").instant("value")
        for one in incident.objects("incident_timestamp_values")
    }
    wanted = (options[option],) if option in options else names
    return next((at for name in wanted if (at := said_at.get(name)) is not None), None)


def _custom(incident: Fields, name: str) -> str | None:
    """The first value of a custom field: of the catalog, of a choice, or text."""
    for entry in incident.objects("custom_field_entries"):
        if (entry.object("custom_field").text("name") or "").lower() != name.lower():
            continue
        for value in entry.objects("values"):
            return (
                value.object("value_catalog_entry").short("name")
                or value.object("value_option").short("value")
                or value.short("value_text")
            )
    return None


SOURCE = EventSource(
    name="incident.io",
    title="incident.io",
    read=_read,
    event_of=lambda incoming: Fields.of(incoming.payload).text("event_type") or "",
    delivery_of=lambda incoming: incoming.headers.get("webhook-id"),
    credentials=(StandardWebhook(),),
    options=(
        SEVERITIES,
        Option("service_field", "the custom field that names the service; default: Affected services"),
        Option("environment_field", "the custom field that names the environment; default: Environment"),
        Option("started_timestamp", "the timestamp of the start; default: Impact started at, Reported at"),
        Option("resolved_timestamp", "the timestamp of the end; default: Resolved at, Closed at"),
    ),
    hint=(
        "Settings, Webhooks, Add endpoint: the address, and the events of public incidents created, updated "
        "and status updated. It makes a signing secret: hand that over with "
        "POST /api/v1/intakes/{id}/secrets."
    ),
)
