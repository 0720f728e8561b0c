"""Who waits for an answer of the store: when they leave, what runs for them is stopped."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import duckdb

from metrics.domain.errors import AskerLeft

ASKER: ContextVar["Asker | None"] = ContextVar("asker", default=None)
"""Whoever the current thread or task works for; None where nobody can leave: a notebook, a command."""


class Asker:
    """Whoever waits. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._has_left = False

    def leave(self) -> None:
        """Stop what runs for them, and whatever would begin."""
        with self._lock:
            self._has_left = True
            for cursor in self._running:
                cursor.interrupt()

    def require_waiting(self) -> None:
        """Raises `AskerLeft` where they have left."""
        if self._has_left:
            raise AskerLeft

    @contextmanager
    def asking(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Have what runs on the cursor stopped when they leave. Raises `AskerLeft` where they have."""
        with self._lock:
            self.require_waiting()
            self._running.add(cursor)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(cursor)
