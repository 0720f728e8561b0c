"""Charts of a series: one over its whole width, or a small one for each group."""

from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

from metrics.definitions.catalog import CATALOG
from metrics.definitions.words import say
from metrics.output.chart_frames import NO_NAME, fitting_scale, frame_of, largest_groups, scaled, value_top
from metrics.output.chart_theme import Palette, Scale, bucket_axis, date_time
from metrics.queries.question import Answer

MOST_GROUPS = 12
_COLUMNS = 3
_FULL_WIDTH = 500


def trend(answer: Answer, palette: Palette, width: int, height: int) -> alt.LayerChart:
    definition = CATALOG[answer.metric]
    frame = frame_of(answer.series, definition, answer.question)
    overall = definition.typical(answer.row)
    scale = fitting_scale(definition, frame["value"])
    whole = None if overall is None else overall / scale.divisor
    frame = scaled(frame, scale)
    axes = _Axes.of(frame, scale, str(answer.question.interval), width, height, whole or 0.0)
    if definition.judges_in_steps:
        layers = [_bars(frame, axes, scale, width)]
    else:
        layers = _lines(frame, axes, scale, palette, width)
    if overall is not None and whole is not None:
        label = f"{say(definition.unit, overall)}\nwhole window"
        layers[1:1] = _overall(whole, label, axes, palette, width)
    layers += _peak(frame, axes, palette)
    return alt.LayerChart(layer=layers).properties(width=width, height=height)


@dataclass(frozen=True, slots=True)
class _Axes:
    """The axes that all layers of a chart share."""

    time: alt.Scale
    buckets: alt.Axis
    values: alt.Scale
    numbers: alt.Axis

    @classmethod
    def of(
        cls, frame: pl.DataFrame, scale: Scale, interval: str, width: int, height: int, least: float = 0.0
    ) -> "_Axes":
        """The axes of a frame with one row a bucket or several; the value axis reaches `least`."""
        starts = frame["from"].unique().sort().to_list()
        top = value_top(frame["value"].to_list(), frame["high"].to_list(), least)
        return cls(
            time=alt.Scale(domain=[date_time(starts[0]), date_time(max(frame["to"].to_list()))], nice=False),
            buckets=bucket_axis(starts, interval, width),
            values=alt.Scale(domain=[0, top * 1.02], nice=True, zero=True),
            numbers=alt.Axis(
                grid=True, labelExpr=scale.label, tickCount=4 if height > 150 else 2, labelPadding=8
            ),
        )

    @property
    def middle(self) -> alt.X:
        return alt.X("middle:T", scale=self.time, title=None, axis=self.buckets)

    @property
    def edge(self) -> alt.X:
        return alt.X("from:T", scale=self.time, title=None, axis=self.buckets, bin="binned")

    @property
    def value(self) -> alt.Y:
        return alt.Y("value:Q", scale=self.values, title=None, axis=self.numbers)


def _bars(frame: pl.DataFrame, axes: _Axes, scale: Scale, width: int) -> alt.Chart:
    """Counts."""
    shade = alt.condition("datum.pale", alt.value(0.4), alt.value(0.92))
    bars: alt.Chart = alt.Chart(frame).mark_bar(binSpacing=min(3, 0.2 * width / frame["from"].n_unique()))
    return bars.encode(x=axes.edge, x2="to:T", y=axes.value, opacity=shade, tooltip=_tooltip(scale))


def _lines(frame: pl.DataFrame, axes: _Axes, scale: Scale, palette: Palette, width: int) -> list[alt.Chart]:
    """A line over its band, hollow and dashed where it is pale."""
    firm = frame.with_columns(value=pl.when("pale").then(None).otherwise("value"))
    size = 0 if len(frame) > width / 12 else 34
    hollow = alt.Chart(frame.filter(pl.col("pale"))).mark_point(
        fill=palette["surface"], stroke=palette["accent"], strokeWidth=1.5
    )
    x, y, tooltip = axes.middle, axes.value, _tooltip(scale)
    return [
        alt.Chart(frame).mark_area(clip=True).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
        alt.Chart(frame).mark_line(strokeDash=[3, 3], strokeWidth=1.75, opacity=0.75).encode(x=x, y=y),
        alt.Chart(firm).mark_line(strokeWidth=2).encode(x=x, y=y),
        alt.Chart(firm.drop_nulls("value")).mark_point(size=size).encode(x=x, y=y, tooltip=tooltip),
        hollow.encode(x=x, y=y, tooltip=tooltip),
    ]


def _overall(value: float, label: str, axes: _Axes, palette: Palette, width: int) -> list[alt.Chart]:
    """The value of the whole window: a dashed rule, labelled at its end where there is room."""
    whole = pl.DataFrame({"value": [value], "label": [label]})
    rule = alt.Chart(whole).mark_rule(strokeDash=[2, 3], color=palette["ink3"]).encode(y=axes.value)
    if width < _FULL_WIDTH:
        return [rule]
    text = alt.Chart(whole).mark_text(align="left", dx=8, color=palette["ink2"], lineBreak="\n")
    return [rule, text.encode(y=axes.value, x=alt.value(width), text="label:N")]


def _peak(frame: pl.DataFrame, axes: _Axes, palette: Palette) -> list[alt.Chart]:
    """The label of the highest bucket that stands."""
    peak = frame.filter(~pl.col("pale")).drop_nulls("value").sort("value", descending=True).head(1)
    if not len(peak):
        return []
    starts = frame["from"][0]
    place = (peak["middle"][0] - starts) / (frame["to"][-1] - starts)
    side: dict[str, Any] = {"align": "right", "dx": 4} if place > 0.9 else {}
    if place < 0.1:
        side = {"align": "left", "dx": -4}
    mark = alt.Chart(peak).mark_text(dy=-11, fontWeight=600, color=palette["ink"], **side)
    return [mark.encode(x=axes.middle, y=axes.value, text="label:N")]


def _tooltip(scale: Scale) -> list[alt.Tooltip]:
    """What the bucket is, its value, its interval, and what both rest on."""
    return [
        alt.Tooltip("from:T", format="%Y-%m-%d %H:%M"),
        alt.Tooltip("to:T", format="%Y-%m-%d %H:%M"),
        alt.Tooltip("label:N", title="value"),
        alt.Tooltip("interval:N", title="95 %"),
        alt.Tooltip("basis:N", title="of"),
        alt.Tooltip("value:Q", title=scale.title, format=",.4~r"),
    ]


def small_multiples(answer: Answer, width: int) -> alt.FacetChart:
    """A small chart for each of the largest groups, all with the same axes. Raises `ValueError` for none."""
    definition, question = CATALOG[answer.metric], answer.question
    groups = largest_groups(answer, MOST_GROUPS)
    if not groups:
        raise ValueError("a chart needs groups: nothing was deployed in the window")
    names = [group.name or NO_NAME for group in groups]
    frame = pl.concat(
        frame_of(group.series, definition, question).with_columns(name=pl.lit(name))
        for group, name in zip(groups, names, strict=True)
    )
    scale = fitting_scale(definition, frame["value"])
    frame = scaled(frame, scale)
    columns, height = min(_COLUMNS, len(groups)), 110
    each = width // columns - 60
    axes = _Axes.of(frame, scale, str(question.interval), each, height)
    base = alt.Chart(frame)
    if definition.judges_in_steps:
        layers = [_bars(frame, axes, scale, each)]
    else:
        x, y = axes.middle, axes.value
        known = base.transform_filter("isValid(datum.value)").mark_point(size=18)
        layers = [
            base.mark_area(clip=True).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
            base.mark_line(strokeWidth=1.75).encode(x=x, y=y),
            known.encode(x=x, y=y, tooltip=_tooltip(scale)),
        ]
    small = alt.layer(*layers, data=frame).properties(width=each, height=height)
    return small.facet(facet=alt.Facet("name:N", title=None, sort=names), columns=columns)
