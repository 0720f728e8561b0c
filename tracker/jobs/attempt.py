"""One attempt at a job: the checkout, the command, its steps, and how it ends."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from tracker.deployments.steps import Step, StepStatus
from tracker.jobs.git import Checkout, CheckoutFailed
from tracker.jobs.lease_keeper import SECOND, LeaseKeeper, StopRequested, TimeOver
from tracker.jobs.log_writer import LogWriter
from tracker.jobs.processes import ProcessGroup
from tracker.jobs.queue import Job, JobStatus, begin_deployment, deployed_commit, end_job, retry_job
from tracker.jobs.workspaces import Workspace
from tracker.records.failures import UNAVAILABLE
from tracker.records.ledger import Act
from tracker.records.recorder import Recorder

_DRAIN_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_AGAIN_SECONDS = 1.0
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "USER", "SSL_CERT_FILE", "SSH_AUTH_SOCK")


@dataclass(frozen=True, slots=True)
class Holder:
    """The runner that holds a job. Commands get the variables `passed`, and a few of the host's."""

    name: str
    engine: Engine
    recorder: Recorder
    passed: Sequence[str]
    lease_seconds: float
    grace_seconds: float

    def lease_end(self, now: int) -> int:
        """Return when a lease that is taken now ends, in microseconds."""
        return now + round(self.lease_seconds * SECOND)


@dataclass(slots=True)
class Attempt:
    """One attempt at a job."""

    holder: Holder
    first_job: Job
    workspace: Workspace
    folder: Path
    _lease: LeaseKeeper = field(init=False)
    _log: LogWriter = field(init=False)
    _steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        holder, job = self.holder, self.first_job
        limit = self.workspace.time_limit_seconds
        self._lease = LeaseKeeper(holder.recorder, holder.name, job, holder.lease_seconds, limit)
        self._log = LogWriter(holder.engine, job.id, holder.name)

    @property
    def job(self) -> Job:
        """The job as it was when its lease was last renewed."""
        return self._lease.job

    def run(self) -> None:
        """Carry the job out and end it. Raises `LeaseLost`, and then has ended nothing."""
        job = self.job
        waited = ((job.started_at or job.created_at) - job.created_at) / SECOND
        self._steps.append(Step("DEPLOYMENT_QUEUEING", StepStatus.SUCCESS, round(waited, 3)))
        if job.losses:
            self._log.say("The runner that had this job is lost; it begins again.")
        elif job.attempt:
            self._log.say(f"Attempt {job.attempt + 1} of {job.max_attempts + 1}.")
        try:
            self._check_out()
            exit_code = self._run_command()
        except StopRequested:
            self._log.say("Stopped.")
            self._end(JobStatus.STOPPED)
        except TimeOver:
            self._log.say(f"The time limit of {self.workspace.time_limit_seconds} seconds is over.")
            self._fail(None)
        except CheckoutFailed as failure:
            self._log.say(f"The repository cannot be checked out: {failure}")
            self._fail(None)
        else:
            if exit_code == 0:
                self._end(JobStatus.COMPLETE, 0)
            else:
                self._fail(exit_code)

    def give_up(self, why: str) -> None:
        """End a job that the runner itself cannot carry out. Raises `LeaseLost`."""
        self._log.say(f"The runner cannot carry this job out: {why}")
        self._end(JobStatus.ERROR)

    def _check_out(self) -> None:
        """Check the commit out into a folder of its own, and record the deployment as in progress."""
        wanted = self.job.commit_id or self.workspace.branch
        self._log.say(f"Checking out {wanted} of {self.workspace.repository.path}.")
        started = time.monotonic()
        checkout = Checkout(self.folder / "checkout", self._lease.require)
        wanted_commit = self.job.commit_id if self.job.image_tag is None else None
        try:
            commit_id = checkout.get(self.workspace.clone_url, self.workspace.branch, wanted_commit)
            with self.holder.engine.connect() as connection:
                deployed = deployed_commit(connection, self.workspace)
            changes = checkout.changes_since(deployed)
        except (CheckoutFailed, StopRequested, TimeOver):
            self._note_step("GIT_CLONE", StepStatus.ERROR, started)
            raise
        self._note_step("GIT_CLONE", StepStatus.SUCCESS, started)
        self._lease.job = self._lease.record(
            lambda ledger: begin_deployment(ledger, self.job, commit_id, changes)
        )
        self._log.say(f"At {commit_id}: {self.workspace.command}")

    def _run_command(self) -> int:
        started, status = time.monotonic(), StepStatus.ERROR
        command, folder = ("/bin/sh", "-c", self.workspace.command), self.folder / "checkout"
        try:
            with (
                ProcessGroup.start(command, folder, self._environment()) as group,
                self._lease.cutting_off(group),
            ):
                exit_code = self._follow(group)
            status = StepStatus.SUCCESS if exit_code == 0 else StepStatus.ERROR
            return exit_code
        except StopRequested:
            status = StepStatus.CANCEL
            raise
        finally:
            self._note_step("DEPLOYMENT", status, started)

    def _follow(self, group: ProcessGroup) -> int:
        """Log the command's output until it ends; return its exit code."""
        try:
            while group.process.poll() is None:
                self._read(group)
                self._lease.require()
        except (StopRequested, TimeOver):
            # Time to put things right, and then the end.
            group.terminate()
            self._follow_until(group, time.monotonic() + self.holder.grace_seconds)
            raise
        finally:
            # Whatever is left behind ends too, and then the pipe does.
            group.kill()
            self._follow_until(group, time.monotonic() + _DRAIN_SECONDS)
            self._log.end_line()
        return group.process.returncode

    def _follow_until(self, group: ProcessGroup, until: float) -> None:
        """Log on while processes of the command are left, and there is time."""
        while time.monotonic() < until:
            if not self._read(group) or (group.is_over and not group.has_output):
                return
            if self._lease.is_beat_due:
                self._lease.beat()

    def _read(self, group: ProcessGroup) -> bool:
        """Read some output of the command; return whether more may follow."""
        piece = group.read(_LOOK_SECONDS, watched=self._log.may_take_more)
        if piece is None:
            self._log.flush_when_due()
            return True
        self._log.take(piece)
        return bool(piece)

    def _note_step(self, name: str, status: StepStatus, started: float) -> None:
        self._steps.append(Step(name, status, round(time.monotonic() - started, 3)))

    def _fail(self, exit_code: int | None) -> None:
        """End the job as failed, or queue it once more where it may be tried again."""
        if self.job.attempt >= self.job.max_attempts:
            self._end(JobStatus.ERROR, exit_code)
        else:
            self._log.say("It failed, and is tried again unless it is to be stopped.")
            self._commit_eventually(lambda ledger: retry_job(ledger, self.job, exit_code, self._steps))

    def _end(self, status: JobStatus, exit_code: int | None = None) -> None:
        self._commit_eventually(lambda ledger: end_job(ledger, self.job, status, exit_code, self._steps))

    def _commit_eventually(self, act: Act[None]) -> None:
        """Commit the act, retrying while the database is unavailable. Raises `LeaseLost`."""
        while True:
            try:
                self._log.flush()
                self._lease.record(act)
            except UNAVAILABLE:
                time.sleep(_AGAIN_SECONDS)
            else:
                return

    def _environment(self) -> Mapping[str, str]:
        """Return the command's environment: little of the runner's, and none of the service's settings."""
        names = (*_KEPT_VARIABLES, *self.holder.passed)
        kept = {name: os.environ[name] for name in names if name in os.environ}
        described = {
            "JOB_ID": self.job.id,
            "JOB_ATTEMPT": str(self.job.attempt),
            "WORKSPACE": self.workspace.name,
            "BRANCH": self.workspace.branch,
            "COMMIT_ID": self.job.commit_id or "",
            "IMAGE_TAG": self.job.image_tag or "",
        }
        return kept | described
