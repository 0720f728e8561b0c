"""How many records a second several processes take over one PostgreSQL, and what asking costs them."""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import CONNECTIONS, SECONDS, Load, post_for
from tests.conftest import Postgres
from tests.server import Server

COUNTS = (1, 2)


def measure(body: bytes, bare: Load, **settings: str) -> Iterator[Sequence[str]]:
    """Single posts, by so many workers, beside a handler that does nothing."""
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        postgres = Postgres(Path(name) / "data")
        try:
            for count in COUNTS:
                folder = Path(name) / str(count)
                folder.mkdir()
                environment = {"TRACKER_DATABASE_URL": postgres.database(), "TRACKER_WORKERS": str(count)}
                with Server(folder, **environment, **settings) as server:
                    load = posting(server, body)
                what = f"single POST, PostgreSQL, {count} worker{'s' if count > 1 else ''}"
                yield what, str(load), f"{load.rate / bare.rate:.2f} of it"
        finally:
            postgres.server.cleanup()


def beside_questions(server: Server, body: bytes, alone: Load) -> Sequence[str]:
    """Single posts while somebody asks for the summary without a pause."""
    with _asking(server) as asked:
        load = posting(server, body)
    kept = f"{load.rate / alone.rate:.2f} of it without; {len(asked) / SECONDS:.1f} summaries/s"
    return "single POST while metrics are asked", str(load), kept


def posting(server: Server, body: bytes) -> Load:
    headers = {"Authorization": f"Bearer {server.token()}"}
    return post_for(f"{server.url}/api/v1/deployments", body, headers, CONNECTIONS, SECONDS)


@contextmanager
def _asking(server: Server) -> Iterator[list[int]]:
    done, answered = threading.Event(), []

    def ask() -> None:
        with server.client(server.token()) as client:
            while not done.is_set():
                answered.append(client.get("/api/v1/metrics", timeout=60).raise_for_status().status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answered
    finally:
        done.set()
        asking.join()
