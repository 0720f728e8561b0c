"""Reading records back: one by its id, or a page of a list that a cursor continues."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Table,
    false,
    func,
    or_,
    select,
    tuple_,
)

from metrics.domain.instants import to_microseconds
from metrics.domain.repositories import parse_patterns
from metrics.domain.vocabulary import name_key
from metrics.wire.cursors import read_cursor, write_cursor
from tracker.records.aliases import Aliases, keys_meant, keys_reached
from tracker.records.tables import current, current_at

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and the cursor of the next page where there is one."""

    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """What a list holds: `visible` are the patterns a token is limited to, None where it is not.

    `revision` is that of the records which it is of, None the newest; by `aliases_then` repositories were
    named by then, and by `aliases` what may be seen is judged.
    """

    organization: str
    visible: Sequence[str] | None = None
    repository: Sequence[str] = ()
    aliases: Aliases = field(default_factory=dict)
    aliases_then: Aliases = field(default_factory=dict)
    service: Sequence[str] = ()
    environment: Sequence[str] = ()
    from_: datetime | None = None
    to: datetime | None = None
    revision: int | None = None
    limit: int = 50
    cursor: str | None = None


def find(engine: Engine, table: Table, organization: str, record_id: str) -> Row[Any] | None:
    """The current version of one record of the organization."""
    columns = table.c
    with engine.connect() as connection:
        return connection.execute(
            select(table).where(
                columns.id == record_id,
                current(columns, organization),
            )
        ).first()


def names_repository(table: Table, patterns: Iterable[str]) -> ColumnElement[bool]:
    """Whether one of the patterns means a row's repository: `RepositoryPattern.matches` in SQL."""
    key = table.c.repository_key
    path = func.substr(key, func.length(table.c.repository_host) + 2)
    conditions: list[ColumnElement[bool]] = [false()]
    for pattern in parse_patterns(tuple(patterns)):
        for text in [*([path] if pattern.by_path else []), *([key] if pattern.by_key else [])]:
            if pattern.is_prefix:
                conditions.append(text.startswith(pattern.text, autoescape=True))
            else:
                conditions.append(text == pattern.text)
    return or_(*conditions)


def _filtered(
    query: Select[Any], table: Table, ordered_by: ColumnElement[int], wanted: ListFilter
) -> Select[Any]:
    columns = table.c
    query = query.where(current_at(columns, wanted.organization, wanted.revision))
    if wanted.visible is not None:
        reached = keys_reached(wanted.aliases, wanted.visible)
        query = query.where(
            or_(names_repository(table, wanted.visible), columns.repository_key.in_(sorted(reached)))
        )
    if wanted.repository:
        meant = keys_meant(wanted.aliases_then, wanted.repository)
        query = query.where(
            or_(names_repository(table, wanted.repository), columns.repository_key.in_(sorted(meant)))
        )
    if wanted.service:
        query = query.where(columns.service_key.in_([name_key(name) for name in wanted.service]))
    if wanted.environment:
        query = query.where(columns.environment_key.in_([name_key(name) for name in wanted.environment]))
    if wanted.from_ is not None:
        query = query.where(ordered_by >= to_microseconds(wanted.from_))
    if wanted.to is not None:
        query = query.where(ordered_by < to_microseconds(wanted.to))
    return query


def _page(
    connection: Connection,
    query: Select[Any],
    ordered_by: ColumnElement[int],
    record_id: ColumnElement[str],
    wanted: ListFilter,
) -> Page[Row[Any]]:
    if wanted.cursor is not None:
        query = query.where(tuple_(ordered_by, record_id) < tuple_(*read_cursor(wanted.cursor, int, str)))
    query = query.order_by(ordered_by.desc(), record_id.desc()).limit(wanted.limit + 1)
    rows = connection.execute(query).all()
    if len(rows) <= wanted.limit:
        return Page(rows, None)
    last = rows[wanted.limit - 1]._mapping
    return Page(rows[: wanted.limit], write_cursor([last[ordered_by], last[record_id]]))
