"""How fast the overview is over real records: as it stands, asked whether it is new, after a record."""

import gzip
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import httpx

from benchmarks.results import Results
from tests.server import Server, deployment

REPEATS = 20
AFTER_A_RECORD = 8
ORGANIZATION = "pages"


def measure(server: Server, records: Path, table: Results) -> None:
    """Add the rows of the overview over the records' last thirteen weeks."""
    content = gzip.decompress(records.read_bytes())
    last = max(json.loads(line)["finished_at"] for line in content.splitlines())[:10]
    end = date.fromisoformat(last) - timedelta(days=date.fromisoformat(last).weekday())
    path = f"/?from={end - timedelta(weeks=13)}&to={end}"
    with server.client(server.token("admin", ORGANIZATION)) as client, _browser(server) as browser:
        client.post("/api/v1/deployments/batch", content=content).raise_for_status()
        first = _seconds(lambda: browser.get(path))
        page = browser.get(path)
        unchanged = [_seconds(lambda: browser.get(path)) for _ in range(REPEATS)]
        tag = {"If-None-Match": page.headers["ETag"]}
        not_new = [_seconds(lambda: browser.get(path, headers=tag)) for _ in range(REPEATS)]
        changed = []
        for _ in range(AFTER_A_RECORD):
            client.post("/api/v1/deployments", json=deployment()).raise_for_status()
            changed.append(_seconds(lambda: browser.get(path)))
    size = len(page.content) / 1_000
    wire = int(page.headers["Content-Length"]) / 1_000
    table.add_row(
        "the overview, for the first time", f"{first * 1_000:.0f} ms", f"{size:.0f} kB, {wire:.0f} sent"
    )
    table.add_row("the overview, as it stands, p50", _ms(unchanged), "the goal is 150 ms")
    table.add_row("the overview, when it is asked for news, p50", _ms(not_new), "304")
    table.add_row("the overview, after a new record, p50", _ms(changed), "worked out anew")


@contextmanager
def _browser(server: Server) -> Iterator[httpx.Client]:
    headers = {"Accept": "text/html", "Accept-Encoding": "gzip"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as browser:
        browser.post("/sign-in", data={"token": server.token("admin", ORGANIZATION)})
        yield browser


def _seconds(act: Callable[[], httpx.Response]) -> float:
    began = time.perf_counter()
    answered = act()
    assert answered.status_code in (200, 304), answered.status_code
    return time.perf_counter() - began


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1_000:.1f} ms"
