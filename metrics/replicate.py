"""Follows the record database: pulls every row with a newer revision, and keeps the facts up.

SQLite is read through Python's own `sqlite3`: a second SQLite library in one process breaks the locks
of the first, and acknowledged commits are lost.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from metrics.catalog import read_sql

_TEXT, _NUMBER, _FLAG = pa.string(), pa.int64(), pa.bool_()
_VERSION = {
    "revision": _NUMBER,
    "superseded_revision": _NUMBER,
    "first_revision": _NUMBER,
    "organization": _TEXT,
    "id": _TEXT,
}
# The tables of the record database, and of each the columns that the metrics need.
PULLED: Mapping[str, Mapping[str, pa.DataType]] = {
    "deployments": {
        **_VERSION,
        "repository_key": _TEXT,
        "repository_host": _TEXT,
        "repository_path": _TEXT,
        "service": _TEXT,
        "environment_key": _TEXT,
        "status": _TEXT,
        "commit_id": _TEXT,
        "version": _TEXT,
        "branch": _TEXT,
        "started_at": _NUMBER,
        "finished_at": _NUMBER,
        "is_fix": _FLAG,
        "is_hotfix": _FLAG,
        "is_rollback": _FLAG,
        "remediates": _TEXT,
        "team": _TEXT,
        "deployment_node_id": _TEXT,
        "commits": _TEXT,
    },
    "incidents": {
        **_VERSION,
        "started_at": _NUMBER,
        "resolved_at": _NUMBER,
        "environment_key": _TEXT,
        "repository_key": _TEXT,
        "service": _TEXT,
        "deployment": _TEXT,
        "commit_id": _TEXT,
        "change_related": _FLAG,
    },
    "repositories": {
        **_VERSION,
        "repository_key": _TEXT,
        "repository_host": _TEXT,
        "repository_path": _TEXT,
        "service": _TEXT,
        "team": _TEXT,
    },
    "organization_settings": {
        **_VERSION,
        "timezone": _TEXT,
        "production_environments": _TEXT,
        "failure_signals": _TEXT,
        "attribution_gap_days": _NUMBER,
        "benchmark": _NUMBER,
    },
}
# In the order in which they build on each other.
FACTS = ("settings", "finished_deployments", "incident_links", "remediations", "carried_commits")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the history of a record database: a revision, and the id of the record that has it."""

    revision: int
    record_id: str


START = Position(0, "")


class Snapshot(Protocol):
    """The record database as it was at one moment."""

    def head(self) -> Position: ...

    def holds(self, position: Position) -> bool:
        """Whether this history has passed through the position: false for another or a restored database."""
        ...

    def rows(self, table: str, after: int) -> pa.Table:
        """The versions of a table with a revision after the one given, as Arrow."""
        ...


class RecordDatabase(Protocol):
    """A record database that can be followed."""

    def snapshot(self) -> AbstractContextManager[Snapshot]: ...


class SqliteRecords:
    """The record database in a SQLite file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """One read transaction; it neither blocks the writer nor waits for it."""
        with closing(sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.isolation_level = None
            connection.execute("begin")
            yield _SqliteSnapshot(connection)


class _SqliteSnapshot:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def head(self) -> Position:
        newest = (
            self._connection.execute(
                f"select revision, id from {table} order by revision desc limit 1"
            ).fetchone()
            for table in PULLED
        )
        return max((Position(*row) for row in newest if row), key=lambda one: one.revision, default=START)

    def holds(self, position: Position) -> bool:
        return position == START or any(
            self._connection.execute(
                f"select 1 from {table} where revision = ? and id = ?",
                (position.revision, position.record_id),
            ).fetchone()
            for table in PULLED
        )

    def rows(self, table: str, after: int) -> pa.Table:
        columns = PULLED[table]
        rows = self._connection.execute(
            f"select {', '.join(columns)} from {table} where revision > ? order by revision", (after,)
        ).fetchall()
        return _arrow(columns, rows)


def _arrow(columns: Mapping[str, pa.DataType], rows: Sequence[Sequence[object]]) -> pa.Table:
    by_column = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return pa.table(
        [
            pa.array(values, _NUMBER).cast(_FLAG) if kind == _FLAG else pa.array(values, kind)
            for kind, values in zip(columns.values(), by_column, strict=True)
        ],
        names=list(columns),
    )


def catch_up(store: duckdb.DuckDBPyConnection, records: RecordDatabase) -> None:
    """Bring the store to the head of the record database, in one transaction.

    A store that has followed another history, of a database that was restored or replaced, begins anew.
    """
    with records.snapshot() as snapshot:
        position, head = position_of(store), snapshot.head()
        if position == head:
            return
        starts_anew = not snapshot.holds(position)
        after = START.revision if starts_anew else position.revision
        incoming = {table: snapshot.rows(table, after) for table in PULLED}
    store.begin()
    try:
        if starts_anew:
            for table in (*PULLED, *FACTS):
                store.execute(f"delete from {table}")
        for table, rows in incoming.items():
            _take_in(store, table, rows)
        _settle_facts(store)
        store.execute("delete from replication")
        store.execute("insert into replication values (?, ?)", [head.revision, head.record_id])
        store.commit()
    except BaseException:
        store.rollback()
        raise


def position_of(store: duckdb.DuckDBPyConnection) -> Position:
    """How far the store has followed."""
    found = store.execute("select revision, record_id from replication").fetchone()
    return Position(*found) if found else START


def _take_in(store: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Replace what has newer versions; of several versions of one record the newest counts."""
    if not rows.num_rows:
        return
    store.register("arrived", rows)
    store.execute(
        "create or replace temp table incoming as "
        "select * from arrived qualify row_number() over (partition by id order by revision desc) = 1"
    )
    store.unregister("arrived")
    store.execute(
        "insert into changed_organizations select distinct organization from incoming "
        "where organization not in (select organization from changed_organizations)"
    )
    store.execute(f"delete from {table} where id in (select id from incoming)")
    store.execute(f"insert into {table} by name {read_sql('records', table)}")
    store.execute("drop table incoming")


def _settle_facts(store: duckdb.DuckDBPyConnection) -> None:
    """Work out the facts of the organizations that changed."""
    for fact in FACTS:
        store.execute(
            f"delete from {fact} where organization in (select organization from changed_organizations)"
        )
        store.execute(f"insert into {fact} by name {read_sql('facts', fact)}")
    store.execute("delete from changed_organizations")
