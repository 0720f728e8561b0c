"""How the store grows with what is stored: following one record, each metric, a rebuild, memory."""

import itertools
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from metrics.definitions.base import MetricName
from metrics.domain.deployments import NewDeployment, SentDeployment
from metrics.domain.incidents import NewIncident
from metrics.domain.instants import now_microseconds
from metrics.engine.record_databases import follow
from metrics.engine.store import Store
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import open_snapshot
from tracker.deployments.service import record_deployments
from tracker.incidents.service import report_incident
from tracker.records.engine import connect
from tracker.records.ledger import Author
from tracker.records.migrations import migrate
from tracker.records.recorder import Recorder

SIZES = (10_000, 100_000, 1_000_000)
ORGANIZATIONS, REPOSITORIES = 20, 10
DAYS = 3 * 365
CHUNK = 10_000
REPEATS = 7
LAST = datetime(2026, 11, 1, tzinfo=UTC)
WINDOW = {"from": "2026-08-01", "to": "2026-11-01", "tz": "Europe/Berlin"}


def main() -> None:
    table = Table(
        "what", *(f"{size:,} stored" for size in SIZES), title="Growth, SQLite", title_justify="left"
    )
    columns: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as name:
        grown = _Grown(Path(name))
        for size in SIZES:
            grown.grow_to(size)
            columns.append(grown.measure())
        grown.store.close()
    for what in columns[0]:
        table.add_row(what, *(column[what] for column in columns))
    Console().print(table)


class _Grown:
    """A record database that grows, and a store that follows it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._dice = folder, random.Random(1)
        self._url = f"sqlite:///{folder / 'tracker.db'}"
        engine = connect(self._url)
        migrate(engine)
        self._recorder = Recorder(engine)
        self._stored = 0
        self.store = Store(follow(self._url), folder / "stores")

    def grow_to(self, size: int) -> None:
        while self._stored < size:
            count = min(CHUNK, size - self._stored)
            author = Author(f"org-{self._stored // CHUNK % ORGANIZATIONS}", "benchmark")
            sent = [self._sent(self._some_time()) for _ in range(count)]
            self._recorder.record_now(
                lambda ledger, a=author, s=sent: record_deployments(ledger, a, s)  # type: ignore[misc]
            )
            self._stored += count

    def measure(self) -> dict[str, str]:
        with open_snapshot(self.store):
            pass
        found = {
            f"a question after {what}": _milliseconds(self._asking_after(change))
            for what, change in self._changes().items()
        }
        found["a question after nothing"] = _milliseconds(self._asking_after(lambda: None))
        for name in MetricName:
            found[name] = _milliseconds(self._asking(name))
        arguments = [sys.executable, "-m", "benchmarks.growth", self._url]
        seconds, megabytes = subprocess.check_output(arguments, text=True).split()
        found["a rebuild"] = f"{float(seconds):.1f} s"
        found["its memory at most"] = f"{float(megabytes):,.0f} MB"
        return found

    def _changes(self) -> dict[str, Callable[[], object]]:
        return {
            "a new deployment": lambda: self._record(LAST + timedelta(seconds=next(_numbers))),
            "a late deployment": lambda: self._record(self._some_time()),
            "an incident": self._report,
        }

    def _asking_after(self, change: Callable[[], object]) -> Iterator[float]:
        for _ in range(REPEATS):
            change()
            yield _timed(lambda: self._ask(MetricName.CHANGE_FAILURE_RATE))

    def _asking(self, name: MetricName) -> Iterator[float]:
        for _ in range(REPEATS):
            yield _timed(lambda: self._ask(name))

    def _ask(self, name: MetricName) -> None:
        with open_snapshot(self.store) as reading:
            settings = reading.settings("org-0")
            reading.ask(MetricParameters.of(WINDOW).question("org-0", settings, now=LAST), [name])

    def _record(self, finished_at: datetime) -> None:
        sent = [self._sent(finished_at)]
        self._recorder.record_now(
            lambda ledger: record_deployments(ledger, Author("org-0", "benchmark"), sent)
        )

    def _report(self) -> None:
        body = {"started_at": self._some_time().isoformat(), "repository_url": self._repository()}
        incident = NewIncident.parse(msgspec.json.encode(body))
        self._recorder.record_now(
            lambda ledger: report_incident(
                ledger, Author("org-0", "benchmark"), incident.sent(now_microseconds())
            )
        )

    def _sent(self, finished_at: datetime) -> SentDeployment:
        number = next(_numbers)
        body = {
            "repository_url": self._repository(),
            "commit_id": f"{number:040x}",
            "finished_at": finished_at.isoformat(),
            "duration_seconds": self._dice.randrange(30, 900),
            "is_hotfix": self._dice.random() < 0.05,
            "is_fix": self._dice.random() < 0.05,
            "deployment_node_id": f"run-{number}",
            "commits": [
                {"sha": f"{number:040x}", "committed_at": (finished_at - timedelta(hours=9)).isoformat()}
            ],
        }
        return NewDeployment.parse(msgspec.json.encode(body)).sent(
            triggered_by="import", now=now_microseconds()
        )

    def _repository(self) -> str:
        return f"https://github.com/acme/repository-{self._dice.randrange(REPOSITORIES)}"

    def _some_time(self) -> datetime:
        return LAST - timedelta(seconds=self._dice.randrange(DAYS * 86_400))


def _milliseconds(seconds: Iterable[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:,.0f} ms"


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


_numbers = itertools.count(1)


def _rebuild(url: str) -> None:
    """In a process of its own: the seconds it takes and the megabytes it comes to."""
    with tempfile.TemporaryDirectory() as name, Store(follow(url), Path(name)) as store:
        started = time.perf_counter()
        with open_snapshot(store):
            seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    _rebuild(sys.argv[1])
