"""What a team writes by hand: a service that commits each post, rows in one go, a metric as one statement."""

import itertools
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import psycopg
from sqlalchemy.orm import Session

from benchmarks.load import CONNECTIONS, SECONDS, Load, ends_of_questions, post_for
from tests.conftest import Postgres, running_postgres
from tests.server import Server
from tracker.records.engine import connect
from tracker.records.migrations import migrate
from tracker.records.tables import DEPLOYMENTS, Deployment
from tracker.web.server import listenable_port

if TYPE_CHECKING:
    from flask import Flask

LINES, REPEATS = 50_000, 7
_SECRET = "by hand: no secret, and long enough to sign with"
_LAST = datetime(2026, 11, 1, tzinfo=UTC)
_ASKED = {"from": "2026-08-01", "to": "2026-11-01"}
# A failure is what a hotfix repairs within a week. No incidents, no rollbacks, and nothing to check it by.
_CHANGE_FAILURE_RATE = """
with
stream as (
    select
        *,
        lead(is_hotfix) over following as next_is_hotfix,
        lead(finished_at) over following as next_finished_at
    from deployments
    where organization = 'acme' and superseded_revision is null and status = 'success'
    window following as (partition by repository_key, service_key, environment_key order by finished_at)
)
select
    avg((coalesce(next_is_hotfix, false) and next_finished_at - finished_at < 7 * 86400000000)::int)
from stream
where finished_at >= %s and finished_at < %s
"""
Row = Sequence[str]


def measure(body: bytes, ours: Load, **settings: str) -> Iterator[Row]:
    """Beside `ours`, what was measured of the same posts to the service over SQLite."""
    content = _lines()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _service(folder, body, ours)
        yield from _rows_in_sqlite(folder, content, settings)
    with tempfile.TemporaryDirectory() as name, running_postgres() as postgres:
        yield from _rows_in_postgres(Path(name), postgres, content, settings)


def app() -> "Flask":
    """A Flask service over SQLAlchemy, which verifies a token and commits each post, on disk."""
    from flask import Flask, request  # For this alone.

    engine = connect(os.environ["BY_HAND_URL"])
    service = Flask(__name__)

    @service.post("/")
    def record() -> Mapping[str, Any]:
        jwt.decode(request.headers["Authorization"].partition(" ")[2], _SECRET, algorithms=["HS256"])
        said = request.get_json()
        with Session(engine) as session:
            session.add(_row(said))
            session.commit()
        return {"commit_id": said["commit_id"]}

    return service


def _row(said: Mapping[str, Any]) -> Deployment:
    now = time.time_ns() // 1_000
    number = next(_numbers)
    return Deployment(
        revision=number,
        first_revision=number,
        recorded_at=now,
        created_at=now,
        recorded_by="by hand",
        organization="acme",
        id=f"{number:x}",
        repository_url=said["repository_url"],
        repository_host="github.com",
        repository_path="acme/shop",
        repository_key="github.com/acme/shop",
        status="success",
        commit_id=said["commit_id"],
        branch=said["branch"],
        finished_at=now,
        started_at=now - said["duration_seconds"] * 1_000_000,
        listed_at=now,
        is_fix=said["is_fix"],
        is_hotfix=said["is_hotfix"],
        commits=said["commits"],
        triggered_by="api",
    )


def _service(folder: Path, body: bytes, ours: Load) -> Iterator[Row]:
    what = "single POST, by hand: Flask and SQLAlchemy, SQLite"
    if find_spec("flask") is None:
        yield what, "not measured", "Flask is not installed"
        return
    token = jwt.encode({"sub": "by hand"}, _SECRET, algorithm="HS256")
    with _by_hand(f"sqlite:///{folder / 'by_hand.db'}") as url:
        load = post_for(f"{url}/", body, {"Authorization": f"Bearer {token}"} | _JSON, CONNECTIONS, SECONDS)
    yield what, str(load), f"this service {ours.rate / load.rate:.1f} x that"


_numbers = itertools.count(1)
_JSON = {"Content-Type": "application/json"}


@contextmanager
def _by_hand(database: str) -> Iterator[str]:
    engine = connect(database)
    migrate(engine)
    engine.dispose()
    port = listenable_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--port", str(port)]
    command += ["--no-ws", "--log-level", "error", "--blocking-threads", "8", "benchmarks.by_hand:app"]
    process = subprocess.Popen(command, env=os.environ | {"BY_HAND_URL": database})
    try:
        until = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            except httpx.TransportError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _lines() -> bytes:
    """Deployments of three years and ten repositories, every twentieth a hotfix."""
    dice = random.Random(1)
    lines = (
        {
            "repository_url": f"https://github.com/acme/repository-{dice.randrange(10)}",
            "commit_id": f"{number:040x}",
            "finished_at": (_LAST - timedelta(seconds=dice.randrange(3 * 365 * 86_400))).isoformat(),
            "is_hotfix": dice.random() < 0.05,
            "deployment_node_id": f"run-{number}",
        }
        for number in range(LINES)
    )
    return "\n".join(map(json.dumps, lines)).encode()


def _rows_in_sqlite(folder: Path, content: bytes, settings: Mapping[str, str]) -> Iterator[Row]:
    with Server(folder, **settings) as server:
        batch = _posted(server, content)
        (folder / "lines.ndjson").write_bytes(content)
        imported = _seconds(lambda: server.run("import", "--org", "other", "lines.ndjson"))
    with sqlite3.connect(folder / "data" / "tracker.db") as connection:
        rows = connection.execute("select * from deployments where organization = 'acme'").fetchall()
    engine = connect(f"sqlite:///{folder / 'bare.db'}")
    migrate(engine)
    engine.dispose()
    marks = ", ".join("?" * len(DEPLOYMENTS.columns))
    with sqlite3.connect(folder / "bare.db") as connection:
        connection.execute("pragma journal_mode = wal")
        bare = _seconds(lambda: _insert(connection, f"insert into deployments values ({marks})", rows))
    yield f"executemany of {LINES:,} rows, SQLite", f"{LINES / bare:,.0f} rows/s", "1"
    yield "… a batch of the same", f"{LINES / batch:,.0f} records/s", f"{bare / batch:.2f} of it"
    rate = f"{LINES / imported:,.0f} records/s"
    yield "… tracker import, its start included", rate, f"{bare / imported:.2f} of it"


def _insert(connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    connection.executemany(statement, rows)
    connection.commit()


def _rows_in_postgres(
    folder: Path, postgres: Postgres, content: bytes, settings: Mapping[str, str]
) -> Iterator[Row]:
    database = postgres.database()
    with Server(folder, TRACKER_DATABASE_URL=database, **settings) as server:
        batch = _posted(server, content)
        with psycopg.connect(database) as connection:
            bare = _copied(connection, postgres.database())
            connection.execute("analyze deployments")
            bounds = [int(datetime.fromisoformat(at).timestamp() * 1e6) for at in _ASKED.values()]
            hand = _median(lambda: connection.execute(_CHANGE_FAILURE_RATE, bounds).fetchall())
        with server.client(server.token()) as client:
            path, ends = "/api/v1/metrics/change_failure_rate", ends_of_questions(_ASKED["to"])
            ask = lambda: client.get(path, params=_ASKED | {"to": next(ends)})  # noqa: E731
            ask().raise_for_status()
            ours = _median(ask)
    yield f"COPY of {LINES:,} rows, PostgreSQL", f"{LINES / bare:,.0f} rows/s", "1"
    yield "… a batch of the same", f"{LINES / batch:,.0f} records/s", f"{bare / batch:.2f} of it"
    yield "change failure rate, one statement by hand, PostgreSQL", f"{hand * 1e3:.0f} ms", ""
    yield "… by this service, over HTTP", f"{ours * 1e3:.0f} ms", f"{ours / hand:.1f} x that"


def _copied(connection: psycopg.Connection, target: str) -> float:
    """The seconds that PostgreSQL takes for rows that are there already, in its own form."""
    with connection.cursor().copy("copy deployments to stdout (format binary)") as out:
        pieces = list(out)
    with psycopg.connect(target) as other:
        return _seconds(lambda: _copy(other, pieces))


def _copy(connection: psycopg.Connection, pieces: Sequence[bytes | memoryview]) -> None:
    with connection.cursor().copy("copy deployments from stdin (format binary)") as into:
        for piece in pieces:
            into.write(piece)
    connection.commit()


def _posted(server: Server, content: bytes) -> float:
    with server.client(server.token()) as client:
        started = time.perf_counter()
        answered = client.post("/api/v1/deployments/batch", content=content, timeout=300)
        seconds = time.perf_counter() - started
    assert answered.json()["recorded"] == LINES, answered.text
    return seconds


def _median(act: Callable[[], object]) -> float:
    return statistics.median(_seconds(act) for _ in range(REPEATS))


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
