"""Atlassian Statuspage's webhooks: the incidents of a page, by what they say of themselves now."""

from tracker.intakes.events import Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import EventSource, Incoming
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.events.severities import SEVERITIES, not_counted
from tracker.senders import keys

_OPEN = ("investigating", "identified", "monitoring")
_OVER = ("resolved", "postmortem")
_MAINTENANCE = ("scheduled", "in_progress", "verifying", "completed")


def _read(incoming: Incoming) -> Told:
    event = Fields.of(incoming.payload)
    if "incident" not in event.values:
        return [Ignored("component_update" if "component_update" in event.values else "event_not_used")]
    incident = event.object("incident")
    status, impact = incident.need("status"), incident.text("impact")
    if status in _MAINTENANCE or impact == "maintenance":
        return [Ignored("maintenance")]
    if status not in (*_OPEN, *_OVER):
        return [Ignored("status_not_used", status)]
    components = incident.names("components")
    fields = said(
        title=incident.short("name"),
        url=incident.url("shortlink"),
        severity=impact,
        service=components[0] if components else None,
    )
    turn = Turn.RESOLVED if status in _OVER else Turn.REOPENED
    return [
        IncidentTold(
            key=keys.sender_key("statuspage", "", "incident", incident.need("id")),
            at=incident.instant("updated_at") or incoming.received_at,
            turn=turn,
            started_at=incident.instant("started_at") or incident.need_instant("created_at"),
            resolved_at=incident.instant("resolved_at") if turn is Turn.RESOLVED else None,
            fields=fields,
            set_aside=not_counted(incoming.options, impact),
        )
    ]


SOURCE = EventSource(
    name="statuspage",
    title="Statuspage",
    read=_read,
    event_of=lambda incoming: Fields.of(incoming.payload).object("incident").text("status") or "",
    options=(SEVERITIES,),
    hint=(
        "Statuspage sends no secret: on the page, Subscribe to updates, Webhook, give the address with "
        "?token= and the secret behind it."
    ),
)
