"""One attempt at a job: the checkout, the command, its log, its steps, and how it ends."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine

from metrics.domain.instants import now_microseconds
from tracker.deployments.steps import Step, StepStatus
from tracker.jobs.git import Checkout, CheckoutFailed
from tracker.jobs.logs import LONGEST_LINE, append_lines
from tracker.jobs.processes import ProcessGroup
from tracker.jobs.queue import (
    Job,
    JobStatus,
    begin_deployment,
    deployed_commit,
    end_job,
    renew_lease,
    retry_job,
)
from tracker.jobs.workspaces import Workspace
from tracker.records.engine import UNAVAILABLE, write_transaction
from tracker.records.ledger import Act, Ledger
from tracker.records.recorder import Recorder

T = TypeVar("T")
SECOND = 1_000_000
BEAT_SECONDS = 1.0
_FLUSH_SECONDS, _FLUSH_LINES = 0.25, 1_000
_DRAIN_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_AGAIN_SECONDS = 1.0
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "USER", "SSL_CERT_FILE", "SSH_AUTH_SOCK")
# What is read and cannot be written down yet; while it is more, the command has to wait.
_MOST_HELD = 5_000


class LeaseLost(Exception):
    """The job is another runner's by now."""


class _Stopped(Exception):
    """Somebody has asked for the job to be stopped."""


class _TimeOver(Exception):
    """The workspace's time limit is over."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the job, and how it works. Commands get the variables `passed`, beside a few of the host's."""

    name: str
    engine: Engine
    recorder: Recorder
    passed: Sequence[str]
    lease_seconds: float
    grace_seconds: float

    def lease_end(self, now: int) -> int:
        """When a lease that is taken now is over, in microseconds."""
        return now + round(self.lease_seconds * SECOND)


@dataclass(slots=True)
class Attempt:
    """One attempt at a job."""

    holder: Holder
    job: Job
    workspace: Workspace
    folder: Path
    _steps: list[Step] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)
    _rest: bytes = b""
    _flushed_at: float = field(default_factory=time.monotonic)
    _beaten_at: float = field(default_factory=time.monotonic)
    _ends_at: float = 0.0
    _held_until: float = 0.0
    _is_cut_off: bool = False

    def run(self) -> None:
        """Carry the job out and end it. Raises `LeaseLost`, and then has ended nothing."""
        job = self.job
        self._ends_at = time.monotonic() + self.workspace.time_limit_seconds
        self._held_until = time.monotonic() + self.holder.lease_seconds
        waited = ((job.started_at or job.created_at) - job.created_at) / SECOND
        self._steps.append(Step("DEPLOYMENT_QUEUEING", StepStatus.SUCCESS, round(waited, 3)))
        if job.losses:
            self._say("The runner that had this job is lost; it begins again.")
        elif job.attempt:
            self._say(f"Attempt {job.attempt + 1} of {job.max_attempts + 1}.")
        try:
            self._check_out()
            exit_code = self._run_command()
        except _Stopped:
            self._say("Stopped.")
            self._end(JobStatus.STOPPED)
        except _TimeOver:
            self._say(f"The time limit of {self.workspace.time_limit_seconds} seconds is over.")
            self._fail(None)
        except CheckoutFailed as failure:
            self._say(f"The repository cannot be checked out: {failure}")
            self._fail(None)
        else:
            if exit_code == 0:
                self._end(JobStatus.COMPLETE, 0)
            else:
                self._fail(exit_code)

    def _check_out(self) -> None:
        """The commit, in a folder of its own; from then on the deployment is recorded."""
        wanted = self.job.commit_id or self.workspace.branch
        self._say(f"Checking out {wanted} of {self.workspace.repository.path}.")
        started = time.monotonic()
        checkout = Checkout(self.folder / "checkout", self._still_mine)
        wanted_commit = self.job.commit_id if self.job.image_tag is None else None
        try:
            commit_id = checkout.get(self.workspace.clone_url, self.workspace.branch, wanted_commit)
            with self.holder.engine.connect() as connection:
                deployed = deployed_commit(connection, self.workspace)
            changes = checkout.changes_since(deployed)
        except (CheckoutFailed, _Stopped, _TimeOver):
            self._note_step("GIT_CLONE", StepStatus.ERROR, started)
            raise
        self._note_step("GIT_CLONE", StepStatus.SUCCESS, started)
        self.job = self._while_mine(lambda ledger: begin_deployment(ledger, self.job, commit_id, changes))
        self._say(f"At {commit_id}: {self.workspace.command}")

    def _run_command(self) -> int:
        started, status = time.monotonic(), StepStatus.ERROR
        command, folder = ("/bin/sh", "-c", self.workspace.command), self.folder / "checkout"
        try:
            with (
                ProcessGroup.start(command, folder, self._environment()) as group,
                self._watching(group),
            ):
                exit_code = self._follow(group)
            if self._is_cut_off:
                raise LeaseLost
            status = StepStatus.SUCCESS if exit_code == 0 else StepStatus.ERROR
            return exit_code
        except _Stopped:
            status = StepStatus.CANCEL
            raise
        finally:
            self._note_step("DEPLOYMENT", status, started)

    @contextmanager
    def _watching(self, group: ProcessGroup) -> Iterator[None]:
        """Kills the command once the lease is over: the database may be away, and a call to it take long."""
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

    def _follow(self, group: ProcessGroup) -> int:
        """Write down what the command says until it is over; its exit code."""
        try:
            while group.process.poll() is None:
                self._read(group)
                self._still_mine()
        except (_Stopped, _TimeOver):
            # Time to put things right, and then the end.
            group.terminate()
            self._follow_until(group, time.monotonic() + self.holder.grace_seconds)
            raise
        finally:
            # Whatever is left behind ends too, and then the pipe does.
            group.kill()
            self._follow_until(group, time.monotonic() + _DRAIN_SECONDS)
            self._take(b"\n" if self._rest else b"")
        return group.process.returncode

    def _follow_until(self, group: ProcessGroup, until: float) -> None:
        """Go on writing down while something of the command is left, and there is time."""
        while time.monotonic() < until:
            if not self._read(group) or (group.is_over and group.read(0) is None):
                return
            if time.monotonic() - self._beaten_at > BEAT_SECONDS:
                self._beat()

    def _read(self, group: ProcessGroup) -> bool:
        """Take what the command says; whether it may say more."""
        piece = group.read(_LOOK_SECONDS, watched=len(self._lines) < _MOST_HELD)
        if piece is None:
            self._flush_when_due()
            return True
        self._take(piece)
        return bool(piece)

    def _take(self, piece: bytes) -> None:
        *whole, self._rest = (self._rest + piece).split(b"\n")
        while len(self._rest) > LONGEST_LINE:
            first, self._rest = _cut(self._rest)
            whole.append(first)
        for line in whole:
            while len(line) > LONGEST_LINE:
                first, line = _cut(line)
                self._lines.append(_readable(first))
            self._lines.append(_readable(line))
        self._flush_when_due()

    def _say(self, text: str) -> None:
        self._lines += [f"[runner] {line}" for line in _readable(text.encode()).splitlines()]
        self._flush()

    def _flush_when_due(self) -> None:
        if len(self._lines) >= _FLUSH_LINES or time.monotonic() - self._flushed_at > _FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        """Write down what there is. While the database is away it is held, and nothing more is read."""
        self._flushed_at = time.monotonic()
        if self._lines:
            with contextlib.suppress(*UNAVAILABLE):
                with write_transaction(self.holder.engine) as connection:
                    append_lines(connection, self.job.id, self.holder.name, _now(), self._lines)
                self._lines = []

    def _still_mine(self) -> None:
        """Go on only while the job is the runner's, nobody wants it stopped, and there is time.

        Raises `LeaseLost`, `_Stopped`, `_TimeOver`.
        """
        if time.monotonic() > self._ends_at:
            raise _TimeOver
        if time.monotonic() - self._beaten_at > BEAT_SECONDS and self._beat().stop_requested_at is not None:
            raise _Stopped

    def _beat(self) -> Job:
        """Renew the lease. Raises `LeaseLost`; while the database is away, once the lease is over."""
        try:
            self._while_mine(lambda _: None)
        except UNAVAILABLE:
            if time.monotonic() > self._held_until:
                raise LeaseLost from None
        self._beaten_at = time.monotonic()
        return self.job

    def _while_mine(self, act: Act[T]) -> T:
        """Do it with the lease renewed, in one commit, or not at all. Raises `LeaseLost`."""
        holder, now = self.holder, _now()
        held_until = time.monotonic() + holder.lease_seconds

        def leased(ledger: Ledger) -> T:
            job = renew_lease(ledger, self.job.id, holder.name, holder.lease_end(now))
            if job is None:
                raise LeaseLost
            self.job = job
            return act(ledger)

        done = holder.recorder.record_now(leased)
        self._held_until = held_until
        return done

    def _commit_eventually(self, act: Act[None]) -> None:
        """Do it, however long the database is away. Raises `LeaseLost` where the job is another's by then."""
        while True:
            try:
                self._flush()
                self._while_mine(act)
            except UNAVAILABLE:
                time.sleep(_AGAIN_SECONDS)
            else:
                return

    def _note_step(self, name: str, status: StepStatus, started: float) -> None:
        self._steps.append(Step(name, status, round(time.monotonic() - started, 3)))

    def _fail(self, exit_code: int | None) -> None:
        """End the job as failed, or queue it once more where it may be tried again."""
        if self.job.attempt >= self.job.max_attempts:
            self._end(JobStatus.ERROR, exit_code)
        else:
            self._say("It failed, and is tried again unless it is to be stopped.")
            self._commit_eventually(lambda ledger: retry_job(ledger, self.job, exit_code, self._steps))

    def give_up(self, why: str) -> None:
        """End a job that the runner itself cannot carry out. Raises `LeaseLost`."""
        self._say(f"The runner cannot carry this job out: {why}")
        self._end(JobStatus.ERROR)

    def _end(self, status: JobStatus, exit_code: int | None = None) -> None:
        self._commit_eventually(lambda ledger: end_job(ledger, self.job, status, exit_code, self._steps))

    def _environment(self) -> Mapping[str, str]:
        """What the command finds: little of the runner's own, and nothing of the service's settings."""
        names = (*_KEPT_VARIABLES, *self.holder.passed)
        kept = {name: os.environ[name] for name in names if name in os.environ}
        told = {
            "JOB_ID": self.job.id,
            "JOB_ATTEMPT": str(self.job.attempt),
            "WORKSPACE": self.workspace.name,
            "BRANCH": self.workspace.branch,
            "COMMIT_ID": self.job.commit_id or "",
            "IMAGE_TAG": self.job.image_tag or "",
        }
        return kept | told


def _cut(line: bytes) -> tuple[bytes, bytes]:
    """The longest beginning that is no longer than a line may be, and the rest; between two characters."""
    end = LONGEST_LINE
    while end > LONGEST_LINE - 4 and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[:end], line[end:]


def _readable(line: bytes) -> str:
    return line.rstrip(b"\r").decode(errors="replace").replace("\x00", "\ufffd")


def _now() -> int:
    return now_microseconds()
