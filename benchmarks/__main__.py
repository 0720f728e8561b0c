"""`make bench`: how fast the service records and answers, beside a handler that does nothing.

Everything runs on this machine, in one run, one load after the other; compare the ratios, not the
figures of different machines.
"""

import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from benchmarks import by_hand, growth, history, library, pages, workers
from benchmarks.load import CONNECTIONS, SECONDS, Load, ends_of_questions, post_for
from benchmarks.results import Results
from tests.server import Server
from tests.subscriber import Heard, Subscriber

# The limits count, and are never reached.
UNLIMITED = {f"TRACKER_{whose}_REQUESTS_PER_MINUTE": "1000000000" for whose in ("TOKEN", "ORGANIZATION")}
REAL_RECORDS = Path(__file__).parents[2] / "shared" / "data" / "govuk-deployments.ndjson.gz"
BATCH_LINES = 50_000
REPEATS = 20

BODY = json.dumps(
    {
        "repository_url": "https://github.com/acme/shop",
        "branch": "main",
        "commit_id": "4335991842388c4896724fe6c7c09c2255d0ae03",
        "is_fix": False,
        "is_hotfix": False,
        "duration_seconds": 95,
        "commits": [{"sha": "4335991842388c48", "committed_at": "2026-03-02T10:00:00Z"}],
    }
).encode()


def main() -> None:
    table = Results("Benchmarks", ("what", "measured", "beside"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bare").mkdir()
        with _baseline(folder / "bare") as url:
            bare = post_for(f"{url}/", BODY, {}, CONNECTIONS, SECONDS)
        table.add_row("a handler that parses and does nothing", str(bare), "1")
        with Server(folder, **UNLIMITED) as server:
            one = workers.posting(server, BODY)
            table.add_row(
                "single POST, SQLite, 64 connections", str(one), f"{one.rate / bare.rate:.2f} of it"
            )
            table.add_row(*workers.beside_questions(server, BODY, one))
            with server.client(server.token("admin", "batch")) as client:
                content = _batch()
                seconds = _timed(lambda: _send(client, content))
            table.add_row(
                f"batch of {BATCH_LINES:,}",
                f"{BATCH_LINES / seconds:,.0f} records/s",
                f"{seconds:.2f} s in all",
            )
            if REAL_RECORDS.exists():
                _measure_metrics(server, table)
                pages.measure(server, REAL_RECORDS, table)
        for what, pause in (("that takes events", 0.0), ("that does not answer", 3_600.0)):
            loaded, told = _measure_with_subscriber(folder / what, pause)
            beside = f"{loaded.rate / one.rate:.2f} of it without; {told:,.0f} events/s go out"
            table.add_row(f"single POST, a subscriber {what}", str(loaded), beside)
    for row in workers.measure(BODY, bare, **UNLIMITED):
        table.add_row(*row)
    for row in by_hand.measure(BODY, one, **UNLIMITED):
        table.add_row(*row)
    for row in (*history.measure(), *library.measure()):
        table.add_row(*row)
    table.show()
    growth.main()


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _median(act: Callable[[], object]) -> float:
    return statistics.median(_timed(act) for _ in range(REPEATS))


def _batch() -> bytes:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    record = json.loads(BODY)
    lines = (
        json.dumps(
            record
            | {
                "finished_at": (first + timedelta(minutes=number)).isoformat(),
                "deployment_node_id": f"run-{number}",
            }
        )
        for number in range(BATCH_LINES)
    )
    return "\n".join(lines).encode()


def _send(client: httpx.Client, content: bytes) -> None:
    answered = client.post("/api/v1/deployments/batch", content=content, timeout=300)
    assert answered.json()["recorded"] == BATCH_LINES, answered.text


def _measure_with_subscriber(folder: Path, pause: float) -> tuple[Load, float]:
    """Single posts while events go out, and how many of these arrive a second; `pause` before an answer."""
    folder.mkdir()

    def answer(_: Heard) -> tuple[int, dict[str, str]]:
        time.sleep(pause)
        return 204, {}

    networks = {"TRACKER_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with Subscriber(answer) as subscriber, Server(folder, **networks, **UNLIMITED) as server:
        with server.client(server.token()) as client:
            client.post("/api/v1/webhooks", json={"url": subscriber.url}).raise_for_status()
        load = workers.posting(server, BODY)
        return load, len(subscriber.heard) / SECONDS


def _measure_metrics(server: Server, table: Results) -> None:
    """The real records: each metric over half a year, once the store has followed."""
    with server.client(server.token("admin", "govuk")) as client:
        client.post(
            "/api/v1/deployments/batch", content=gzip.decompress(REAL_RECORDS.read_bytes()), timeout=300
        )
        window, ends = "?from=2026-01-01&tz=Europe/London&to=", ends_of_questions("2026-07-01")
        summary = f"/api/v1/metrics{window}2026-07-01"
        anew = lambda path: client.get(f"{path}{window}{next(ends)}").raise_for_status()  # noqa: E731
        seconds = _timed(lambda: client.get(summary, timeout=300).raise_for_status())
        table.add_row("first summary, the store follows all of the above", f"{seconds * 1e3:,.0f} ms", "")
        for name in client.get(summary).json()["metrics"]:
            times = sorted(_timed(lambda name=name: anew(f"/api/v1/metrics/{name}")) for _ in range(REPEATS))
            table.add_row(
                name, f"median {times[REPEATS // 2] * 1e3:.1f} ms", f"worst {times[-1] * 1e3:.1f} ms"
            )
        five = _median(lambda: anew("/api/v1/metrics"))
        table.add_row("summary of all five", f"median {five * 1e3:.1f} ms", "")
        again = _median(lambda: client.get(summary).raise_for_status())
        table.add_row("the same, which somebody has asked", f"median {again * 1e3:.1f} ms", "")
        tag = {"If-None-Match": client.get(summary).headers["ETag"]}
        unchanged = _median(lambda: client.get(summary, headers=tag))
        alive = _median(lambda: client.get("/healthz"))
        table.add_row(
            "the same, not changed since",
            f"median {unchanged * 1e3:.1f} ms",
            f"{unchanged / alive:.1f} x /healthz",
        )


@contextmanager
def _baseline(folder: Path) -> Iterator[str]:
    announced = folder / "url"
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.baseline", str(announced)])
    try:
        deadline = time.monotonic() + 30
        while not announced.exists() or not announced.read_text():
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("the baseline did not start")
            time.sleep(0.05)
        yield announced.read_text()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
