"""Incidents read back: filtered, a page at a time."""

from collections.abc import Sequence
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
    key: Sequence[str] = ()


def select_incidents(wanted: IncidentFilter) -> Select[Any]:
    """Every incident that the filter lets through, the first to start first."""
    columns = INCIDENTS.c
    return _filtered_incidents(wanted).order_by(columns.started_at, columns.id)


def list_incidents(engine: Engine, wanted: IncidentFilter) -> Page[Row[Any]]:
    """Incidents, the latest to start first."""
    columns = INCIDENTS.c
    with engine.connect() as connection:
        return _page(connection, _filtered_incidents(wanted), columns.started_at, columns.id, wanted)


def _filtered_incidents(wanted: IncidentFilter) -> Select[Any]:
    columns = INCIDENTS.c
    query = _filtered(select(INCIDENTS), INCIDENTS, columns.started_at, wanted)
    if wanted.open is not None:
        query = query.where(columns.resolved_at.is_(None) == wanted.open)
    if wanted.key:
        query = query.where(columns.key.in_(wanted.key))
    return query
