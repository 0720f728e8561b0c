"""From incidents and repairs to failed deployments: what was lost on the way, and why."""

from collections.abc import Mapping, Sequence

import altair as alt
import polars as pl

from metrics.output.analyst.facts import Drawn, Facts
from metrics.output.chart_theme import LIGHT, WIDTH

# Each step with the reasons for which a cause does not come that far.
_STEPS: Mapping[str, Sequence[str]] = {
    "in the window": (),
    "that a change can have caused": ("not_change_related", "signal_off"),
    "whose deployment is known": (
        "unattributed", "unknown_name", "names_nothing", "ambiguous_service", "nothing_deployed",
        "too_long_ago",
    ),
    "that counts in the answer": ("not_in_window", "did_not_reach_production", "not_asked_for"),
}  # fmt: skip
_KINDS = {"incident": "incidents", "remediation": "repairs"}
_STEP_HEIGHT = 40


def funnel(facts: Facts) -> Drawn:
    """What became of the incidents and repairs of the window, step by step.

    Raises `ValueError` where there are none, or the metric does not say what has caused a failure.
    """
    rows = facts.read_rows()
    if "causes" not in rows.columns:
        raise ValueError(f"{facts.metric} names no causes: a funnel is of change_failure_rate")
    causes = _causes(facts, rows)
    if causes.is_empty():
        raise ValueError("there is neither an incident nor a repair in the window")
    y = alt.Y("step:N", sort=list(_STEPS), title=None, axis=alt.Axis(labelLimit=320, labelFontSize=13))
    steps = _steps(causes)
    colours = alt.Scale(domain=list(_KINDS.values()), range=[LIGHT["accent"], LIGHT["interval"]])
    bars = (
        alt.Chart(steps)
        .mark_bar(height=_STEP_HEIGHT * 0.65)
        .encode(
            y=y,
            x=alt.X("causes:Q", title=None, axis=None),
            color=alt.Color("kind:N", title=None, scale=colours),
            order="kind:N",
            tooltip=["step:N", "kind:N", "causes:Q"],
        )
    )
    totals = steps.group_by("step", maintain_order=True).agg(pl.col("causes").sum())
    numbers = alt.Chart(totals).mark_text(align="left", dx=6).encode(y=y, x="causes:Q", text="causes:Q")
    layers = alt.LayerChart(layer=[bars, numbers])
    chart = layers.properties(width=WIDTH - 300, height=len(_STEPS) * _STEP_HEIGHT)
    lost = causes.drop_nulls("reason")["reason"].value_counts(sort=True).rows()
    remarks = [f"left out: {', '.join(f'{reason} {count}' for reason, count in lost)}"] if lost else []
    return Drawn(chart, "Incidents and repairs", remarks)


def _steps(causes: pl.DataFrame) -> pl.DataFrame:
    """How many of each kind come as far as each step."""
    found, lost = [], set[str]()
    for step, reasons in _STEPS.items():
        lost |= set(reasons)
        left = causes.filter(pl.col("reason").is_null() | ~pl.col("reason").is_in(list(lost)))
        counts = dict(left["kind"].value_counts().rows())
        found += [
            {"step": step, "kind": words, "causes": counts.get(kind, 0)} for kind, words in _KINDS.items()
        ]
    return pl.DataFrame(found)


def _causes(facts: Facts, rows: pl.DataFrame) -> pl.DataFrame:
    """Each incident and remediation of the window, with the reason for which it made no failure."""
    starts, ends = facts.answer.select(pl.col("from", "to").dt.convert_time_zone("UTC")).row(0)
    is_cause, counted = pl.col("kind").is_in(list(_KINDS)), rows.filter("counted")
    left_out = rows.filter(~pl.col("counted") & is_cause).select("kind", "id", "reason")
    causes = counted.select(pl.col("causes").explode()).drop_nulls().unnest("causes")
    of_window = causes.filter(pl.col("happened_at").is_between(starts, ends, closed="left"))
    made = of_window.select("kind", "id", reason=pl.lit(None, pl.String)).unique()
    return pl.concat([made, left_out])
