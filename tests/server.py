"""A real `tracker serve` on a free loopback port, in a process of its own."""

import json
import os
import queue
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx

from tests.forked import Forked
from tracker.auth.keys import load_keys
from tracker.auth.tokens import Scope, mint
from tracker.jobs.workspaces import Workspace, create_workspace, read_location
from tracker.records.engine import connect
from tracker.records.ledger import Author, Ledger
from tracker.records.recorder import Recorder
from tracker.settings import Settings

TRACKER = Path(sys.executable).with_name("tracker")
# Of no use on a loopback port without TLS, and each client would make its own, which takes longer than a test does.
TLS = ssl.create_default_context()
START_SECONDS = 90
# Few records are worked out sooner by one thread, and other tests use the other cores.
_ONE_THREAD = {"TRACKER_STORE_THREADS": "1"}
# Whoever tests what is refused sends more of it than anybody else does.
_FOR_TESTS = {"PYTHONUNBUFFERED": "1", "TRACKER_FAILED_LOGINS_PER_MINUTE": "0", **_ONE_THREAD}


def run_tracker(
    folder: Path, *arguments: str, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of `tracker` in the folder, whose `data` it then uses."""
    process = started(
        [TRACKER, *arguments],
        folder,
        clean_environment() | _ONE_THREAD | environment,
        stdin=subprocess.PIPE if stdin is not None else None,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            said, complained = process.communicate(stdin, timeout=60)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, said, complained)


def started(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], **streams: int | None
) -> subprocess.Popen[str]:
    """A process of a command of `tracker`, whose output can be read; another command may run it.

    In the tests it is forked where that is possible; what benchmarks measure has started as everywhere.
    """
    is_forked = command[0] == TRACKER and sys.platform == "linux" and "pytest" in sys.modules
    return (Forked if is_forked else subprocess.Popen)(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, **streams
    )


def clean_environment() -> dict[str, str]:
    """The environment without settings of the person who runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}


class Server:
    """A service over the data in a folder."""

    def __init__(
        self, folder: Path, before: Sequence[str] = (), *, port: int = 0, **environment: str
    ) -> None:
        """`before` is a command that runs the service's; port 0 is a free one."""
        self.folder, self.environment = folder, environment
        self.lines: queue.Queue[str] = queue.Queue()
        self.output: list[str] = []
        self.process = started(
            [*before, TRACKER, "serve", "--port", str(port)],
            folder,
            clean_environment() | _FOR_TESTS | environment,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.url = self._wait_for("Serving at ").removeprefix("Serving at ").strip()
        except BaseException:
            self.kill()
            raise

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command of `tracker` on the service's data."""
        return run_tracker(self.folder, *arguments, stdin=stdin, **self.environment)

    def token(
        self,
        scope: str = "admin",
        org: str = "acme",
        repositories: tuple[str, ...] = (),
        subject: str = "test",
    ) -> str:
        """A token as `tracker token` makes it, without the wait for a process."""
        return mint(
            load_keys(Settings(keys_file=self.folder / "data" / "keys.json")),
            organization=org,
            subject=subject,
            scopes=[Scope(name) for name in scope.split()],
            lifetime=timedelta(hours=1),
            now=datetime.now(UTC),
            repositories=repositories,
        )

    def workspace(self, org: str, name: str, url: str, branch: str = "main") -> Workspace:
        """A workspace as `tracker workspace create` makes it, without the wait for a process."""
        file = f"sqlite:///{self.folder / 'data' / 'tracker.db'}"
        engine = connect(self.environment.get("TRACKER_DATABASE_URL", file))

        def act(ledger: Ledger) -> Workspace:
            ledger.ensure_organization(org)
            location = read_location(url)
            return create_workspace(
                ledger, Author(org, "test"), name=name, location=location, command="true", branch=branch
            )

        try:
            return Recorder(engine).record_now(act)
        finally:
            engine.dispose()

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=TLS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self.process.kill()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                self.output.append(line)
                self.lines.put(line)
        self.lines.put("")

    def _wait_for(self, beginning: str) -> str:
        while line := self.lines.get(timeout=START_SECONDS):
            if line.startswith(beginning):
                return line
        raise AssertionError(f"the service did not start:\n{''.join(self.output)}")


def deployment(**fields: Any) -> dict[str, Any]:
    """The body of a deployment, of a repository that a test names or not."""
    return {"repository_url": "https://github.com/acme/shop", "commit_id": "a" * 40, **fields}


def ndjson(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def as_recorded(answered: dict[str, Any]) -> dict[str, Any]:
    """A deployment as it was recorded, without the warnings of the moment and what became of it."""
    worked_out = ("warnings", "failed", "repairs", "lead_time_seconds")
    return {name: value for name, value in answered.items() if name not in worked_out}
