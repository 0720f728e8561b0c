"""Whether the record database keeps its promises, checked row by row."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Table, and_, func, literal, or_, select, union_all

from metrics.domain.deployments import NaturalKey
from metrics.domain.vocabulary import Status
from tracker.records.tables import DEPLOYMENTS, INCIDENTS, NUMBERED, REPOSITORIES, VERSIONED, is_current


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, and what contradicts it; nothing where it holds."""

    check: str
    contradictions: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.contradictions


def verify_records(connection: Connection) -> Iterator[Finding]:
    """Check what the tables promise, from one state of the database."""
    if connection.dialect.name == "sqlite":
        yield _finding("the file is sound", _damage(connection))
    yield _finding("revisions rise by one, and time with them", _breaks_in_order(connection))
    for table in VERSIONED:
        yield _finding(f"{table.name}: versions follow each other", _broken_chains(connection, table))
    for table, key in _UNIQUE_KEYS.items():
        yield _finding(f"{table.name}: no key twice", _doubled_keys(connection, table, key))
    yield _finding("deployments: what is final has finished, and nothing else", _unfinished(connection))


def _finding(check: str, contradictions: Iterable[str]) -> Finding:
    return Finding(check, tuple(contradictions))


def _damage(connection: Connection) -> Iterator[str]:
    rows = connection.exec_driver_sql("pragma integrity_check")
    return (str(row[0]) for row in rows if row[0] != "ok")


def _breaks_in_order(connection: Connection) -> Iterator[str]:
    every = union_all(*(select(table.c.revision, table.c.recorded_at) for table in NUMBERED)).subquery()
    rows = connection.execute(select(every).order_by(every.c.revision)).yield_per(10_000)
    expected, last_recorded_at = 1, 0
    for revision, recorded_at in rows:
        if revision != expected:
            yield f"revision {revision} stands where {expected} should"
            expected = revision
        if recorded_at < last_recorded_at:
            yield f"revision {revision} was recorded before the one in front of it"
        expected, last_recorded_at = expected + 1, recorded_at


def _broken_chains(connection: Connection, table: Table) -> Iterator[str]:
    columns = table.c
    versions = select(
        columns.id,
        columns.revision,
        columns.superseded_revision,
        columns.first_revision,
        func.lead(columns.revision)
        .over(partition_by=columns.id, order_by=columns.revision)
        .label("next_revision"),
        func.min(columns.revision).over(partition_by=columns.id).label("least_revision"),
    ).subquery()
    version = versions.c
    wrong = or_(
        version.first_revision != version.least_revision,
        # A version that was closed by itself is a deletion, and the last one.
        and_(
            version.next_revision.is_not(None),
            version.superseded_revision.is_distinct_from(version.next_revision),
        ),
        and_(version.next_revision.is_(None), version.superseded_revision != version.revision),
    )
    for row in connection.execute(select(versions).where(wrong).order_by(version.revision)):
        yield (
            f"{row.id}: revision {row.revision} is superseded by {row.superseded_revision or 'none'}, "
            f"the next one is {row.next_revision or 'none'}, the first {row.least_revision}"
        )


_UNIQUE_KEYS = {
    DEPLOYMENTS: ("organization", *NaturalKey._fields),
    INCIDENTS: ("organization", "key_space", "key"),
    REPOSITORIES: ("organization", "repository_key", "service_key"),
}


def _doubled_keys(connection: Connection, table: Table, key: tuple[str, ...]) -> Iterator[str]:
    columns = [table.c[name] for name in key]
    doubled = (
        select(*columns)
        .where(is_current(table.c), columns[-1].is_not(None))
        .group_by(*columns)
        .having(func.count(literal(1)) > 1)
    )
    for row in connection.execute(doubled):
        yield " · ".join(str(value) for value in row)


def _unfinished(connection: Connection) -> Iterator[str]:
    columns = DEPLOYMENTS.c
    is_final = columns.status != Status.IN_PROGRESS.value
    wrong = is_final != columns.finished_at.is_not(None)
    for row in connection.execute(select(columns.id, columns.status).where(wrong)):
        yield f"{row.id} is {row.status}"
