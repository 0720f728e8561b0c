"""Where records are pulled from: the record database, on SQLite or on PostgreSQL, read in one snapshot.

SQLite is read through Python's own `sqlite3`: a second SQLite library in one process breaks the locks
of the first, and acknowledged commits are lost.
"""

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from copy import copy
from datetime import datetime
from pathlib import Path
from queue import Empty, Full, LifoQueue
from typing import Generic, Protocol, TypeVar
from weakref import finalize

import psycopg
import pyarrow as pa

from metrics.domain.errors import RecordsUnavailable
from metrics.domain.instants import to_microseconds
from metrics.engine.opened_file import FileGone, OpenedFile
from metrics.engine.pulled_tables import (
    DETAILED,
    PULLED,
    START,
    HeldRecords,
    Kind,
    Position,
    Rows,
    arrow_table,
)

Run = Callable[[str, Sequence[object]], Rows]
"""Runs a statement with positional parameters, written `?`, and gives all its rows."""
Stream = Callable[[str, Sequence[object]], Iterator[Rows]]
"""The same, some rows at a time."""
_ROWS_AT_ONCE = 20_000


class DatabaseSnapshot:
    """The record database as it was at one moment."""

    def __init__(
        self, run: Run, stream: Stream, select: Mapping[Kind, str], organization: str | None = None
    ) -> None:
        """Of one organization, or of all. `select` says how a column of a kind is selected, so that every
        database gives the same values.
        """
        self._run, self._stream = run, stream
        self._select = select
        self._of_it = "" if organization is None else "organization = ? and "
        self._given = () if organization is None else (organization,)

    def head(self) -> Position:
        """The last revision there is."""
        last = f"select revision, id from {{}} where {self._of_it}revision > 0 order by revision desc limit 1"
        return _latest(self._run(last.format(table), self._given) for table in PULLED)

    def organizations(self) -> Sequence[str]:
        """The organizations of which anything is recorded."""
        tables = ("repositories", "incidents", "pushes", "organization_settings")
        named = " union ".join(f"select organization from {table}" for table in tables)
        return [name for (name,) in self._run(f"{named} order by organization", ())]

    def organizations_since(self, revision: int) -> Sequence[str]:
        """The organizations of which anything is recorded after a revision, in order."""
        since = " union ".join(f"select organization from {table} where revision > ?" for table in PULLED)
        found = self._run(f"{since} order by organization", (revision,) * len(PULLED))
        return [name for (name,) in found]

    def holds(self, position: Position) -> bool:
        """Whether this history has passed through the position: false for another or a restored database."""
        return position == START or any(
            self._run(
                f"select 1 from {table} where revision = ? and id = ?",
                (position.revision, position.record_id),
            )
            for table in PULLED
        )

    def rows(self, table: str, after: int) -> Iterator[pa.Table]:
        """The versions of a table with a revision after the one given, as Arrow, some at a time."""
        return self._pull(table, f"{self._of_it}revision > ?", (*self._given, after))

    def details(self, table: str, after: int) -> Iterator[pa.Table]:
        """The same versions of a table that has details, with the columns of `DETAILED`."""
        return self._pull(table, f"{self._of_it}revision > ?", (*self._given, after), DETAILED[table])

    def versions(self, table: str, columns: Mapping[str, Kind], after: int, until: int) -> Iterator[pa.Table]:
        """Some columns of the versions with a revision after one and up to another, some at a time."""
        condition = f"{self._of_it}revision > ? and revision <= ?"
        return self._pull(table, condition, (*self._given, after, until), columns)

    def rows_until(
        self, table: str, columns: Mapping[str, Kind], revision: int, organization: str
    ) -> pa.Table:
        """Some columns of the versions of an organization up to a revision, as Arrow."""
        condition = "organization = ? and revision <= ?"
        pieces = [*self._pull(table, condition, (organization, revision), columns)]
        return pa.concat_tables(pieces) if pieces else arrow_table(columns, ())

    def position_at(self, instant: int) -> Position:
        """The last revision that was recorded by an instant, in microseconds."""
        last = "select revision, id from {} where recorded_at <= ? order by revision desc limit 1"
        return _latest(self._run(last.format(table), (instant,)) for table in PULLED)

    def _pull(
        self, table: str, condition: str, given: Sequence[object], columns: Mapping[str, Kind] | None = None
    ) -> Iterator[pa.Table]:
        columns = columns or PULLED[table]
        selected = ", ".join(self._select[kind].format(name) for name, kind in columns.items())
        statement = f"select {selected} from {table} where {condition} order by revision"
        # Python's objects for a million rows at once would be gigabytes.
        return (arrow_table(columns, rows) for rows in self._stream(statement, given))


class _Cursor(Protocol):
    def fetchmany(self, size: int, /) -> Rows: ...


def _pieces(cursor: _Cursor) -> Iterator[Rows]:
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield rows


def _latest(found: Iterable[Rows]) -> Position:
    """Of the last positions of the tables the last of all."""
    positions = (Position(*rows[0]) for rows in found if rows)
    return max(positions, key=lambda one: one.revision, default=START)


class DatabaseRecords(ABC):
    """A record database, or what it has of one organization."""

    @abstractmethod
    def of(self, organization: str) -> "DatabaseRecords":
        """Those of one of the organizations alone."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[DatabaseSnapshot]:
        """One read transaction. Raises `RecordsUnavailable`."""

    @abstractmethod
    def close(self) -> None:
        """Close what is kept open between snapshots."""

    def position_at(self, as_of: datetime) -> Position:
        """The last revision that was recorded by an instant. Raises `RecordsUnavailable`."""
        with self.snapshot() as snapshot:
            return snapshot.position_at(to_microseconds(as_of))

    def past(self, organization: str, position: Position) -> HeldRecords:
        """What an organization had recorded at a position. Raises `RecordsUnavailable`."""

        def details(table: str) -> pa.Table:
            with self.snapshot() as snapshot:
                return snapshot.rows_until(table, DETAILED[table], position.revision, organization)

        with self.snapshot() as snapshot:
            tables = {
                table: snapshot.rows_until(table, columns, position.revision, organization)
                for table, columns in PULLED.items()
            }
        return HeldRecords(tables, position, details)


class _Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closable)


class _IdleConnections(Generic[C]):
    """Connections that nobody uses just now, which are closed with whoever has kept them."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._kept: LifoQueue[C] = LifoQueue(_MOST_IDLE)
        # A method `__del__` may come after that of the connections, when all of them are one cycle of
        # garbage. A process that ends needs none of it.
        finalize(self, _close_all, self._kept, self._process).atexit = False

    def take(self) -> C | None:
        with suppress(Empty):
            return self._kept.get_nowait() if self._is_own else None
        return None

    def keep(self, connection: C) -> None:
        try:
            if not self._is_own:
                raise Full
            self._kept.put_nowait(connection)
        except Full:
            connection.close()

    def close(self) -> None:
        _close_all(self._kept, self._process)

    @property
    def _is_own(self) -> bool:
        """Whether what is kept was opened by this process, and not by the one that it was forked from."""
        return self._process == os.getpid()


def _close_all(kept: LifoQueue[C], process: int) -> None:
    with suppress(Empty):
        while process == os.getpid():
            kept.get_nowait().close()


class SqliteRecords(DatabaseRecords):
    """The record database in a SQLite file, or what it has of one organization."""

    def __init__(self, file: Path, *, is_service: bool = False) -> None:
        """`is_service` is whoever writes to it as well, and may keep connections open between snapshots: an
        open one keeps the log of a writer that has ended, and does not notice a file that is copied over.
        """
        self.file, self._is_service = file, is_service
        self._organization: str | None = None
        # To read a schema takes longer than to ask where the records end.
        self._idle = _IdleConnections[sqlite3.Connection]()
        self._opened = OpenedFile(file)
        with suppress(FileGone):  # It may come into being.
            self._opened.require()

    def of(self, organization: str) -> "SqliteRecords":
        of_it = copy(self)
        of_it._organization = organization
        return of_it

    @contextmanager
    def snapshot(self) -> Iterator[DatabaseSnapshot]:
        try:
            self._opened.require()
            # All connections of a process share what the first of them may do with the log.
            may_be_kept = self._is_service and os.access(self.file, os.W_OK)
            connection = self._connected()
            try:
                connection.execute("begin")
                with ExitStack() as reads:
                    yield DatabaseSnapshot(
                        lambda sql, given: connection.execute(sql, given).fetchall(),
                        # One that is not read to its end would go on in its snapshot.
                        lambda sql, given: _pieces(
                            reads.enter_context(closing(connection.execute(sql, given)))
                        ),
                        dict.fromkeys(Kind, "{}"),
                        self._organization,
                    )
                connection.execute("commit")
            except BaseException:
                connection.close()
                raise
            if may_be_kept:
                self._idle.keep(connection)
            else:
                connection.close()
        except (sqlite3.Error, FileGone) as error:
            self.close()
            raise RecordsUnavailable(str(error)) from error

    def close(self) -> None:
        """Close what is kept: of a file that is gone, or that nobody asks any more."""
        self._idle.close()

    def _connected(self) -> sqlite3.Connection:
        if (kept := self._idle.take()) is not None:
            return kept
        # One thread at a time uses it, and not always the same.
        uri = f"{self.file.resolve().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


class PostgresRecords(DatabaseRecords):
    """The record database on a PostgreSQL server, or what it has of one organization.

    Over connections that are kept for whoever is next, and made again when they break.
    """

    _SELECT: Mapping[Kind, str] = {
        Kind.TEXT: "{}",
        Kind.NUMBER: "{}",
        Kind.FLAG: "{}::integer",
        Kind.JSON: "{}::text",
    }

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._organization: str | None = None
        self._idle = _IdleConnections[psycopg.Connection]()

    def of(self, organization: str) -> "PostgresRecords":
        of_it = copy(self)
        of_it._organization = organization
        return of_it

    @contextmanager
    def snapshot(self) -> Iterator[DatabaseSnapshot]:
        try:
            connection = self._connected()
            try:
                with connection.transaction():
                    yield DatabaseSnapshot(
                        lambda sql, given: connection.execute(sql.replace("?", "%s"), given).fetchall(),
                        lambda sql, given: self._stream(connection, sql, given),
                        self._SELECT,
                        self._organization,
                    )
            except BaseException:
                connection.close()
                raise
            self._idle.keep(connection)
        except psycopg.Error as error:
            self.close()
            raise RecordsUnavailable(str(error)) from error

    def close(self) -> None:
        """Close what is kept: where one connection has broken, the others have."""
        self._idle.close()

    @staticmethod
    def _stream(connection: psycopg.Connection, sql: str, given: Sequence[object]) -> Iterator[Rows]:
        # A named cursor: the server keeps the rows that are not fetched yet.
        with connection.cursor(name="pull") as cursor:
            cursor.execute(sql.replace("?", "%s"), given)
            yield from _pieces(cursor)

    def _connected(self) -> psycopg.Connection:
        if (kept := self._idle.take()) is not None:
            return kept
        connection = psycopg.connect(self._conninfo)
        connection.read_only = True
        # Head and rows must be of one moment; revisions are committed in order, so it is a prefix.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return connection


_MOST_IDLE = 4
