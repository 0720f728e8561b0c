"""What has happened since a revision, as events: read off the versions, so that none can be missed.

A record that was history when it came in is no event: nobody waits to hear of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from metrics.domain.instants import DAY_MICROSECONDS
from tracker.deployments.requests import Requested, requested_of
from tracker.deployments.service import RecordedDeployment
from tracker.deployments.statuses import DeploymentStatus, versions_made_by_statuses
from tracker.incidents.service import RecordedIncident
from tracker.records.tables import DEPLOYMENT_REQUESTS, DEPLOYMENT_STATUSES, DEPLOYMENTS, INCIDENTS, NUMBERED

# A version makes two events at most.
_SEQUENCES_A_REVISION = 2
_HISTORY_MICROSECONDS = DAY_MICROSECONDS


class EventKind(StrEnum):
    """The events that subscribers can choose."""

    DEPLOYMENT = "deployment"
    DEPLOYMENT_STATUS = "deployment_status"
    INCIDENT = "incident"


class EventAction(StrEnum):
    """What was done to the deployment or the incident."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. `sequence` rises from event to event; `subject` is what it happened to.

    A deployment's events have `requested`, and its `record` where there is one; its status `status` too; an
    incident's have `incident`.
    """

    sequence: int
    subject: str
    kind: EventKind
    action: EventAction
    occurred_at: int
    author: str
    requested: Requested | None = None
    record: RecordedDeployment | None = None
    status: DeploymentStatus | None = None
    incident: RecordedIncident | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order, and the revision up to which they are all that happened."""

    events: Sequence[Event]
    position: int


def head_revision(connection: Connection) -> int:
    """The last revision there is; 0 where nothing was recorded."""
    heads = (connection.scalar(select(func.max(table.c.revision))) for table in NUMBERED)
    return max((head for head in heads if head is not None), default=0)


def read_events(connection: Connection, organization: str, after: int, limit: int) -> EventPage:
    """Read a page of the events of an organization after a revision."""
    head = head_revision(connection)
    if head <= after:
        # A database that was restored is behind where it was.
        return EventPage((), head)
    found = {
        table: _rows_after(connection, table, organization, after, limit)
        for table in (DEPLOYMENTS, INCIDENTS, DEPLOYMENT_REQUESTS, DEPLOYMENT_STATUSES)
    }
    ends = [rows[-1].revision for rows in found.values() if len(rows) == limit]
    # What is committed while this reads may be in the later tables only: that is for the next time.
    position = min([head, *ends])
    known = {table: [row for row in rows if row.revision <= position] for table, rows in found.items()}
    events = [
        *_of_deployments(connection, known[DEPLOYMENTS]),
        *_of_incidents(known[INCIDENTS]),
        *_of_requests(known[DEPLOYMENT_REQUESTS]),
        *_of_statuses(connection, known[DEPLOYMENT_STATUSES]),
    ]
    return EventPage(sorted(events, key=lambda event: event.sequence), position)


def _rows_after(
    connection: Connection, table: Table, organization: str, after: int, limit: int
) -> Sequence[Row[Any]]:
    columns = table.c
    return connection.execute(
        select(table)
        .where(columns.revision > after, columns.organization == organization)
        .order_by(columns.revision)
        .limit(limit)
    ).all()


def _of_deployments(connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[Event]:
    requests = _requests_of(connection, [row.first_revision for row in rows])
    before = _statuses_before(connection, rows)
    made_by_statuses = versions_made_by_statuses(connection, [row.first_revision for row in rows])
    for row in rows:
        record = RecordedDeployment.from_row(row)
        # What a status brought about is the status's to tell.
        if row.revision in made_by_statuses or _is_history(row, row.finished_at):
            continue
        requested = requested_of(record, requests.get(row.first_revision), None)
        for part, (kind, action) in enumerate(_changes(row, before.get(row.revision))):
            status = None
            if kind is EventKind.DEPLOYMENT_STATUS:
                status = DeploymentStatus.from_record(
                    row.revision, record.facts.status, record.version.recorded_by, row.recorded_at
                )
            yield Event(
                sequence=row.revision * _SEQUENCES_A_REVISION + part,
                subject=_subject(row.first_revision),
                kind=kind,
                action=action,
                occurred_at=row.recorded_at,
                author=record.version.recorded_by,
                requested=requested,
                record=record,
                status=status,
            )


def _changes(row: Row[Any], status_before: str | None) -> Iterator[tuple[EventKind, EventAction]]:
    """Return the events that a version of a deployment stands for."""
    if row.superseded_revision == row.revision:
        yield EventKind.DEPLOYMENT, EventAction.DELETED
    elif row.revision == row.first_revision:
        yield EventKind.DEPLOYMENT, EventAction.CREATED
        if row.finished_at is not None:
            yield EventKind.DEPLOYMENT_STATUS, EventAction.CREATED
    elif row.status != status_before:
        yield EventKind.DEPLOYMENT_STATUS, EventAction.CREATED
    else:
        yield EventKind.DEPLOYMENT, EventAction.UPDATED


def _of_incidents(rows: Iterable[Row[Any]]) -> Iterator[Event]:
    for row in rows:
        if not _is_history(row, row.resolved_at):
            is_first = row.revision == row.first_revision
            yield Event(
                sequence=row.revision * _SEQUENCES_A_REVISION,
                subject=row.id,
                kind=EventKind.INCIDENT,
                action=EventAction.CREATED if is_first else EventAction.UPDATED,
                occurred_at=row.recorded_at,
                author=row.recorded_by,
                incident=RecordedIncident.from_row(row),
            )


def _of_requests(rows: Iterable[Row[Any]]) -> Iterator[Event]:
    """Return the events of requests without a deployment record; its versions cover those with one."""
    for row in rows:
        if row.deployment_id is None:
            yield Event(
                sequence=row.revision * _SEQUENCES_A_REVISION,
                subject=_subject(row.number),
                kind=EventKind.DEPLOYMENT,
                action=EventAction.CREATED,
                occurred_at=row.recorded_at,
                author=row.recorded_by,
                requested=requested_of(None, row, None),
            )


def _of_statuses(connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[Event]:
    numbers = [row.number for row in rows]
    requests = _requests_of(connection, numbers)
    columns = DEPLOYMENTS.c
    # A deployment's number is the revision of its first version.
    ids = connection.scalars(select(columns.id).where(columns.revision.in_(numbers))).all()
    history = select(DEPLOYMENTS).where(columns.id.in_(ids)).order_by(columns.revision)
    versions = connection.execute(history).all()
    for row in rows:
        request = requests.get(row.number)
        # The record as it was when the status was told.
        then = [one for one in versions if one.first_revision == row.number and one.revision < row.revision]
        record = RecordedDeployment.from_row(then[-1]) if then else None
        status = DeploymentStatus.from_row(row)
        yield Event(
            sequence=row.revision * _SEQUENCES_A_REVISION,
            subject=_subject(row.number),
            kind=EventKind.DEPLOYMENT_STATUS,
            action=EventAction.CREATED,
            occurred_at=row.recorded_at,
            author=row.recorded_by,
            requested=requested_of(record, request, status),
            record=record,
            status=status,
        )


def _subject(number: int) -> str:
    return f"deployment-{number}"


def _is_history(row: Row[Any], ended_at: int | None) -> bool:
    """Whether a thing had ended more than a day before it was first recorded; later changes are events."""
    is_first = row.revision == row.first_revision
    return is_first and ended_at is not None and row.recorded_at - ended_at > _HISTORY_MICROSECONDS


def _requests_of(connection: Connection, numbers: Sequence[int]) -> dict[int, Row[Any]]:
    rows = connection.execute(select(DEPLOYMENT_REQUESTS).where(DEPLOYMENT_REQUESTS.c.number.in_(numbers)))
    return {row.number: row for row in rows}


def _statuses_before(connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, str]:
    """Return for each version the status of the one before it, by the version's revision."""
    columns = DEPLOYMENTS.c
    revised = [row for row in rows if row.revision != row.first_revision]
    found = connection.execute(
        select(columns.superseded_revision, columns.status).where(
            columns.id.in_({row.id for row in revised}),
            columns.superseded_revision.in_([row.revision for row in revised]),
            columns.revision != columns.superseded_revision,
        )
    )
    return {row.superseded_revision: row.status for row in found}
