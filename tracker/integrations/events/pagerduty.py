"""PagerDuty's webhooks of version 3: incidents, however many alerts each of them has."""

from tracker.intakes.events import Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import EventSource, HmacHeader, Incoming
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.events.severities import SEVERITIES, not_counted
from tracker.senders import keys

_TURNS = {
    "incident.triggered": Turn.BEGUN,
    "incident.resolved": Turn.RESOLVED,
    "incident.reopened": Turn.REOPENED,
    # What else tells of the incident carries all of it, its start too: the first event may be lost.
    "incident.acknowledged": Turn.DESCRIBED,
    "incident.unacknowledged": Turn.DESCRIBED,
    "incident.delegated": Turn.DESCRIBED,
    "incident.escalated": Turn.DESCRIBED,
    "incident.reassigned": Turn.DESCRIBED,
    "incident.priority_updated": Turn.DESCRIBED,
    "incident.service_updated": Turn.DESCRIBED,
    "incident.incident_type.changed": Turn.DESCRIBED,
}
_MERGED = "merge_resolve_reason"


def _read(incoming: Incoming) -> Told:
    event = Fields.of(incoming.payload).object("event")
    kind = event.need("event_type")
    if kind == "pagey.ping":
        return [Ignored("ping")]
    if kind not in _TURNS:
        return [Ignored("event_not_used", kind)]
    incident, turn = event.object("data"), _TURNS[kind]
    if turn is Turn.RESOLVED and incident.object("resolve_reason").text("type") == _MERGED:
        # Another incident goes on with its alerts.
        turn = Turn.WITHDRAWN
    priority, urgency = incident.object("priority").short("summary"), incident.text("urgency")
    fields = said(
        title=incident.short("title") or incident.short("summary"),
        url=incident.url("html_url"),
        service=incident.object("service").short("summary"),
        severity=priority or urgency,
    )
    return [
        IncidentTold(
            key=keys.sender_key("pagerduty", "", "incident", incident.need("id")),
            at=event.need_instant("occurred_at"),
            turn=turn,
            started_at=incident.instant("created_at"),
            fields=fields,
            set_aside=not_counted(incoming.options, priority, urgency),
        )
    ]


SOURCE = EventSource(
    name="pagerduty",
    title="PagerDuty",
    read=_read,
    event_of=lambda incoming: Fields.of(incoming.payload).object("event").text("event_type") or "",
    delivery_of=lambda incoming: incoming.headers.get("x-webhook-id"),
    credentials=(HmacHeader("x-pagerduty-signature", "v1="),),
    options=(SEVERITIES,),
    hint=(
        "Integrations, Generic Webhooks (v3), New Webhook: the address as Webhook URL, scope and the events "
        "of incidents. It shows a secret of its own once: hand that over with --secret, or with "
        "POST /api/v1/intakes/{id}/secrets."
    ),
)
