"""A store for each organization that is asked about: the cost follows who asks.

Each follows its organization's records alone, under a lock of its own, in a file of its own.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

import duckdb

from metrics.domain.errors import RecordsUnavailable
from metrics.engine.places import Instance
from metrics.engine.pulled_tables import Position, RecordDatabase
from metrics.engine.store import Store

T = TypeVar("T")
# As many as are kept open where nobody asks them: each takes a megabyte.
_MOST_IDLE = 100


class OrganizationStores:
    """The stores of all organizations of a record database. Safe to use from several threads."""

    def __init__(
        self,
        records: RecordDatabase,
        folder: Path | None = None,
        *,
        memory: str | None = None,
        threads: int | None = None,
    ) -> None:
        """Kept in the folder, or in memory where there is none; `memory` and `threads` are what all of
        them may take.
        """
        self._records = records
        self._instance = Instance(folder, memory=memory, threads=threads)
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, _Opened] = OrderedDict()

    def of(self, organization: str) -> "OrganizationStore":
        """The store of an organization, which is opened when it is asked."""
        return OrganizationStore(self, organization)

    @contextmanager
    def opened(self, organization: str) -> Iterator[Store]:
        """The store of an organization, which stays open meanwhile. Raises `RecordsUnavailable`."""
        with self._lock:
            one = self._opened.setdefault(organization, _Opened())
            self._opened.move_to_end(organization)
            one.askers += 1
        try:
            with one.opening:
                if one.store is None:
                    one.store = self._open(organization)
            yield one.store
        finally:
            with self._lock:
                one.askers -= 1
                self._close_idle()

    def _open(self, organization: str) -> Store:
        try:
            return Store(self._records.of(organization), self._instance, name=organization)
        except (duckdb.Error, OSError) as error:
            raise RecordsUnavailable(f"the store cannot be made: {error}") from error

    def _close_idle(self) -> None:
        """Close those that were not asked for longest; who asks one of them opens it again."""
        if len(self._opened) <= _MOST_IDLE:
            return
        idle = [name for name, one in self._opened.items() if not one.askers]
        for name in idle[: len(self._opened) - _MOST_IDLE]:
            store = self._opened.pop(name).store
            if store is not None:
                store.close()

    def head(self, organization: str) -> Position:
        """Where an organization's records end; its store stays closed. Raises `RecordsUnavailable`."""
        with self._records.of(organization).snapshot() as snapshot:
            return snapshot.head()

    def lag(self) -> int | None:
        """How many revisions the store that is furthest behind has not taken in, of those that are open.

        None where the records cannot be read.
        """
        with self._lock:
            stores = [one.store for one in self._opened.values() if one.store is not None]
        lags = [store.lag() for store in stores]
        known = [lag for lag in lags if lag is not None]
        return None if len(known) < len(lags) else max(known, default=0)

    def close(self) -> None:
        with self._lock:
            opened, self._opened = self._opened, OrderedDict()
        for one in opened.values():
            if one.store is not None:
                one.store.close()
        self._records.close()
        self._instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(slots=True)
class _Opened:
    """A store that is open, or about to be, and how many ask it just now."""

    opening: threading.Lock = field(default_factory=threading.Lock)
    store: Store | None = None
    askers: int = 0


@dataclass(frozen=True, slots=True)
class OrganizationStore:
    """An organization's store, which is opened when it is asked."""

    stores: OrganizationStores
    organization: str

    def read(self, act: Callable[[duckdb.DuckDBPyConnection], T], *, with_details: bool = False) -> T:
        """As `Store.read` does."""
        with self.stores.opened(self.organization) as store:
            return store.read(act, with_details=with_details)

    def read_as_of(
        self,
        organization: str,
        as_of: datetime,
        act: Callable[[duckdb.DuckDBPyConnection], T],
        *,
        with_details: bool = False,
    ) -> T:
        """As `Store.read_as_of` does."""
        with self.stores.opened(self.organization) as store:
            return store.read_as_of(organization, as_of, act, with_details=with_details)

    def head(self) -> Position:
        """Where the organization's records end. Raises `RecordsUnavailable`."""
        return self.stores.head(self.organization)
