"""A chart of a metric's series: the one that every page, notebook and image shows.

Buckets that the window cuts are pale, a value that cannot be computed is a gap, and rates carry their
95 % intervals.
"""

from dataclasses import dataclass

import altair as alt
import polars as pl

from metrics.definitions.base import Unit
from metrics.definitions.catalog import CATALOG
from metrics.output.tables import answer_table
from metrics.queries.question import Answer

WIDTH, HEIGHT = 560, 220
_COLOUR, _WHISKERS = "#3b6fb6", "#444444"
_PALE = 0.45
_NONE = "(none)"


@dataclass(frozen=True, slots=True)
class _Scale:
    """How a unit is shown: its values divided by `divisor`, with a title and a d3 format."""

    divisor: float
    title: str
    format: str


_MINUTES = _Scale(60, "minutes", ",.3~r")
_HOURS = _Scale(3_600, "hours", ",.3~r")
_DAYS = _Scale(86_400, "days", ",.3~r")
_A_DAY = _Scale(1, "a day", ",.3~r")
_SHARE = _Scale(1, "share", ".1~%")


def metric_chart(answer: Answer) -> alt.LayerChart:
    """The series of an answer, in the time zone asked for; a line for each group where there are groups.

    Raises `ValueError` where the answer has no series.
    """
    question = answer.question
    if question.interval is None:
        raise ValueError("a chart needs a series: ask with an interval")
    frame = pl.DataFrame(answer_table(answer))
    scale = _scale(answer.unit, frame["value"])
    frame = frame.with_columns(
        # The axis shows local times as they are written, without a zone.
        pl.col("from", "to").dt.convert_time_zone(question.zone.key).dt.replace_time_zone(None),
        pl.col("value") / scale.divisor,
    ).with_columns((pl.col("from") + (pl.col("to") - pl.col("from")) / 2).alias("middle"))
    if question.group_by is not None:
        frame = frame.with_columns(pl.col(question.group_by.value).fill_null(_NONE))
        layers = [_lines(frame, scale, question.group_by.value)]
    elif answer.unit is Unit.SECONDS:
        layers = [_lines(frame, scale, None)]
    else:
        layers = [_bars(frame, scale)]
        if answer.unit is Unit.RATIO:
            layers.append(_intervals(frame, scale))
    title = alt.Title(CATALOG[answer.metric].title, subtitle=f"by {question.interval}, {question.zone.key}")
    return alt.LayerChart(layer=layers).properties(width=WIDTH, height=HEIGHT, title=title)


def _scale(unit: Unit, values: pl.Series) -> _Scale:
    match unit:
        case Unit.PER_DAY:
            return _A_DAY
        case Unit.RATIO:
            return _SHARE
    median = values.median()
    typical = median if isinstance(median, float) else 0.0
    if typical >= 2 * _DAYS.divisor:
        return _DAYS
    return _HOURS if typical >= 2 * _HOURS.divisor else _MINUTES


def _bars(frame: pl.DataFrame, scale: _Scale) -> alt.Chart:
    bars: alt.Chart = alt.Chart(frame).mark_bar(color=_COLOUR, stroke="white")
    pale = alt.Scale(domain=[False, True], range=[1, _PALE])
    return bars.encode(
        x=_time("from", is_bucket=True),
        x2="to:T",
        y=_value("value", scale),
        opacity=alt.Opacity("partial:N", scale=pale, legend=None),
        tooltip=_tooltip(frame, scale),
    )


def _intervals(frame: pl.DataFrame, scale: _Scale) -> alt.Chart:
    rules: alt.Chart = alt.Chart(frame.drop_nulls("value")).mark_rule(color=_WHISKERS)
    return rules.encode(
        x=_time("middle"),
        y=_value("interval95_low", scale),
        y2="interval95_high:Q",
        tooltip=_tooltip(frame, scale),
    )


def _lines(frame: pl.DataFrame, scale: _Scale, group: str | None) -> alt.Chart:
    points = alt.OverlayMarkDef(size=45, filled=True)
    lines: alt.Chart = alt.Chart(frame).mark_line(color=_COLOUR, point=points)
    lines = lines.encode(x=_time("middle"), y=_value("value", scale), tooltip=_tooltip(frame, scale))
    return lines if group is None else lines.encode(color=alt.Color(f"{group}:N", title=group))


def _time(column: str, *, is_bucket: bool = False) -> alt.X:
    axis = alt.Axis(grid=False, labelOverlap=True)
    return alt.X(f"{column}:T", title=None, axis=axis, bin="binned" if is_bucket else None)


def _value(column: str, scale: _Scale) -> alt.Y:
    axis = alt.Axis(format=scale.format)
    return alt.Y(f"{column}:Q", title=scale.title, axis=axis, scale=alt.Scale(zero=True))


def _tooltip(frame: pl.DataFrame, scale: _Scale) -> list[alt.Tooltip]:
    """What the bucket is, its value, and the counts behind it."""
    times = [alt.Tooltip(f"{name}:T", format="%Y-%m-%d %H:%M") for name in ("from", "to")]
    value = alt.Tooltip("value:Q", title=scale.title, format=scale.format)
    kinds = {name: "Q" if dtype.is_numeric() else "N" for name, dtype in frame.schema.items()}
    return [
        *times,
        value,
        *(alt.Tooltip(f"{name}:{kind}") for name, kind in kinds.items() if name not in _TOLD),
    ]


_TOLD = {"from", "to", "middle", "value"}
