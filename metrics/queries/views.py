"""What analysts see of the facts, and what they ask of it: in a database of the query's own."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    # What is not named need not be worked out. More than is meant does no harm.
    words = set(re.findall(r"\w+", query.casefold()))
    views = read([name for name in VIEWS if name in words and name not in frames])
    with duckdb.connect(":memory:") as connection:
        connection.execute("set timezone = 'UTC'")
        for name, table in {**views, **frames}.items():
            connection.register(name, table)
        result = connection.sql(query, params=parameters)
        if result is None:
            raise ValueError("the query gives no rows: it must be a select")
        return result.to_arrow_table()


def keep_selection(
    cursor: duckdb.DuckDBPyConnection, definition: Definition[Any], selection: Selection, organization: str
) -> None:
    """Put the rows that a metric's selection chooses into `selected_rows`. Raises `DefinitionError`."""
    column = selection.column
    try:
        found = _chosen(cursor, selection, organization)
        with duckdb.connect(":memory:") as connection:
            connection.register("found", found)
            named = connection.table("found").columns
            if not {"id", column} <= set(named):
                raise ValueError(f"they have {', '.join(named)}")
            statement = f"select id::varchar as id, {column}::{selection.kind} as {column} from found"
            rows = connection.sql(statement).to_arrow_table()
    except (duckdb.ProgrammingError, duckdb.DataError, ValueError, TypeError) as error:
        raise DefinitionError(definition.name, f"must give the columns id and {column}: {error}") from error
    cursor.register("arrived_selection", rows)
    cursor.execute("create or replace temp table selected_rows as select * from arrived_selection")
    cursor.unregister("arrived_selection")
    _require_deployments(cursor, definition.name)


def _chosen(cursor: duckdb.DuckDBPyConnection, selection: Selection, organization: str) -> Any:
    if isinstance(selection.rows, str):
        read = lambda names: {name: view(cursor, name, organization) for name in names}  # noqa: E731
        return query_views(read, selection.rows)
    try:
        return selection.rows(_Frames(cursor, organization))
    except duckdb.Error:
        raise
    except Exception as error:
        # Whatever a function of somebody else's raises.
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _require_deployments(cursor: duckdb.DuckDBPyConnection, name: str) -> None:
    """See that each row is of a deployment of its own. Raises `DefinitionError`."""
    ((rows, ids, known),) = cursor.execute(
        "select count(*), count(distinct id), count(*) filter (where id in (select id from deployments))"
        " from selected_rows"
    ).fetchall()
    if rows != ids:
        raise DefinitionError(name, f"must choose a deployment once: {rows - ids} of {rows} are too many")
    if rows and not known:
        raise DefinitionError(name, "must give the ids of deployments: none of its ids is one")


class _Frames(Mapping[str, "pl.DataFrame"]):
    """The views by name, each read when it is asked for."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, organization: str) -> None:
        self._cursor, self._organization = cursor, organization

    def __getitem__(self, name: str) -> "pl.DataFrame":
        import polars as pl  # For functions alone.

        if name not in VIEWS:
            raise KeyError(f"{name} is no view: {', '.join(VIEWS)}")
        return pl.DataFrame(view(self._cursor, name, self._organization))

    def __iter__(self) -> Iterator[str]:
        return iter(VIEWS)

    def __len__(self) -> int:
        return len(VIEWS)
