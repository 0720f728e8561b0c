"""Charts for analysts, out of the rows that made a metric and out of its groups.

How times are distributed, when things happen, what changed between two windows, which causes became failures.
They are made of the library's frames, so that a file, a database and a service give the same.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum

import altair as alt

from metrics.output.analyst.calendars import day_by_day, weekday_by_hour
from metrics.output.analyst.distribution import distribution
from metrics.output.analyst.facts import Chart, Drawn, Facts
from metrics.output.analyst.funnel import funnel
from metrics.output.analyst.slope import slope
from metrics.output.chart_theme import LIGHT, configured


class Kind(StrEnum):
    """What a chart shows of a metric, beside its series."""

    DISTRIBUTION = "distribution"
    CALENDAR = "calendar"
    HEATMAP = "heatmap"
    SLOPE = "slope"
    FUNNEL = "funnel"


_DRAWN: Mapping[Kind, Callable[[Facts], Drawn]] = {
    Kind.DISTRIBUTION: distribution,
    Kind.CALENDAR: day_by_day,
    Kind.HEATMAP: weekday_by_hour,
    Kind.SLOPE: slope,
    Kind.FUNNEL: funnel,
}


def analyst_chart(kind: Kind, facts: Facts) -> Chart:
    """The chart of a kind. Raises `ValueError` where the metric has not what it shows."""
    drawn = _DRAWN[kind](facts)
    starts, ends = facts.window
    last = ends - timedelta(microseconds=1)
    subtitle = [f"{starts:%Y-%m-%d} to {last:%Y-%m-%d}, {facts.zone}", *drawn.remarks]
    return configured(drawn.chart.properties(title=alt.Title(drawn.title, subtitle=subtitle)), LIGHT)
