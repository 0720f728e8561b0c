"""A place in which a fault strikes: a folder, a record database, and the services over it."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.conftest import Postgres
from tests.server import TRACKER, Server, clean_environment

_ROWS = "select commit_id, id from deployments where superseded_revision is null"
_CLOCK = Path(__file__).with_name("clock")
_COMMAND_SECONDS = 600
_NO_LIMITS = {"TRACKER_TOKEN_REQUESTS_PER_MINUTE": "0", "TRACKER_ORGANIZATION_REQUESTS_PER_MINUTE": "0"}


@dataclass
class Site:
    """The services and what is under them. `postgres` is None where the records are in SQLite."""

    folder: Path
    postgres: Postgres | None
    has_own_clock: bool = False
    """Whether the services' clock can be moved while they run."""
    environment: dict[str, str] = field(default_factory=dict)
    services: list[Server] = field(default_factory=list)
    _ports: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock.write_text("0")
        self.records.mkdir()
        self.stores.mkdir(parents=True)
        self.url = (
            f"sqlite:///{self.records / 'tracker.db'}" if self.postgres is None else self.postgres.database()
        )
        self.environment |= {
            **_NO_LIMITS,
            "TRACKER_DATABASE_URL": self.url,
            "TRACKER_DATA_DIR": str(self.folder / "data"),
            "TRACKER_STORE_MEMORY": "1GB",
        }
        if self.has_own_clock:
            self.environment |= {"PYTHONPATH": str(_CLOCK), "FAULTS_CLOCK": str(self.clock)}

    @property
    def clock(self) -> Path:
        """The file that says by how many seconds the services' clock is moved."""
        return self.folder / "clock"

    @property
    def records(self) -> Path:
        """The folder that has the SQLite file and nothing else."""
        return self.folder / "records"

    @property
    def stores(self) -> Path:
        """The folder of the metrics stores."""
        return self.folder / "data" / "stores"

    def start(self, count: int) -> None:
        """Start so many services, each at a port that it keeps."""
        for _ in range(count):
            self._ports.append(_free_port())
            self.services.append(self._serve(self._ports[-1]))

    def kill(self, number: int = 0) -> None:
        self.services[number].kill()

    def restart(self, number: int = 0) -> None:
        """Start a service that was killed again, at the same address."""
        self.services[number] = self._serve(self._ports[number])

    @contextmanager
    def stopped(self, number: int = 0) -> Iterator[None]:
        """Stop a service's process, as a hypervisor may: its connections stay, and it says nothing."""
        process = self.services[number].process
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of `tracker` beside the services, however long it takes on a busy machine."""
        return subprocess.run(
            [TRACKER, *arguments],
            cwd=self.folder,
            env=clean_environment() | self.environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )

    def rows(self) -> list[tuple[str, str]]:
        """Of every deployment that is recorded its commit and its id."""
        if self.postgres is None:
            with sqlite3.connect(self.records / "tracker.db") as connection:
                return [(str(row[0]), str(row[1])) for row in connection.execute(_ROWS)]
        with psycopg.connect(self.url) as connection:
            return [(str(row[0]), str(row[1])) for row in connection.execute(_ROWS)]

    def exported(self) -> list[tuple[str, str]]:
        """The same, as the service hands it out."""
        with self.services[0].client(self.services[0].token()) as client:
            items = client.get("/api/v1/deployments/export?format=json", timeout=120).json()["items"]
        return [(one["commit_id"], one["id"]) for one in items]

    def close(self) -> None:
        for service in self.services:
            service.process.send_signal(signal.SIGCONT)
            service.kill()

    def _serve(self, port: int) -> Server:
        return Server(self.folder, port=port, **self.environment)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of its own for an empty folder, where this process may mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def can_mount() -> bool:
    """Whether this process may mount a disk: root may, outside most containers."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


def fill(folder: Path) -> Path:
    """Fill the folder's disk to the last byte; the file that fills it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 20, 4096, 1):
            try:
                while stream.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    return filler


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
