"""Where stores are kept: one DuckDB of the process, to which the file of each store is attached.

They share its memory and threads, and nothing else: a file that is damaged is made again, and no other store
notices. DuckDB lets one process open a file, so each process takes a slot of its own in the stores' folder,
with a lock that ends with the process.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import threading
from itertools import count
from pathlib import Path
from typing import Self

import duckdb

from metrics.engine.contents import OtherVersion, create_contents, require_contents

_EMPTY = "_empty"
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
# Small blocks, as of two thousand organizations most have few records; with smaller ones, a store with many
# takes twice as long to write.
_BLOCK_BYTES = 65_536


class Instance:
    """A DuckDB, and the slot in which it keeps files; in memory alone where there is no folder.

    Safe to use from several threads.
    """

    def __init__(
        self, folder: Path | None = None, *, memory: str | None = None, threads: int | None = None
    ) -> None:
        """`memory` is what all stores may take, in DuckDB's words, `4GB` or `50%`, and `threads` how many
        work for them; else its own limits.
        """
        self._slot = None if folder is None else _Slot.take(folder)
        self._memory, self._threads = memory, threads
        # The garbage collector may let a store go, and so detach it, while its thread holds the lock.
        self._lock, self._making = threading.RLock(), threading.Lock()
        self._has_empty = False
        self._connection = self._connect()
        self._numbers = count()

    def place(self, name: str | None) -> "Place":
        """A place for the store of this name: its file, or some memory where it has none, or no folder is."""
        return Place(self, None if self._slot is None or name is None else self._slot.file(name))

    def attach(self, file: Path | None) -> str:
        """The name of a new database: of what the file holds, or of an empty one in memory.

        Raises `duckdb.Error`, `OtherVersion`.
        """
        name = f"store_{next(self._numbers)}"
        with self._lock:
            connection = self._working()
            # What was asked of a file that is left stays in use until the last one is answered.
            source = ":memory:" if file is None else str(file)
            connection.execute(f"attach '{_quoted(source)}' as {name}")
        try:
            with self.cursor(name) as cursor:
                if file is None:
                    create_contents(cursor)
                else:
                    require_contents(cursor)
        except BaseException:
            self.detach(name)
            raise
        return name

    def detach(self, name: str) -> None:
        """Let a database go; who reads it reads on."""
        with self._lock, contextlib.suppress(duckdb.Error):
            self._connection.execute(f"detach {name}")

    def cursor(self, name: str) -> duckdb.DuckDBPyConnection:
        """A connection on which a database is the one that is meant."""
        with self._lock:
            cursor = self._connection.cursor()
        try:
            cursor.execute(f"use {name}")
        except BaseException:
            cursor.close()
            raise
        return cursor

    def empty_file(self, file: Path) -> None:
        """Make the file anew, of a store without records. Raises `duckdb.Error`, `OSError`."""
        assert self._slot is not None
        empty = self._slot.file(_EMPTY)
        with self._making:
            if not self._has_empty and not _holds_contents(empty):
                _remove(empty)
                with duckdb.connect() as maker:
                    maker.execute(f"attach '{_quoted(str(empty))}' as made (block_size {_BLOCK_BYTES})")
                    maker.execute("use made")
                    create_contents(maker)
            self._has_empty = True
        _remove(file)
        shutil.copyfile(empty, file)

    def close(self) -> None:
        self._connection.close()
        if self._slot is not None:
            self._slot.release()

    def _working(self) -> duckdb.DuckDBPyConnection:
        """The connection; a new one where DuckDB has given itself up after a commit that failed."""
        try:
            self._connection.execute("select 1")
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):
                self._connection.close()
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:")
        # `set timezone` would not reach the cursors of this connection.
        connection.execute("set global timezone = 'UTC'")
        if self._memory is not None:
            connection.execute(f"set memory_limit = '{self._memory}'")
        if self._threads is not None:
            connection.execute(f"set threads = {self._threads}")
        if self._slot is not None:
            connection.execute(f"set temp_directory = '{_quoted(str(self._slot.spills))}'")
        return connection


class Place:
    """Where one store is kept: a database of the process's DuckDB, made again where it cannot be read."""

    def __init__(self, instance: Instance, file: Path | None) -> None:
        self._instance, self._first_file = instance, file
        self._left = 0
        self.name = self._open()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection on which the store's tables are those that are meant."""
        return self._instance.cursor(self.name)

    def begin_anew(self) -> None:
        """Leave what is damaged for a new database, of which DuckDB knows nothing yet.

        Raises `duckdb.Error`, `OSError`.
        """
        self._instance.detach(self.name)
        if self._file is not None:
            _remove(self._file)
            self._left += 1
        self.name = self._open()

    def close(self) -> None:
        self._instance.detach(self.name)

    @property
    def _file(self) -> Path | None:
        """DuckDB knows a file that is still open by its path: the next needs another."""
        if self._first_file is None or not self._left:
            return self._first_file
        return self._first_file.with_name(f"{self._first_file.stem}.{self._left}.duckdb")

    def _open(self) -> str:
        file = self._file
        if file is None:
            return self._instance.attach(None)
        if file.exists():
            # Whatever is wrong with it, the records are not: the file is made again.
            with contextlib.suppress(duckdb.Error, OtherVersion):
                return self._instance.attach(file)
        self._instance.empty_file(file)
        return self._instance.attach(file)


class _Slot:
    """A numbered folder that no other process uses, as long as this one lives."""

    def __init__(self, folder: Path, lock: int) -> None:
        self._folder, self._lock = folder, lock
        folder.mkdir(exist_ok=True)
        # What a process before has left for a new file, when it was damaged.
        for left in folder.glob("*.[0-9]*.duckdb*"):
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
                # The one file of all organizations, as earlier versions had it.
                for earlier in folder.glob(f"{number}.*duckdb*"):
                    earlier.unlink(missing_ok=True)
                return cls(folder / str(number), lock)

    def file(self, name: str) -> Path:
        """The file of the store of this name."""
        plain = name if _PLAIN_NAME.fullmatch(name) else f"_{hashlib.sha256(name.encode()).hexdigest()}"
        return self._folder / f"{name if name == _EMPTY else plain}.duckdb"

    @property
    def spills(self) -> Path:
        """Where DuckDB puts what does not fit into memory."""
        return self._folder / "spills"

    def release(self) -> None:
        os.close(self._lock)


def _holds_contents(file: Path) -> bool:
    if not file.exists():
        return False
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            require_contents(connection)
    except (duckdb.Error, OtherVersion):
        return False
    return True


def _remove(file: Path) -> None:
    """Remove a database's file and its write-ahead log."""
    for path in (file, file.with_name(f"{file.name}.wal")):
        path.unlink(missing_ok=True)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
