"""What is told of a deployment's progress: statuses, each with a number of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection, Row, func, select

from metrics.domain.vocabulary import Status
from tracker.records.ledger import Author, Ledger
from tracker.records.tables import DEPLOYMENT_STATUSES


class State(StrEnum):
    """The states that a status reports."""

    PENDING = "pending"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    INACTIVE = "inactive"


OUTCOMES: Mapping[State, Status] = {
    State.SUCCESS: Status.SUCCESS,
    State.FAILURE: Status.FAIL,
    State.ERROR: Status.FAIL,
}
"""The final states, each with the outcome that it is; the others are none."""
_STATES = {
    Status.SUCCESS: State.SUCCESS,
    Status.FAIL: State.FAILURE,
    Status.IN_PROGRESS: State.IN_PROGRESS,
    Status.CANCELLED: State.INACTIVE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A status, as a client reports it."""

    state: State
    description: str = ""
    log_url: str = ""
    environment_url: str = ""
    environment: str | None = None
    """Where it was deployed after all, if that is not where it was asked to be."""
    auto_inactive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStatus:
    """A status as it is kept: who reported it, when, under which number."""

    number: int
    state: State
    description: str
    log_url: str
    environment_url: str
    creator: str
    created_at: int

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        return cls(
            number=row.revision,
            state=State(row.state),
            description=row.description,
            log_url=row.log_url,
            environment_url=row.environment_url,
            creator=row.recorded_by,
            created_at=row.recorded_at,
        )

    @classmethod
    def from_record(cls, number: int, status: Status, creator: str, at: int) -> Self:
        """Make the status of a record that no status was reported for."""
        return cls(
            number=number,
            state=_STATES[status],
            description="",
            log_url="",
            environment_url="",
            creator=creator,
            created_at=at,
        )


def record_status(
    ledger: Ledger, author: Author, number: int, progress: Progress, version_revision: int | None = None
) -> DeploymentStatus:
    """Keep a status of the deployment with the number, and which version of the record it brought about."""
    row = {
        **ledger.next_event_columns(author),
        "number": number,
        "version_revision": version_revision,
        "state": progress.state.value,
        "description": progress.description,
        "log_url": progress.log_url,
        "environment_url": progress.environment_url,
    }
    ledger.insert(DEPLOYMENT_STATUSES, row)
    columns = DEPLOYMENT_STATUSES.c
    written = select(DEPLOYMENT_STATUSES).where(columns.revision == row["revision"])
    return DeploymentStatus.from_row(ledger.connection.execute(written).one())


def statuses_of(connection: Connection, number: int) -> list[DeploymentStatus]:
    """Every status of the deployment with the number, the latest first."""
    columns = DEPLOYMENT_STATUSES.c
    statement = select(DEPLOYMENT_STATUSES).where(columns.number == number).order_by(columns.revision.desc())
    return [DeploymentStatus.from_row(row) for row in connection.execute(statement)]


def versions_made_by_statuses(connection: Connection, numbers: Sequence[int]) -> frozenset[int]:
    """The versions of the deployments with these numbers that a status has brought about."""
    columns = DEPLOYMENT_STATUSES.c
    statement = select(columns.version_revision).where(
        columns.number.in_(numbers), columns.version_revision.is_not(None)
    )
    return frozenset(connection.scalars(statement))


def latest_statuses(connection: Connection, numbers: Sequence[int]) -> dict[int, DeploymentStatus]:
    """The last status of each deployment that has one, by its number."""
    columns = DEPLOYMENT_STATUSES.c
    last = select(func.max(columns.revision)).where(columns.number.in_(numbers)).group_by(columns.number)
    rows = connection.execute(select(DEPLOYMENT_STATUSES).where(columns.revision.in_(last)))
    return {row.number: DeploymentStatus.from_row(row) for row in rows}
