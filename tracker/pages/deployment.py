"""The page of a deployment: what happened, why it counts as it does, and its history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect

from metrics.definitions.words import span
from metrics.domain.vocabulary import Status
from metrics.queries.outcomes import NO_OUTCOME, Finished
from metrics.queries.receipts import DeploymentReceipt, Entry
from tracker.auth.tokens import Scope
from tracker.deployments.routes import ListedDeployment, with_outcomes
from tracker.deployments.schemas import DeploymentAnswer
from tracker.deployments.service import RecordedDeployment
from tracker.deployments.steps import Step, steps_of
from tracker.pages.frame.access import PAGE, signed_in
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.live import live_page
from tracker.pages.frame.words import about, left_out_words, no_break, rule_words, short_release
from tracker.pages.parts.drawing import share_bar
from tracker.pages.parts.history import HistoryRow, history_rows
from tracker.pages.parts.naming import Names, names_of
from tracker.records.history import entries
from tracker.records.tables import DEPLOYMENTS
from tracker.web.answers import PASSED_OVER
from tracker.web.paging import CallerRequest
from tracker.web.state import Service
from tracker.web.visible import load_visible, load_visible_history


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `tone` is quiet, done, bad or good."""

    at: datetime
    what: str
    note: str
    tone: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """What says that the deployment failed, or what it repaired, and by which rule."""

    kind: str
    text: str
    url: str | None
    rule: str
    at: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class CarriedCommit:
    sha: str
    committed_at: datetime
    lead_time: str


@dataclass(frozen=True, slots=True)
class DeploymentPage:
    asked: Asked
    deployment: ListedDeployment
    about: str
    release: str
    timeline: Sequence[Event]
    failed_by: Sequence[Why]
    repaired: Why | None
    recovered_in: str | None
    commits: Sequence[CarriedCommit]
    steps: Sequence[tuple[Step, str, Any]]
    counted: Sequence[tuple[str, str]]
    history: Sequence[HistoryRow]


@get(
    "/deployments/{deployment_id:str}",
    include_in_schema=False,
    opt=PAGE,
    guards=[signed_in(Scope.DEPLOYMENTS_READ)],
    sync_to_thread=True,
)
def deployment_page(
    deployment_id: FromPath[str], request: CallerRequest, service: Service
) -> Response[bytes] | Redirect:
    """One deployment: what happened, why it counts as it does, and its history."""
    # Whoever may not see it is told so before anything else is read.
    load_visible(service.engine, request.user, DEPLOYMENTS, deployment_id)
    with service.engine.connect() as connection:
        steps = tuple(steps_of(connection, deployment_id))
    return live_page(
        request,
        service,
        "deployment",
        lambda asked: _deployment(asked, deployment_id, steps),
        follows_history=False,
        also=steps,
    )


def _deployment(asked: Asked, deployment_id: str, steps: Sequence[Step]) -> DeploymentPage:
    engine = asked.service.engine
    row = load_visible(engine, asked.caller, DEPLOYMENTS, deployment_id)
    recorded = RecordedDeployment.from_row(row)
    (one,) = with_outcomes(asked.service, asked.caller, [recorded])
    receipt = asked.session.deployment_receipt(deployment_id, one.finished_at or one.started_at)
    causes = list(receipt.failed_by)
    repaired_id = None if receipt.repairs is None else receipt.repairs.deployment_id
    names = names_of(
        engine,
        asked.caller.organization,
        [*[cause["id"] for cause in causes if cause["kind"] == "remediation"], repaired_id],
        [cause["id"] for cause in causes if cause["kind"] == "incident"],
    )
    failed_by = [_why(cause, names) for cause in causes] if one.failed else []
    versions = load_visible_history(engine, asked.caller, DEPLOYMENTS, deployment_id)
    history = history_rows(
        entries(
            versions, lambda version: DeploymentAnswer.of(RecordedDeployment.from_row(version)), PASSED_OVER
        )
    )
    outcome = asked.session.outcomes(_finished(one)).get(deployment_id, NO_OUTCOME)
    recovered = outcome.seconds_to_recover
    return DeploymentPage(
        asked=asked,
        deployment=one,
        about=about(one.repository, one.service),
        release=short_release(one.version, one.commit_id),
        timeline=_timeline(one, failed_by),
        failed_by=failed_by,
        repaired=_repaired(receipt, names),
        recovered_in=None if recovered is None else no_break(span(recovered)),
        commits=_commits(one),
        steps=[
            (step, no_break(span(step.duration_sec)), share_bar(min(1, step.duration_sec / total)))
            for step in steps
            if (total := one.duration_seconds or sum(other.duration_sec for other in steps))
        ],
        counted=[(entry.metric, _entry_words(entry)) for entry in receipt.metrics],
        history=history,
    )


def _finished(one: ListedDeployment) -> Sequence[Finished]:
    if one.id is None or one.finished_at is None:
        return []
    return [Finished(one.id, one.finished_at, one.environment)]


def _why(cause: Mapping[str, Any], names: Names) -> Why:
    if cause["kind"] == "incident":
        incident = names.incidents.get(cause["id"] or "")
        text = "one that cannot be seen" if incident is None else incident.title
        url = None if incident is None else incident.url
        kind = "Incident"
    else:
        repair = names.deployments.get(cause["id"] or "")
        text = "one that cannot be seen" if repair is None else f"{repair.about} {repair.release}"
        url = None if repair is None else repair.url
        kind = " and ".join(cause["signals"]).capitalize() or "Repair"
    rule = rule_words(cause["method"])
    return Why(kind, text, url, rule, cause["happened_at"], cause["resolved_at"])


def _repaired(receipt: DeploymentReceipt, names: Names) -> Why | None:
    mark = receipt.repairs
    if mark is None:
        return None
    found = names.deployments.get(mark.deployment_id or "")
    kind = " and ".join(mark.signals).capitalize()
    if found is None:
        return Why(kind, "nobody knows which deployment", None, mark.reason or "", None, None)
    rule = rule_words(mark.method)
    return Why(kind, f"{found.about} {found.release}", found.url, rule, found.finished_at, None)


def _timeline(one: ListedDeployment, failed_by: Sequence[Why]) -> Sequence[Event]:
    events = []
    if one.commits:
        first = min(one.commits, key=lambda commit: commit.committed_at)
        last = max(one.commits, key=lambda commit: commit.committed_at)
        events.append(Event(first.committed_at, "First change written", first.sha[:10], "quiet"))
        if last is not first:
            events.append(Event(last.committed_at, "Last change written", last.sha[:10], "quiet"))
    if one.started_at is not None:
        who = f"by {one.member_id}" if one.member_id else ""
        events.append(Event(one.started_at, "Deployment started", who, "quiet"))
    if one.finished_at is not None:
        took = f"after {no_break(span(one.duration_seconds))}" if one.duration_seconds is not None else ""
        what, tone = _ENDS[one.status]
        events.append(Event(one.finished_at, what.format(one.environment), took, tone))
    for why in failed_by:
        if why.at is None:
            continue
        is_incident = why.kind == "Incident"
        what = "Incident began" if is_incident else f"{why.kind} reached users"
        events.append(Event(why.at, what, why.text, "bad" if is_incident else "done", why.url))
        if why.until is not None:
            events.append(Event(why.until, "Incident was over", why.text, "good", why.url))
    return sorted(events, key=lambda event: event.at)


_ENDS = {
    Status.SUCCESS: ("Reached {}", "done"),
    Status.FAIL: ("Did not get through to {}", "bad"),
    Status.CANCELLED: ("Was cancelled", "quiet"),
    Status.IN_PROGRESS: ("Still under way", "quiet"),
}


def _commits(one: ListedDeployment) -> Sequence[CarriedCommit]:
    if one.finished_at is None:
        return [CarriedCommit(commit.sha, commit.committed_at, "") for commit in one.commits]
    return [
        CarriedCommit(
            commit.sha,
            commit.committed_at,
            no_break(span((one.finished_at - commit.committed_at).total_seconds())),
        )
        for commit in sorted(one.commits, key=lambda commit: commit.committed_at)
    ]


def _entry_words(entry: Entry) -> str:
    if entry.counted:
        return "counted, and in the numerator" if entry.in_numerator else "counted"
    if entry.reason == "not_failed":
        return "not counted: it did not fail"
    return f"not counted: {left_out_words(entry.reason)}"
