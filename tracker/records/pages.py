"""Reading records back: one by its id, or a page of a list that a cursor continues."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Table,
    and_,
    false,
    func,
    or_,
    select,
    tuple_,
)

from metrics.domain.instants import to_microseconds
from metrics.domain.repositories import may_name_host
from metrics.domain.vocabulary import environment_key
from metrics.wire.cursors import read_cursor, write_cursor
from tracker.records.tables import DEPLOYMENTS, INCIDENTS, REPOSITORIES
from tracker.webhooks.tables import DELIVERIES

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and the cursor of the next page where there is one."""

    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """What a list holds: `visible` are the patterns a token is limited to, None where it is not."""

    organization: str
    visible: Sequence[str] | None = None
    repository: Sequence[str] = ()
    service: Sequence[str] = ()
    environment: Sequence[str] = ()
    from_: datetime | None = None
    to: datetime | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFilter(ListFilter):
    status: Sequence[str] = ()
    branch: Sequence[str] = ()
    commit_id: Sequence[str] = ()
    team: Sequence[str] = ()
    label: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter(ListFilter):
    open: bool | None = None


def find(engine: Engine, table: Table, organization: str, record_id: str) -> Row[Any] | None:
    """The current version of one record of the organization."""
    columns = table.c
    with engine.connect() as connection:
        return connection.execute(
            select(table).where(
                columns.id == record_id,
                columns.organization == organization,
                columns.superseded_revision.is_(None),
            )
        ).first()


def select_deployments(wanted: DeploymentFilter) -> Select[Any]:
    """Every deployment that the filter lets through, the oldest first."""
    columns = DEPLOYMENTS.c
    return _filtered_deployments(wanted).order_by(columns.listed_at, columns.id)


def select_incidents(organization: str) -> Select[Any]:
    """Every incident of the organization, the first to start first."""
    columns = INCIDENTS.c
    query = _filtered(
        select(INCIDENTS), INCIDENTS, columns.started_at, IncidentFilter(organization=organization)
    )
    return query.order_by(columns.started_at, columns.id)


def list_deployments(engine: Engine, wanted: DeploymentFilter) -> Page[Row[Any]]:
    """Deployments, newest first, by `finished_at`, or `created_at` while in progress."""
    columns = DEPLOYMENTS.c
    with engine.connect() as connection:
        return _page(connection, _filtered_deployments(wanted), columns.listed_at, columns.id, wanted)


def _filtered_deployments(wanted: DeploymentFilter) -> Select[Any]:
    columns = DEPLOYMENTS.c
    query = _filtered(select(DEPLOYMENTS), DEPLOYMENTS, columns.listed_at, wanted)
    for column, values in (
        (columns.status, wanted.status),
        (columns.branch, wanted.branch),
        (columns.commit_id, [commit.lower() for commit in wanted.commit_id]),
    ):
        if values:
            query = query.where(column.in_(values))
    for name, text in wanted.label:
        query = query.where(columns.labels[name].as_string() == text)
    return _of_teams(query, wanted.team) if wanted.team else query


def list_incidents(engine: Engine, wanted: IncidentFilter) -> Page[Row[Any]]:
    """Incidents, the latest to start first."""
    columns = INCIDENTS.c
    query = _filtered(select(INCIDENTS), INCIDENTS, columns.started_at, wanted)
    if wanted.open is not None:
        query = query.where(columns.resolved_at.is_(None) == wanted.open)
    with engine.connect() as connection:
        return _page(connection, query, columns.started_at, columns.id, wanted)


def list_repositories(engine: Engine, organization: str, visible: Sequence[str] | None) -> Sequence[Row[Any]]:
    """Every repository and service that a record has named, by path."""
    columns = REPOSITORIES.c
    query = select(REPOSITORIES).where(
        columns.organization == organization, columns.superseded_revision.is_(None)
    )
    if visible is not None:
        query = query.where(names_repository(REPOSITORIES, visible))
    with engine.connect() as connection:
        return connection.execute(query.order_by(columns.repository_key, columns.service)).all()


def names_repository(table: Table, patterns: Iterable[str]) -> ColumnElement[bool]:
    """Whether a row's repository is one of `owner/name`, `host/owner/name` or either with a closing `*`.

    The same rule as `metrics.domain.repositories.matches_repository`, where the database applies it.
    """
    key = table.c.repository_key
    path = func.substr(key, func.length(table.c.repository_host) + 2)
    conditions: list[ColumnElement[bool]] = [false()]
    for pattern in patterns:
        wanted = pattern.casefold()
        for text in (path, key) if may_name_host(pattern) else (path,):
            if wanted.endswith("*"):
                conditions.append(text.startswith(wanted.removesuffix("*"), autoescape=True))
            else:
                conditions.append(text == wanted)
    return or_(*conditions)


def _filtered(
    query: Select[Any], table: Table, ordered_by: ColumnElement[int], wanted: ListFilter
) -> Select[Any]:
    columns = table.c
    query = query.where(columns.organization == wanted.organization, columns.superseded_revision.is_(None))
    if wanted.visible is not None:
        query = query.where(names_repository(table, wanted.visible))
    if wanted.repository:
        query = query.where(names_repository(table, wanted.repository))
    if wanted.service:
        query = query.where(columns.service.in_(wanted.service))
    if wanted.environment:
        query = query.where(
            columns.environment_key.in_([environment_key(name) for name in wanted.environment])
        )
    if wanted.from_ is not None:
        query = query.where(ordered_by >= to_microseconds(wanted.from_))
    if wanted.to is not None:
        query = query.where(ordered_by < to_microseconds(wanted.to))
    return query


def _of_teams(query: Select[Any], teams: Sequence[str]) -> Select[Any]:
    """Only what belongs to the teams: by its own word, else its service's, else its repository's."""
    service, repository = REPOSITORIES.alias("service_row"), REPOSITORIES.alias("repository_row")
    columns = DEPLOYMENTS.c
    for row, name in ((service, columns.service), (repository, "")):
        query = query.outerjoin(
            row,
            and_(
                row.c.organization == columns.organization,
                row.c.repository_key == columns.repository_key,
                row.c.service == name,
                row.c.superseded_revision.is_(None),
            ),
        )
    return query.where(func.coalesce(columns.team, service.c.team, repository.c.team).in_(teams))


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


def list_deliveries(
    connection: Connection, webhook_id: str, *, state: Sequence[str], limit: int, cursor: str | None
) -> Page[Row[Any]]:
    """A page of what a subscriber was or is to be told, the latest first. Raises `ParameterError`."""
    columns = DELIVERIES.c
    statement = select(DELIVERIES).where(columns.webhook_id == webhook_id)
    if state:
        statement = statement.where(columns.state.in_(state))
    if cursor is not None:
        statement = statement.where(columns.place < read_cursor(cursor, int)[0])
    rows = connection.execute(statement.order_by(columns.place.desc()).limit(limit + 1)).all()
    more = len(rows) > limit
    return Page(rows[:limit], write_cursor([rows[limit - 1].place]) if more else None)
