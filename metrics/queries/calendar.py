"""Local days, and the buckets of a series, as instants.

From Python's zoneinfo alone: DuckDB's zone data differ from it at some edges.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from metrics.domain.instants import midnight


@dataclass(frozen=True, slots=True)
class LocalDay:
    """A calendar day in a time zone, as a half-open span of instants; `week` is its ISO week's Monday."""

    day: date
    week: date
    starts_at: datetime
    ends_at: datetime


def local_days(from_at: datetime, to_at: datetime, zone: ZoneInfo) -> Iterator[LocalDay]:
    """The days of every ISO week that the window touches, in order."""
    first = _local_date(from_at, zone)
    first -= timedelta(days=first.weekday())
    last = _local_date(to_at, zone)
    last += timedelta(days=6 - last.weekday())
    starts_at = midnight(first, zone)
    day = first
    while day <= last:
        ends_at = midnight(day + timedelta(days=1), zone)
        yield LocalDay(day, day - timedelta(days=day.weekday()), starts_at, ends_at)
        day, starts_at = day + timedelta(days=1), ends_at


class Interval(StrEnum):
    """How long the buckets of a series are."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"

    def start(self, day: date) -> date:
        """The first day of the bucket that a day lies in; weeks are ISO weeks, from Monday on."""
        match self:
            case Interval.DAY:
                return day
            case Interval.WEEK:
                return day - timedelta(days=day.weekday())
            case Interval.MONTH:
                return day.replace(day=1)
            case Interval.QUARTER:
                return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)

    def next(self, start: date) -> date:
        """The first day of the bucket after the one that begins with `start`."""
        match self:
            case Interval.DAY:
                return start + timedelta(days=1)
            case Interval.WEEK:
                return start + timedelta(days=7)
            case Interval.MONTH:
                return self.start(start + timedelta(days=31))
            case Interval.QUARTER:
                return self.start(start + timedelta(days=93))


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of instants; `is_partial` says that a bucket was cut by the window it belongs to."""

    from_at: datetime
    to_at: datetime
    is_partial: bool = False


def buckets(from_at: datetime, to_at: datetime, interval: Interval, zone: ZoneInfo) -> Iterator[Window]:
    """The buckets of a window in order, each clipped to it."""
    # A day begins with the first of two midnights, when clocks may show the day before once more.
    start = interval.start(_local_date(from_at, zone))
    starts_at = midnight(start, zone)
    while starts_at < to_at:
        start = interval.next(start)
        ends_at = midnight(start, zone)
        # A day that clocks leapt over has no length and is no bucket.
        if ends_at > max(from_at, starts_at):
            is_partial = starts_at < from_at or ends_at > to_at
            yield Window(max(starts_at, from_at), min(ends_at, to_at), is_partial)
        starts_at = ends_at


def _local_date(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


_CALENDAR_SPANS = (1, 3, 12)
"""The months of a calendar month, quarter and year."""


def window_before(window: Window, zone: ZoneInfo) -> Window:
    """The window that one is compared with, before it and with the same weekdays.

    Of a whole local calendar month, quarter or year that is the one before; else the same local wall-clock
    times, earlier by the least whole number of weeks that is not shorter than the window.
    """
    starts, ends = (
        instant.astimezone(zone).replace(tzinfo=None) for instant in (window.from_at, window.to_at)
    )
    if _is_midnight(window.from_at, zone) and _is_midnight(window.to_at, zone):
        first, last = _local_date(window.from_at, zone), _local_date(window.to_at, zone)
        months = (last.year - first.year) * 12 + last.month - first.month
        if first.day == last.day == 1 and months in _CALENDAR_SPANS and (first.month - 1) % months == 0:
            return Window(midnight(months_before(first, months), zone), window.from_at)
    weeks = timedelta(weeks=-((starts - ends) // timedelta(weeks=1)))
    return Window(_instant(starts - weeks, zone), _instant(ends - weeks, zone))


def whole_weeks(window: Window, zone: ZoneInfo) -> list[Window]:
    """The spans of seven local days that a window holds, from its beginning."""
    local, weeks = window.from_at.astimezone(zone).replace(tzinfo=None), []
    starts_at = window.from_at
    while (ends_at := _instant(local := local + timedelta(weeks=1), zone)) <= window.to_at:
        weeks.append(Window(starts_at, ends_at))
        starts_at = ends_at
    return weeks


def days_before(instant: datetime, days: timedelta, zone: ZoneInfo) -> datetime:
    """The instant at which local clocks showed the same, so many days before."""
    return _instant(instant.astimezone(zone).replace(tzinfo=None) - days, zone)


def _is_midnight(instant: datetime, zone: ZoneInfo) -> bool:
    return midnight(_local_date(instant, zone), zone) == instant


def months_before(first: date, months: int) -> date:
    """The first day of a month so many months before another."""
    number = first.year * 12 + first.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which clocks show a local time, first; midnight as everywhere."""
    if local.time() == time.min:
        return midnight(local.date(), zone)
    return local.replace(tzinfo=zone)
