"""When things happen, by local time: day by day, and by weekday and hour."""

from typing import Any

import altair as alt
import polars as pl

from metrics.output.analyst.facts import Drawn, Facts
from metrics.output.chart_theme import LIGHT, date_time

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_SIZE, _HOUR_SIZE = 15, 26
_FEW = 10
"""A share of fewer says little: it is drawn pale."""


def day_by_day(facts: Facts) -> Drawn:
    """How many rows are counted: a square a day, a column a week."""
    frame = _counts_by_day(facts)
    months = frame.filter(pl.col("week").dt.day() <= 7)["week"].unique().sort().to_list()
    axis = alt.Axis(
        values=[date_time(week) for week in months], format="%b %Y", labelAlign="left", labelOverlap=True
    )
    chart = (
        _squares(frame)
        .encode(
            x=alt.X("week:O", title=None, timeUnit="yearmonthdate", axis=axis),
            y=alt.Y("weekday:N", sort=list(_DAYS), title=None, axis=alt.Axis(values=["Mon", "Wed", "Fri"])),
            color=_shades("counted:Q"),
            tooltip=["date:N", "counted:Q"],
        )
        .properties(width=max(120, _DAY_SIZE * frame["week"].n_unique()), height=7 * _DAY_SIZE)
    )
    busiest = frame.sort("counted", descending=True).row(0, named=True)
    remark = f"{frame['counted'].sum():,} in all"
    if busiest["counted"]:
        remark += f"; most on {busiest['date']}, {busiest['counted']}"
    return Drawn(chart, f"{facts.title}, day by day", [remark])


def _counts_by_day(facts: Facts) -> pl.DataFrame:
    starts, ends = facts.window
    days = pl.datetime_range(starts.date(), ends, interval="1d", closed="left", eager=True).alias("day")
    counts = facts.counted().group_by(day=pl.col("happened_at").dt.truncate("1d")).agg(counted=pl.len())
    return (
        days.to_frame()
        .join(counts, on="day", how="left")
        .with_columns(
            pl.col("counted").fill_null(0),
            week=pl.col("day").dt.truncate("1w"),
            weekday=pl.col("day").dt.to_string("%a"),
            date=pl.col("day").dt.to_string("%a %Y-%m-%d"),
        )
    )


def weekday_by_hour(facts: Facts) -> Drawn:
    """How many rows are counted in each hour of each weekday; of a metric that is a share, which share."""
    rows = facts.counted()
    shows_share = "in_numerator" in rows.columns
    color, opacity = _shades("counted:Q"), alt.Opacity()
    tooltip, remarks = ["day:N", "hour:O", "counted:Q"], [f"{rows.height:,} in all"]
    if shows_share:
        color, opacity = _shades("share:Q", format="%"), _pale_where_few()
        tooltip.append("in_numerator:Q")
        remarks.append(f"the share of each hour, pale where it is of fewer than {_FEW}")
    chart = (
        _squares(_counts_by_hour(rows))
        .encode(
            x=alt.X("hour:O", title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("day:N", sort=list(_DAYS), title=None),
            color=color,
            opacity=opacity,
            tooltip=tooltip,
        )
        .properties(width=24 * _HOUR_SIZE, height=7 * _HOUR_SIZE)
    )
    return Drawn(chart, f"{facts.title} by weekday and hour", remarks)


def _counts_by_hour(rows: pl.DataFrame) -> pl.DataFrame:
    """A row for each hour of each weekday: how many are counted, and how many of them in the numerator."""
    told = pl.col("in_numerator").sum() if "in_numerator" in rows.columns else pl.lit(0).alias("in_numerator")
    happened = rows.group_by(
        day=pl.col("happened_at").dt.to_string("%a"), hour=pl.col("happened_at").dt.hour().cast(pl.Int64)
    ).agg(pl.len().alias("counted"), told)
    grid = pl.DataFrame({"day": _DAYS}).join(pl.DataFrame({"hour": range(24)}), how="cross")
    whole = grid.join(happened, on=["day", "hour"], how="left").fill_null(0)
    return whole.with_columns(share=(pl.col("in_numerator") / pl.col("counted")).fill_nan(0.0))


def _squares(frame: pl.DataFrame) -> alt.Chart:
    squares: alt.Chart = alt.Chart(frame).mark_rect(cornerRadius=2, stroke=LIGHT["surface"], strokeWidth=2)
    return squares


def _shades(field: str, **axis: Any) -> alt.Color:
    """From nearly nothing to the full colour."""
    colours = alt.Scale(range=[LIGHT["line"], LIGHT["accent"]], domainMin=0, interpolate="rgb")
    return alt.Color(field, title=None, scale=colours, legend=alt.Legend(tickCount=3, **axis))


def _pale_where_few() -> Any:
    return alt.condition(f"datum.counted < {_FEW}", alt.value(0.25), alt.value(1))
