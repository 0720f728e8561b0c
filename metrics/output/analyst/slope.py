"""What changed between two windows: each group before and now."""

from typing import Any

import altair as alt
import polars as pl

from metrics.definitions.base import Unit
from metrics.definitions.words import say
from metrics.output.analyst.facts import Drawn, Facts
from metrics.output.chart_frames import NO_NAME
from metrics.output.chart_theme import LIGHT, WIDTH, Scale, scale_of

_MOST_GROUPS = 30
_LABEL_HEIGHT = 15
_LEAST_HEIGHT = 320


def slope(facts: Facts) -> Drawn:
    """A line from each group's value before to its value now; those that changed beyond chance stand out.

    Raises `ValueError` where there are no groups with a value in both windows.
    """
    answer = facts.answer
    if answer.columns[0] == "from":
        raise ValueError("a slope needs groups: ask with group_by")
    # What a change goes by: of recovery, whose value is a mean, the median.
    value = "median" if "median" in answer.columns else "value"
    size = "denominator" if "denominator" in answer.columns else "deployments"
    known = answer.drop_nulls([value, f"previous_{value}"])
    if size in known.columns:
        known = known.sort(size, descending=True, maintain_order=True)
    known = known.head(_MOST_GROUPS)
    if known.is_empty():
        raise ValueError("a slope needs groups with a value in both windows: there is none")
    unit = facts.unit
    scale = scale_of(unit, known[value].median())  # type: ignore[arg-type]
    height = max(_LEAST_HEIGHT, _LABEL_HEIGHT * known.height)
    lines = _lines(known, value, unit, scale)
    now = lines.filter(pl.col("window") == lines["window"][-1])
    layers = [*_drawn_lines(lines, scale), _names(now, height, lines["value"].max())]
    remarks = ["what changed by more than chance brings about is in colour"]
    if answer.height > known.height:
        remarks.append(f"{answer.height - known.height} more are not shown, or have no value in one window")
    chart = alt.LayerChart(layer=layers).properties(width=WIDTH // 2, height=height)
    return Drawn(chart, f"{facts.title} before and now", remarks)


def _lines(known: pl.DataFrame, value: str, unit: Unit, scale: Scale) -> pl.DataFrame:
    """Two rows a group: `group`, `window`, `value`, `words`, `changed` and what is `said` of the change."""
    before, now = (
        f"{word}, from {known[column][0]:%Y-%m-%d}"
        for word, column in (("before", "previous_from"), ("now", "from"))
    )
    return pl.concat(
        known.select(
            group=pl.nth(0).fill_null(NO_NAME),
            window=pl.lit(window),
            value=pl.col(column) / scale.divisor,
            words=pl.col(column).map_elements(lambda one: say(unit, one), return_dtype=pl.String),
            changed=pl.col("distinguishable").fill_null(value=False),
            said="comparison",
        )
        for window, column in ((before, f"previous_{value}"), (now, value))
    )


def _drawn_lines(lines: pl.DataFrame, scale: Scale) -> list[alt.Chart]:
    base = alt.Chart(lines).encode(
        x=_windows(lines),
        y=alt.Y("value:Q", title=None, axis=alt.Axis(grid=True, labelExpr=scale.label)),
        detail="group:N",
        color=_standing_out("line2"),
        tooltip=["group:N", "window:N", "words:N", "said:N"],
    )
    return [base.mark_line(), base.mark_point(size=46)]


def _names(now: pl.DataFrame, height: int, top: Any) -> alt.Chart:
    """Each group's name beside its value, or as near to it as the others leave room."""
    apart, places, lowest = float(top) * _LABEL_HEIGHT / height, [], -float("inf")
    ordered = now.sort("value")
    for value in ordered["value"].to_list():
        lowest = max(value, lowest + apart)
        places.append(lowest)
    named = alt.Chart(ordered.with_columns(value=pl.Series(places))).mark_text(align="left", dx=10)
    text: alt.Chart = named.encode(x=_windows(now), y="value:Q", text="group:N", color=_standing_out("ink3"))
    return text


def _windows(lines: pl.DataFrame) -> alt.X:
    order = lines["window"].unique(maintain_order=True).to_list()
    axis, padding = alt.Axis(labelAngle=0), alt.Scale(padding=0.2)
    return alt.X("window:N", sort=order, title=None, axis=axis, scale=padding)


def _standing_out(otherwise: str) -> Any:
    return alt.condition("datum.changed", alt.value(LIGHT["accent"]), alt.value(LIGHT[otherwise]))
