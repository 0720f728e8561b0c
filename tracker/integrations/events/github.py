"""GitHub's webhooks, of a repository, an organization or an App: deployments, runs, releases, incidents.

Deployments come from one kind of event an intake: the same release told twice would count twice.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from metrics.domain.vocabulary import Status
from tracker.deployments.requests import DEPLOY_TASK
from tracker.intakes.events import (
    DeploymentTold,
    Happened,
    Ignored,
    IncidentTold,
    Told,
    Turn,
)
from tracker.intakes.sources import EventSource, HmacHeader, Incoming, Option, UnreadableEvent
from tracker.integrations.events.pushes import read_push
from tracker.integrations.events.reading import Fields, host_of, said
from tracker.senders import keys
from tracker.senders.states import GITHUB_DEPLOYMENT, GITHUB_RUN

_EVENT, _DELIVERY, _SIGNATURE = "x-github-event", "x-github-delivery", "x-hub-signature-256"
_DEPLOYMENTS = ("deployments", "workflow_run", "release")
_WORDS = {Status.SUCCESS: Happened.SUCCESS, Status.FAIL: Happened.FAIL, Status.CANCELLED: Happened.CANCELLED}
_MOST_COMMITS = 2_048
_NOT_USED = Ignored("event_not_used")


def _deployment_status(event: Fields, options: Mapping[str, str]) -> Told:
    """A status carries its whole deployment: that one's own event may have been lost."""
    told = _deployment(event, options)[0]
    if not isinstance(told, DeploymentTold):
        return [told]
    status = status_told(event.object("deployment_status"), told)
    return [status] if isinstance(status, Ignored) else [told, status]


def status_told(status: Fields, asked_for: DeploymentTold) -> DeploymentTold | Ignored:
    """What a status says of the deployment that was asked for. Raises `UnreadableEvent`."""
    state = status.need("state")
    if state not in GITHUB_DEPLOYMENT:
        return Ignored("state_not_used", state)
    outcome = GITHUB_DEPLOYMENT[state]
    running = Happened.RUNNING if state == "in_progress" else Happened.DESCRIBED
    fields = said(
        # Where it was put after all, if that is not where it was asked to be.
        environment=status.text("environment"),
        url=status.url("log_url") or status.url("target_url"),
    )
    return DeploymentTold(
        key=asked_for.key,
        at=status.need_instant("created_at"),
        rank=status.need_integer("id"),
        happened=running if outcome is None else _WORDS[outcome],
        fields={**asked_for.fields, **fields},
    )


def _deployment(event: Fields, options: Mapping[str, str]) -> Sequence[DeploymentTold | Ignored]:
    if _source(options) != "deployments":
        return [Ignored("deployments_from", _source(options))]
    return [deployment_told(event.object("deployment"), _repository(event))]


def deployment_told(deployment: Fields, url: str) -> DeploymentTold | Ignored:
    """That a deployment of the repository at the address was asked for. Raises `UnreadableEvent`."""
    task = deployment.text("task") or DEPLOY_TASK
    if task != DEPLOY_TASK:
        return Ignored("other_task", task)
    sha, ref = deployment.need("sha").lower(), deployment.text("ref")
    fields = said(
        repository_url=url,
        commit_id=sha,
        branch=None if ref is None or sha.startswith(ref.lower()) else ref,
        environment=deployment.text("environment"),
        production=deployment.flag("production_environment") or None,
        title=deployment.short("description"),
        member_id=deployment.object("creator").text("login"),
    )
    key = keys.github_deployment(host_of(url), deployment.need_integer("id"))
    at = deployment.need_instant("created_at")
    return DeploymentTold(key=key, at=at, happened=Happened.ASKED_FOR, fields=fields)


def _workflow_run(event: Fields, options: Mapping[str, str]) -> Told:
    """A run of a workflow that deploys, of those that the intake names."""
    if _source(options) != "workflow_run":
        return [Ignored("deployments_from", _source(options))]
    run, url = event.object("workflow_run"), _repository(event)
    named = [one.strip() for one in options.get("workflows", "").split(",") if one.strip()]
    path = (run.text("path") or "").partition("@")[0]
    if not {path, path.rpartition("/")[2], run.text("name")} & set(named):
        return [Ignored("other_workflow", path or run.text("name") or "")]
    if run.text("event") in ("pull_request", "pull_request_target"):
        return [Ignored("pull_request")]
    head = run.object("head_repository").url("html_url")
    if head is not None and head.lower() != url.lower():
        return [Ignored("fork", head)]
    began, ended = run.need_instant("run_started_at"), run.need_instant("updated_at")
    conclusion = run.text("conclusion")
    if conclusion not in GITHUB_RUN:
        return [Ignored("conclusion_not_used", conclusion or "")]
    outcome = GITHUB_RUN[conclusion]
    attempt = run.need_integer("run_attempt") if run.text("run_attempt") else 1
    key = keys.github_run(host_of(url), run.need_integer("id"), attempt)
    fields = said(
        repository_url=url,
        commit_id=run.commit("head_sha"),
        branch=run.text("head_branch"),
        title=run.short("display_title") or run.short("name"),
        url=run.url("html_url"),
        member_id=run.object("actor").text("login"),
    )
    if outcome is None:
        happened = Happened.RUNNING if run.text("status") == "in_progress" else Happened.ASKED_FOR
        return [DeploymentTold(key=key, at=began, happened=happened, fields=fields)]
    # A run that was never begun has a start after its end.
    started_at = began if began <= ended else None
    return [DeploymentTold(key=key, at=ended, happened=_WORDS[outcome], started_at=started_at, fields=fields)]


def _release(event: Fields, options: Mapping[str, str]) -> Told:
    """A release that was published; it is asked for, drafted and edited in events of their own."""
    if _source(options) != "release":
        return [Ignored("deployments_from", _source(options))]
    release, url = event.object("release"), _repository(event)
    if event.text("action") != "published" or release.flag("draft"):
        return [_NOT_USED]
    if release.flag("prerelease") and options.get("prereleases") != "yes":
        return [Ignored("prerelease")]
    fields = said(
        repository_url=url,
        version=release.need("tag_name"),
        # Mostly a branch; the commit only where it is one.
        commit_id=release.commit("target_commitish"),
        title=release.short("name"),
        url=release.url("html_url"),
        changelog=release.text("body"),
        member_id=release.object("author").text("login"),
    )
    key = keys.github_release(host_of(url), release.need_integer("id"))
    at = release.need_instant("published_at")
    return [DeploymentTold(key=key, at=at, happened=Happened.SUCCESS, fields=fields)]


def _issues(event: Fields, options: Mapping[str, str]) -> Told:
    """An issue that the intake's label makes an incident."""
    issue, url, action = event.object("issue"), _repository(event), event.text("action") or ""
    label = options.get("incident_label", "incident").lower()
    labelled = label in (one.lower() for one in issue.names("labels"))
    unlabelled = action == "unlabeled" and (event.object("label").text("name") or "").lower() == label
    if not (labelled or unlabelled):
        return [Ignored("no_incident")]
    key = keys.sender_key("github", host_of(url), "issue", issue.need("id"))
    turn, at = _turn(action, issue, unlabelled)
    fields = said(
        repository_url=url,
        title=issue.short("title"),
        url=issue.url("html_url"),
    )
    began = issue.need_instant("created_at")
    return [IncidentTold(key=key, at=at, turn=turn, started_at=began, fields=fields)]


def _push(event: Fields, _: Mapping[str, str]) -> Told:
    branch = event.object("repository").need("default_branch")
    return read_push(event, _repository(event), branch, most_listed=_MOST_COMMITS)


def _turn(action: str, issue: Fields, unlabelled: bool) -> tuple[Turn, datetime]:
    changed_at = issue.instant("updated_at") or issue.need_instant("created_at")
    if unlabelled or action in ("deleted", "transferred"):
        return Turn.WITHDRAWN, changed_at
    if action == "closed":
        closed_at = issue.instant("closed_at") or changed_at
        is_none = issue.text("state_reason") in ("not_planned", "duplicate")
        return (Turn.WITHDRAWN if is_none else Turn.RESOLVED), closed_at
    if action == "reopened" or (action == "labeled" and issue.text("state") == "open"):
        return Turn.REOPENED, changed_at
    if action == "opened":
        return Turn.BEGUN, issue.need_instant("created_at")
    return Turn.DESCRIBED, changed_at


_READERS: Mapping[str, Callable[[Fields, Mapping[str, str]], Told]] = {
    "deployment": _deployment,
    "deployment_status": _deployment_status,
    "workflow_run": _workflow_run,
    "release": _release,
    "issues": _issues,
    "push": _push,
    "ping": lambda *_: [Ignored("ping")],
}


def _read(incoming: Incoming) -> Told:
    reader = _READERS.get(_event_of(incoming))
    return [_NOT_USED] if reader is None else reader(Fields.of(incoming.payload), incoming.options)


def _event_of(incoming: Incoming) -> str:
    event = incoming.headers.get(_EVENT)
    if event is None:
        raise UnreadableEvent("the header X-GitHub-Event is missing")
    return event


def _source(options: Mapping[str, str]) -> str:
    return options.get("deployments", _DEPLOYMENTS[0])


def _repository(event: Fields) -> str:
    return event.object("repository").need_url("html_url")


SOURCE = EventSource(
    name="github",
    title="GitHub",
    read=_read,
    event_of=_event_of,
    delivery_of=lambda incoming: incoming.headers.get(_DELIVERY),
    credentials=(HmacHeader(_SIGNATURE, "sha256="),),
    options=(
        Option("deployments", "which events are deployments", _DEPLOYMENTS),
        Option("workflows", "with workflow_run: the workflows that deploy, by file or name, comma-separated"),
        Option("prereleases", "with release: whether those count", ("yes", "no")),
        Option("incident_label", "the label that makes an issue an incident; default: incident"),
    ),
    hint=(
        "Settings, Webhooks, Add webhook: the address as Payload URL, Content type application/json, "
        "the secret, and the events Deployments, Deployment statuses, Workflow runs, Releases, Pushes "
        "and Issues."
    ),
)
