"""How an organization's answers grow with what all have stored: the first, after a change, each metric."""

import itertools
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from sqlalchemy import Connection, func, select, text

from benchmarks.results import Results
from metrics.definitions.base import MetricName, Part
from metrics.domain.deployments import NewDeployment, SentDeployment
from metrics.domain.incidents import NewIncident
from metrics.domain.instants import now_microseconds
from metrics.engine.following import follow
from metrics.engine.organizations import OrganizationStores
from metrics.engine.pulled_tables import PULLED
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session
from metrics.queries.views import query_views
from tracker.deployments.service import record_deployments
from tracker.incidents.service import report_incident
from tracker.records.engine import connect
from tracker.records.ledger import Author
from tracker.records.migrations import migrate
from tracker.records.recorder import Recorder
from tracker.records.tables import DEPLOYMENTS, NUMBERED, REPOSITORIES

SIZES = tuple(map(int, os.environ.get("BENCH_SIZES", "10000,100000,1000000").split(",")))
# With one, all that is stored is of the one that is asked.
ORGANIZATIONS = int(os.environ.get("BENCH_ORGANIZATIONS", "20"))
COPIES, REPOSITORIES_EACH = 19, 200
# What stores may take, as TRACKER_STORE_MEMORY says it; else DuckDB's own limit.
_MEMORY = os.environ.get("BENCH_STORE_MEMORY")
DAYS = 3 * 365
CHUNK = 10_000
REPEATS = 7
LAST = datetime(2026, 11, 1, tzinfo=UTC)
WINDOW = {"from": "2026-08-01", "to": "2026-11-01", "tz": "Europe/Berlin"}
ASKED = "org-0"
_RATE = MetricName.CHANGE_FAILURE_RATE
_ALL_FIVE: Mapping[str, Mapping[str, object]] = {
    "all five": {},
    "… by week, compared": {"interval": "week", "compare": True},
    "… by 200 repositories": {"group_by": "repository"},
}
# The rows of the window, counted by week: what no answer can be faster than.
BARE_COUNT = """
select epoch_us(date_trunc('week', finished_at)) as week, count(*) as deployments
from finished_deployments
where organization = 'org-0' and succeeded and finished_at between '2026-08-01' and '2026-11-01'
group by week
order by week
"""
_YEAR_BY_REPOSITORY = """
select repository, count(*) as deployments, avg(is_hotfix::int) as hotfixes
from deployments
where finished_at between '2025-11-01' and '2026-11-01'
group by repository
"""


def main() -> None:
    table = Results("Growth, SQLite", ("what", *(f"{size:,} stored" for size in SIZES)))
    columns: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as name:
        grown = _Grown(Path(name))
        for size in SIZES:
            grown.grow_to(size)
            columns.append(grown.measure())
        grown.stores.close()
    for what in columns[0]:
        table.add_row(what, *(column[what] for column in columns))
    table.show()


class _Grown:
    """A record database of organizations that grows, and the store of one of them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._dice = folder, random.Random(1)
        self._url = f"sqlite:///{folder / 'tracker.db'}"
        self._engine = connect(self._url)
        migrate(self._engine)
        self._recorder = Recorder(self._engine)
        self._stored = 0
        self.stores = OrganizationStores(follow(self._url), folder / "stores", memory=_MEMORY)

    def grow_to(self, size: int) -> None:
        """Record a twentieth of so much for the organization that is asked, and copy it to the others."""
        own = range(self._stored // (1 + COPIES), size // (1 + COPIES), CHUNK)
        for start in own:
            sent = [self._sent(self._some_time()) for _ in range(min(CHUNK, own.stop - start))]
            self._recorder.record_now(
                lambda ledger, s=sent: record_deployments(ledger, Author(ASKED, "benchmark"), s)  # type: ignore[misc]
            )
        with self._engine.begin() as connection:
            for number in range(1, 1 + COPIES):
                _copy(connection, number, f"org-{number % ORGANIZATIONS}")
        # A ledger that was there before does not know of their revisions.
        self._recorder = Recorder(self._engine)
        self._stored = size

    def measure(self) -> dict[str, str]:
        arguments = [sys.executable, "-m", "benchmarks.growth", self._url]
        bare, first, megabytes = map(float, subprocess.check_output(arguments, text=True).split())
        found = {
            "the first answer": f"{first:.1f} s",
            "… beside reading its rows": f"{first / bare:.1f} x {bare:.2f} s",
            "its memory at most": f"{megabytes:,.0f} MB",
        }
        self._ask(*MetricName)
        for what, change in self._changes().items():
            found[f"a question after {what}"] = _milliseconds(self._asking_after(change))
        found["a question after nothing"] = _milliseconds(self._asking_after(lambda: None))
        for name in MetricName:
            found[name] = _milliseconds(self._asking(name))
        counted = statistics.median(self._counting())
        bare = f"x {counted * 1e3:.1f} ms"
        for what, parameters in _ALL_FIVE.items():
            took = statistics.median(self._asking(*MetricName, **parameters))
            found[what] = f"{took * 1e3:,.0f} ms, {took / counted:.0f} {bare}"
        for what, (ask, beside) in self._others().items():
            took, plain = (statistics.median(_again(act)) for act in (ask, beside))
            found[what] = f"{took * 1e3:,.0f} ms, {took / plain:.1f} x a metric"
        return found

    def _others(self) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
        """What else is asked, each beside the plain metric over the same window."""
        session = Session(self.stores.of(ASKED), ASKED, asked_at=LAST)
        window = MetricParameters.of(WINDOW)
        everything = MetricParameters.of({**WINDOW, "from": (LAST - timedelta(days=DAYS)).isoformat()})
        as_of = MetricParameters.of({**WINDOW, "as_of": datetime.now(UTC).isoformat()})
        asking = lambda asked: lambda: session.answers(asked, [_RATE])  # noqa: E731
        newest = session.newest_rows(window, _RATE, Part.COUNTED, limit=1).rows[0]["id"]
        return {
            "the first page of an explanation, over three years": (
                lambda: session.explanation(everything, _RATE, limit=100),
                asking(everything),
            ),
            "the receipt of a deployment": (
                lambda: session.deployment_receipt(newest, LAST),
                asking(window),
            ),
            "as of an instant, the second time": (asking(as_of), asking(window)),
            "SQL over a view, a year by 200 repositories": (
                lambda: query_views(lambda names: session.views(names).tables, _YEAR_BY_REPOSITORY),
                asking(window),
            ),
        }

    def _changes(self) -> dict[str, Callable[[], object]]:
        return {
            "a new deployment": lambda: self._record(LAST + timedelta(milliseconds=next(_numbers))),
            "a late deployment": lambda: self._record(self._some_time()),
            "an incident": self._report,
        }

    def _asking_after(self, change: Callable[[], object]) -> Iterator[float]:
        for _ in range(REPEATS):
            change()
            yield _timed(lambda: self._ask(_RATE))

    def _asking(self, *names: MetricName, **parameters: object) -> Iterator[float]:
        for _ in range(REPEATS):
            yield _timed(lambda: self._ask(*names, **parameters))

    def _ask(self, *names: MetricName, **parameters: object) -> None:
        _ask(self.stores, names, parameters)

    def _counting(self) -> Iterator[float]:
        for _ in range(REPEATS):
            yield self.stores.of(ASKED).read(
                lambda cursor: _timed(lambda: cursor.execute(BARE_COUNT).fetchall())
            )

    def _record(self, finished_at: datetime) -> None:
        sent = [self._sent(finished_at)]
        self._recorder.record_now(lambda ledger: record_deployments(ledger, Author(ASKED, "benchmark"), sent))

    def _report(self) -> None:
        body = {"started_at": self._some_time().isoformat(), "repository_url": self._repository()}
        incident = NewIncident.parse(msgspec.json.encode(body))
        self._recorder.record_now(
            lambda ledger: report_incident(
                ledger, Author(ASKED, "benchmark"), incident.sent(now_microseconds())
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
        return f"https://github.com/acme/repository-{self._dice.randrange(REPOSITORIES_EACH)}"

    def _some_time(self) -> datetime:
        return LAST - timedelta(seconds=self._dice.randrange(DAYS * 86_400))


def _milliseconds(seconds: Iterable[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:,.0f} ms"


def _again(act: Callable[[], object]) -> Iterator[float]:
    act()
    for _ in range(REPEATS):
        yield _timed(act)


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _copy(connection: Connection, number: int, organization: str) -> None:
    """Copy to an organization what it lacks of the deployments and repositories that were recorded: a service
    takes some thousand a second.
    """
    for table in (REPOSITORIES, DEPLOYMENTS):
        # Another copy in an organization is of the repositories that are there.
        if table is REPOSITORIES and (organization == ASKED or number >= ORGANIZATIONS):
            continue
        last = max(
            connection.scalar(select(func.coalesce(func.max(numbered.c.revision), 0))) or 0
            for numbered in NUMBERED
        )
        revision = f"{last} + row_number() over (order by revision)"
        other = {
            "organization": ":organization",
            "id": "id || :copy",
            "deployment_node_id": "deployment_node_id || :copy",
            "revision": revision,
            "first_revision": revision,
            # Other releases, a little later: deployed again, they would carry nothing.
            "commit_id": "printf('%02x', :number) || substr(commit_id, 3)",
            "commits": "replace(commits, commit_id, printf('%02x', :number) || substr(commit_id, 3))",
            **{name: f"{name} + :number" for name in ("started_at", "finished_at", "listed_at")},
        }
        names = [column.name for column in table.columns]
        connection.execute(
            text(
                f"insert into {table.name} ({', '.join(names)}) "
                f"select {', '.join(other.get(name, name) for name in names)} from {table.name} as own "
                "where organization = :asked and instr(id, '~') = 0 "
                f"and not exists (select 1 from {table.name} as copied where copied.id = own.id || :copy)"
            ),
            {"asked": ASKED, "organization": organization, "copy": f"~{number}", "number": number},
        )


_numbers = itertools.count(1)


def _ask(
    stores: OrganizationStores, names: Sequence[MetricName], parameters: Mapping[str, object] | None = None
) -> None:
    asked = MetricParameters.of({**WINDOW, **(parameters or {})})
    Session(stores.of(ASKED), ASKED, asked_at=LAST).answers(asked, names)


def _answer_first(url: str) -> None:
    """In a process of its own: the seconds to read an organization's rows, and to answer with nothing at
    hand; the megabytes that this comes to.
    """
    records = follow(url)
    with records.of(ASKED).snapshot() as snapshot:
        bare = _timed(lambda: sum(rows.num_rows for table in PULLED for rows in snapshot.rows(table, 0)))
    with (
        tempfile.TemporaryDirectory() as name,
        OrganizationStores(records, Path(name), memory=_MEMORY) as stores,
    ):
        first = _timed(lambda: _ask(stores, list(MetricName)))
    print(bare, first, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    _answer_first(sys.argv[1])
