"""The record database away, full, read-only, busy or shared; services killed: nothing acknowledged is lost."""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.conftest import Postgres, now
from tests.server import Server, deployment, ndjson
from tests.tracker.test_durability import post_until_the_service_is_gone
from tests.waiting import wait_until
from tracker.records.engine import _WRITER_LOCK, connect, write_transaction
from tracker.records.failures import UNAVAILABLE
from tracker.records.ledger import KnownRepositories, Ledger

PATH = "/api/v1/deployments"
FREQUENCY = "/api/v1/metrics/deployment_frequency"


class Load:
    """Clients that post one record after the other, through failures, until they are told to stop."""

    def __init__(self, server: Server, clients: int = 4, prefix: str = "") -> None:
        self.acknowledged: set[str] = set()
        self.refusals: list[httpx.Response] = []
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._post, args=(server, f"{prefix}{number}"))
            for number in range(clients)
        ]

    def _post(self, server: Server, name: str) -> None:
        with server.client(server.token()) as client:
            for number in range(1_000_000):
                if self._stopped.is_set():
                    return
                node_id = f"{name}-{number}"
                answered = client.post(PATH, json=deployment(deployment_node_id=node_id))
                if answered.status_code == 201:
                    self.acknowledged.add(node_id)
                else:
                    self.refusals.append(answered)
                    time.sleep(0.05)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int = 50) -> None:
        goal = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= goal)


def require_refused(answered: httpx.Response) -> None:
    assert answered.status_code == 503, answered.text
    assert int(answered.headers["Retry-After"]) > 0
    assert answered.json()["type"] == "urn:tracker:problem:unavailable"


def require_every_one_once(server: Server, acknowledged: set[str], rows: list[str]) -> None:
    """All acknowledged records are there once, in the figures too, and the database verifies."""
    assert len(rows) == len(set(rows))
    assert acknowledged <= set(rows)
    with server.client(server.token()) as client:
        assert client.get(FREQUENCY).json()["deployments"] == len(rows)
    verified = server.run("verify")
    assert verified.returncode == 0, verified.stdout


def sqlite_ids(server: Server) -> list[str]:
    with sqlite3.connect(server.folder / "data" / "tracker.db") as connection:
        return [row[0] for row in connection.execute("select deployment_node_id from deployments")]


def postgres_ids(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [str(row[0]) for row in connection.execute("select deployment_node_id from deployments")]


def test_of_two_processes_on_one_postgresql_one_is_killed(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    keys = {"TRACKER_DATABASE_URL": url, "TRACKER_KEYS_FILE": str(tmp_path / "data" / "keys.json")}
    with Server(folders[0], **keys) as one, Server(folders[1], **keys) as two:
        (folders[0] / "data").mkdir(exist_ok=True)
        for folder in folders:
            shutil.copy(tmp_path / "data" / "keys.json", folder / "data" / "keys.json")
        killed: set[str] = set()
        with Load(two, prefix="two-") as load:

            async def post_and_kill() -> None:
                posting = asyncio.create_task(post_until_the_service_is_gone(one, one.token(), killed))
                while len(killed) < 300:
                    await asyncio.sleep(0.005)
                one.process.send_signal(signal.SIGKILL)
                await posting

            asyncio.run(post_and_kill())
            load.wait_for_more()
        assert not load.refusals
        one.process.wait()
        with Server(folders[0], **keys) as again:
            rows = postgres_ids(url)
            require_every_one_once(two, killed | load.acknowledged, rows)
            with again.client(again.token()) as first, two.client(two.token()) as second:
                window = {"from": (now() - timedelta(days=1)).isoformat(), "to": now().isoformat()}
                summary = "/api/v1/metrics"
                assert first.get(summary, params=window).json() == second.get(summary, params=window).json()
                # Read your writes, whichever process took them.
                for number in range(20):
                    writer, reader = (first, second) if number % 2 else (second, first)
                    writer.post(PATH, json=deployment()).raise_for_status()
                    assert reader.get(FREQUENCY).json()["deployments"] == len(rows) + number + 1


def test_a_service_and_a_busy_command_line_share_one_file(tmp_path: Path) -> None:
    finished_at = (now() - timedelta(days=1)).isoformat()
    lines = [
        deployment(deployment_node_id=f"line-{number}", finished_at=finished_at, branch="b" * 50)
        for number in range(12_000)
    ]
    (tmp_path / "history.ndjson").write_bytes(ndjson(*lines))
    with Server(tmp_path) as server:
        with Load(server) as load:
            load.wait_for_more()
            imported = server.run("import", "history.ndjson", "--org", "acme")
            assert imported.stdout == "12000 recorded, 0 repeated, 0 failed\n", imported.stderr
            load.wait_for_more()
        assert not load.refusals
        wanted = load.acknowledged | {str(line["deployment_node_id"]) for line in lines}
        require_every_one_once(server, wanted, sqlite_ids(server))


_HOLD_AND_DIE = """
import os, signal, sqlite3, subprocess, sys
from datetime import UTC, datetime
from pathlib import Path
from metrics.engine.store import Store
from tests.conftest import Book
from metrics.engine.following import follow
from tracker.records.engine import write_transaction
from tracker.records.ledger import Author, KnownRepositories, Ledger

folder = Path(sys.argv[1])
book = Book(f"sqlite:///{folder / 'tracker.db'}", folder)
book.deploy(deployment_node_id="first")
other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0.2); c.execute('begin immediate')"
with write_transaction(book.engine) as connection:
    ledger = Ledger(connection, KnownRepositories())
    ledger.ensure_organization("held")
    for _ in range(3):
        assert book.ask()["deployment_frequency"].row.deployments == 1
        book.store.close()
        book.open_store()
    refused = subprocess.run([sys.executable, "-c", other, folder / "tracker.db"], capture_output=True, text=True)
    assert "database is locked" in refused.stderr, refused
book.deploy(deployment_node_id="second")
print("acknowledged", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_pull_leaves_the_lock_of_a_write_under_way_alone(tmp_path: Path) -> None:
    """Closing a second SQLite library's handle would drop the process's locks, and with them commits."""
    died = subprocess.run(
        [sys.executable, "-c", _HOLD_AND_DIE, tmp_path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "acknowledged\n"), died.stderr
    with sqlite3.connect(tmp_path / "tracker.db") as connection:
        assert connection.execute("select deployment_node_id from deployments order by 1").fetchall() == [
            ("first",), ("second",),
        ]  # fmt: skip
        assert connection.execute("select slug from organizations").fetchall() == [("held",)]


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk: nothing more can be written to the log or the file."""
    with Server(tmp_path) as server, server.client(server.token()) as client, Load(server) as load:
        load.wait_for_more()
        data = tmp_path / "data"
        size = max(file.stat().st_size for file in data.glob("tracker.db*"))
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size + 30_000, hard))
        wait_until(lambda: len(load.refusals) > 10)
        require_refused(load.refusals[-1])
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get(PATH).status_code == 200
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        wait_until(lambda: client.get("/readyz").status_code == 200)
        load.wait_for_more()
        load.__exit__()
        require_every_one_once(server, load.acknowledged, sqlite_ids(server))


def test_on_a_full_disk_a_command_says_so_in_a_line(tmp_path: Path) -> None:
    with Server(tmp_path) as server, server.client(server.token()) as client:
        client.post(PATH, json=deployment()).raise_for_status()
    shutil.rmtree(tmp_path / "data" / "stores", ignore_errors=True)
    said = subprocess.run(
        [sys.executable, "-c", _IN_LITTLE_SPACE, "verify"], cwd=tmp_path, capture_output=True, text=True
    )
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert "cannot be kept" in said.stderr or "cannot be used" in said.stderr


_IN_LITTLE_SPACE = """
import resource, signal, sys
from tracker.cli.main import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
main()
"""


@pytest.fixture
def without_privileges() -> list[str]:
    """What has the file modes hold for root too."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("as root this needs setpriv, of the Debian package util-linux")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def test_a_read_only_file_refuses_and_recovers(tmp_path: Path, without_privileges: list[str]) -> None:
    with Server(tmp_path) as server, server.client(server.token()) as client:
        client.post(PATH, json=deployment(deployment_node_id="before")).raise_for_status()
    database = tmp_path / "data" / "tracker.db"
    database.chmod(0o444)
    with Server(tmp_path, before=without_privileges) as server, server.client(server.token()) as client:
        require_refused(client.post(PATH, json=deployment(deployment_node_id="refused")))
        assert client.get("/readyz").status_code == 503
        assert client.get(FREQUENCY).json()["deployments"] == 1

        def is_ready() -> bool:
            for file in database.parent.glob("tracker.db*"):  # SQLite gives its log the mode of the file
                file.chmod(0o644)
            return client.get("/readyz").status_code == 200

        wait_until(is_ready)
        client.post(PATH, json=deployment(deployment_node_id="after")).raise_for_status()
        require_every_one_once(server, {"before", "after"}, sqlite_ids(server))


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        running = Postgres(Path(folder) / "data")
        yield running
        running.server.cleanup()


@pytest.mark.long
def test_postgresql_stopped_for_twenty_seconds(own_postgres: Postgres, tmp_path: Path) -> None:
    url = own_postgres.database()
    with Server(tmp_path, TRACKER_DATABASE_URL=url) as server, server.client(server.token()) as client:
        with Load(server) as load:
            load.wait_for_more()
            assert client.get(FREQUENCY).status_code == 200
            own_postgres.server.stop()
            stopped = time.monotonic()
            wait_until(lambda: len(load.refusals) > 10)
            require_refused(load.refusals[-1])
            for path in (FREQUENCY, PATH):
                require_refused(client.get(path))
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
            assert client.get("/metrics").status_code == 200
            time.sleep(max(0, 20 - (time.monotonic() - stopped)))
            own_postgres.restart()
            wait_until(lambda: client.get("/readyz").status_code == 200)
            load.wait_for_more()
        assert {refusal.status_code for refusal in load.refusals} == {503}
        require_every_one_once(server, load.acknowledged, postgres_ids(url))


def test_a_writer_lock_that_is_held_elsewhere_is_waited_for_some_seconds(
    postgres: Postgres, tmp_path: Path
) -> None:
    """A process that was stopped in a commit, or a host that was cut off: it holds the lock, and says nothing."""
    url = postgres.database()
    with Server(tmp_path, TRACKER_DATABASE_URL=url) as server, server.client(server.token()) as client:
        assert client.post(PATH, json=deployment()).status_code == 201
        with psycopg.connect(url) as holder:
            holder.execute("begin")
            holder.execute(f"select pg_advisory_xact_lock({_WRITER_LOCK})")
            began = time.monotonic()
            require_refused(client.post(PATH, json=deployment()))
            assert time.monotonic() - began < 10
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
            assert client.get(PATH).status_code == 200
            holder.rollback()
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.post(PATH, json=deployment()).status_code == 201


def test_a_writer_that_stops_in_a_transaction_loses_its_lock(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others go on within seconds; whoever was stopped is told that nothing was recorded, as if it was away."""
    stopped = connect(postgres.database())
    other = connect(stopped.url.render_as_string(hide_password=False))
    with write_transaction(stopped) as connection:
        assert connection.exec_driver_sql("show idle_in_transaction_session_timeout").scalar() == "10s"

    def stop_in_a_commit() -> None:
        monkeypatch.setattr("tracker.records.engine._IDLE_WRITER", "1s")
        with write_transaction(stopped) as connection:
            monkeypatch.undo()
            Ledger(connection, KnownRepositories()).ensure_organization("stopped")
            with write_transaction(other) as beside:
                Ledger(beside, KnownRepositories()).ensure_organization("other")

    with pytest.raises(UNAVAILABLE):
        stop_in_a_commit()
    with other.connect() as reading:
        assert reading.exec_driver_sql("select slug from organizations").all() == [("other",)]
    stopped.dispose()
    other.dispose()


def test_a_transaction_that_the_database_ends_is_a_database_that_is_away(postgres: Postgres) -> None:
    engine = connect(postgres.database())
    for sqlstate in ("25P03", "25P04"):
        with pytest.raises(UNAVAILABLE), engine.connect() as connection:
            connection.exec_driver_sql(
                f"do $$ begin raise exception 'ended' using errcode = '{sqlstate}'; end $$"
            )
    engine.dispose()


@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
def test_a_file_that_is_not_the_one_that_was_opened_takes_no_records(tmp_path: Path, replaced: bool) -> None:
    """Nothing is acknowledged that the next start will not find; put back, the service goes on."""
    with Server(tmp_path) as server, server.client(server.token()) as client:
        file, kept = tmp_path / "data" / "tracker.db", tmp_path / "kept.db"
        assert client.post(PATH, json=deployment(deployment_node_id="before")).status_code == 201
        assert client.get("/readyz").status_code == 200
        if replaced:
            assert server.run("backup", str(tmp_path / "copy.db")).returncode == 0
        file.rename(kept)
        if replaced:
            (tmp_path / "copy.db").rename(file)
        for _ in range(3):
            require_refused(client.post(PATH, json=deployment()))
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        kept.rename(file)
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.post(PATH, json=deployment(deployment_node_id="after")).status_code == 201
    with sqlite3.connect(file) as connection:
        ids = [
            row[0]
            for row in connection.execute("select deployment_node_id from deployments order by revision")
        ]
    assert ids == ["before", "after"]
