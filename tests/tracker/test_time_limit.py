"""Every wait of a request ends: for its body, its answer, its reader, and for whoever has left."""

import asyncio
import gzip
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from metrics.domain.errors import QuestionStopped
from metrics.engine.askers import ASKER, Asker
from tests.conftest import Book, Postgres, running_postgres, sqlite_url
from tests.server import Server, deployment, ndjson
from tests.waiting import wait_until
from tracker.web.time_limit import TimeLimit

PATH = "/api/v1/deployments"
BATCH = f"{PATH}/batch"
# A question that no machine answers in the time of a test.
ENDLESS = "select sum(a.range * b.range) from range(1000000000) as a, range(1000000000) as b"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("hasty"), TRACKER_MAX_REQUEST_SECONDS="2") as server:
        yield server


def opened(server: Server, head: str) -> socket.socket:
    """A connection on which the head of a request was sent."""
    address = httpx.URL(server.url)
    connection = socket.create_connection((address.host, address.port or 0), timeout=30)
    connection.sendall(head.replace("\n", "\r\n").encode())
    return connection


def posting(server: Server, path: str, length: int, more: str = "") -> socket.socket:
    return opened(
        server,
        f"POST {path} HTTP/1.1\nHost: tracker\nAuthorization: Bearer {server.token()}\n"
        f"Content-Length: {length}\n{more}\n",
    )


def answered(connection: socket.socket) -> str:
    found = b""
    while not found.rstrip().endswith(b"}") and (piece := connection.recv(65_536)):
        found += piece
    return found.decode()


def test_a_body_that_does_not_come_is_not_waited_for(hasty: Server) -> None:
    with closing(posting(hasty, PATH, 1_000)) as connection:
        connection.sendall(b'{"repository_url"')
        said = answered(connection)
    assert said.startswith("HTTP/1.1 408")
    assert "urn:tracker:problem:too-slow" in said


def test_a_body_that_drips_is_not_waited_for_either(hasty: Server) -> None:
    with closing(posting(hasty, PATH, 1_000)) as connection:
        began = time.monotonic()
        connection.settimeout(0.2)
        said = b""
        while not said:
            connection.sendall(b" ")
            try:
                said = connection.recv(65_536)
            except TimeoutError:
                assert time.monotonic() - began < 20
    assert said.startswith(b"HTTP/1.1 408")


def test_of_a_batch_that_does_not_go_on_the_lines_that_came_are_kept(hasty: Server) -> None:
    lines = ndjson(
        *(deployment(deployment_node_id=f"came-{n}", finished_at="2026-03-02T10:00:00Z") for n in range(3))
    )
    with closing(posting(hasty, BATCH, len(lines) + 1_000)) as connection:
        connection.sendall(lines)
        said = answered(connection)
    assert said.startswith("HTTP/1.1 207")
    assert '"recorded":3' in said
    assert "nothing has come for 2 s" in said


def test_a_batch_that_comes_slowly_may_take_longer_than_a_single_record(hasty: Server) -> None:
    line = ndjson(deployment(finished_at="2026-03-02T10:00:00Z"))
    with closing(posting(hasty, BATCH, len(line) * 4)) as connection:
        for _ in range(4):
            connection.sendall(line)
            time.sleep(0.8)
        assert answered(connection).startswith("HTTP/1.1 200")


def test_what_runs_for_somebody_who_leaves_is_stopped(tmp_path: Path) -> None:
    with closing(Book(sqlite_url(tmp_path), tmp_path)) as book:
        asker = Asker()

        def ask() -> None:
            ASKER.set(asker)
            with pytest.raises(QuestionStopped):
                book.store.read(lambda cursor: cursor.execute(ENDLESS).fetchall())

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until(lambda: bool(asker._running))
        asker.leave()
        asking.join(timeout=10)
        assert not asking.is_alive()
        # And nothing is begun for them any more, while others are answered.
        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(timeout=10)
        assert not asking.is_alive()
        assert book.store.read(lambda cursor: cursor.execute("select 1").fetchall()) == [(1,)]


def test_a_question_that_needs_more_memory_than_there_is_says_so(tmp_path: Path) -> None:
    with closing(Book(sqlite_url(tmp_path), tmp_path)) as book:

        def ask(cursor: duckdb.DuckDBPyConnection) -> object:
            cursor.execute("set memory_limit = '10MB'")
            return cursor.execute("select list(range) from range(10000000)").fetchall()

        with pytest.raises(QuestionStopped, match="memory"):
            book.store.read(ask)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


@contextmanager
def paused(postgres: Postgres) -> Iterator[None]:
    """All processes of a database stopped, as by a hypervisor: connections stay, and nothing is answered."""
    main = int((postgres.server.pgdata / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    processes = [main, *map(int, children)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="needs /proc to find the database's processes"
)
def test_while_the_database_is_paused_everybody_is_told_so(own_postgres: Postgres, tmp_path: Path) -> None:
    url = own_postgres.database()
    with (
        Server(tmp_path, TRACKER_DATABASE_URL=url, TRACKER_MAX_REQUEST_SECONDS="2") as server,
        server.client(server.token()) as client,
    ):
        assert client.post(PATH, json=deployment(deployment_node_id="before")).status_code == 201
        with paused(own_postgres):
            # More often than there are threads to wait.
            for _ in range(3):
                assert client.get("/readyz").status_code == 503
            posted = client.post(PATH, json=deployment(deployment_node_id="meanwhile"))
            assert (posted.status_code, posted.json()["type"]) == (503, "urn:tracker:problem:took-too-long")
            assert int(posted.headers["Retry-After"]) > 0
            assert client.get(PATH).status_code == 503
            assert client.get("/healthz").status_code == 200
        wait_until(lambda: client.get("/readyz").status_code == 200)
        # On a busy machine one or the other may take too long once more.
        again = lambda: client.post(PATH, json=deployment(deployment_node_id="meanwhile"))  # noqa: E731
        wait_until(lambda: again().status_code in (200, 201))
        wait_until(lambda: client.get(PATH).status_code == 200)
        items = client.get(PATH).json()["items"]
        assert sorted(one["deployment_node_id"] for one in items) == ["before", "meanwhile"]


def test_blank_lines_are_passed_over_but_not_by_the_million(hasty: Server) -> None:
    line = ndjson(deployment(finished_at="2026-03-02T10:00:00Z"))
    with hasty.client(hasty.token()) as client:
        some = client.post(BATCH, content=b"\n \r\n" * 100 + line)
        assert some.json()["recorded"] == 1
        many = gzip.compress(b"\n" * 5_000_000 + line)
        said = client.post(BATCH, content=many, headers={"Content-Encoding": "gzip"})
    assert (said.status_code, said.json()["recorded"]) == (400, 0)
    assert "lines before are blank" in said.json()["errors"][0]["detail"]


def test_a_batch_ends_when_the_service_is_told_to_stop(tmp_path: Path) -> None:
    lines = ndjson(
        *(deployment(deployment_node_id=str(n), finished_at="2026-03-02T10:00:00Z") for n in range(1_000))
    )
    with Server(tmp_path) as server:
        with closing(posting(server, BATCH, len(lines) * 1_000)) as connection:
            connection.sendall(lines)
            with server.client(server.token()) as client:
                wait_until(lambda: bool(client.get(PATH).json()["items"]))
            server.process.send_signal(signal.SIGTERM)
            connection.sendall(lines * 2)
            said = answered(connection)
        assert "the service is being stopped; send the batch again" in said
        assert server.process.wait(timeout=20) == 0


def test_a_client_that_leaves_ends_what_is_asked_for_it() -> None:
    """The server says that it left, as an event; the handler's thread is told by its question."""
    has_left = asyncio.Event()
    askers: list[Asker] = []

    async def handler(*_: object) -> None:
        asker = ASKER.get()
        assert asker is not None
        askers.append(asker)
        has_left.set()
        while not asker._has_left:
            await asyncio.sleep(0.01)

    async def receive() -> Any:
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        raise AssertionError("nobody is there to be answered")

    scope: Any = {"type": "http", "method": "GET", "path": "/api/v1/metrics"}
    asyncio.run(TimeLimit(handler, seconds=10)(scope, receive, send))
    assert len(askers) == 1
