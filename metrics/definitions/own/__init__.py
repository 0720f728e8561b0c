"""Metrics of one's own: a selection of deployments, of which a share, a typical time or a frequency is told.

The statements beside this module count what a selection has chosen. How one is registered: docs/library.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from metrics.definitions.base import (
    Columns,
    Definition,
    Part,
    Reason,
    Select,
    Selection,
    Shown,
    Unit,
    bounds_of,
)
from metrics.definitions.rates import differ_by_more_than_chance, week_of_rate
from metrics.definitions.statistics import (
    Interval95,
    WeekCounts,
    Weeks,
    counts_differ,
    intervals_differ,
    shares_differ,
    wilson95,
)
from metrics.definitions.words import count, frequency, percent, span


class Kind(StrEnum):
    """What is told of the deployments chosen, and the column that it is told by."""

    SHARE = "share"
    """How many of them have `in_numerator`."""
    TIME = "time"
    """The median of their `seconds`."""
    FREQUENCY = "frequency"
    """How many of them have `is_counted`, per day."""


def own_metric(
    name: str,
    rows: str | Path | Select,
    kind: Kind,
    title: str,
    means: str,
    *,
    more_is_better: bool,
) -> Definition[Any]:
    """The definition of a metric over the deployments that the rows choose."""
    text = rows.read_text(encoding="utf-8") if isinstance(rows, Path) else rows
    return _KINDS[kind](
        name=name,
        title=title,
        short_title=title[:1].lower() + title[1:],
        means=means,
        more_is_better=more_is_better,
        package=__name__,
        sql_name=kind.value,
        selection=Selection(text, *_COLUMNS[kind]),
    )


_COLUMNS = {
    Kind.SHARE: ("in_numerator", "boolean"),
    Kind.TIME: ("seconds", "double"),
    Kind.FREQUENCY: ("is_counted", "boolean"),
}
_WINDOWS = ("groups", "question", "windows")


@dataclass(frozen=True, slots=True)
class Share:
    """Those in the numerator over all that are chosen."""

    value: float | None
    reason: Reason | None
    numerator: int
    denominator: int
    interval95: Interval95 | None


def _share(**said: Any) -> Definition[Share]:
    return Definition(
        unit=Unit.RATIO,
        row=Share,
        parameters=_WINDOWS,
        columns=("numerator", "denominator"),
        read=_read_share,
        typical=lambda row: row.value,
        differ=differ_by_more_than_chance,
        week=week_of_rate,
        bounds=lambda row: row.interval95,
        detail=lambda row: f"{row.numerator} of {row.denominator}",
        shown=_shown_share,
        size=lambda row: row.denominator,
        parts={Part.NUMERATOR: "Counted", Part.COUNTED: "All", Part.LEFT_OUT: "Left out"},
        **said,
    )


def _read_share(row: Columns, _: Sequence[str]) -> Share:
    numerator, denominator = row["numerator"], row["denominator"]
    return Share(
        value=numerator / denominator if denominator else None,
        reason=None if denominator else Reason.NO_DEPLOYMENTS,
        numerator=numerator,
        denominator=denominator,
        interval95=wilson95(numerator, denominator),
    )


def _shown_share(row: Share) -> Shown:
    counts = f"{count(row.numerator)} of {count(row.denominator)}"
    return Shown(percent(row.value), "", [counts], counts)


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds: median, mean and p90 over the deployments chosen."""

    value: float | None
    reason: Reason | None
    median_interval95: Interval95 | None
    mean: float | None
    p90: float | None
    deployments: int


def _time(**said: Any) -> Definition[Time]:
    return Definition(
        unit=Unit.SECONDS,
        row=Time,
        parameters=_WINDOWS,
        columns=("value", "median_interval95", "mean", "p90", "deployments"),
        read=_read_time,
        typical=lambda row: row.value,
        differ=_times_differ,
        bounds=lambda row: row.median_interval95,
        detail=lambda row: f"{row.deployments} deployments",
        shown=_shown_time,
        size=lambda row: row.deployments,
        parts={Part.COUNTED: "Deployments", Part.LEFT_OUT: "Left out"},
        seconds_title="Time",
        directions=("longer", "shorter"),
        **said,
    )


def _read_time(row: Columns, _: Sequence[str]) -> Time:
    said = {**row, "median_interval95": bounds_of(row["median_interval95"])}
    return Time(reason=None if row["deployments"] else Reason.NO_DEPLOYMENTS, **said)


def _times_differ(before: Time, after: Time, weeks_before: Weeks, weeks_after: Weeks) -> bool | None:
    """By the shares below the median of both; by the medians' intervals where there are too few weeks."""
    differs = shares_differ(weeks_before, weeks_after)
    return intervals_differ(before.median_interval95, after.median_interval95) if differs is None else differs


def _shown_time(row: Time) -> Shown:
    basis = _deployments(row.deployments)
    slowest = [] if row.p90 is None else [f"9 in 10 within {span(row.p90)}"]
    return Shown(span(row.value), "" if row.value is None else "median", [basis, *slowest], basis)


@dataclass(frozen=True, slots=True)
class Frequency:
    """Those that are counted, per day."""

    value: float
    reason: Reason | None
    deployments: int


def _frequency(**said: Any) -> Definition[Frequency]:
    return Definition(
        unit=Unit.PER_DAY,
        row=Frequency,
        parameters=_WINDOWS,
        columns=("value", "deployments"),
        read=lambda row, _: Frequency(reason=None, **row),
        typical=lambda row: row.value,
        differ=lambda _, __, weeks_before, weeks_after: counts_differ(weeks_before, weeks_after),
        week=lambda row: WeekCounts(row.deployments, 1),
        detail=lambda row: f"{row.deployments} deployments",
        shown=lambda row: Shown(
            frequency(row.value), "a day", [_deployments(row.deployments)], count(row.deployments)
        ),
        size=lambda row: row.deployments,
        parts={Part.COUNTED: "Deployments", Part.LEFT_OUT: "Left out"},
        directions=("more often", "less often"),
        **said,
    )


def _deployments(number: int) -> str:
    return f"{count(number)} {'deployment' if number == 1 else 'deployments'}"


_KINDS: Mapping[Kind, Callable[..., Definition[Any]]] = {
    Kind.SHARE: _share,
    Kind.TIME: _time,
    Kind.FREQUENCY: _frequency,
}
