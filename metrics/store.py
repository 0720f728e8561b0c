"""The DuckDB store: derived from the record database, disposable, one file a process.

DuckDB lets one process open a file. Each process takes a slot of its own in the store's folder, with a
lock that ends with the process, and rebuilds what it finds lost, stale or damaged.
"""

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Self

import duckdb

from metrics.catalog import CATALOG, read_sql, sql_files
from metrics.errors import RecordsUnavailable
from metrics.reading import Reading
from metrics.replicate import FACTS, catch_up, position_of
from metrics.sources import PULLED, RecordDatabase

_MACROS = (
    "asked_cells",
    "is_asked",
    "group_of",
    "deployments_in_reach",
    "asked_deployments",
    "asked_incidents",
    "failure_causes",
    "deployments_left_out",
    "deployments_without_success",
    "causes_left_out",
)


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

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reading]:
        """One state of the records, with every one that was acknowledged before the call."""
        with self._lock:
            catch_up(self._connection, self._records)
            cursor = self._connection.cursor()
        with cursor:
            cursor.begin()
            try:
                yield Reading(cursor)
            finally:
                cursor.rollback()

    def lag(self) -> int | None:
        """How many revisions the store has not taken in yet; None where the records cannot be read."""
        try:
            with self._lock, self._records.snapshot() as snapshot:
                return snapshot.head().revision - position_of(self._connection).revision
        except RecordsUnavailable:
            return None

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
            self._slot.discard()
            return _prepare(duckdb.connect(str(self._slot.file)))


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
    schema = files("metrics").joinpath("sql", "schema.sql").read_text(encoding="utf-8")
    return "\n".join([schema, *(read_sql("asked", macro) for macro in _MACROS)])


def _fingerprint() -> str:
    """What the store's content depends on, beside the records: the definitions and DuckDB's version."""
    texts = [
        duckdb.__version__,
        _creation(),
        *(read_sql("records", table) for table in PULLED),
        *(read_sql("changes", file) for file in sql_files("changes")),
        *(read_sql("facts", fact) for fact in FACTS),
        *(definition.sql for definition in CATALOG.values()),
    ]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


class _Slot:
    """A numbered file in the folder that no other process uses, as long as this one lives."""

    def __init__(self, file: Path, lock: int) -> None:
        self.file = file
        self._lock = lock

    @classmethod
    def take(cls, folder: Path) -> Self:
        """The first free slot."""
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
                return cls(folder / f"{number}.duckdb", lock)

    def discard(self) -> None:
        """Remove the file and its write-ahead log."""
        for path in (self.file, self.file.with_name(f"{self.file.name}.wal")):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def release(self) -> None:
        os.close(self._lock)
