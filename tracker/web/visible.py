"""One record as far as a caller may see it, or 404: what is not there looks as what is somebody else's."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, Row, Table

from tracker.auth.callers import Caller
from tracker.errors import NotFound
from tracker.records.aliases import keys_reached, read_aliases
from tracker.records.history import find_versions
from tracker.records.ledger import repository_of
from tracker.records.pages import find


def load_visible(engine: Engine, caller: Caller, table: Table, record_id: str) -> Row[Any]:
    """The current version of a record that the caller may see. Raises `NotFound`."""
    row = find(engine, table, caller.organization, record_id)
    return _require(engine, caller, table, record_id, [] if row is None else [row])[0]


def load_visible_history(engine: Engine, caller: Caller, table: Table, record_id: str) -> Sequence[Row[Any]]:
    """Every version of a record of which the caller may see all, the first one first. Raises `NotFound`."""
    rows = find_versions(engine, table, caller.organization, record_id)
    return _require(engine, caller, table, record_id, rows)


def _require(
    engine: Engine, caller: Caller, table: Table, record_id: str, rows: Sequence[Row[Any]]
) -> Sequence[Row[Any]]:
    what = f"There is no {table.name.removesuffix('s')} {record_id}."
    if not rows:
        raise NotFound(what)
    reached: set[str] = set()
    if caller.repositories is not None:
        with engine.connect() as connection:
            reached = keys_reached(read_aliases(connection, caller.organization), caller.repositories)
    for row in rows:
        repository = repository_of(row._mapping)
        # What is recorded under an alias is its repository's own.
        if repository is None or repository.key not in reached:
            caller.require_read(repository, what)
    return rows
