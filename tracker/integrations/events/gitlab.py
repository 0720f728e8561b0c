"""GitLab's webhooks, of a project or a group: deployments, jobs, releases, incidents.

Deployments come from one kind of event an intake: the same release told twice would count twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from metrics.domain.vocabulary import Status
from tracker.intakes.events import DeploymentTold, Happened, Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import (
    EventSource,
    Incoming,
    Option,
    SecretHeader,
    StandardWebhook,
    UnreadableEvent,
)
from tracker.integrations.events.pushes import read_push
from tracker.integrations.events.reading import Fields, host_of, said
from tracker.senders import keys
from tracker.senders.states import GITLAB

_EVENT, _TOKEN = "x-gitlab-event", "x-gitlab-token"
_DEPLOYMENTS = ("deployments", "pipeline", "job", "release")
_PRODUCTION = "production"
_MOST_COMMITS = 20
_NOT_USED = Ignored("event_not_used")

_WORDS = {Status.SUCCESS: Happened.SUCCESS, Status.FAIL: Happened.FAIL, Status.CANCELLED: Happened.CANCELLED}
# The order in which states follow each other: GitLab's times have no fractions of a second.
_RANKS = {state: rank for rank, state in enumerate(GITLAB)}
# Of a job; one that is created, skipped or waits has deployed nothing and may never do.
_JOB_STATES = ("running", "success", "failed", "canceled")


def _happened(state: str) -> Happened:
    outcome = GITLAB[state]
    if outcome is not None:
        return _WORDS[outcome]
    return Happened.RUNNING if state == "running" else Happened.ASKED_FOR


def _deployment(event: Fields, options: Mapping[str, str]) -> Told:
    """A change of a deployment's status; a job that is retried makes another deployment."""
    if _source(options) != "deployments":
        return [Ignored("deployments_from", _source(options))]
    state = event.need("status")
    if state not in GITLAB:
        return [Ignored("state_not_used", state)]
    url = _project(event)
    return [
        DeploymentTold(
            key=keys.gitlab_deployment(host_of(url), event.need_integer("deployment_id")),
            at=event.need_instant("status_changed_at"),
            rank=_RANKS[state],
            happened=_happened(state),
            fields=said(
                repository_url=url,
                commit_id=_commit_of(event),
                branch=event.text("ref"),
                environment=event.text("environment"),
                production=True if event.text("environment_tier") == _PRODUCTION else None,
                title=event.short("commit_title"),
                url=event.url("deployable_url"),
                member_id=event.object("user").text("username"),
            ),
        )
    ]


def _commit_of(event: Fields) -> str | None:
    """The whole hash stands in the commit's address alone."""
    last = (event.text("commit_url") or "").rstrip("/").rpartition("/")[2]
    return Fields({"sha": last}).commit("sha") or event.commit("short_sha")


def _pipeline(event: Fields, options: Mapping[str, str]) -> Told:
    """The jobs of a pipeline that put something into an environment."""
    if _source(options) != "pipeline":
        return [Ignored("deployments_from", _source(options))]
    pipeline = event.object("object_attributes")
    told = [
        one
        for build in event.objects("builds")
        if _deploys(build, build.text("name"), options)
        for one in _job_told(
            event,
            pipeline,
            build,
            number=build.need_integer("id"),
            state=build.need("status"),
            prefix="",
            sha=pipeline.commit("sha"),
            title=event.object("commit").short("title") or build.text("name"),
        )
    ]
    return told or [Ignored("no_deploying_job")]


def _job(event: Fields, options: Mapping[str, str]) -> Told:
    """A job that puts something into an environment; `commit.id` is its pipeline's number, no commit."""
    if _source(options) != "job":
        return [Ignored("deployments_from", _source(options))]
    if not _deploys(event, event.text("build_name"), options):
        return [Ignored("no_deploying_job", event.text("build_name") or "")]
    return list(
        _job_told(
            event,
            event,
            event,
            number=event.need_integer("build_id"),
            state=event.need("build_status"),
            prefix="build_",
            sha=event.commit("sha"),
            title=event.object("commit").short("message") or event.text("build_name"),
        )
    )


def _deploys(job: Fields, name: str | None, options: Mapping[str, str]) -> bool:
    """Whether the intake names the job; where it names none: whether it starts an environment."""
    named = [one.strip() for one in options.get("jobs", "").split(",") if one.strip()]
    if named:
        return name in named
    environment = job.object("environment")
    return environment.text("name") is not None and environment.text("action") in (None, "start")


def _job_told(
    event: Fields,
    pipeline: Fields,
    job: Fields,
    *,
    number: int,
    state: str,
    prefix: str,
    sha: str | None,
    title: str | None,
) -> Iterator[DeploymentTold | Ignored]:
    """What a job's state tells; `prefix` begins the names of its fields."""
    if state not in _JOB_STATES:
        yield Ignored("state_not_used", state)
        return
    happened = _happened(state)
    started_at, finished_at = job.instant(f"{prefix}started_at"), job.instant(f"{prefix}finished_at")
    at = (finished_at if happened.is_final else None) or started_at or job.need_instant(f"{prefix}created_at")
    url, environment = _project(event), job.object("environment")
    ref = pipeline.text("ref")
    is_tag = pipeline.flag("tag") is True
    yield DeploymentTold(
        key=keys.gitlab_job(host_of(url), number),
        at=at,
        rank=_RANKS[state],
        happened=happened,
        # A job that was never begun has no start.
        started_at=started_at if happened.is_final and started_at is not None and started_at <= at else None,
        fields=said(
            repository_url=url,
            commit_id=sha,
            version=ref if is_tag else None,
            branch=None if is_tag else ref,
            environment=environment.text("name"),
            production=True if environment.text("deployment_tier") == _PRODUCTION else None,
            title=title,
            url=f"{url}/-/jobs/{number}",
            member_id=job.object("user").text("username") or event.object("user").text("username"),
        ),
    )


def _release(event: Fields, options: Mapping[str, str]) -> Told:
    """A release that was made; one that is edited or deleted later tells nothing of a deployment."""
    if _source(options) != "release":
        return [Ignored("deployments_from", _source(options))]
    if event.text("action") != "create":
        return [_NOT_USED]
    url, tag = _project(event), event.need("tag")
    return [
        DeploymentTold(
            key=keys.gitlab_release(host_of(url), tag),
            at=event.instant("released_at") or event.need_instant("created_at"),
            happened=Happened.SUCCESS,
            fields=said(
                repository_url=url,
                version=tag,
                commit_id=event.object("commit").commit("id"),
                title=event.short("name"),
                url=event.url("url"),
                changelog=event.text("description"),
            ),
        )
    ]


def _issue(event: Fields, options: Mapping[str, str]) -> Told:
    """An incident, or an issue that the intake's label makes one."""
    issue = event.object("object_attributes")
    label = options.get("incident_label", "incident").lower()
    is_typed = (issue.text("type") or "").lower() == "incident"
    labelled = label in _labels(issue.names("labels", "title") or event.names("labels", "title"))
    was_labelled = label in _labels(event.object("changes").object("labels").names("previous", "title"))
    if not (is_typed or labelled or was_labelled):
        return [Ignored("no_incident")]
    url, action = _project(event), issue.text("action") or ""
    created_at = issue.need_instant("created_at")
    changed_at = issue.instant("updated_at") or created_at
    turn = _turn(action, issue, is_withdrawn=not (is_typed or labelled))
    at = created_at if turn is Turn.BEGUN else changed_at
    if turn is Turn.RESOLVED:
        at = issue.instant("closed_at") or changed_at
    return [
        IncidentTold(
            key=keys.sender_key("gitlab", host_of(url), "issue", issue.need("id")),
            at=at,
            turn=turn,
            started_at=created_at,
            fields=said(
                repository_url=url,
                title=issue.short("title"),
                url=issue.url("url"),
                severity=None if issue.text("severity") == "unknown" else issue.text("severity"),
            ),
        )
    ]


def _labels(names: Sequence[str]) -> list[str]:
    return [name.lower() for name in names]


def _turn(action: str, issue: Fields, *, is_withdrawn: bool) -> Turn:
    if is_withdrawn:
        return Turn.WITHDRAWN
    if action == "close":
        is_none = issue.text("duplicated_to_id") or issue.text("moved_to_id")
        return Turn.WITHDRAWN if is_none else Turn.RESOLVED
    return {"open": Turn.BEGUN, "reopen": Turn.REOPENED}.get(action, Turn.DESCRIBED)


def _push(event: Fields, _: Mapping[str, str]) -> Told:
    """Commits that came onto the default branch; their times are those that git shows, not their authors'."""
    branch = event.object("project").need("default_branch")
    return read_push(event, _project(event), branch, most_listed=_MOST_COMMITS)


_READERS: Mapping[str, Callable[[Fields, Mapping[str, str]], Told]] = {
    "Deployment Hook": _deployment,
    "Pipeline Hook": _pipeline,
    "Job Hook": _job,
    "Release Hook": _release,
    "Issue Hook": _issue,
    "Confidential Issue Hook": _issue,
    "Work Item Hook": _issue,
    "Push Hook": _push,
}


def _read(incoming: Incoming) -> Told:
    reader = _READERS.get(_event_of(incoming))
    return [_NOT_USED] if reader is None else reader(Fields.of(incoming.payload), incoming.options)


def _event_of(incoming: Incoming) -> str:
    event = incoming.headers.get(_EVENT)
    if event is None:
        raise UnreadableEvent("the header X-Gitlab-Event is missing")
    return event


def _delivery_of(incoming: Incoming) -> str | None:
    """GitLab's `Idempotency-Key` names the delivery; the service's own header of that name says more."""
    return incoming.headers.get("webhook-id") or incoming.headers.get("idempotency-key")


def _source(options: Mapping[str, str]) -> str:
    return options.get("deployments", _DEPLOYMENTS[0])


def _project(event: Fields) -> str:
    return event.object("project").need_url("web_url")


SOURCE = EventSource(
    name="gitlab",
    title="GitLab",
    read=_read,
    event_of=_event_of,
    delivery_of=_delivery_of,
    credentials=(StandardWebhook(), SecretHeader(_TOKEN)),
    options=(
        Option("deployments", "which events are deployments", _DEPLOYMENTS),
        Option(
            "jobs",
            "with pipeline or job: the jobs that deploy, by name, comma-separated; default: those with an "
            "environment that they start",
        ),
        Option("incident_label", "the label that makes an issue an incident; default: incident"),
    ),
    hint=(
        "Settings, Webhooks, Add new webhook, of the project or the group: the address as URL, the secret as "
        "Secret token, and the triggers Push events, Deployment events, Releases events and Issues events."
    ),
)
