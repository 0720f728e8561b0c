"""CDEvents, as CloudEvents over HTTP: structured, binary or several at once; of any version."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from urllib.parse import parse_qs, unquote

from tracker.intakes.events import DeploymentTold, Happened, Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import EventSource, Incoming, Option, UnreadableEvent
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.events.severities import listed
from tracker.senders import keys

_TYPE = re.compile(r"dev\.cdevents\.(?P<subject>[a-z]+)\.(?P<predicate>[a-z]+)\.\d\S*", re.IGNORECASE)
_SOURCES = ("services", "deployments", "pipelineruns", "taskruns")
_SERVICE = ("deployed", "upgraded", "rolledback")
_RUNS = {"deployment": "deployments", "pipelinerun": "pipelineruns", "taskrun": "taskruns"}
_RUN = {"queued": Happened.ASKED_FOR, "started": Happened.RUNNING}
_OUTCOMES = {
    "success": Happened.SUCCESS,
    "failure": Happened.FAIL,
    "error": Happened.FAIL,
    "cancel": Happened.CANCELLED,
}
_TURNS = {"detected": Turn.BEGUN, "reported": Turn.BEGUN, "resolved": Turn.RESOLVED}
_WHOLE_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HOSTS = {"github": "github.com", "bitbucket": "bitbucket.org", "gitlab": "gitlab.com"}
"""By the type of a package URL that is a repository's."""


def _read(incoming: Incoming) -> Told:
    told: list[DeploymentTold | IncidentTold | Ignored] = []
    for event in _events(incoming):
        try:
            told.append(_one(event, incoming.options))
        except UnreadableEvent as failure:
            # The others of a batch are none the worse for it.
            told.append(Ignored("unreadable", str(failure)))
    return told


def _events(incoming: Incoming) -> Iterator[Fields]:
    """The CDEvents, out of their CloudEvents' data or as they are."""
    batch = incoming.payload if isinstance(incoming.payload, list) else None
    for number, one in enumerate([incoming.payload] if batch is None else batch):
        event = Fields.of(one) if batch is None else Fields(one if isinstance(one, Mapping) else {})
        if "specversion" in event.values:
            event = event.object("data")
        yield Fields(event.values, "" if batch is None else f"[{number}]")


def _one(event: Fields, options: Mapping[str, str]) -> DeploymentTold | IncidentTold | Ignored:
    context = event.object("context")
    kind = _TYPE.fullmatch(context.need("type"))
    if kind is None:
        return Ignored("event_not_used", context.need("type"))
    subject, predicate = kind["subject"].lower(), kind["predicate"].lower()
    at = context.need_instant("timestamp")
    if subject == "service" and predicate in _SERVICE:
        return _service(event, predicate, at, options)
    if subject in _RUNS and (predicate in _RUN or predicate == "finished"):
        return _run(event, subject, predicate, at, options)
    if subject == "incident" and predicate in _TURNS:
        return _incident(event, _TURNS[predicate], at)
    return Ignored("event_not_used", f"{subject}.{predicate}")


def _service(
    event: Fields, predicate: str, at: datetime, options: Mapping[str, str]
) -> DeploymentTold | Ignored:
    """A service that runs in another version now; that it was about to is not told."""
    if _wanted(options) != "services":
        return Ignored("deployments_from", _wanted(options))
    context, subject = event.object("context"), event.object("subject")
    content = subject.object("content")
    fields = said(
        service=subject.short("id"),
        environment=content.object("environment").short("id"),
        is_rollback=predicate == "rolledback" or None,
        **_of_package(content.text("artifactId")),
    )
    identity = f"{context.need('source')}#{context.need('id')}"
    key = keys.sender_key("cdevents", "", "service", identity)
    return DeploymentTold(key=key, at=at, happened=Happened.SUCCESS, fields=fields)


def _run(
    event: Fields, kind: str, predicate: str, at: datetime, options: Mapping[str, str]
) -> DeploymentTold | Ignored:
    """A deployment, or the run of a pipeline or task that deploys, of those that the intake names."""
    if _wanted(options) != _RUNS[kind]:
        return Ignored("deployments_from", _wanted(options))
    subject = event.object("subject")
    content = subject.object("content")
    name = content.short("pipelineName") or content.short("taskName") or content.object("service").short("id")
    names = listed(options, "pipelines")
    if kind != "deployment" and names and (name or "").lower() not in names:
        return Ignored("other_pipeline", name or "")
    happened = _RUN.get(predicate)
    if happened is None:
        outcome = content.need("outcome").lower()
        if outcome not in _OUTCOMES:
            return Ignored("outcome_not_used", outcome)
        happened = _OUTCOMES[outcome]
    fields = said(
        service=name,
        environment=content.object("environment").short("id"),
        url=content.url("uri") or content.url("url"),
        **_of_package(content.text("artifactId")),
    )
    key = keys.sender_key("cdevents", "", kind, _identity(event))
    return DeploymentTold(key=key, at=at, happened=happened, fields=fields)


def _incident(event: Fields, turn: Turn, at: datetime) -> IncidentTold:
    content = event.object("subject").object("content")
    # What resolves it names the artifact that repairs, so that is none of the incident's.
    package = _of_package(content.text("artifactId")) if turn is Turn.BEGUN else {}
    package.pop("version", None)
    fields = said(
        title=content.short("description") if turn is Turn.BEGUN else None,
        url=content.url("ticketURI"),
        service=content.object("service").short("id"),
        environment=content.object("environment").short("id"),
        **package,
    )
    key = keys.sender_key("cdevents", "", "incident", _identity(event))
    return IncidentTold(key=key, at=at, turn=turn, fields=fields)


def _wanted(options: Mapping[str, str]) -> str:
    return options.get("deployments", _SOURCES[0])


def _identity(event: Fields) -> str:
    """A subject's id is its source's own; that of the event where the subject names none."""
    subject = event.object("subject")
    return f"{subject.text('source') or event.object('context').need('source')}#{subject.need('id')}"


def _of_package(package_url: str | None) -> dict[str, str]:
    """What a package URL says of a release: version, commit and repository.

    The purl specification: `pkg:type/namespace/name@version?qualifiers#subpath`.
    """
    if package_url is None:
        return {}
    path, _, query = package_url.partition("#")[0].partition("?")
    name, _, version = path.rpartition("@") if "@" in path else (path, "", "")
    found = {"version": unquote(version)}
    kind, _, of_it = name.removeprefix("pkg:").partition("/")
    if kind in _HOSTS and "/" in of_it:
        found["repository_url"] = f"https://{_HOSTS[kind]}/{unquote(of_it)}"
    source, _, revision = parse_qs(query).get("vcs_url", [""])[0].removeprefix("git+").rpartition("@")
    if source.startswith("https://"):
        found["repository_url"] = source
    commit = next((one for one in (revision, found["version"]) if _WHOLE_COMMIT.fullmatch(one)), None)
    return said(**found, commit_id=commit)


def _event_of(incoming: Incoming) -> str:
    if isinstance(incoming.payload, list):
        return "batch"
    return incoming.headers.get("ce-type") or next(_events(incoming)).object("context").text("type") or ""


def _delivery_of(incoming: Incoming) -> str | None:
    if isinstance(incoming.payload, list):
        return None
    context = next(_events(incoming)).object("context")
    source, identity = context.text("source"), context.text("id")
    return f"{source}#{identity}" if source and identity else None


SOURCE = EventSource(
    name="cdevents",
    title="CDEvents",
    read=_read,
    event_of=_event_of,
    delivery_of=_delivery_of,
    options=(
        Option("deployments", "which events are deployments", _SOURCES),
        Option("pipelines", "with pipelineruns or taskruns: those that deploy, by name, comma-separated"),
    ),
    hint="Send CloudEvents over HTTP to the address, with Authorization: Bearer and the secret.",
)
