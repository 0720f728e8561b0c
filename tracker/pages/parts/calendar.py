"""Deployments by weekday and week: a table that shades its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from metrics.definitions.base import MetricName
from metrics.queries.question import Answer
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.words import Clock

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SHADES = 5
_MOST_WEEKS = 53
_PERCENTILE = 0.95


@dataclass(frozen=True, slots=True)
class Day:
    """A day's deployments; `shade` from 0 for none to 5 for the most."""

    day: date
    count: int
    shade: int
    is_after: bool
    """Whether the window has ended before it."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Weeks as columns; a month's name stands on the week that holds its first day."""

    months: Sequence[str]
    mondays: Sequence[date]
    rows: Sequence[tuple[str, Sequence[Day | None]]]
    is_cut: bool
    since: int
    """Deployments after the end of the window."""


def daily(asked: Asked) -> Answer:
    """The deployments of each day: of the window, and up to today where that ends with a whole week."""
    more = {"interval": "day"}
    end = asked.question.to_at
    start = max(asked.question.from_at, end - timedelta(weeks=_MOST_WEEKS - 1))
    is_recent = asked.clock.now - timedelta(weeks=2) < end <= asked.clock.now
    if is_recent and asked.question.as_of is None:
        end = asked.clock.now
    pairs = asked.parameters(**more).model_copy(
        update={"from_": start.isoformat(), "to": end.isoformat(), "last": None}
    )
    (answer,) = asked.session.answers(pairs, [MetricName.DEPLOYMENT_FREQUENCY])
    return answer


def calendar_of(answer: Answer, asked: Asked) -> Calendar:
    """The calendar of a series by day. Shades are relative to the 95th percentile of its days."""
    clock, ends = asked.clock, asked.question.to_at
    counts = {
        clock.local(point.window.from_at).date(): (point.row.deployments, point.window.from_at >= ends)  # type: ignore[attr-defined]
        for point in answer.series
    }
    known = sorted(count for count, _ in counts.values() if count)
    most = known[int(_PERCENTILE * (len(known) - 1))] if known else 1
    first, last = min(counts), max(counts)
    mondays = []
    monday = first - timedelta(days=first.weekday())
    while monday <= last:
        mondays.append(monday)
        monday += timedelta(days=7)
    rows = [
        (
            name,
            [_day(monday + timedelta(days=number), counts, most) for monday in mondays],
        )
        for number, name in enumerate(WEEKDAYS)
    ]
    return Calendar(
        months=_months(mondays, clock),
        mondays=mondays,
        rows=rows,
        is_cut=answer.question.from_at > asked.question.from_at,
        since=sum(count for count, is_after in counts.values() if is_after),
    )


def _day(day: date, counts: dict[date, tuple[int, bool]], most: int) -> Day | None:
    if day not in counts:
        return None
    count, is_after = counts[day]
    shade = min(_SHADES, -(-count * _SHADES // most)) if count else 0
    return Day(day, count, shade, is_after)


def _months(mondays: Sequence[date], clock: Clock) -> Sequence[str]:
    names, seen = [], set[tuple[int, int]]()
    for monday in mondays:
        sunday = monday + timedelta(days=6)
        month = (sunday.year, sunday.month)
        year = f" {sunday:%Y}" if sunday.month == 1 and seen and sunday.year != clock.now.year else ""
        names.append("" if month in seen else f"{sunday:%b}{year}")
        seen.add(month)
    # Two names beside each other do not fit.
    if len(names) > 1 and names[0] and names[1]:
        names[0] = ""
    return names
