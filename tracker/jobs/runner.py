"""Carries out jobs on the host that may deploy: checks the commit out, runs the command, writes the log.

A process of its own: the service never runs a command. The command has a process group of its own and a clean
environment; it ends with the job, whichever way the job ends, and with the runner.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import structlog

from metrics.domain.instants import now_microseconds
from tracker.errors import NotFound
from tracker.jobs.attempt import Attempt, Holder
from tracker.jobs.lease_keeper import LeaseLost
from tracker.jobs.queue import Job, claim_job, find_job
from tracker.jobs.workspaces import find_workspace
from tracker.records.failures import UNAVAILABLE

LEASE_SECONDS = 15.0
GRACE_SECONDS = 10.0
POLL_SECONDS = 1.0
_ID_LENGTH = 36
_log = structlog.get_logger("tracker.runner")


def new_name() -> str:
    """A name that no other runner has."""
    return f"{os.uname().nodename}-{os.getpid()}-{uuid4().hex[:8]}"


@dataclass(slots=True)
class Runner:
    """Takes one job after the other, of the workspaces that are named, or of all."""

    holder: Holder
    folder: Path
    workspaces: Sequence[str] = ()
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, *, once: bool = False) -> None:
        """Take jobs until `stopping` is set, and finish the one that is under way.

        With `once`, take them until none is left.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        while not self.stopping.is_set():
            try:
                job = self._claim()
                if job is not None:
                    self._carry_out(job)
                elif once:
                    return
                else:
                    self.stopping.wait(POLL_SECONDS)
            except UNAVAILABLE as failure:
                _log.warning("the record database does not answer", failure=str(failure))
                self.stopping.wait(POLL_SECONDS)
            except Exception:  # noqa: BLE001 - one job must not keep the others from being carried out
                _log.exception("a job cannot be taken")
                self.stopping.wait(POLL_SECONDS)

    def _sweep(self) -> None:
        """Remove what a runner that was killed has left of jobs that are over."""
        with self.holder.engine.connect() as connection:
            for left in self.folder.iterdir():
                job_id = left.name[:_ID_LENGTH]
                try:
                    is_over = find_job(connection, job_id, deleted=True).status.is_over
                except NotFound:
                    is_over = len(left.name) > _ID_LENGTH and left.name[_ID_LENGTH] == "-"
                if is_over:
                    shutil.rmtree(left, ignore_errors=True)

    def _claim(self) -> Job | None:
        holder, now = self.holder, now_microseconds()
        return holder.recorder.record_now(
            lambda ledger: claim_job(ledger, holder.name, now, holder.lease_end(now), self.workspaces)
        )

    def _carry_out(self, job: Job) -> None:
        log = _log.bind(job=job.id, workspace=job.workspace_id)
        log.info("job taken", attempt=job.attempt, losses=job.losses)
        with self.holder.engine.connect() as connection:
            workspace = find_workspace(connection, job.workspace_id)
        checkout = Path(tempfile.mkdtemp(prefix=f"{job.id}-", dir=self.folder))
        attempt = Attempt(self.holder, job, workspace, checkout)
        try:
            try:
                attempt.run()
            except (LeaseLost, *UNAVAILABLE):
                raise
            except Exception as fault:
                log.exception("a job cannot be carried out")
                attempt.give_up(f"{type(fault).__name__}, see its log")
        except LeaseLost:
            log.warning("the job is another runner's by now")
        else:
            log.info("job over")
        finally:
            shutil.rmtree(checkout, ignore_errors=True)
