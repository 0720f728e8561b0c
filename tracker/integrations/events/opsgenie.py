"""Opsgenie's webhooks: alerts, each an incident however often it is counted up."""

from tracker.intakes.events import Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import EventSource, Incoming, Option
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.events.severities import SEVERITIES, listed, not_counted
from tracker.senders import keys

_TURNS = {
    # Sent again for each team that is added.
    "Create": Turn.BEGUN,
    "Close": Turn.RESOLVED,
    "Delete": Turn.WITHDRAWN,
    "Acknowledge": Turn.DESCRIBED,
    "UnAcknowledge": Turn.DESCRIBED,
    "UpdateMessage": Turn.DESCRIBED,
    "UpdatePriority": Turn.DESCRIBED,
    "AddTags": Turn.DESCRIBED,
}


def _read(incoming: Incoming) -> Told:
    event = Fields.of(incoming.payload)
    action, alert = event.need("action"), event.object("alert")
    if action not in _TURNS:
        return [Ignored("event_not_used", action)]
    wanted, tags = listed(incoming.options, "tags"), {one.lower() for one in alert.names("tags")}
    if wanted and not tags & set(wanted):
        return [Ignored("other_tags", ",".join(sorted(tags))[:200])]
    turn, began = _TURNS[action], alert.instant("createdAt")
    changed_at = alert.instant("updatedAt") or incoming.received_at
    severity = alert.text("priority")
    fields = said(
        title=alert.short("message"),
        severity=severity,
        service=alert.object("details").short("service") or alert.short("entity"),
        environment=alert.object("details").short("environment"),
    )
    return [
        IncidentTold(
            key=keys.sender_key("opsgenie", "", "alert", alert.need("alertId")),
            at=began if turn is Turn.BEGUN and began is not None else changed_at,
            turn=turn,
            started_at=began,
            fields=fields,
            set_aside=not_counted(incoming.options, severity),
        )
    ]


SOURCE = EventSource(
    name="opsgenie",
    title="Opsgenie",
    read=_read,
    event_of=lambda incoming: Fields.of(incoming.payload).text("action") or "",
    options=(SEVERITIES, Option("tags", "alerts with one of these tags alone, comma-separated")),
    hint=(
        "Settings, Integrations, Webhook: the address as Webhook URL, and under Custom Headers "
        "Authorization: Bearer and the secret. Alert details are to be sent."
    ),
)
