"""Deployments read back: filtered, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Engine,
    Row,
    Select,
    and_,
    func,
    or_,
    select,
)

from metrics.domain.vocabulary import name_key
from tracker.records.pages import ListFilter, Page, _filtered, _page
from tracker.records.tables import DEPLOYMENTS, REPOSITORIES, current_at


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFilter(ListFilter):
    status: Sequence[str] = ()
    branch: Sequence[str] = ()
    commit_id: Sequence[str] = ()
    team: Sequence[str] = ()
    label: Sequence[tuple[str, str]] = ()
    q: str | None = None


def select_deployments(wanted: DeploymentFilter) -> Select[Any]:
    """Every deployment that the filter lets through, the oldest first."""
    columns = DEPLOYMENTS.c
    return _filtered_deployments(wanted).order_by(columns.listed_at, columns.id)


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
    if wanted.q:
        text = wanted.q.lower()
        searched = (
            columns.repository_path,
            columns.service,
            columns.version,
            columns.commit_id,
            columns.title,
            columns.branch,
            columns.member_id,
        )
        query = query.where(or_(*(func.lower(column).contains(text, autoescape=True) for column in searched)))
    for name, text in wanted.label:
        query = query.where(columns.labels[name].as_string() == text)
    return _of_teams(query, wanted) if wanted.team else query


def _of_teams(query: Select[Any], wanted: DeploymentFilter) -> Select[Any]:
    """Limit a query to deployments of the teams: its own, else its service's, else its repository's."""
    service, repository = REPOSITORIES.alias("service_row"), REPOSITORIES.alias("repository_row")
    columns = DEPLOYMENTS.c
    for row, key in ((service, columns.service_key), (repository, "")):
        query = query.outerjoin(
            row,
            and_(
                current_at(row.c, columns.organization, wanted.revision),
                row.c.repository_key == columns.repository_key,
                row.c.service_key == key,
            ),
        )
    team_key = func.coalesce(columns.team_key, service.c.team_key, repository.c.team_key)
    return query.where(team_key.in_([name_key(team) for team in wanted.team]))
