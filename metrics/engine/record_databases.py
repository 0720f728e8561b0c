"""Where records are pulled from: the record database, on SQLite or on PostgreSQL, read in one snapshot.

SQLite is read through Python's own `sqlite3`: a second SQLite library in one process breaks the locks
of the first, and acknowledged commits are lost.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import psycopg
import pyarrow as pa

from metrics.domain.errors import RecordsUnavailable
from metrics.domain.instants import to_microseconds
from metrics.engine.pulled_tables import (
    PULLED,
    START,
    HeldRecords,
    Kind,
    Position,
    RecordDatabase,
    Rows,
    pulled_table,
)


def follow(url: str) -> RecordDatabase:
    """The record database at `postgresql://user:password@host/name`, `sqlite:///file`, or in a file."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return SqliteRecords(Path(url))
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        return PostgresRecords(f"postgresql://{rest}")
    return SqliteRecords(Path(rest.removeprefix("/")))


Run = Callable[[str, Sequence[object]], Rows]
"""Runs a statement with positional parameters, written `?`, and gives all its rows."""
Stream = Callable[[str, Sequence[object]], Iterator[Rows]]
"""The same, some rows at a time."""
_ROWS_AT_ONCE = 20_000


class DatabaseSnapshot:
    """The record database as it was at one moment."""

    def __init__(self, run: Run, stream: Stream, select: Mapping[Kind, str]) -> None:
        """`select` says how a column of a kind is selected, so that every database gives the same values."""
        self._run, self._stream = run, stream
        self._select = select

    def head(self) -> Position:
        """The last revision there is."""
        last = "select revision, id from {} order by revision desc limit 1"
        return _latest(self._run(last.format(table), ()) for table in PULLED)

    def holds(self, position: Position) -> bool:
        """Whether this history has passed through the position: false for another or a restored database."""
        return position == START or any(
            self._run(
                f"select 1 from {table} where revision = ? and id = ?",
                (position.revision, position.record_id),
            )
            for table in PULLED
        )

    def rows(self, table: str, after: int) -> pa.Table:
        """The versions of a table with a revision after the one given, as Arrow."""
        return self._pull(table, "revision > ?", (after,))

    def rows_until(self, table: str, revision: int, organization: str) -> pa.Table:
        """The versions of an organization up to a revision, as Arrow."""
        return self._pull(table, "revision <= ? and organization = ?", (revision, organization))

    def position_at(self, instant: int) -> Position:
        """The last revision that was recorded by an instant, in microseconds."""
        last = "select revision, id from {} where recorded_at <= ? order by revision desc limit 1"
        return _latest(self._run(last.format(table), (instant,)) for table in PULLED)

    def _pull(self, table: str, condition: str, given: Sequence[object]) -> pa.Table:
        columns = PULLED[table]
        selected = ", ".join(self._select[kind].format(name) for name, kind in columns.items())
        statement = f"select {selected} from {table} where {condition} order by revision"
        # Python's objects for a million rows at once would be gigabytes.
        pieces = [pulled_table(table, rows) for rows in self._stream(statement, given)]
        return pa.concat_tables(pieces) if pieces else pulled_table(table, ())


class _Cursor(Protocol):
    def fetchmany(self, size: int, /) -> Rows: ...


def _pieces(cursor: _Cursor) -> Iterator[Rows]:
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield rows


def _latest(found: Iterable[Rows]) -> Position:
    """Of the last positions of the tables the last of all."""
    positions = (Position(*rows[0]) for rows in found if rows)
    return max(positions, key=lambda one: one.revision, default=START)


def _held(snapshot: DatabaseSnapshot, organization: str, position: Position) -> HeldRecords:
    tables = {table: snapshot.rows_until(table, position.revision, organization) for table in PULLED}
    return HeldRecords(tables, position)


class SqliteRecords:
    """The record database in a SQLite file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @contextmanager
    def snapshot(self) -> Iterator[DatabaseSnapshot]:
        try:
            with closing(sqlite3.connect(f"{self.file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                connection.isolation_level = None
                connection.execute("begin")
                yield DatabaseSnapshot(
                    lambda sql, given: connection.execute(sql, given).fetchall(),
                    lambda sql, given: _pieces(connection.execute(sql, given)),
                    dict.fromkeys(Kind, "{}"),
                )
        except sqlite3.Error as error:
            raise RecordsUnavailable(str(error)) from error

    def position_at(self, as_of: datetime) -> Position:
        with self.snapshot() as snapshot:
            return snapshot.position_at(to_microseconds(as_of))

    def past(self, organization: str, position: Position) -> HeldRecords:
        with self.snapshot() as snapshot:
            return _held(snapshot, organization, position)

    def close(self) -> None:
        """Nothing is kept open between snapshots."""


class PostgresRecords:
    """The record database on a PostgreSQL server, over one connection that is made again when it breaks."""

    _SELECT: Mapping[Kind, str] = {
        Kind.TEXT: "{}",
        Kind.NUMBER: "{}",
        Kind.FLAG: "{}::integer",
        Kind.JSON: "{}::text",
    }

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.Connection | None = None

    @contextmanager
    def snapshot(self) -> Iterator[DatabaseSnapshot]:
        try:
            connection = self._connected()
            with connection.transaction():
                yield DatabaseSnapshot(
                    lambda sql, given: connection.execute(sql.replace("?", "%s"), given).fetchall(),
                    lambda sql, given: self._stream(connection, sql, given),
                    self._SELECT,
                )
        except psycopg.Error as error:
            self.close()
            raise RecordsUnavailable(str(error)) from error

    # What any thread may ask goes over a connection of its own: the other one is the store's.
    def position_at(self, as_of: datetime) -> Position:
        with closing(PostgresRecords(self._conninfo)) as own, own.snapshot() as snapshot:
            return snapshot.position_at(to_microseconds(as_of))

    def past(self, organization: str, position: Position) -> HeldRecords:
        with closing(PostgresRecords(self._conninfo)) as own, own.snapshot() as snapshot:
            return _held(snapshot, organization, position)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _stream(connection: psycopg.Connection, sql: str, given: Sequence[object]) -> Iterator[Rows]:
        # A named cursor: the server keeps the rows that are not fetched yet.
        with connection.cursor(name="pull") as cursor:
            cursor.execute(sql.replace("?", "%s"), given)
            yield from _pieces(cursor)

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._conninfo)
            self._connection.read_only = True
            # Head and rows must be of one moment; revisions are committed in order, so it is a prefix.
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return self._connection
