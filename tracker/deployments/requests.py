"""Deployments as other systems' interfaces know them: asked for, under a number, with statuses.

What a record holds is in the record, and in it alone. What it does not hold is kept once for all sources.
Every deployment has a number, however it was recorded: its first revision.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, literal, select, union_all, update

from metrics.domain.corrections import Correction
from metrics.domain.deployments import DeploymentFacts, SentDeployment, require_key_fits
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import DEFAULT_ENVIRONMENT, Status, name_key
from tracker.deployments.service import (
    RecordedDeployment,
    delete_deployment,
    record_deployment,
    revise_deployment,
)
from tracker.deployments.statuses import (
    OUTCOMES,
    DeploymentStatus,
    Progress,
    State,
    latest_statuses,
    record_status,
    statuses_of,
    versions_made_by_statuses,
)
from tracker.errors import Conflict, NotFound
from tracker.records.ledger import Author, Ledger, repository_columns, repository_of
from tracker.records.tables import (
    DEPLOYMENT_REQUESTS,
    DEPLOYMENT_STATUSES,
    DEPLOYMENTS,
    current,
    is_current,
)

DEPLOY_TASK = "deploy"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked to be deployed."""

    repository: RepositoryIdentity
    ref: str
    sha: str | None
    task: str = DEPLOY_TASK
    environment: str
    description: str | None = None
    payload: Any = None
    auto_merge: bool = False
    required_contexts: list[str] | None = None
    transient_environment: bool = False
    production_environment: bool = False

    @property
    def deploys(self) -> bool:
        """Whether it puts a release into an environment, and is no task of another kind."""
        return self.task.partition(":")[0] == DEPLOY_TASK


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A deployment by its number. `deployment_id` and `status` are its record's; None where it has none."""

    number: int
    request: Request
    environment: str
    """Where it is, which may be another one than was asked for."""
    creator: str
    created_at: int
    updated_at: int
    deployment_id: str | None
    status: Status | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Which deployments of a repository; None: not limited by this."""

    organization: str
    repository: RepositoryIdentity
    ref: str | None = None
    sha: str | None = None
    task: str | None = None
    environment: str | None = None


def find_requested(
    connection: Connection, organization: str, repository: RepositoryIdentity, number: int
) -> Requested:
    """The deployment of a repository that has the number. Raises `NotFound`."""
    found = _read(connection, RequestFilter(organization=organization, repository=repository), [number])
    if not found:
        raise NotFound(f"There is no deployment {number} of {repository.path}.")
    return found[0]


def list_requested(
    connection: Connection, wanted: RequestFilter, *, offset: int, limit: int
) -> tuple[Sequence[Requested], int]:
    """Some deployments of a repository, the newest first, and how many there are."""
    every = union_all(*_numbers(wanted)).subquery()
    total = connection.execute(select(func.count()).select_from(every)).scalar_one()
    page = select(every.c.number).order_by(every.c.number.desc()).offset(offset).limit(limit)
    return _read(connection, wanted, connection.scalars(page).all()), total


def status_history(connection: Connection, requested: Requested) -> list[DeploymentStatus]:
    """List a deployment's statuses and the other changes of its record; the latest first.

    A change of the record has its version's revision for a number.
    """
    statuses = statuses_of(connection, requested.number)
    made_by_statuses = versions_made_by_statuses(connection, [requested.number])
    statement = select(DEPLOYMENTS).where(_RECORD.id == requested.deployment_id).order_by(_RECORD.revision)
    status = Status.IN_PROGRESS
    for row in connection.execute(statement):
        changed, status = row.status != status, Status(row.status)
        if changed and row.revision not in made_by_statuses:
            statuses.append(
                DeploymentStatus.from_record(row.revision, status, row.recorded_by, row.recorded_at)
            )
    return sorted(statuses, key=lambda one: one.number, reverse=True)


_RECORD, _REQUEST = DEPLOYMENTS.c, DEPLOYMENT_REQUESTS.c


def _of_repository(wanted: RequestFilter) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
    """Select the deployments of a repository, recorded or requested; deleted ones are left out."""
    organization, key = wanted.organization, wanted.repository.key
    return (
        [
            current(_RECORD, organization),
            _RECORD.repository_key == key,
        ],
        [
            _REQUEST.organization == organization,
            _REQUEST.repository_key == key,
            _REQUEST.deleted_at.is_(None),
        ],
    )


def _numbers(wanted: RequestFilter) -> tuple[Any, Any]:
    """The numbers of records, with or without a request, and of requests without a record."""
    records, requests = _of_repository(wanted)
    key = None if wanted.environment is None else name_key(wanted.environment)
    asked = (wanted.ref, wanted.sha, wanted.task, key)
    recorded = (
        func.coalesce(_REQUEST.ref, _RECORD.branch, _RECORD.version, _RECORD.commit_id),
        func.coalesce(_RECORD.commit_id, _REQUEST.sha),
        func.coalesce(_REQUEST.task, literal(DEPLOY_TASK)),
        _RECORD.environment_key,
    )
    requested = (_REQUEST.ref, _REQUEST.sha, _REQUEST.task, _REQUEST.environment_key)
    return (
        select(_RECORD.first_revision.label("number"))
        .select_from(DEPLOYMENTS.outerjoin(DEPLOYMENT_REQUESTS, _REQUEST.deployment_id == _RECORD.id))
        .where(*records, *_equal(recorded, asked)),
        select(_REQUEST.number).where(*requests, _REQUEST.deployment_id.is_(None), *_equal(requested, asked)),
    )


def _equal(columns: Sequence[ColumnElement[Any]], texts: Sequence[str | None]) -> list[ColumnElement[bool]]:
    return [column == text for column, text in zip(columns, texts, strict=True) if text is not None]


def _read(connection: Connection, wanted: RequestFilter, numbers: Sequence[int]) -> list[Requested]:
    """Read deployments by number, in that order; one that the repository does not have is left out."""
    records, requests = _of_repository(wanted)
    found = connection.execute(select(DEPLOYMENTS).where(*records, _RECORD.first_revision.in_(numbers)))
    recorded = {row.first_revision: RecordedDeployment.from_row(row) for row in found}
    asked = {
        row.number: row
        for row in connection.execute(
            select(DEPLOYMENT_REQUESTS).where(*requests, _REQUEST.number.in_(numbers))
        )
    }
    statuses = latest_statuses(connection, numbers)
    return [
        requested_of(recorded.get(number), asked.get(number), statuses.get(number))
        for number in numbers
        if number in recorded or (number in asked and asked[number].deployment_id is None)
    ]


def requested_of(
    recorded: RecordedDeployment | None, row: Row[Any] | None, status: DeploymentStatus | None
) -> Requested:
    """Put a deployment together out of its record, its request, or both, and its last status."""
    status_at = 0 if status is None else status.created_at
    if recorded is None:
        assert row is not None
        return Requested(
            number=row.number,
            request=_request_of_row(row),
            environment=row.environment,
            creator=row.recorded_by,
            created_at=row.recorded_at,
            updated_at=max(row.recorded_at, status_at),
            deployment_id=None,
            status=None,
        )
    version = recorded.version
    return Requested(
        number=version.first_revision,
        request=_request_of_record(recorded.facts) if row is None else _request_of_row(row),
        environment=recorded.facts.environment,
        creator=version.recorded_by if row is None else row.recorded_by,
        created_at=version.created_at,
        updated_at=max(version.recorded_at, status_at),
        deployment_id=version.id,
        status=recorded.facts.status,
    )


def _request_of_record(facts: DeploymentFacts) -> Request:
    return Request(
        repository=facts.repository,
        ref=facts.branch or facts.version or facts.commit_id or "",
        sha=facts.commit_id,
        environment=facts.environment,
        description=facts.title,
        production_environment=facts.production or facts.environment_key == DEFAULT_ENVIRONMENT,
    )


_REQUEST_COLUMNS = tuple(field.name for field in fields(Request) if field.name != "repository")


def _request_of_row(row: Row[Any]) -> Request:
    repository = repository_of(row._mapping)
    assert repository is not None
    return Request(repository=repository, **{name: row._mapping[name] for name in _REQUEST_COLUMNS})


def request_deployment(ledger: Ledger, author: Author, wanted: Request) -> Requested:
    """Keep a request; where it deploys, record a deployment that is in progress."""
    deployment_id, number = None, None
    require_key_fits(wanted.repository.key)
    if wanted.deploys:
        sent = SentDeployment(_facts(wanted, author, ledger.now), frozenset())
        version = record_deployment(ledger, author, sent).deployment.version
        deployment_id, number = version.id, version.first_revision
    columns = ledger.next_event_columns(author)
    row: dict[str, Any] = {
        **vars(wanted),
        **columns,
        **repository_columns(wanted.repository),
        "number": columns["revision"] if number is None else number,
        "deployment_id": deployment_id,
        "environment_key": name_key(wanted.environment),
        "deleted_at": None,
    }
    del row["repository"]
    ledger.insert(DEPLOYMENT_REQUESTS, row)
    return find_requested(ledger.connection, author.organization, wanted.repository, row["number"])


def _facts(wanted: Request, author: Author, now: int) -> DeploymentFacts:
    return DeploymentFacts.of(
        wanted.repository,
        wanted.environment,
        status=Status.IN_PROGRESS,
        commit_id=wanted.sha,
        production=wanted.production_environment or None,
        **release_of_ref(wanted.ref, wanted.sha),
        title=wanted.description or None,
        started_at=now,
        member_id=author.subject,
        triggered_by="api",
    )


# A tag says which release it is; a branch only where one is found. Without git they are told by their names.
_TAG = re.compile(r"v?\d+\.\d+(\.\d+)*([-+.]\w[\w.+-]*)?", re.ASCII)
_OF_TAGS, _OF_BRANCHES = "refs/tags/", "refs/heads/"


def release_of_ref(ref: str, commit_id: str | None) -> dict[str, str]:
    """The branch or the version that a ref is; neither where it is the commit."""
    if ref.lower() == commit_id:
        return {}
    if ref.startswith(_OF_TAGS) or _TAG.fullmatch(ref):
        return {"version": ref.removeprefix(_OF_TAGS)}
    return {"branch": ref.removeprefix(_OF_BRANCHES)}


def report_progress(
    ledger: Ledger, author: Author, repository: RepositoryIdentity, number: int, progress: Progress
) -> DeploymentStatus:
    """Keep a status, and change the record as it says. Raises `NotFound`.

    The first `in_progress` is the record's start, a final state its outcome and its finish. The latest
    outcome wins; one that is told again moves nothing.
    """
    requested = find_requested(ledger.connection, author.organization, repository, number)
    version_revision = None
    changes = {**_changes(ledger, requested, progress), **_moved(requested, progress)}
    if changes and requested.deployment_id is not None:
        revised = revise_deployment(ledger, author, requested.deployment_id, Correction(changes))
        version_revision = revised.version.revision
    recorded = record_status(ledger, author, number, progress, version_revision)
    if progress.state is State.SUCCESS and progress.auto_inactive:
        _retire_others(ledger, author, requested, progress.environment or requested.environment)
    return recorded


def _moved(requested: Requested, progress: Progress) -> dict[str, Any]:
    """Return the environment that a status says, where that is another one than the deployment's."""
    said = progress.environment
    return {} if said is None or said == requested.environment else {"environment": said}


def _changes(ledger: Ledger, requested: Requested, progress: Progress) -> dict[str, Any]:
    """Return what a state changes in the record."""
    if progress.state is State.IN_PROGRESS and requested.status is Status.IN_PROGRESS:
        statuses = statuses_of(ledger.connection, requested.number)
        return {} if any(one.state is State.IN_PROGRESS for one in statuses) else {"started_at": ledger.now}
    outcome = OUTCOMES.get(progress.state)
    if progress.state is State.INACTIVE and requested.status is Status.IN_PROGRESS:
        outcome = Status.CANCELLED
    if outcome is None or outcome is requested.status:
        return {}
    url = progress.environment_url or progress.log_url
    return {"status": outcome, "finished_at": ledger.now, **({"url": url} if url else {})}


def _retire_others(ledger: Ledger, author: Author, winner: Requested, environment: str) -> None:
    """Mark the environment's earlier deployments as inactive, but for production and transient ones."""
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
            columns.environment_key == name_key(environment),
            columns.number < winner.number,
            columns.transient_environment.is_(False),
            columns.production_environment.is_(False),
            columns.deleted_at.is_(None),
            # What was deleted through another interface is active no more.
            select(DEPLOYMENTS.c.revision)
            .where(is_current(DEPLOYMENTS.c), DEPLOYMENTS.c.id == columns.deployment_id)
            .exists(),
        )
    )
    for number in others.all():
        record_status(ledger, author, number, Progress(state=State.INACTIVE))


def delete_requested(ledger: Ledger, author: Author, repository: RepositoryIdentity, number: int) -> None:
    """Delete the record and the request. Raises `NotFound`, and `Conflict` while it is active."""
    requested = find_requested(ledger.connection, author.organization, repository, number)
    statuses = status_history(ledger.connection, requested)
    if statuses and statuses[0].state is State.SUCCESS:
        raise Conflict("An active deployment cannot be deleted: tell that it is inactive first.")
    if requested.deployment_id is not None:
        delete_deployment(ledger, author, requested.deployment_id)
    columns = DEPLOYMENT_REQUESTS.c
    ledger.connection.execute(
        update(DEPLOYMENT_REQUESTS).where(columns.number == number).values(deleted_at=ledger.now)
    )
