"""Where records are pulled from: the record database, on SQLite or on PostgreSQL, read in one snapshot.

SQLite is read through Python's own `sqlite3`: a second SQLite library in one process breaks the locks
of the first, and acknowledged commits are lost.
"""

import math
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from copy import copy
from datetime import datetime
from pathlib import Path
from queue import Empty, Full, LifoQueue
from typing import Protocol
from weakref import finalize

import psycopg
import pyarrow as pa
from psycopg.conninfo import make_conninfo

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


def follow(url: str, replica: str | None = None) -> "DatabaseRecords":
    """The record database at `postgresql://user:password@host/name`, `sqlite:///file`, or in a file.

    `replica` is a server's that holds the same, of which it is read as far as that has come.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return SqliteRecords(Path(url))
    if scheme.partition("+")[0] not in ("postgresql", "postgres"):
        return SqliteRecords(Path(rest.removeprefix("/")))
    primary = PostgresRecords(f"postgresql://{rest}")
    if replica is None:
        return primary
    return ReplicatedRecords(primary, Replica(f"postgresql://{replica.partition('://')[2]}"))


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


class SqliteRecords(DatabaseRecords):
    """The record database in a SQLite file, or what it has of one organization."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._organization: str | None = None
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
            with closing(sqlite3.connect(f"{self.file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                connection.isolation_level = None
                connection.execute("begin")
                yield DatabaseSnapshot(
                    lambda sql, given: connection.execute(sql, given).fetchall(),
                    lambda sql, given: _pieces(connection.execute(sql, given)),
                    dict.fromkeys(Kind, "{}"),
                    self._organization,
                )
        except (sqlite3.Error, FileGone) as error:
            raise RecordsUnavailable(str(error)) from error

    def close(self) -> None:
        """Nothing is kept open between snapshots."""


class _IdleConnections:
    """Connections that nobody uses just now, which are closed with whoever has kept them."""

    def __init__(self) -> None:
        self._kept: LifoQueue[psycopg.Connection] = LifoQueue(_MOST_IDLE)
        # A method `__del__` may come after that of the connections, when all of them are one cycle of
        # garbage. A process that ends needs none of it, and one that was forked must not do it.
        finalize(self, _close_all, self._kept).atexit = False

    def take(self) -> psycopg.Connection | None:
        with suppress(Empty):
            return self._kept.get_nowait()
        return None

    def keep(self, connection: psycopg.Connection) -> None:
        try:
            self._kept.put_nowait(connection)
        except Full:
            connection.close()

    def close(self) -> None:
        _close_all(self._kept)


def _close_all(kept: LifoQueue[psycopg.Connection]) -> None:
    with suppress(Empty):
        while True:
            kept.get_nowait().close()


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
        self._idle = _IdleConnections()

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


class Replica:
    """A server that holds what a primary does, as far as it has come. Safe to use from several threads."""

    def __init__(self, conninfo: str) -> None:
        # Who does not answer holds up every question otherwise.
        self._records = PostgresRecords(make_conninfo(conninfo, connect_timeout=_CONNECT_SECONDS))
        self._away_until = -math.inf

    @property
    def is_away(self) -> bool:
        """Whether it has failed just now, and is left alone for a while."""
        return time.monotonic() < self._away_until

    @contextmanager
    def snapshot(self, organization: str | None) -> Iterator[DatabaseSnapshot]:
        """One read transaction. Raises `RecordsUnavailable`, and is away then."""
        records = self._records if organization is None else self._records.of(organization)
        try:
            with records.snapshot() as snapshot:
                yield snapshot
        except RecordsUnavailable:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            raise

    def close(self) -> None:
        self._records.close()


class ReplicatedRecords(DatabaseRecords):
    """The records of a primary server, read of a replica: the primary is left to those who write."""

    def __init__(self, primary: DatabaseRecords, replica: Replica, organization: str | None = None) -> None:
        self._primary, self._replica, self._organization = primary, replica, organization

    def of(self, organization: str) -> "ReplicatedRecords":
        return ReplicatedRecords(self._primary.of(organization), self._replica, organization)

    @contextmanager
    def snapshot(self) -> Iterator[DatabaseSnapshot]:
        """Of the replica where it has all that the primary has at this moment, else of the primary."""
        with self._primary.snapshot() as snapshot:
            head = snapshot.head()
        with ExitStack() as held:
            replica = None if self._replica.is_away else self._as_far_as(head, held)
            yield replica or held.enter_context(self._primary.snapshot())

    def _as_far_as(self, head: Position, held: ExitStack) -> DatabaseSnapshot | None:
        """A snapshot of the replica; None where it has not come so far, is away, or is of another history."""
        with suppress(RecordsUnavailable), ExitStack() as attempt:
            snapshot = attempt.enter_context(self._replica.snapshot(self._organization))
            reached = snapshot.head()
            if reached == head or (reached.revision > head.revision and self._has_come_to(reached)):
                held.enter_context(attempt.pop_all())
                return snapshot
        return None

    def _has_come_to(self, position: Position) -> bool:
        """Whether the primary has passed through it meanwhile: one that was restored has not."""
        with self._primary.snapshot() as snapshot:
            return snapshot.holds(position)

    def close(self) -> None:
        self._primary.close()
        self._replica.close()


_CONNECT_SECONDS = 2
# It is tried again after so long.
_AWAY_SECONDS = 30.0
