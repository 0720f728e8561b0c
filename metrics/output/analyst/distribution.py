"""How times are distributed: of recoveries, of lead times, of whatever has seconds."""

import altair as alt
import polars as pl

from metrics.definitions.catalog import CATALOG
from metrics.definitions.words import span
from metrics.output.analyst.facts import Drawn, Facts
from metrics.output.chart_frames import NO_NAME
from metrics.output.chart_theme import HEIGHT, WIDTH

_MOST_LINES = 6
_MOST_STEPS = 400
"""With more steps a line looks the same."""
_TICKS = {
    1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3_600: "1 h", 21_600: "6 h", 86_400: "1 d",
    604_800: "1 w", 2_592_000: "30 d", 31_536_000: "1 y",
}  # fmt: skip


def distribution(facts: Facts) -> Drawn:
    """Which share of the times is below which, on a scale of powers; a line for each of the largest groups.

    Raises `ValueError` where the metric's rows have no times.
    """
    rows = facts.counted()
    times = rows.drop_nulls("seconds") if "seconds" in rows.columns else rows.clear()
    if times.is_empty():
        raise ValueError(f"{facts.metric} has no times in the window that could be distributed")
    if "group" not in times.columns:
        lines = [_line(_steps(times["seconds"])), *_quantiles(times["seconds"])]
    else:
        times = times.with_columns(pl.col("group").fill_null(NO_NAME))
        largest = times["group"].value_counts(sort=True)["group"].to_list()[:_MOST_LINES]
        named = [
            _steps(times.filter(group=name)["seconds"]).with_columns(group=pl.lit(name)) for name in largest
        ]
        lines = [_line(pl.concat(named)).encode(color=alt.Color("group:N", title=None, sort=largest))]
    chart = alt.LayerChart(layer=lines).properties(width=WIDTH, height=HEIGHT)
    return Drawn(chart, f"{_called(facts)}: which share is below which time", [f"{times.height:,} in all"])


def _called(facts: Facts) -> str:
    """What the times are, where the metric's own title says something else."""
    definition = CATALOG.get(facts.metric)
    is_one_of_the_five = definition is not None and definition.selection is None
    return (definition.seconds_title if definition and is_one_of_the_five else "") or facts.title


def _line(steps: pl.DataFrame) -> alt.Chart:
    x = alt.X("seconds:Q", scale=alt.Scale(type="log"), title=None, axis=_time_axis(steps["seconds"]))
    y = alt.Y("share:Q", title=None, axis=alt.Axis(grid=True, format="%", tickCount=5))
    tooltip = [alt.Tooltip("share:Q", format=".0%"), alt.Tooltip("time:N")]
    line: alt.Chart = alt.Chart(steps).mark_line(interpolate="step-after").encode(x=x, y=y, tooltip=tooltip)
    return line


def _steps(seconds: pl.Series) -> pl.DataFrame:
    """The shares at some of the times, the first and the last among them; what took no second took one."""
    ordered, ranks = seconds.sort(), pl.int_range(1, len(seconds) + 1, eager=True)
    every = max(1, len(seconds) // _MOST_STEPS)
    kept = (ranks % every == 0) | (ranks == len(seconds)) | (ranks == 1)
    steps = pl.DataFrame({"seconds": ordered.clip(lower_bound=1.0), "share": ranks / len(seconds)})
    return steps.filter(kept).with_columns(time=pl.col("seconds").map_elements(span, return_dtype=pl.String))


def _quantiles(seconds: pl.Series) -> list[alt.Chart]:
    """The median and the ninth tenth, each with what it says."""
    found = {
        "half": seconds.quantile(0.5, "linear") or 0.0,
        "9 in 10": seconds.quantile(0.9, "linear") or 0.0,
    }
    frame = pl.DataFrame(
        {
            "seconds": [max(1.0, value) for value in found.values()],
            "share": [0.5, 0.9],
            "label": [f"{share} within {span(value)}" for share, value in found.items()],
        }
    )
    base = alt.Chart(frame).encode(x="seconds:Q", y="share:Q")
    label = base.mark_text(align="left", baseline="top", dx=8, dy=6).encode(text="label:N")
    return [base.mark_point(size=60), label]


def _time_axis(seconds: pl.Series) -> alt.Axis:
    shortest, longest = (float(bound) for bound in (seconds.min(), seconds.max()))  # type: ignore[arg-type]
    ticks = [tick for tick in _TICKS if shortest / 3 <= tick <= longest * 3]
    names = " : ".join(f"datum.value == {tick} ? '{name}'" for tick, name in _TICKS.items())
    return alt.Axis(values=ticks, labelExpr=f"{names} : ''", grid=True)
