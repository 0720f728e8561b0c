"""What the metrics that are rates have in common."""

from collections.abc import Mapping
from typing import Protocol

from metrics.definitions.base import Shown
from metrics.definitions.statistics import WeekCounts, Weeks, rates_differ
from metrics.definitions.words import count, percent


class Counted(Protocol):
    """So many of so many."""

    @property
    def numerator(self) -> int: ...
    @property
    def denominator(self) -> int: ...


class Rate(Counted, Protocol):
    """A share of something, with its counts."""

    @property
    def value(self) -> float | None: ...
    @property
    def by_signal(self) -> Mapping[str, int]: ...


def differ_by_more_than_chance(
    before: Counted, after: Counted, weeks_before: Weeks, weeks_after: Weeks
) -> bool | None:
    """Whether two rates differ by more than chance would bring about; None where one is of nothing."""
    counts = [(rate.numerator, rate.denominator) for rate in (before, after)]
    return rates_differ(counts[0], counts[1], weeks_before, weeks_after)


def week_of_rate(row: Counted) -> WeekCounts:
    """What a week counted."""
    return WeekCounts(row.numerator, row.denominator)


def rate_detail(row: Rate) -> str:
    """The counts behind a rate, with those by signal."""
    signals = ", ".join(f"{name} {count}" for name, count in row.by_signal.items() if count)
    return f"{row.numerator} of {row.denominator}" + (f" ({signals})" if signals else "")


def shown_rate(row: Rate, of_what: str) -> Shown:
    """A rate as people see it; `of_what` says what those in the numerator did."""
    counts = f"{count(row.numerator)} of {count(row.denominator)}"
    return Shown(percent(row.value), "", (counts, of_what), counts)
