"""Asking for a deployment, telling of its progress, and forgetting it: what other systems' interfaces do."""

from typing import Any

from sqlalchemy import func, select, update

from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import Status, environment_key
from tracker.deployments.requests import Request, Requested, find_requested, statuses_of
from tracker.deployments.service import delete_deployment, record_deployment, revise_deployment
from tracker.deployments.statuses import OUTCOMES, Progress, State, Told, tell, told_of
from tracker.errors import Conflict
from tracker.facts import Correction, DeploymentFacts, SentDeployment
from tracker.records.ledger import Author, Ledger, repository_columns
from tracker.records.tables import DEPLOYMENT_REQUESTS, DEPLOYMENT_STATUSES


def request_deployment(ledger: Ledger, author: Author, wanted: Request) -> Requested:
    """Keep what is asked for; where it deploys, with a record that is in progress."""
    deployment_id, number = None, None
    if wanted.deploys:
        sent = SentDeployment(_facts(wanted, author, ledger.now), frozenset())
        version = record_deployment(ledger, author, sent).deployment.version
        deployment_id, number = version.id, version.first_revision
    columns = ledger.numbered(author)
    row: dict[str, Any] = {
        **vars(wanted),
        **columns,
        **repository_columns(wanted.repository),
        "number": columns["revision"] if number is None else number,
        "deployment_id": deployment_id,
        "environment_key": environment_key(wanted.environment),
        "deleted_at": None,
    }
    del row["repository"]
    ledger.insert(DEPLOYMENT_REQUESTS, row)
    return find_requested(ledger.connection, author.organization, wanted.repository, row["number"])


def _facts(wanted: Request, author: Author, now: int) -> DeploymentFacts:
    return DeploymentFacts.in_progress(
        wanted.repository,
        wanted.environment,
        # A ref that is no commit is a branch or a tag: it says where the release is found, not which it is.
        commit_id=wanted.sha,
        branch=None if wanted.ref.lower() == wanted.sha else wanted.ref,
        title=wanted.description or None,
        started_at=now,
        member_id=author.subject,
        triggered_by="api",
    )


def report_progress(
    ledger: Ledger, author: Author, repository: RepositoryIdentity, number: int, progress: Progress
) -> Told:
    """Keep a status, and let the record follow. Raises `NotFound`.

    The first `in_progress` is the record's start, a final state its outcome and its finish. The latest
    outcome wins; one that is told again moves nothing.
    """
    requested = find_requested(ledger.connection, author.organization, repository, number)
    version_revision = None
    changes = _changes(ledger, requested, progress)
    if changes and requested.deployment_id is not None:
        revised = revise_deployment(ledger, author, requested.deployment_id, Correction(changes))
        version_revision = revised.version.revision
    told = tell(ledger, author, number, progress, version_revision)
    if progress.state is State.SUCCESS and progress.auto_inactive:
        _retire_others(ledger, author, requested)
    return told


def _changes(ledger: Ledger, requested: Requested, progress: Progress) -> dict[str, Any]:
    """What a state changes in the record."""
    if progress.state is State.IN_PROGRESS and requested.status is Status.IN_PROGRESS:
        told = told_of(ledger.connection, requested.number)
        return {} if any(one.state is State.IN_PROGRESS for one in told) else {"started_at": ledger.now}
    outcome = OUTCOMES.get(progress.state)
    if outcome is None or outcome is requested.status:
        return {}
    url = progress.environment_url or progress.log_url
    return {"status": outcome, "finished_at": ledger.now, **({"url": url} if url else {})}


def _retire_others(ledger: Ledger, author: Author, winner: Requested) -> None:
    """Say of those before it in its environment that they are inactive, but production and transient ones."""
    columns, statuses = DEPLOYMENT_REQUESTS.c, DEPLOYMENT_STATUSES.c
    latest = (
        select(func.max(statuses.revision))
        .where(statuses.number == columns.number)
        .correlate(DEPLOYMENT_REQUESTS)
    )
    others = ledger.connection.scalars(
        select(columns.number)
        .join(DEPLOYMENT_STATUSES, statuses.revision == latest.scalar_subquery())
        .where(
            statuses.state == State.SUCCESS.value,
            columns.organization == author.organization,
            columns.repository_key == winner.request.repository.key,
            columns.environment_key == environment_key(winner.request.environment),
            columns.number < winner.number,
            columns.transient_environment.is_(False),
            columns.production_environment.is_(False),
            columns.deleted_at.is_(None),
        )
    )
    for number in others.all():
        tell(ledger, author, number, Progress(state=State.INACTIVE))


def delete_requested(ledger: Ledger, author: Author, repository: RepositoryIdentity, number: int) -> None:
    """Close the record, and forget the request. Raises `NotFound`, and `Conflict` while it is active."""
    requested = find_requested(ledger.connection, author.organization, repository, number)
    told = statuses_of(ledger.connection, requested)
    if told and told[0].state is State.SUCCESS:
        raise Conflict("An active deployment cannot be deleted: tell that it is inactive first.")
    if requested.deployment_id is not None:
        delete_deployment(ledger, author, requested.deployment_id)
    columns = DEPLOYMENT_REQUESTS.c
    ledger.connection.execute(
        update(DEPLOYMENT_REQUESTS).where(columns.number == number).values(deleted_at=ledger.now)
    )
