"""A store in DuckDB: derived from the records that it follows, disposable, made again when it is damaged."""

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self, TypeVar, runtime_checkable

import duckdb
import pyarrow as pa

from metrics.domain.errors import AskerLeft, QuestionStopped, RecordsUnavailable
from metrics.engine.askers import ASKER
from metrics.engine.parts import put_together
from metrics.engine.places import Instance
from metrics.engine.pulled_tables import Position, RecordDatabase
from metrics.engine.replication import catch_up, position_of

T = TypeVar("T")
_MOST_PAST = 2
_NAME_ALONE = "all"


@runtime_checkable
class Readable(Protocol):
    """What an organization's questions are answered from."""

    def read(self, act: Callable[[duckdb.DuckDBPyConnection], T], *, with_details: bool = False) -> T:
        """What the act finds in the records as they are; with what views show beside what is measured."""
        ...

    def read_as_of(
        self,
        organization: str,
        as_of: datetime,
        act: Callable[[duckdb.DuckDBPyConnection], T],
        *,
        with_details: bool = False,
    ) -> T:
        """What the act finds in the records as they were at an instant."""
        ...

    def head(self) -> Position:
        """Where the records of the organization end."""
        ...


class Store:
    """Answers questions about the records, each time from all that are recorded.

    Safe to use from several threads.
    """

    def __init__(
        self,
        records: RecordDatabase,
        home: Instance | Path | None = None,
        *,
        name: str | None = _NAME_ALONE,
        memory: str | None = None,
        threads: int | None = None,
    ) -> None:
        """A store over records, kept in its home under a name: in a DuckDB that it shares, or of its own, in
        the folder, or in memory where there is none. One without a name is in memory, whatever its home.
        `memory` and `threads` are what a DuckDB of its own may take.
        """
        self._records = records
        self._is_alone = not isinstance(home, Instance)
        self._instance = (
            home if isinstance(home, Instance) else Instance(home, memory=memory, threads=threads)
        )
        self._lock = threading.Lock()
        self._place = self._instance.place(name)
        self._connection = self._place.cursor()
        # One that nobody asks any more may never have been closed.
        weakref.finalize(self, self._place.close).atexit = False
        self._is_put_together = False
        self._past: dict[object, Store] = {}
        self._past_lock = threading.Lock()

    def read(self, act: Callable[[duckdb.DuckDBPyConnection], T], *, with_details: bool = False) -> T:
        """What the act finds in one state of the records, with all that were acknowledged before the call.

        Where the file is damaged meanwhile, it is made again and the act runs anew. Raises
        `RecordsUnavailable`, `QuestionStopped`, and what the act raises.
        """
        connection = self._connection
        try:
            return self._attempt(act, with_details)
        except duckdb.Error as error:
            if not _tells_of_damage(error):
                raise
            if self._is_put_together:
                raise RecordsUnavailable(f"what was put together is damaged: {error}") from error
        try:
            self._begin_anew(connection)
        except (duckdb.Error, OSError) as error:
            raise RecordsUnavailable(f"the store cannot be made again: {error}") from error
        try:
            return self._attempt(act, with_details)
        except _DAMAGE as error:
            # Of a new file it is not the file that is wrong: a full disk, say.
            raise RecordsUnavailable(f"the store cannot be kept: {error}") from error

    def _attempt(self, act: Callable[[duckdb.DuckDBPyConnection], T], with_details: bool) -> T:
        try:
            with self.snapshot(with_details=with_details) as cursor:
                return act(cursor)
        except duckdb.InterruptException as error:
            raise AskerLeft from error
        except duckdb.OutOfMemoryException as error:
            raise QuestionStopped("The answer needs more memory than there is: ask for less.") from error

    @contextlib.contextmanager
    def snapshot(self, *, with_details: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on one state of the records, with every one that was acknowledged before the call."""
        with self._lock:
            catch_up(self._connection, self._records, with_details=with_details)
            cursor = self._place.cursor()
        asker = ASKER.get()
        with cursor, contextlib.nullcontext() if asker is None else asker.asking(cursor):
            cursor.begin()
            try:
                yield cursor
            finally:
                # Where DuckDB has given the file up, there is nothing to roll back.
                with contextlib.suppress(duckdb.FatalException, duckdb.ConnectionException):
                    cursor.rollback()

    def _begin_anew(self, damaged: duckdb.DuckDBPyConnection) -> None:
        """Leave a damaged file for a new one, unless another thread has done so."""
        with self._lock:
            if self._connection is damaged:
                damaged.close()
                self._place.begin_anew()
                self._connection = self._place.cursor()

    def read_as_of(
        self,
        organization: str,
        as_of: datetime,
        act: Callable[[duckdb.DuckDBPyConnection], T],
        *,
        with_details: bool = False,
    ) -> T:
        """What the act finds in what the organization had recorded by an instant.

        Raises what `read` does, and `ParameterError` where the records have no history.
        """
        position = self._records.position_at(as_of)
        past = self._kept((organization, position), lambda: self._records.past(organization, position))
        return past.read(act, with_details=with_details)

    def _kept(self, key: object, records: Callable[[], RecordDatabase]) -> "Store":
        """The store over other records than its own, made where it is not at hand."""
        with self._past_lock:
            known = self._past.get(key)
        if known is None:
            known = Store(records(), self._instance, name=None)
        with self._past_lock:
            self._past.pop(key, None)
            self._past[key] = known
            # Those that are let go live as long as somebody asks them.
            while len(self._past) > _MOST_PAST:
                self._past.pop(next(iter(self._past)))
        return known

    def put_together(self, pieces: Iterable[tuple[str, pa.Table]], divided: Sequence[str]) -> None:
        """Take in what the deployments came to elsewhere, in parts: none of them is in the records here, so
        that a store which is damaged then is not made again.
        """
        with self._lock:
            self._is_put_together = True
            catch_up(self._connection, self._records)
            put_together(self._connection, pieces, divided)

    def lag(self) -> int | None:
        """How many revisions the store has not taken in yet; None where the records cannot be read."""
        try:
            with self._lock, self._records.snapshot() as snapshot:
                return snapshot.head().revision - position_of(self._connection).revision
        except (RecordsUnavailable, duckdb.Error):
            return None

    def head(self) -> Position:
        """Where the records end. Raises `RecordsUnavailable`."""
        with self._records.snapshot() as snapshot:
            return snapshot.head()

    def close(self) -> None:
        """Let it go: where it is alone its DuckDB with it."""
        with self._lock:
            self._connection.close()
            self._records.close()
            for past in self._past.values():
                past.close()
            self._place.close()
            if self._is_alone:
                self._instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _tells_of_damage(error: duckdb.Error) -> bool:
    """Whether it is the file that is wrong. A checksum that does not match has no class of its own.

    A connection that is closed is left of a file that could not be made again.
    """
    return type(error) is duckdb.Error or isinstance(error, _DAMAGE)


# A commit for which there is no room, and what DuckDB says of a file that it has given up after that.
_DAMAGE = (
    duckdb.TransactionException,
    duckdb.FatalException,
    duckdb.IOException,
    duckdb.InternalException,
    duckdb.SerializationException,
    duckdb.ConnectionException,
)
