"""What analysts see of the facts, and what they ask of it: in a database of the query's own."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from metrics.definitions.base import Definition, Selection
from metrics.definitions.catalog import VIEWS
from metrics.domain.errors import DefinitionError
from metrics.sql import read_sql

if TYPE_CHECKING:
    import polars as pl

Read = Callable[[Sequence[str]], Mapping[str, Any]]
"""Reads views by their names, all of one moment."""


def view(cursor: duckdb.DuckDBPyConnection, name: str, organization: str) -> pa.Table:
    """The rows of `metrics/sql/views/<name>.sql`."""
    return cursor.sql(read_sql("views", name), params={"organization": organization}).to_arrow_table()


def query_views(
    read: Read,
    query: str,
    parameters: Mapping[str, Any] | Sequence[Any] | None = None,
    frames: Mapping[str, Any] | None = None,
) -> pa.Table:
    """The result of a DuckDB query over the views that it names, and frames by their names, which come first.

    Whatever it does, the store stays as it is. Raises `ValueError` where it gives no rows, `duckdb.Error`.
    """
    frames = frames or {}
    return _queried({**read(_named_views(query, frames)), **frames}, query, parameters)


def _named_views(query: str, frames: Mapping[str, Any]) -> list[str]:
    """The views that a query names: the others need not be worked out. More than is meant does no harm."""
    words = set(re.findall(r"\w+", query.casefold()))
    return [name for name in VIEWS if name in words and name not in frames]


def _queried(
    tables: Mapping[str, Any], query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None
) -> pa.Table:
    """The result of a query in a database of its own. Raises `ValueError`, `duckdb.Error`."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("set timezone = 'UTC'")
        for name, table in tables.items():
            connection.register(name, table)
        result = connection.sql(query, params=parameters)
        if result is None:
            raise ValueError("the query gives no rows: it must be a select")
        return result.to_arrow_table()


def keep_selection(
    cursor: duckdb.DuckDBPyConnection, definition: Definition[Any], selection: Selection, organization: str
) -> None:
    """Put the rows that a metric's selection chooses into `selected_rows`. Raises `DefinitionError`."""
    frames = _Frames(cursor, organization)
    if isinstance(selection.rows, str):
        tables = {name: view(cursor, name, organization) for name in _named_views(selection.rows, {})}
        choose = partial(_queried, tables, selection.rows)
    else:
        choose = partial(selection.rows, frames)
    try:
        rows = _typed(choose(), selection)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except Exception as error:
        # Whatever a query or a function of somebody else's raises; what the store has raised is its own.
        if error is frames.failure:
            raise
        said = str(error) if isinstance(error, duckdb.Error | ValueError) else repr(error)
        detail = f"must give the columns id and {selection.column}: {said}"
        raise DefinitionError(definition.name, detail) from error
    cursor.register("arrived_selection", rows)
    cursor.execute("create or replace temp table selected_rows as select * from arrived_selection")
    cursor.unregister("arrived_selection")
    _require_deployments(cursor, definition.name)


def _typed(found: Any, selection: Selection) -> pa.Table:
    """The two columns, with their types; what is no number is null. Raises `ValueError`, `duckdb.Error`."""
    column, kind = selection.column, selection.kind
    with duckdb.connect(":memory:") as connection:
        connection.register("found", found)
        named = connection.table("found").columns
        if not {"id", column} <= set(named):
            raise ValueError(f"they have {', '.join(named)}")
        value = f"{column}::{kind}"
        if kind == "double":
            value = f"case when isfinite({value}) then {value} end"
        return connection.sql(f"select id::varchar as id, {value} as {column} from found").to_arrow_table()


def _require_deployments(cursor: duckdb.DuckDBPyConnection, name: str) -> None:
    """See that each row is of a deployment of its own. Raises `DefinitionError`."""
    ((rows, named, ids, known),) = cursor.execute(
        "select count(*), count(id), count(distinct id), "
        "count(*) filter (where id in (select id from deployments)) from selected_rows"
    ).fetchall()
    if named < rows:
        raise DefinitionError(name, f"must have an id: {rows - named} of {rows} have none")
    if rows != ids:
        raise DefinitionError(name, f"must choose a deployment once: {rows - ids} of {rows} are too many")
    if rows and not known:
        raise DefinitionError(name, "must give the ids of deployments: none of its ids is one")


class _Frames(Mapping[str, "pl.DataFrame"]):
    """The views by name, each read when it is asked for."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, organization: str) -> None:
        self._cursor, self._organization = cursor, organization
        self.failure: Exception | None = None
        """What the store has raised."""

    def __getitem__(self, name: str) -> "pl.DataFrame":
        import polars as pl  # For functions alone.

        if name not in VIEWS:
            raise KeyError(f"{name} is no view: {', '.join(VIEWS)}")
        try:
            return pl.DataFrame(view(self._cursor, name, self._organization))
        except duckdb.Error as error:
            self.failure = error
            raise

    def __iter__(self) -> Iterator[str]:
        return iter(VIEWS)

    def __len__(self) -> int:
        return len(VIEWS)
