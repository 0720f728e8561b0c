"""The DuckDB store: derived from the record database, disposable, one file a process.

DuckDB lets one process open a file. Each process takes a slot of its own in the store's folder, with a
lock that ends with the process, and rebuilds what it finds lost, stale or damaged.
"""

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

import duckdb

from metrics.definitions import profiles
from metrics.definitions.catalog import CATALOG
from metrics.domain.errors import RecordsUnavailable
from metrics.domain.settings import DEFAULT_SETTINGS
from metrics.engine.pulled_tables import RecordDatabase
from metrics.engine.replication import FACTS, catch_up, position_of
from metrics.sql import read_sql, sql_files

T = TypeVar("T")
_MOST_PAST = 2


class Store:
    """Answers questions about the records, each time from all that are recorded.

    Safe to use from several threads.
    """

    def __init__(self, records: RecordDatabase, folder: Path | None = None) -> None:
        """A store over a record database; kept in the folder, or in memory where there is none."""
        self._records = records
        self._lock = threading.Lock()
        self._slot = None if folder is None else _Slot.take(folder)
        self._connection = self._open()
        self._past: dict[object, Store] = {}
        self._past_lock = threading.Lock()

    def read(self, act: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """What the act finds in one state of the records, with all that were acknowledged before the call.

        Where the file is damaged meanwhile, it is made again and the act runs anew. Raises
        `RecordsUnavailable`, and what the act raises.
        """
        connection = self._connection
        try:
            with self.snapshot() as cursor:
                return act(cursor)
        except duckdb.Error as error:
            if not _tells_of_damage(error):
                raise
        try:
            self._begin_anew(connection)
        except duckdb.Error as error:
            raise RecordsUnavailable(f"the store cannot be made again: {error}") from error
        with self.snapshot() as cursor:
            return act(cursor)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on one state of the records, with every one that was acknowledged before the call."""
        with self._lock:
            catch_up(self._connection, self._records)
            cursor = self._connection.cursor()
        with cursor:
            cursor.begin()
            try:
                yield cursor
            finally:
                cursor.rollback()

    def _begin_anew(self, damaged: duckdb.DuckDBPyConnection) -> None:
        """Leave a damaged file for a new one, unless another thread has done so."""
        with self._lock:
            if self._connection is damaged:
                if self._slot is not None:
                    self._slot.remove_file()
                    self._slot.move_on()
                damaged.close()
                self._connection = self._open()

    def at(self, organization: str, as_of: datetime) -> "Store":
        """A store of what the organization had recorded by an instant; its answers are those of then.

        Raises `RecordsUnavailable`, and `ParameterError` where the records have no history.
        """
        position = self._records.position_at(as_of)
        return self._kept((organization, position), lambda: self._records.past(organization, position))

    def _kept(self, key: object, records: Callable[[], RecordDatabase]) -> "Store":
        """The store over other records than its own, made where it is not at hand."""
        with self._past_lock:
            known = self._past.get(key)
        if known is None:
            known = Store(records())
        with self._past_lock:
            self._past.pop(key, None)
            self._past[key] = known
            # Those that are let go live as long as somebody asks them.
            while len(self._past) > _MOST_PAST:
                self._past.pop(next(iter(self._past)))
        return known

    def lag(self) -> int | None:
        """How many revisions the store has not taken in yet; None where the records cannot be read."""
        try:
            with self._lock, self._records.snapshot() as snapshot:
                return snapshot.head().revision - position_of(self._connection).revision
        except (RecordsUnavailable, duckdb.Error):
            return None

    def head(self) -> int:
        """The revision of the newest record. Raises `RecordsUnavailable`."""
        with self._records.snapshot() as snapshot:
            return snapshot.head().revision

    def close(self) -> None:
        with self._lock:
            self._connection.close()
            self._records.close()
            if self._slot is not None:
                self._slot.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._slot is None:
            return _prepare(duckdb.connect(":memory:"))
        try:
            return _prepare(duckdb.connect(str(self._slot.file)))
        except (duckdb.Error, _OtherVersion):
            # Whatever is wrong with it, the records are not: the file is made again.
            self._slot.remove_file()
            return _prepare(duckdb.connect(str(self._slot.file)))


def _tells_of_damage(error: duckdb.Error) -> bool:
    """Whether it is the file that is wrong. A checksum that does not match has no class of its own.

    A connection that is closed is left of a file that could not be made again.
    """
    return type(error) is duckdb.Error or isinstance(error, _DAMAGE)


_DAMAGE = (
    duckdb.IOException,
    duckdb.InternalException,
    duckdb.SerializationException,
    duckdb.ConnectionException,
)


class _OtherVersion(Exception):
    """The file was made by another version of the definitions."""


def _prepare(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Create the schema, or see that it is this program's. Raises `_OtherVersion`."""
    try:
        # `set timezone` would not reach the cursors of this connection.
        connection.execute("set global timezone = 'UTC'")
        known = connection.execute(
            "select count(*) from information_schema.tables where table_name = 'definitions'"
        ).fetchone()
        if known == (0,):
            connection.execute(_creation())
            connection.execute("create table definitions as select ? as fingerprint", [_fingerprint()])
        elif connection.execute("select fingerprint from definitions").fetchone() != (_fingerprint(),):
            raise _OtherVersion
    except BaseException:
        connection.close()
        raise
    return connection


def _creation() -> str:
    schema = read_sql("", "schema")
    return "\n".join([schema, profiles.creation()])


def _fingerprint() -> str:
    """What the store's content depends on, beside the records: the definitions and DuckDB's version."""
    texts = [
        duckdb.__version__,
        repr(DEFAULT_SETTINGS),
        _creation(),
        *(read_sql("records", file) for file in sql_files("records")),
        *(read_sql("changes", file) for file in sql_files("changes")),
        *(read_sql("facts", fact) for fact in FACTS),
        *(definition.sql for definition in CATALOG.values()),
    ]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


class _Slot:
    """A numbered place in the folder that no other process uses, as long as this one lives."""

    def __init__(self, folder: Path, number: int, lock: int) -> None:
        self._folder, self._number, self._lock = folder, number, lock
        self._left = 0
        for left in folder.glob(f"{number}.*.duckdb*"):
            left.unlink(missing_ok=True)

    @classmethod
    def take(cls, folder: Path) -> Self:
        """The first free one."""
        folder.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                number += 1
            else:
                return cls(folder, number, lock)

    @property
    def file(self) -> Path:
        """The file of the place."""
        infix = f".{self._left}" if self._left else ""
        return self._folder / f"{self._number}{infix}.duckdb"

    def remove_file(self) -> None:
        """Remove the file and its write-ahead log."""
        for path in (self.file, self.file.with_name(f"{self.file.name}.wal")):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def move_on(self) -> None:
        """Leave a file that is still open: DuckDB knows it by its path, and the next needs another."""
        self._left += 1

    def release(self) -> None:
        os.close(self._lock)
