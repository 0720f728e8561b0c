"""How fast analysts get figures: from a file, a database, a service, a lake, and all at once by Spark."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import metrics
from metrics.engine.following import follow
from metrics.lake.layout import Lake
from metrics.lake.writing import sync
from metrics.library.frames import Library
from tests.server import Server

WINDOW = {"last": "26w", "interval": "week", "group_by": "repository"}
Row = Sequence[str]


def measure() -> Iterator[Row]:
    """The demo year, by whatever it can be opened from: its first answer, and another."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Server(folder) as server:
            server.run("demo", "--org", "acme")
            server.run("demo", "--org", "acme", "--output", str(folder / "demo.ndjson.gz"))
            database = f"sqlite:///{folder / 'data' / 'tracker.db'}"
            yield from _asking("a file", lambda: metrics.open(folder / "demo.ndjson.gz"))
            yield from _asking("a database", lambda: metrics.open(database, organization="acme"))
            token = server.token("metrics:read")
            yield from _asking("a service", lambda: metrics.open(server.url, token=token))
            yield from _rows_of_a_service(server.url, token)
            target = folder / "lake"
            took = _seconds(lambda: sync(follow(database), Lake.at(str(target))))
            yield "lake sync of a year", f"{took:.2f} s", ""
            again = _seconds(lambda: sync(follow(database), Lake.at(str(target))))
            yield "… again, with nothing new", f"{again * 1e3:.0f} ms", ""
            yield from _asking("a lake", lambda: metrics.open(str(target), organization="acme"))
            yield from _by_spark(target, folder)


def _asking(what: str, opening: Callable[[], Library]) -> Iterator[Row]:
    started = time.perf_counter()
    with opening() as library:
        library.change_failure_rate(**WINDOW)
        first = time.perf_counter() - started
        again = _seconds(lambda: library.change_failure_rate(**WINDOW))
        own = _seconds(lambda: _ask_own(library)) if what == "a file" else None
    beside = "" if own is None else f"a metric of one's own {own * 1e3:.0f} ms"
    yield f"{what}: opened and answered by week and repository", f"{first * 1e3:.0f} ms", ""
    yield "… asked again", f"{again * 1e3:.0f} ms", beside


def _ask_own(library: Library) -> Any:
    query = "select id, is_hotfix as in_numerator from deployments"
    metrics.register("benchmarked", query, "share", title="Benchmarked")
    return library.metric("benchmarked", **WINDOW)


def _rows_of_a_service(url: str, token: str) -> Iterator[Row]:
    with metrics.open(url, token=token) as library:
        first = _seconds(library.deployments)
        yield "a service: all deployments as a frame", f"{first * 1e3:.0f} ms", ""
        yield "… again, nothing new", f"{_seconds(library.deployments) * 1e3:.0f} ms", ""


def _by_spark(lake: Path, folder: Path) -> Iterator[Row]:
    """A job of its own, with all that it takes to start."""
    if find_spec("pyspark") is None or shutil.which("java") is None:
        yield "Spark", "not measured", "there is no Java, or the extra is not installed"
        return
    job = Path(__file__).parents[1] / "integrations" / "spark" / "figures.py"
    command = [sys.executable, job, lake, "change_failure_rate", folder / "figures", "last=26w"]
    # Its workers are of this environment, whatever `python3` is.
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable}
    took = _seconds(
        lambda: subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
    )
    yield "a Spark job over the lake, its start included", f"{took:.1f} s", ""


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
