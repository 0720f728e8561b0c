"""What charts are made of: series and groups as frames, in local times and a fitting unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from metrics.definitions.base import Definition
from metrics.definitions.catalog import CATALOG
from metrics.definitions.words import say, say_interval
from metrics.output.chart_theme import Scale, scale_of
from metrics.output.notes import is_settling
from metrics.queries.calendar import Window
from metrics.queries.question import Answer, Group, Point, Question

NO_NAME = "(none)"
NUMBERS = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}


@dataclass(frozen=True, slots=True)
class Bucket:
    """One point of a chart, in local times without a zone."""

    starts: datetime
    ends: datetime
    value: float | None
    low: float | None
    high: float | None
    pale: bool
    label: str
    interval: str
    basis: str

    @classmethod
    def of(cls, point: Point, definition: Definition[Any], question: Question) -> "Bucket":
        value, interval = definition.typical(point.row), definition.typical_interval(point.row)
        low, high = interval or (None, None)
        return cls(
            starts=_local(point.window.from_at, question),
            ends=_local(point.window.to_at, question),
            value=value,
            low=low,
            high=high,
            pale=is_pale(point.window, definition, question),
            label=say(definition.unit, value),
            interval=say_interval(definition.unit, interval) if interval else "",
            basis=definition.shown(point.row).count,
        )


def is_pale(window: Window, definition: Definition[Any], question: Question) -> bool:
    """Whether a bucket is cut by the window, or failures in it may still come to light."""
    return window.is_partial or (definition.is_about_failures and is_settling(window, question))


def _local(instant: datetime, question: Question) -> datetime:
    return instant.astimezone(question.zone).replace(tzinfo=None)


def frame_of(points: Sequence[Point], definition: Definition[Any], question: Question) -> pl.DataFrame:
    buckets = [Bucket.of(point, definition, question) for point in points]
    columns = {
        "from": [one.starts for one in buckets],
        "to": [one.ends for one in buckets],
        **{name: [getattr(one, name) for one in buckets] for name in _BUCKET_COLUMNS},
    }
    middle = pl.col("from") + (pl.col("to") - pl.col("from")) / 2
    return pl.DataFrame(columns, schema_overrides=NUMBERS).with_columns(middle=middle)


_BUCKET_COLUMNS = ("value", "low", "high", "pale", "label", "interval", "basis")


def scaled(frame: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    return frame.with_columns(pl.col("value", "low", "high") / scale.divisor)


def fitting_scale(definition: Definition[Any], values: pl.Series) -> Scale:
    median = values.median()
    return scale_of(definition.unit, median if isinstance(median, float) else None)


def value_top(values: Sequence[float | None], highs: Sequence[float | None], least: float = 0.0) -> float:
    """Where the value axis ends: of a bucket with six rows the interval may reach far, and is cut off."""
    most = max((value for value in values if value is not None), default=0.0)
    highest = max((high for high in highs if high is not None), default=0.0)
    return max(min(3 * most, max(highest, most)), least) or 1.0


def largest_groups(answer: Answer, most: int) -> Sequence[Group]:
    """Those of the groups that rest on most, in the order of their names."""
    size = CATALOG[answer.metric].size
    kept = sorted(answer.groups, key=lambda group: -size(group.row))[:most]
    return [group for group in answer.groups if group in kept]
