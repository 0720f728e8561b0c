"""One record as far as a caller may see it, or 404: what is not there looks as what is somebody else's."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, Row, Table

from tracker.auth.callers import Caller
from tracker.errors import NotFound
from tracker.records.history import find_versions
from tracker.records.ledger import repository_of
from tracker.records.pages import find


def load_visible(engine: Engine, caller: Caller, table: Table, record_id: str) -> Row[Any]:
    """The current version of a record that the caller may see. Raises `NotFound`."""
    row = find(engine, table, caller.organization, record_id)
    return _require(caller, table, record_id, [] if row is None else [row])[0]


def load_visible_history(engine: Engine, caller: Caller, table: Table, record_id: str) -> Sequence[Row[Any]]:
    """Every version of a record of which the caller may see all, the first one first. Raises `NotFound`."""
    rows = find_versions(engine, table, caller.organization, record_id)
    return _require(caller, table, record_id, rows)


def _require(caller: Caller, table: Table, record_id: str, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    what = f"There is no {table.name.removesuffix('s')} {record_id}."
    if not rows:
        raise NotFound(what)
    for row in rows:
        caller.require_read(repository_of(row._mapping), what)
    return rows
