"""The queue of deployments that runners carry out, one mechanism for every interface that asks for them.

A runner has a job as long as its lease lasts, which it renews while it works. A job whose runner is not heard
of any more is taken up by another, a few times. What a job does to a workspace it does alone.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update
from uuid_utils import uuid7

from metrics.domain.corrections import Correction
from metrics.domain.deployments import DeploymentFacts, SentDeployment
from metrics.domain.errors import Refusal
from metrics.domain.vocabulary import Status, name_key
from tracker.deployments.service import record_deployment, revise_deployment
from tracker.deployments.steps import Step, report_steps, steps_of
from tracker.errors import Conflict, NotFound
from tracker.jobs.tables import JOBS, WORKSPACES
from tracker.jobs.workspaces import Workspace, find_workspace
from tracker.records.ledger import Author, Ledger
from tracker.records.tables import DEPLOYMENTS, current

MOST_LOSSES = 3


class JobStatus(StrEnum):
    """The states of a job."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    ERROR = "ERROR"
    STOPPED = "STOPPED"

    @property
    def is_over(self) -> bool:
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


_OUTCOMES = {
    JobStatus.COMPLETE: Status.SUCCESS,
    JobStatus.ERROR: Status.FAIL,
    JobStatus.STOPPED: Status.CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it now is. `profile` is who asked for it; `lines` is how long its log is."""

    id: str
    organization: str
    workspace_id: str
    created_at: int
    profile: Mapping[str, str]
    commit_id: str | None
    image_tag: str | None
    status: JobStatus
    max_attempts: int
    attempt: int
    losses: int
    started_at: int | None
    ended_at: int | None
    exit_code: int | None
    runner: str | None
    lease_expires_at: int | None
    stop_requested_at: int | None
    deployment_id: str | None
    lines: int

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        columns = {name: row._mapping[name] for name in _COLUMNS}
        return cls(**columns | {"status": JobStatus(row.status)})


_COLUMNS = tuple(field.name for field in fields(Job))


def request_job(
    ledger: Ledger,
    workspace: Workspace,
    profile: Mapping[str, str],
    *,
    commit_id: str | None = None,
    image_tag: str | None = None,
    alone: bool = False,
) -> Job:
    """Queue a deployment of a commit, or of the branch where none is named.

    Raises `Conflict` where it is to be the only one and the workspace has an unfinished job.
    """
    if alone and _unfinished(ledger.connection, workspace.id):
        raise Conflict("Operation is in progress")
    row = {
        "id": str(uuid7()),
        "organization": workspace.organization,
        "workspace_id": workspace.id,
        "created_at": ledger.now,
        "profile": dict(profile),
        "commit_id": commit_id,
        "image_tag": image_tag,
        "status": JobStatus.QUEUED.value,
        "max_attempts": workspace.max_attempts,
        "attempt": 0,
        "losses": 0,
        "lines": 0,
    }
    ledger.connection.execute(insert(JOBS).values(**row))
    return find_job(ledger.connection, str(row["id"]))


def _unfinished(connection: Connection, workspace_id: str) -> list[Job]:
    """Select the workspace's unfinished jobs."""
    columns = JOBS.c
    statement = select(JOBS).where(columns.workspace_id == workspace_id, columns.ended_at.is_(None))
    return [Job.from_row(row) for row in connection.execute(statement)]


def claim_job(
    ledger: Ledger, runner: str, now: int, expires_at: int, workspace_names: Sequence[str] = ()
) -> Job | None:
    """The oldest job that may begin, which is the runner's until its lease ends; None where there is none."""
    give_up_lost(ledger, now)
    columns = JOBS.c
    # One after the other for each workspace, in the order in which they were asked for.
    first = select(func.min(columns.id)).where(columns.ended_at.is_(None)).group_by(columns.workspace_id)
    is_lost = and_(columns.status == JobStatus.RUNNING.value, columns.lease_expires_at <= now)
    statement = (
        select(JOBS)
        .join(WORKSPACES, WORKSPACES.c.id == columns.workspace_id)
        .where(columns.id.in_(first), or_(columns.status == JobStatus.QUEUED.value, is_lost))
        .order_by(columns.created_at, columns.id)
        .limit(1)
    )
    if workspace_names:
        statement = statement.where(WORKSPACES.c.name.in_(workspace_names))
    row = ledger.connection.execute(statement).first()
    if row is None:
        return None
    values: dict[str, Any] = {
        "status": JobStatus.RUNNING.value,
        "runner": runner,
        "lease_expires_at": expires_at,
        "started_at": row.started_at or now,
        "losses": row.losses + (row.status == JobStatus.RUNNING),
    }
    _update(ledger, row.id, **values)
    return find_job(ledger.connection, row.id, deleted=True)


def give_up_lost(ledger: Ledger, now: int) -> None:
    """End jobs that lost their runner too often, or lost it when they were to be stopped."""
    columns = JOBS.c
    rows = ledger.connection.execute(
        select(JOBS).where(
            columns.ended_at.is_(None),
            columns.status == JobStatus.RUNNING.value,
            columns.lease_expires_at <= now,
            or_(columns.losses >= MOST_LOSSES, columns.stop_requested_at.is_not(None)),
        )
    ).all()
    for row in rows:
        status = JobStatus.ERROR if row.stop_requested_at is None else JobStatus.STOPPED
        end_job(ledger, Job.from_row(row), status)


def renew_lease(ledger: Ledger, job_id: str, runner: str, expires_at: int) -> Job | None:
    """The job as it now is, with a longer lease; None where it is the runner's no more."""
    columns = JOBS.c
    renewed = ledger.connection.execute(
        update(JOBS)
        .where(
            columns.id == job_id,
            columns.runner == runner,
            columns.status == JobStatus.RUNNING.value,
        )
        .values(lease_expires_at=expires_at)
    )
    return find_job(ledger.connection, job_id, deleted=True) if renewed.rowcount else None


def deployed_commit(connection: Connection, workspace: Workspace) -> str | None:
    """The commit that was last put where a workspace deploys; None where that is not known."""
    columns = DEPLOYMENTS.c
    found: str | None = connection.scalar(
        select(columns.commit_id)
        .where(
            current(columns, workspace.organization),
            columns.repository_key == workspace.repository.key,
            columns.service_key == name_key(workspace.service),
            columns.environment_key == name_key(workspace.environment),
            columns.status == Status.SUCCESS.value,
        )
        .order_by(columns.finished_at.desc())
        .limit(1)
    )
    return found


def begin_deployment(
    ledger: Ledger, job: Job, commit_id: str, changes: Sequence[dict[str, str | int]]
) -> Job:
    """Record that the job is under way, as a deployment in progress of the commit that was checked out.

    One that is tried again, or taken up, goes on with the deployment that it has. Raises `Contradiction`
    where somebody else has recorded a deployment under the job's id.
    """
    if job.deployment_id is not None:
        return job
    workspace = find_workspace(ledger.connection, job.workspace_id)
    facts = DeploymentFacts.of(
        workspace.repository,
        workspace.environment,
        status=Status.IN_PROGRESS,
        service=workspace.service,
        # Of an image the commit beside it says nothing.
        commit_id=None if job.image_tag else commit_id,
        version=job.image_tag,
        branch=workspace.branch,
        title=workspace.name,
        commits=[] if job.image_tag else list(changes),
        started_at=job.started_at or ledger.now,
        member_id=job.profile.get("id"),
        deployment_node_id=job.id,
        triggered_by="job",
    )
    given = frozenset({"status", "started_at", "commit_id", "version"})
    recording = record_deployment(ledger, _author(job), SentDeployment(facts, given))
    _update(ledger, job.id, commit_id=commit_id, deployment_id=recording.deployment.version.id)
    return find_job(ledger.connection, job.id, deleted=True)


def retry_job(ledger: Ledger, job: Job, exit_code: int | None, steps: Sequence[Step] = ()) -> None:
    """Queue a job whose command failed once more; one that is to be stopped ends."""
    if job.stop_requested_at is not None:
        end_job(ledger, job, JobStatus.STOPPED, exit_code, steps)
        return
    _update(
        ledger,
        job.id,
        status=JobStatus.QUEUED.value,
        attempt=job.attempt + 1,
        exit_code=exit_code,
        runner=None,
        lease_expires_at=None,
    )


def end_job(
    ledger: Ledger, job: Job, status: JobStatus, exit_code: int | None = None, steps: Sequence[Step] = ()
) -> None:
    """End a job, and with it the deployment that it has begun, in one commit."""
    if job.deployment_id is not None:
        correction = Correction({"status": _OUTCOMES[status], "finished_at": ledger.now})
        # The record may have been deleted meanwhile, or corrected to what does not go with this.
        with contextlib.suppress(Refusal):
            revise_deployment(ledger, _author(job), job.deployment_id, correction)
            _add_steps(ledger, job, job.deployment_id, steps)
    _update(
        ledger,
        job.id,
        status=status.value,
        ended_at=ledger.now,
        exit_code=exit_code,
        runner=None,
        lease_expires_at=None,
    )


def _add_steps(ledger: Ledger, job: Job, deployment_id: str, steps: Sequence[Step]) -> None:
    """Keep the steps of a job beside those that CI has reported meanwhile."""
    reported = steps_of(ledger.connection, deployment_id)
    names = {step.step_name for step in reported}
    own = [step for step in steps if step.step_name not in names]
    if own:
        report_steps(ledger, _author(job), deployment_id, [*own, *reported])


def stop_job(ledger: Ledger, job: Job) -> Job:
    """End a job that is queued, and have the runner stop one that is running. Raises `Conflict`."""
    if job.status.is_over:
        raise Conflict(f"The job is over: {job.status}.")
    is_lost = job.lease_expires_at is not None and job.lease_expires_at <= ledger.now
    if job.status is JobStatus.QUEUED or is_lost:
        end_job(ledger, job, JobStatus.STOPPED)
    else:
        _update(ledger, job.id, stop_requested_at=ledger.now)
    return find_job(ledger.connection, job.id, deleted=True)


def delete_job(ledger: Ledger, job: Job) -> None:
    """Delete a job; an unfinished one is stopped, and what it recorded stays."""
    if not job.status.is_over:
        stop_job(ledger, job)
    _update(ledger, job.id, deleted_at=ledger.now)


def stop_all(ledger: Ledger, workspace: Workspace) -> None:
    """Stop the workspace's unfinished jobs."""
    for job in _unfinished(ledger.connection, workspace.id):
        stop_job(ledger, job)


def end_all(ledger: Ledger, workspace: Workspace) -> None:
    """End the workspace's unfinished jobs at once; runners lose their leases on them."""
    for job in _unfinished(ledger.connection, workspace.id):
        end_job(ledger, job, JobStatus.STOPPED)


def _update(ledger: Ledger, job_id: str, **values: Any) -> None:
    ledger.connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(**values))


def _author(job: Job) -> Author:
    return Author(job.organization, job.profile.get("id", "job"))


def find_job(connection: Connection, job_id: str, *, deleted: bool = False) -> Job:
    """One job; one that was deleted only where that is asked for. Raises `NotFound`."""
    row = connection.execute(select(JOBS).where(JOBS.c.id == job_id)).first()
    if row is None or (row.deleted_at is not None and not deleted):
        raise NotFound(f"There is no job {job_id}.")
    return Job.from_row(row)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a workspace stands: its last job, the last that was complete, and how many there were."""

    last: Job | None
    last_success: Job | None
    count: int


def standing_of(connection: Connection, workspace_id: str) -> Standing:
    """How a workspace stands; jobs that were deleted are none."""
    columns = JOBS.c
    jobs = select(JOBS).where(columns.workspace_id == workspace_id, columns.deleted_at.is_(None))
    latest = jobs.order_by(columns.created_at.desc(), columns.id.desc()).limit(1)
    last = connection.execute(latest).first()
    success = connection.execute(latest.where(columns.status == JobStatus.COMPLETE.value)).first()
    count = connection.execute(select(func.count()).select_from(jobs.subquery())).scalar_one()
    found = [None if row is None else Job.from_row(row) for row in (last, success)]
    return Standing(found[0], found[1], count)


def list_jobs(
    connection: Connection, workspace_id: str, *, offset: int, limit: int, oldest_first: bool = False
) -> tuple[list[Job], int]:
    """Some jobs of a workspace, the latest first unless asked otherwise, and how many there are."""
    columns = JOBS.c
    wanted = select(JOBS).where(columns.workspace_id == workspace_id, columns.deleted_at.is_(None))
    total = connection.execute(select(func.count()).select_from(wanted.subquery())).scalar_one()
    order = (columns.created_at, columns.id)
    page = wanted.order_by(*(order if oldest_first else (column.desc() for column in order)))
    return [Job.from_row(row) for row in connection.execute(page.offset(offset).limit(limit))], total
