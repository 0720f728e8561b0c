"""Incidents read back: filtered, a page at a time."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Engine,
    Row,
    Select,
    select,
)

from tracker.records.pages import ListFilter, Page, _filtered, _page
from tracker.records.tables import INCIDENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter(ListFilter):
    open: bool | None = None


def select_incidents(organization: str) -> Select[Any]:
    """Every incident of the organization, the first to start first."""
    columns = INCIDENTS.c
    query = _filtered(
        select(INCIDENTS), INCIDENTS, columns.started_at, IncidentFilter(organization=organization)
    )
    return query.order_by(columns.started_at, columns.id)


def list_incidents(engine: Engine, wanted: IncidentFilter) -> Page[Row[Any]]:
    """Incidents, the latest to start first."""
    columns = INCIDENTS.c
    query = _filtered(select(INCIDENTS), INCIDENTS, columns.started_at, wanted)
    if wanted.open is not None:
        query = query.where(columns.resolved_at.is_(None) == wanted.open)
    with engine.connect() as connection:
        return _page(connection, query, columns.started_at, columns.id, wanted)
