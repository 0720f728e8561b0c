"""Jira's webhooks: issues of the type Incident, or with a label, by what they say of themselves now."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from tracker.intakes.events import Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import EventSource, HmacHeader, Incoming, Option
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.events.severities import SEVERITIES, listed, not_counted
from tracker.senders import keys

_EVENTS = ("jira:issue_created", "jira:issue_updated", "jira:issue_deleted")
_TYPES = ("incident", "[system] incident")
_LABEL = "incident"
_NONE_AFTER_ALL = (
    "duplicate",
    "won't do",
    "won't fix",
    "declined",
    "cannot reproduce",
    "canceled",
    "cancelled",
)


def _read(incoming: Incoming) -> Told:
    event = Fields.of(incoming.payload)
    kind, issue = event.need("webhookEvent"), event.object("issue")
    if kind not in _EVENTS:
        return [Ignored("event_not_used", kind)]
    about = issue.object("fields")
    is_one = _is_incident(about.object("issuetype").text("name"), about.names("labels"), incoming.options)
    if not is_one and not _was_incident(event, incoming.options):
        return [Ignored("no_incident")]
    turn = _turn(kind, about) if is_one else Turn.WITHDRAWN
    address = urlsplit(issue.url("self") or "")
    # Not its key, which changes where it is moved to another project.
    identity = issue.text("id") or issue.need("key")
    severity = about.object("priority").short("name")
    components = about.names("components")
    fields = said(
        title=about.short("summary"),
        url=f"{address.scheme}://{address.netloc}/browse/{issue.need('key')}" if address.netloc else None,
        severity=severity,
        service=components[0] if components else about.object("project").short("name"),
    )
    return [
        IncidentTold(
            key=keys.sender_key("jira", address.hostname or "", "issue", identity),
            at=event.need_instant("timestamp"),
            turn=turn,
            started_at=about.need_instant("created"),
            resolved_at=about.instant("resolutiondate") if turn is Turn.RESOLVED else None,
            fields=fields,
            set_aside=not_counted(incoming.options, severity),
        )
    ]


def _turn(kind: str, about: Fields) -> Turn:
    """What it says of itself now: each event carries the whole issue."""
    if kind == "jira:issue_deleted":
        return Turn.WITHDRAWN
    if about.instant("resolutiondate") is None:
        # Open as of this event, whether or not it was over before.
        return Turn.REOPENED
    resolution = (about.object("resolution").text("name") or "").lower()
    is_none = resolution.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") in _NONE_AFTER_ALL
    return Turn.WITHDRAWN if is_none else Turn.RESOLVED


def _is_incident(kind: str | None, labels: Sequence[str], options: Mapping[str, str]) -> bool:
    kinds = listed(options, "issue_types") or _TYPES
    label = options.get("incident_label", _LABEL).lower()
    return (kind or "").lower() in kinds or label in (one.lower() for one in labels)


def _was_incident(event: Fields, options: Mapping[str, str]) -> bool:
    """Whether this very event takes the type or the label away that made it an incident."""
    for item in event.object("changelog").objects("items"):
        before = item.text("fromString") or ""
        match (item.text("field") or "").lower():
            case "issuetype" if _is_incident(before, (), options):
                return True
            case "labels" if _is_incident(None, before.split(), options):
                return True
    return False


SOURCE = EventSource(
    name="jira",
    title="Jira",
    read=_read,
    event_of=lambda incoming: Fields.of(incoming.payload).text("webhookEvent") or "",
    delivery_of=lambda incoming: incoming.headers.get("x-atlassian-webhook-identifier"),
    credentials=(HmacHeader("x-hub-signature", "sha256="),),
    options=(
        SEVERITIES,
        Option("issue_types", "the types of issues that are incidents, comma-separated; default: Incident"),
        Option("incident_label", "the label that makes an issue an incident; default: incident"),
    ),
    hint=(
        "Settings, System, WebHooks: the address as URL, the secret as Secret, the events Issue created, "
        "updated and deleted, and a JQL filter where you like."
    ),
)
