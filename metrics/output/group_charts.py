"""Charts of groups without a series: the values of a window beside each other."""

import altair as alt
import polars as pl

from metrics.definitions.catalog import CATALOG
from metrics.definitions.words import say, say_interval
from metrics.output.chart_frames import NO_NAME, NUMBERS, fitting_scale, largest_groups, scaled, value_top
from metrics.output.chart_theme import Palette
from metrics.queries.question import Answer

MOST_ROWS = 40


def dot_plot(answer: Answer, palette: Palette, width: int) -> alt.LayerChart:
    """A row for each group: its value as a dot, its interval as a bar, both in words at the end."""
    definition = CATALOG[answer.metric]
    groups = [
        group for group in largest_groups(answer, MOST_ROWS) if definition.typical(group.row) is not None
    ]
    if not groups:
        raise ValueError("a chart needs groups with a value: there is none in the window")
    groups.sort(key=lambda group: -(definition.typical(group.row) or 0))
    intervals = [definition.typical_interval(group.row) for group in groups]
    frame = pl.DataFrame(
        {
            "name": [group.name or NO_NAME for group in groups],
            "value": [definition.typical(group.row) for group in groups],
            "low": [None if pair is None else pair[0] for pair in intervals],
            "high": [None if pair is None else pair[1] for pair in intervals],
            "label": [say(definition.unit, definition.typical(group.row)) for group in groups],
            "basis": [definition.shown(group.row).count for group in groups],
            "interval": [say_interval(definition.unit, pair) if pair else "" for pair in intervals],
        },
        schema_overrides=NUMBERS,
    )
    scale = fitting_scale(definition, frame["value"])
    overall = definition.typical(answer.row)
    frame = scaled(frame, scale)
    top = value_top(frame["value"].to_list(), frame["high"].to_list(), (overall or 0) / scale.divisor)
    names = alt.Y(
        "name:N",
        sort=frame["name"].to_list(),
        title=None,
        axis=alt.Axis(labelColor=palette["ink"], labelFontSize=13, labelLimit=260),
    )
    axis = alt.Axis(grid=True, labelExpr=scale.label, tickCount=6)
    x = alt.X("value:Q", title=None, axis=axis, scale=alt.Scale(domain=[0, top], nice=True))
    base, plot = alt.Chart(frame), width - 330
    tooltip = [alt.Tooltip(f"{name}:N") for name in ("name", "label", "interval", "basis")]
    bars = base.mark_rule(strokeWidth=5, strokeCap="round", color=palette["interval"], clip=True)
    layers = [
        bars.encode(y=names, x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(size=58).encode(y=names, x=x, tooltip=tooltip),
        base.mark_text(align="right").encode(y=names, x=alt.value(plot + 70), text="label:N"),
        base.mark_text(align="right", color=palette["ink3"]).encode(
            y=names, x=alt.value(plot + 160), text="basis:N"
        ),
    ]
    if overall is not None:
        whole = alt.Chart(pl.DataFrame({"value": [overall / scale.divisor]}))
        layers.insert(0, whole.mark_rule(strokeDash=[2, 3], color=palette["ink3"]).encode(x=x))
    return alt.LayerChart(layer=layers).properties(width=plot, height=alt.Step(28))
