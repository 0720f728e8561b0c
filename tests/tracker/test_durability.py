"""No acknowledged record is ever lost: a service that is killed, and one that is told to stop."""

import asyncio
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from litestar.testing import TestClient
from sqlalchemy import Connection, event

from tests.conftest import Book, now
from tests.server import Server, deployment, ndjson
from tracker.app import create_app
from tracker.auth.keys import load_keys
from tracker.auth.tokens import Scope, mint
from tracker.settings import Settings

PATH = "/api/v1/deployments"
NODE_IDS = "select deployment_node_id from deployments"
CLIENTS = 16


@pytest.fixture(params=[1, 2, 3])
def each_round(request: pytest.FixtureRequest) -> int:
    """A kill strikes at another moment each time."""
    return int(request.param)


async def post_until_the_service_is_gone(server: Server, token: str, acknowledged: set[str]) -> None:
    """Post records, each with an id of its own, and note every id that was acknowledged."""

    async def post_on(client: httpx.AsyncClient, name: int) -> None:
        for number in range(1_000_000):
            node_id = f"{name}-{number}"
            try:
                answered = await client.post(
                    "/api/v1/deployments", json=deployment(deployment_node_id=node_id)
                )
            except httpx.TransportError:
                return
            if answered.status_code != 201:
                assert answered.status_code == 503
                return
            acknowledged.add(node_id)

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
        await asyncio.gather(*(post_on(client, name) for name in range(CLIENTS)))


def recorded_ids(server: Server) -> list[str]:
    with sqlite3.connect(server.folder / "data" / "tracker.db") as connection:
        return [row[0] for row in connection.execute("select deployment_node_id from deployments")]


async def post_and_signal(server: Server, token: str, number: int) -> set[str]:
    acknowledged: set[str] = set()
    posting = asyncio.create_task(post_until_the_service_is_gone(server, token, acknowledged))
    while len(acknowledged) < 500:
        await asyncio.sleep(0.005)
    server.process.send_signal(number)
    await posting
    return acknowledged


@pytest.mark.filterwarnings("ignore:.*Inferred dependency field")
@pytest.mark.parametrize("path", [PATH, f"{PATH}/batch"])
def test_no_answer_comes_before_the_commit(book: Book, tmp_path: Path, path: str) -> None:
    """The commit is held up: nobody is told meanwhile that what is in it was recorded."""
    held, go = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        if threading.current_thread().name == "recorder" and not go.is_set():
            held.set()
            assert go.wait(60)

    settings = Settings(data_dir=tmp_path, database_url=book.url)
    app = create_app(settings)
    token = mint(
        load_keys(settings), organization="acme", subject="test", scopes=[Scope.ADMIN], lifetime=timedelta(hours=1), now=now()
    )  # fmt: skip
    with TestClient(app) as client, ThreadPoolExecutor(1) as posting:
        event.listen(app.state.service.engine, "commit", hold)
        headers = {"Authorization": f"Bearer {token}"}
        body = ndjson(deployment(deployment_node_id="1", finished_at=now().isoformat()))
        answer = posting.submit(lambda: client.post(path, content=body, headers=headers))
        try:
            assert held.wait(60)
            # Far longer than an answer takes that waits for nothing.
            wait([answer], timeout=1)
            assert not answer.done()
            assert book.rows(NODE_IDS) == []
        finally:
            go.set()
        assert answer.result(60).is_success
        assert book.rows(NODE_IDS) == [("1",)]


@pytest.mark.usefixtures("each_round")
def test_after_a_kill_every_acknowledged_record_is_there_exactly_once(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        acknowledged = asyncio.run(post_and_signal(server, server.token(), signal.SIGKILL))
        server.process.wait()
    with Server(tmp_path) as server:
        recorded = recorded_ids(server)
        assert len(recorded) == len(set(recorded))
        assert acknowledged <= set(recorded)
        with server.client(server.token()) as client:
            frequency = client.get("/api/v1/metrics/deployment_frequency").json()
            assert frequency["deployments"] == len(recorded)
            for node_id in sorted(acknowledged)[:20]:
                assert client.post(
                    "/api/v1/deployments", json=deployment(deployment_node_id=node_id)
                ).status_code == 200  # fmt: skip


def test_told_to_stop_it_finishes_what_was_taken(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        acknowledged = asyncio.run(post_and_signal(server, server.token(), signal.SIGTERM))
        assert server.process.wait(timeout=30) == 0
        recorded = recorded_ids(server)
    assert len(recorded) == len(set(recorded))
    assert acknowledged == set(recorded)
    assert "Stopped; everything that was acknowledged is recorded.\n" in server.output


def test_revisions_rise_by_one_in_commit_order(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        asyncio.run(post_and_signal(server, server.token(), signal.SIGTERM))
    with sqlite3.connect(tmp_path / "data" / "tracker.db") as connection:
        rows = connection.execute(
            "select revision, recorded_at from deployments union all "
            "select revision, recorded_at from repositories order by revision"
        ).fetchall()
    assert [revision for revision, _ in rows] == list(range(1, len(rows) + 1))
    assert [recorded_at for _, recorded_at in rows] == sorted(recorded_at for _, recorded_at in rows)
