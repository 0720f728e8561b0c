"""Keeps a runner's lease on a job while it works, and says when it has to end."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from metrics.domain.instants import now_microseconds
from tracker.jobs.processes import ProcessGroup
from tracker.jobs.queue import Job, renew_lease
from tracker.records.failures import UNAVAILABLE
from tracker.records.ledger import Act, Ledger
from tracker.records.recorder import Recorder

T = TypeVar("T")
SECOND = 1_000_000
BEAT_SECONDS = 1.0
_LOOK_SECONDS = 0.1


class LeaseLost(Exception):
    """Another runner holds the job now."""


class StopRequested(Exception):
    """The job is to be stopped."""


class TimeOver(Exception):
    """The workspace's time limit has passed."""


@dataclass(slots=True)
class LeaseKeeper:
    """The lease of a runner on a job. `job` is the job as it was when the lease was last renewed."""

    recorder: Recorder
    runner: str
    job: Job
    lease_seconds: float
    time_limit_seconds: float
    _ends_at: float = field(init=False)
    _held_until: float = field(init=False)
    _beaten_at: float = field(default_factory=time.monotonic)
    _is_cut_off: bool = False

    def __post_init__(self) -> None:
        self._ends_at = time.monotonic() + self.time_limit_seconds
        self._held_until = time.monotonic() + self.lease_seconds

    def require(self) -> None:
        """Raise where the job must not go on: the lease is lost, a stop is requested, or time is over.

        Raises `LeaseLost`, `StopRequested`, `TimeOver`.
        """
        if time.monotonic() > self._ends_at:
            raise TimeOver
        if self.is_beat_due:
            self.beat()
            if self.job.stop_requested_at is not None:
                raise StopRequested

    @property
    def is_beat_due(self) -> bool:
        """Whether it is time to renew the lease."""
        return time.monotonic() - self._beaten_at > BEAT_SECONDS

    def beat(self) -> None:
        """Renew the lease. Raises `LeaseLost`; while the database is away, once the lease is over."""
        try:
            self.record(lambda _: None)
        except UNAVAILABLE:
            if time.monotonic() > self._held_until:
                raise LeaseLost from None
        self._beaten_at = time.monotonic()

    def record(self, act: Act[T]) -> T:
        """Run the act with the lease renewed, in one commit, or not at all. Raises `LeaseLost`."""
        expires_at = now_microseconds() + round(self.lease_seconds * SECOND)
        held_until = time.monotonic() + self.lease_seconds

        def leased(ledger: Ledger) -> T:
            job = renew_lease(ledger, self.job.id, self.runner, expires_at)
            if job is None:
                raise LeaseLost
            self.job = job
            return act(ledger)

        done = self.recorder.record_now(leased)
        self._held_until = held_until
        return done

    @contextmanager
    def cutting_off(self, group: ProcessGroup) -> Iterator[None]:
        """Kill the command once the lease ends, even while a call to the database hangs.

        Raises `LeaseLost` at the end, where it has done so.
        """
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(_LOOK_SECONDS):
                if time.monotonic() > self._held_until:
                    self._is_cut_off = True
                    group.kill()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join()
        if self._is_cut_off:
            raise LeaseLost
