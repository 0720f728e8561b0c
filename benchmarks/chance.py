"""How often a comparison calls chance a change, and finds one that is there: on real weeks in random order.

In weeks that are drawn without order nothing can have changed between one half and the other, and a true
median is known: that of all. Run as a module it prints the shares for some hundred orders.
"""

import gzip
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from metrics.definitions.base import MetricName
from metrics.engine.store import Store
from metrics.library.files import read_records
from metrics.output.comparison import compare
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session

REAL_RECORDS = Path(__file__).parents[2] / "shared" / "data" / "govuk-deployments.ndjson.gz"
_FIRST = datetime(2023, 8, 7, tzinfo=UTC)
_WEEK = timedelta(weeks=1)
_WEEKS = 156

Record = dict[str, Any]
_EMPTY: Record = {
    "repository_url": "https://github.com/acme/before",
    "version": "before",
    "status": "success",
    "is_fix": False,
    "is_hotfix": False,
    "commits": [],
}


@dataclass(slots=True)
class Found:
    """Of so many comparisons: how many said "changed", and how many intervals held the true median."""

    comparisons: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    intervals: int = 0
    held: int = 0

    def share_changed(self, name: str) -> float:
        return self.changed[name] / self.comparisons

    @property
    def share_held(self) -> float:
        return self.held / self.intervals


def real_weeks() -> Sequence[Sequence[Record]]:
    """The deployments of each whole week of the records."""
    weeks = defaultdict(list)
    with gzip.open(REAL_RECORDS, "rt") as lines:
        for line in lines:
            record = json.loads(line)
            weeks[(_instant(record["finished_at"]) - _FIRST) // _WEEK].append(record)
    return [weeks[number] for number in range(_WEEKS)]


def shuffled(weeks: Sequence[Sequence[Record]], weeks_each: int, orders: int, seed: int = 1) -> Found:
    """What comparisons of so many weeks with as many before say where nothing has changed."""
    dice, found, done = random.Random(seed), Found(), 0
    with _Session(weeks) as whole:
        median = _answer(whole, 0, _WEEKS, "lead_time_for_changes")[0].row.value
    while done < orders:
        order = dice.sample(list(weeks), len(weeks))
        with _Session(order) as session:
            for start in range(0, len(weeks) - 2 * weeks_each + 1, 2 * weeks_each):
                if done < orders:
                    _note(found, session, start + weeks_each, weeks_each, median)
                    done += 1
    return found


def doubled(weeks: Sequence[Sequence[Record]], weeks_each: int, orders: int, seed: int = 2) -> Found:
    """The same where every deployment of the second half happens twice."""
    dice, found = random.Random(seed), Found()
    for _ in range(orders):
        order = dice.sample(list(weeks), 2 * weeks_each)
        twice = [[*week, *(record | {"version": "again"} for record in week)] for week in order[weeks_each:]]
        with _Session([*order[:weeks_each], *twice]) as session:
            _note(found, session, weeks_each, weeks_each, None)
    return found


def _note(found: Found, session: Session, first: int, count: int, median: float | None) -> None:
    found.comparisons += 1
    for answer in _answer(session, first, count, *MetricName):
        comparison = compare(answer)
        assert comparison is not None
        found.changed[answer.metric] += bool(comparison.distinguishable)
        interval = getattr(answer.row, "median_interval95", None)
        if answer.metric is MetricName.LEAD_TIME_FOR_CHANGES and median is not None:
            found.intervals += 1
            found.held += interval is not None and interval[0] <= median <= interval[1]


def _answer(session: Session, first: int, count: int, *names: str) -> Sequence[Any]:
    window = {
        "from": (_FIRST + first * _WEEK).isoformat(),
        "to": (_FIRST + (first + count) * _WEEK).isoformat(),
    }
    given = MetricParameters.of({**window, "compare": "true", "tz": "UTC"})
    return session.answers(given, [MetricName(name) for name in names])


class _Session:
    """A session over weeks of records that follow each other in the order given."""

    def __init__(self, weeks: Sequence[Sequence[Record]]) -> None:
        # Recording began before the first week: else there would be nothing to compare with.
        before = {**_EMPTY, "finished_at": (_FIRST - _WEEK).isoformat()}
        rows = [before, *_moved(weeks)]
        self._store = Store(read_records(None, pl.DataFrame(rows, infer_schema_length=None)))

    def __enter__(self) -> Session:
        return Session(self._store, "")

    def __exit__(self, *_: object) -> None:
        self._store.close()


def _moved(weeks: Sequence[Sequence[Record]]) -> Iterator[Mapping[str, Any]]:
    for number, week in enumerate(weeks):
        for place, record in enumerate(week):
            finished_at = _instant(record["finished_at"])
            by = number * _WEEK - (finished_at - _FIRST) // _WEEK * _WEEK
            yield {
                "repository_url": record["repository_url"],
                "version": f"{number}-{place}",
                "finished_at": (finished_at + by).isoformat(),
                "status": record["status"],
                "is_fix": record["is_fix"],
                "is_hotfix": record["is_hotfix"],
                "commits": [
                    {"sha": one["sha"], "committed_at": (_instant(one["committed_at"]) + by).isoformat()}
                    for one in record["commits"]
                ],
            }


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def main(orders: int = 200) -> None:
    """Print the shares for some hundred orders."""
    weeks = real_weeks()
    table = Table(
        "what", *MetricName, "interval holds", title=f"Chance, {orders} orders", title_justify="left"
    )
    for weeks_each in (13, 4):
        found = shuffled(weeks, weeks_each, orders)
        table.add_row(f"{weeks_each} weeks, no change", *_shares(found), f"{found.share_held:.1%}")
    found = doubled(weeks, 13, min(orders, 40))
    table.add_row("13 weeks, deployments doubled", *_shares(found), "")
    Console(width=160).print(table)


def _shares(found: Found) -> list[str]:
    return [f"{found.share_changed(name):.1%}" for name in MetricName]


if __name__ == "__main__":
    main()
