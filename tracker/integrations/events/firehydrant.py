"""FireHydrant's webhooks: incidents by their milestones, which every event carries."""

from tracker.intakes.events import Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import EventSource, HmacHeader, Incoming
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.events.severities import SEVERITIES, not_counted
from tracker.senders import keys

_OVER = ("resolved", "postmortem_started", "postmortem_completed", "retrospective_started",
         "retrospective_completed", "closed")  # fmt: skip


def _read(incoming: Incoming) -> Told:
    event = Fields.of(incoming.payload)
    kind = event.object("event").need("resource_type")
    if kind != "incident":
        return [Ignored("event_not_used", kind)]
    incident = event.object("data").object("incident")
    milestones = {one.text("type"): one.instant("occurred_at") for one in incident.objects("milestones")}
    turn = _turn(event.object("event").text("operation") or "", incident)
    severity, priority = _slug(incident, "severity"), _slug(incident, "priority")
    fields = said(
        title=incident.short("name"),
        url=incident.url("incident_url") or incident.url("private_status_page_url"),
        severity=severity or priority,
        service=_impacted(incident, "service"),
        environment=_impacted(incident, "environment"),
    )
    return [
        IncidentTold(
            key=keys.sender_key("firehydrant", "", "incident", incident.need("id")),
            at=incident.instant("updated_at") or incoming.received_at,
            turn=turn,
            started_at=milestones.get("started")
            or incident.instant("started_at")
            or incident.need_instant("created_at"),
            resolved_at=milestones.get("resolved") if turn is Turn.RESOLVED else None,
            fields=fields,
            set_aside=not_counted(incoming.options, severity, priority),
        )
    ]


def _turn(operation: str, incident: Fields) -> Turn:
    if operation.upper() in ("DELETED", "DISCARDED") or incident.text("discarded_at") is not None:
        return Turn.WITHDRAWN
    return Turn.RESOLVED if incident.text("current_milestone") in _OVER else Turn.REOPENED


def _slug(incident: Fields, name: str) -> str | None:
    return incident.object(name).short("slug") or incident.short(name)


def _impacted(incident: Fields, kind: str) -> str | None:
    """The first thing of a kind that it impacts."""
    for impact in incident.objects("impacts"):
        thing = impact.object("impact") if "impact" in impact.values else impact
        if (thing.text("type") or "").lower() == kind:
            return thing.short("name")
    return None


SOURCE = EventSource(
    name="firehydrant",
    title="FireHydrant",
    read=_read,
    event_of=lambda incoming: Fields.of(incoming.payload).object("event").text("resource_type") or "",
    credentials=(HmacHeader("fh-signature"),),
    options=(SEVERITIES,),
    hint="Settings, Webhooks, Add webhook: the address as URL, the secret as Secret, subscribe to Incidents.",
)
