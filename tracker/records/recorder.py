"""The group commit: handlers hand over what they want recorded, one writer commits what is waiting.

Every answer goes out after the commit that holds its record, never before. An act that is refused
fails alone; what it shares a commit with is not touched by it.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine

from metrics.domain.errors import Refusal
from tracker.records.engine import probe, write_transaction
from tracker.records.failures import UNAVAILABLE
from tracker.records.ledger import Act, KnownRepositories, Ledger
from tracker.telemetry import COMMIT_ACTS, COMMIT_SECONDS, FAILED_COMMITS

T = TypeVar("T")

_LARGEST_GROUP = 256
# A database that is nearly full takes a small commit now and then: that does not make it ready.
_REFUSAL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Submission:
    act: Act[Any]
    future: Future[Any]


class Recorder:
    """The one writer of a process, on a thread of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[_Submission | None] = queue.SimpleQueue()
        self._known_repositories = KnownRepositories()
        self._refused_at: float | None = None
        self.on_commit: Callable[[], object] | None = None
        """Called after each commit, on the writer's thread."""
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    @property
    def is_refused(self) -> bool:
        """Whether the record database has refused a commit, and not been seen to take one since."""
        return self._refused_at is not None

    def try_again(self) -> None:
        """Probe with an empty commit; clear the refused state after three seconds without a refusal.

        Raises one of `UNAVAILABLE`.
        """
        probe(self._engine)
        if self._refused_at is not None and time.monotonic() - self._refused_at > _REFUSAL_SECONDS:
            self._refused_at = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what has been handed over, then end."""
        self._waiting.put(None)
        self._thread.join()

    async def record(self, act: Act[T]) -> T:
        """Run the act in the next commit and return its result once that is on disk.

        Raises the act's `Refusal`, or one of `UNAVAILABLE` where the database cannot be written.
        """
        future: Future[T] = Future()
        self._waiting.put(_Submission(act, future))
        return await asyncio.wrap_future(future)

    def record_now(self, act: Act[T]) -> T:
        """Record as `record` does, on the calling thread and in its own transaction; for the command line."""
        outcome = self._commit([_Submission(act, Future())])[0]
        if isinstance(outcome, BaseException):
            raise outcome
        result: T = outcome
        return result

    def _work(self) -> None:
        running = True
        while running:
            group = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < _LARGEST_GROUP:
                    group.append(self._waiting.get_nowait())
            running = None not in group
            self._settle([submission for submission in group if submission is not None])

    def _settle(self, group: Sequence[_Submission]) -> None:
        if not group:
            return
        for submission, outcome in zip(group, self._commit(group), strict=True):
            if not submission.future.set_running_or_notify_cancel():
                continue  # nobody waits for it any more
            if isinstance(outcome, BaseException):
                submission.future.set_exception(outcome)
            else:
                submission.future.set_result(outcome)

    def _commit(self, group: Sequence[_Submission]) -> list[Any]:
        """The result, or the exception, of each act; all that succeeded are committed."""
        try:
            with COMMIT_SECONDS.time(), write_transaction(self._engine) as connection:
                ledger = Ledger(connection, self._known_repositories)
                outcomes = [_attempt(submission.act, ledger) for submission in group]
                ledger.flush()
        except UNAVAILABLE as error:
            FAILED_COMMITS.inc()
            self._refused_at = time.monotonic()
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001 - the writer must outlive any act; each is told its own fault
            if len(group) == 1:
                return [error]
            return [self._commit([submission])[0] for submission in group]
        ledger.remember()
        if self.on_commit is not None:
            self.on_commit()
        COMMIT_ACTS.observe(len(group))
        return outcomes


def _attempt(act: Act[Any], ledger: Ledger) -> Any:
    try:
        return act(ledger)
    except Refusal as refusal:
        return refusal
