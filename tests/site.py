"""A place to deploy from: a bare git repository on this host, a workspace of it, and runners."""

import itertools
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from tests.conftest import Book, now
from tracker.jobs.attempt import Holder
from tracker.jobs.logs import read_lines
from tracker.jobs.queue import Job, find_job, request_job
from tracker.jobs.runner import Runner, new_name
from tracker.jobs.workspaces import Workspace, create_workspace, read_location
from tracker.records.ledger import Author
from tracker.records.recorder import Recorder

_names = itertools.count(1)


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main")
    # Git has a clock of its own: commits are made by that of the test.
    dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), now().isoformat(timespec="seconds"))
    done = subprocess.run(
        ["git", *settings, *arguments],
        cwd=folder,
        env=os.environ | dates,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@dataclass
class Site:
    """A repository with a script `deploy.sh` at each of its commits."""

    folder: Path
    bare: Path = field(init=False)
    work: Path = field(init=False)

    def __post_init__(self) -> None:
        self.bare, self.work = self.folder / "shop.git", self.folder / "work"
        self.folder.mkdir(parents=True, exist_ok=True)
        git(self.folder, "init", "--quiet", "--bare", str(self.bare))
        git(self.folder, "clone", "--quiet", str(self.bare), str(self.work))

    def commit(self, script: str, branch: str = "main") -> str:
        """Commit a script and push it; the commit's id."""
        git(self.work, "checkout", "--quiet", "-B", branch)
        (self.work / "deploy.sh").write_text(f"#!/bin/sh\n{script}\n")
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "--allow-empty", "--message", "change")
        git(self.work, "push", "--quiet", "--force", "origin", branch)
        return git(self.work, "rev-parse", "HEAD")


def workspace_of(book: Book, repository: Path | str, **fields: Any) -> Workspace:
    given = {"command": "sh deploy.sh", "name": f"workspace-{next(_names)}", **fields}
    return book.recorder.record_now(
        lambda ledger: create_workspace(
            ledger, Author("acme", "test"), location=read_location(str(repository)), **given
        )
    )


def ask(book: Book, workspace: Workspace, **fields: Any) -> Job:
    return book.recorder.record_now(lambda ledger: request_job(ledger, workspace, {"id": "test"}, **fields))


def job_of(book: Book, job: Job) -> Job:
    with book.engine.connect() as connection:
        return find_job(connection, job.id, deleted=True)


def log_of(engine: Engine, job: Job) -> list[str]:
    return [line.text for piece in read_lines(engine, job.id, 0, 10**9) for line in piece]


def runner_of(
    book: Book, folder: Path, passed: Sequence[str] = (), lease: float = 15, grace: float = 5
) -> Runner:
    """A runner as the command starts one, with a recorder of its own."""
    return Runner(Holder(new_name(), book.engine, Recorder(book.engine), passed, lease, grace), folder)


def run_all(*runners: Runner) -> None:
    """Runners side by side, until no job is left."""
    threads = [threading.Thread(target=one.run, kwargs={"once": True}) for one in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def record_of(book: Book, job: Job) -> Mapping[str, Any]:
    with book.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "select * from deployments where superseded_revision is null and deployment_node_id is not null"
        )
        (row,) = [row for row in rows.mappings() if row["deployment_node_id"] == job.id]
        return row
