"""The history of one thing: its versions, and what each changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, Row, Table, select

from tracker.records.ledger import Version
from tracker.records.tables import VERSIONED

T = TypeVar("T")


class Action(StrEnum):
    """What a version did."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """A field's value in the version before and in this one."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One version: who recorded it when, what it changed, and the record as it then was."""

    version: Version
    action: Action
    changes: Sequence[Change]
    record: T


def find_versions(engine: Engine, table: Table, organization: str, record_id: str) -> Sequence[Row[Any]]:
    """Every version of one thing of the organization, the first one first; empty where there is none."""
    columns = table.c
    with engine.connect() as connection:
        return connection.execute(
            select(table)
            .where(columns.id == record_id, columns.organization == organization)
            .order_by(columns.revision)
        ).all()


def entries(
    rows: Sequence[Row[Any]], read: Callable[[Row[Any]], T], passed_over: frozenset[str]
) -> list[Entry[T]]:
    """The versions as entries; `read` makes the dataclass whose fields are compared, some passed over."""
    found: list[Entry[T]] = []
    for row in rows:
        version, record = Version.from_columns(row._mapping), read(row)
        before = found[-1].record if found else None
        found.append(Entry(version, _action(version), _changes(before, record, passed_over), record))
    return found


@dataclass(frozen=True, slots=True)
class Recorded:
    """A version of anything: what it is of, and the version before it where there is one."""

    table: Table
    row: Row[Any]
    before: Row[Any] | None


def find_recorded(
    engine: Engine, organization: str, *, after: int, recorded_after: int, limit: int
) -> Sequence[Recorded]:
    """Versions of all an organization's things, by revision: those after a revision and an instant.

    `recorded_after` is in microseconds; at most `limit` of them.
    """
    with engine.connect() as connection:
        found = [
            (table, row)
            for table in VERSIONED
            for row in connection.execute(
                select(table)
                .where(
                    table.c.organization == organization,
                    table.c.revision > after,
                    table.c.recorded_at > recorded_after,
                )
                .order_by(table.c.revision)
                .limit(limit)
            )
        ]
        found = sorted(found, key=lambda one: one[1].revision)[:limit]
        return [Recorded(table, row, _before(connection, table, row)) for table, row in found]


def _before(connection: Connection, table: Table, row: Row[Any]) -> Row[Any] | None:
    if row.revision == row.first_revision:
        return None
    columns = table.c
    earlier = select(table).where(columns.id == row.id, columns.revision < row.revision)
    return connection.execute(earlier.order_by(columns.revision.desc()).limit(1)).first()


def _action(version: Version) -> Action:
    if version.superseded_revision == version.revision:
        return Action.DELETED
    return Action.CREATED if version.revision == version.first_revision else Action.CHANGED


def _changes(before: Any, after: Any, passed_over: frozenset[str]) -> list[Change]:
    if before is None:
        return []
    names = [field.name for field in fields(after) if field.name not in passed_over]
    return [
        Change(name, getattr(before, name), getattr(after, name))
        for name in names
        if getattr(before, name) != getattr(after, name)
    ]
