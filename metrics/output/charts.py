"""The charts of a metric: the same on the page, in a picture, in a report and in a notebook.

What stands in a chart is the typical value, by which changes and levels go too, with its 95 % interval as a
band. Buckets that the window cuts, or in which failures may still come to light, are pale and hollow; a value
that cannot be computed is a gap. A band is cut off at three times the highest value.
"""

from datetime import timedelta
from typing import Any

import altair as alt

from metrics.definitions.catalog import CATALOG
from metrics.output.chart_theme import HEIGHT, LIGHT, WIDTH, Palette, configured
from metrics.output.group_charts import MOST_ROWS, dot_plot
from metrics.output.series_charts import MOST_GROUPS, small_multiples, trend
from metrics.queries.calendar import Window
from metrics.queries.question import Answer, Question

Chart = Any
"""A chart of Altair's, made of layers or facets."""


def metric_chart(
    answer: Answer,
    palette: Palette = LIGHT,
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
    titled: bool = True,
) -> Chart:
    """The series of an answer in the time zone asked for, or a small one for each group; groups without a
    series as dots with their intervals. Of many groups those with most deployments are shown, and the title
    says how many are not.

    Raises `ValueError` where the answer has neither series nor groups.
    """
    question = answer.question
    if question.group_by is None and question.interval is None:
        raise ValueError("a chart needs a series or groups: ask with an interval, or with group_by")
    if question.group_by is None:
        chart: Chart = trend(answer, palette, width, height)
    elif question.interval is None:
        chart = dot_plot(answer, palette, width)
    else:
        chart = small_multiples(answer, width)
    return configured(chart.properties(title=_title(answer)) if titled else chart, palette)


def _title(answer: Answer) -> alt.Title:
    """The metric; whose it is, the days of the window, the buckets, the zone; and what it is limited to."""
    question = answer.question
    definition = CATALOG[answer.metric]
    parts = [question.organization, _days(question.window, question)]
    if question.interval is not None:
        parts.append(f"by {question.interval}")
    if question.group_by is not None:
        parts.append(
            f"by {question.group_by}" if question.interval is None else f"for each {question.group_by}"
        )
    if definition.typical(answer.row) != answer.row.value:
        parts.append("median")
    lines = [", ".join([*parts, question.zone.key])]
    filters = [
        f"{name} {', '.join(values)}"
        for name, values in (
            ("environment", question.environments),
            ("repository", question.repositories),
            ("service", question.services),
            ("team", question.teams),
            ("label", [f"{label.name}:{label.text}" for label in question.labels]),
        )
        if values
    ]
    if filters:
        lines.append("; ".join(filters))
    most = MOST_GROUPS if question.interval is not None else MOST_ROWS
    if len(answer.groups) > most:
        lines.append(f"the {most} with most deployments; {len(answer.groups) - most} more are not shown")
    return alt.Title(definition.title, subtitle=lines)


def _days(window: Window, question: Question) -> str:
    """The days of a window, the last one included."""
    starts = window.from_at.astimezone(question.zone)
    ends = (window.to_at - timedelta(microseconds=1)).astimezone(question.zone)
    return f"{starts:%Y-%m-%d} to {ends:%Y-%m-%d}"
