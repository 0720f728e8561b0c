"""The drawings of pages: charts, kept as long as their figures stay, and the small ones that tables hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from metrics.api.cache import Cache
from metrics.definitions.base import Definition
from metrics.definitions.catalog import CATALOG
from metrics.definitions.words import say, say_interval
from metrics.output.chart_frames import is_pale
from metrics.output.chart_theme import HEIGHT, NARROW_WIDTH, STAND_INS, WIDTH
from metrics.output.notes import is_settling
from metrics.queries.question import Answer, Point, Question
from tracker.pages.frame.words import Clock, no_break

_NARROW_HEIGHT = 200
_INSET = 2


@dataclass(frozen=True, slots=True)
class TrendRow:
    """A bucket in the table behind a chart."""

    bucket: str
    value: str
    interval: str
    basis: str
    note: str


@dataclass(frozen=True, slots=True)
class Trend:
    """A series as a drawing for wide and for narrow places, and as a table."""

    wide: Markup
    narrow: Markup
    rows: Sequence[TrendRow]
    has_pale: bool
    has_band: bool


def trend_of(answer: Answer, clock: Clock) -> Trend | None:
    """The trend of an answer with a series; None where it has no value to draw."""
    definition = CATALOG[answer.metric]
    if all(definition.typical(point.row) is None for point in answer.series):
        return None
    rows = [_trend_row(definition, point, answer.question, clock) for point in answer.series]
    return Trend(
        wide=drawn(answer, WIDTH, HEIGHT, "wide", rows),
        narrow=drawn(answer, NARROW_WIDTH, _NARROW_HEIGHT, "narrow", rows),
        rows=rows,
        has_pale=any(is_pale(point.window, definition, answer.question) for point in answer.series),
        has_band=any(row.interval for row in rows),
    )


_DRAWN = Cache[Markup]()


def drawn(answer: Answer, width: int, height: int, css_class: str, rows: Sequence[TrendRow] = ()) -> Markup:
    """The chart of an answer as part of a page; drawn anew only where one of its figures is another.

    With `rows`, each bucket says what it is where one points at it.
    """
    definition, question = CATALOG[answer.metric], answer.question
    figures = [
        (
            point.window,
            definition.typical(point.row),
            definition.typical_interval(point.row),
            is_pale(point.window, definition, question),
        )
        for point in answer.series
    ]
    overall = definition.typical(answer.row)
    asked = (answer.metric, question.interval, question.zone.key, overall)
    key = (*asked, tuple(figures), tuple(rows), width, height, css_class)

    def draw() -> Markup:
        # Altair takes half a second: with the first chart, not with the start.
        from metrics.output.charts import metric_chart
        from metrics.output.drawing import inline_svg

        chart = metric_chart(answer, STAND_INS, width=width, height=height, titled=False)
        return _with_hints(inline_svg(chart, css_class), answer, width, height, rows)

    return _DRAWN.get(key, draw)


def _with_hints(svg: str, answer: Answer, width: int, height: int, rows: Sequence[TrendRow]) -> Markup:
    """A drawing with a field over each bucket that says its figures, as browsers show without any script."""
    origin = _ORIGIN.search(svg)
    if not rows or origin is None:
        return Markup(svg)
    starts, ends = answer.question.from_at, answer.question.to_at
    length = (ends - starts).total_seconds()
    hints = []
    for point, row in zip(answer.series, rows, strict=True):
        left = width * (point.window.from_at - starts).total_seconds() / length
        wide = width * (point.window.to_at - point.window.from_at).total_seconds() / length
        parts = [f"{row.bucket}: {row.value}", row.basis, row.interval and f"95 %: {row.interval}", row.note]
        said = escape(", ".join(part for part in parts if part))
        hints.append(
            f'<rect x="{left:.1f}" width="{wide:.1f}" height="{height}"><title>{said}</title></rect>'
        )
    field = f'<g class="hints" transform="translate({origin[1]},{origin[2]})">{"".join(hints)}</g>'
    return Markup(svg.replace("</svg>", f"{field}</svg>"))


_ORIGIN = re.compile(r'<g [^>]*transform="translate\(([\d.]+),([\d.]+)\)"')


def _trend_row(definition: Definition[Any], point: Point, question: Question, clock: Clock) -> TrendRow:
    interval = definition.typical_interval(point.row)
    notes = []
    if point.window.is_partial:
        notes.append("cut by the window")
    if definition.is_about_failures and is_settling(point.window, question):
        notes.append("still settling")
    return TrendRow(
        bucket=clock.day(clock.local(point.window.from_at).date()),
        value=no_break(say(definition.unit, definition.typical(point.row))),
        interval=no_break(say_interval(definition.unit, interval)) if interval else "",
        basis=definition.shown(point.row).count,
        note=", ".join(notes),
    )


def sparkline(
    points: Sequence[Point],
    definition: Definition[Any],
    question: Question,
    *,
    width: int = 208,
    height: int = 40,
    most: float | None = None,
) -> Markup:
    """A series without axes, as plain SVG: in a table of hundreds a chart renderer would take seconds."""
    values = [definition.typical(point.row) for point in points]
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    top = most or max(known) * 1.35 or 1.0
    scale = _Scale(width, height, len(points), top)
    pale = [is_pale(point.window, definition, question) for point in points]
    if definition.judges_in_steps:
        drawn = "".join(scale.bar(index, value, pale[index]) for index, value in enumerate(values))
    else:
        band = scale.band([definition.typical_interval(point.row) for point in points])
        firm = [None if is_out else value for value, is_out in zip(values, pale, strict=True)]
        drawn = (
            f'<path class="b" d="{band}"/><path class="p" d="{scale.line(values)}"/>'
            f'<path class="l" d="{scale.line(firm)}"/>{scale.end(firm)}'
        )
    head = f'<svg class="spark" viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(f"{head}{drawn}</svg>")


@dataclass(frozen=True, slots=True)
class _Scale:
    """Places in a small drawing. Coordinates are numbers of its own, so that nothing needs escaping."""

    width: int
    height: int
    count: int
    top: float

    def x(self, index: float) -> str:
        return f"{_INSET + (index + 0.5) * (self.width - 2 * _INSET) / self.count:.1f}"

    def y(self, value: float) -> str:
        room = self.height - 2 * _INSET
        return f"{_INSET + room * (1 - min(max(value / self.top, 0), 1)):.1f}"

    def line(self, values: Sequence[float | None]) -> str:
        """A path over what is known, broken where it is not."""
        parts, pen = [], "M"
        for index, value in enumerate(values):
            if value is None:
                pen = "M"
                continue
            parts.append(f"{pen}{self.x(index)} {self.y(value)}")
            pen = "L"
        return "".join(parts)

    def band(self, intervals: Sequence[tuple[float, float] | None]) -> str:
        """Closed paths around the runs of intervals that are known."""
        paths, run = [], list[tuple[int, tuple[float, float]]]()
        for index, interval in [*enumerate(intervals), (len(intervals), None)]:
            if interval is not None:
                run.append((index, interval))
            elif run:
                there = "L".join(f"{self.x(at)} {self.y(high)}" for at, (_, high) in run)
                back = "L".join(f"{self.x(at)} {self.y(low)}" for at, (low, _) in reversed(run))
                paths.append(f"M{there}L{back}Z")
                run = []
        return "".join(paths)

    def bar(self, index: int, value: float | None, is_pale: bool) -> str:
        if not value:
            return ""
        each = (self.width - 2 * _INSET) / self.count
        css = "f pale" if is_pale else "f"
        height = self.height - _INSET - float(self.y(value))
        return (
            f'<rect class="{css}" x="{_INSET + index * each:.1f}" y="{self.y(value)}" '
            f'width="{max(each * 0.82, 0.5):.1f}" height="{height:.1f}"/>'
        )

    def end(self, values: Sequence[float | None]) -> str:
        """A dot at the last value that stands."""
        known = [(index, value) for index, value in enumerate(values) if value is not None]
        if not known:
            return ""
        index, value = known[-1]
        return f'<circle class="f" cx="{self.x(index)}" cy="{self.y(value)}" r="2.6"/>'


def interval_bar(
    value: float | None, interval: tuple[float, float] | None, top: float, overall: float | None
) -> Markup:
    """A group's value as a dot on its interval, beside the value of all, on a scale that ends at `top`."""
    if value is None:
        return Markup("")

    def place(number: float) -> str:
        return f"{100 * min(max(number / top, 0), 1):.1f}"

    parts = []
    if interval is not None:
        low, high = (place(bound) for bound in interval)
        parts.append(f'<line class="i" x1="{low}%" x2="{high}%" y1="50%" y2="50%"/>')
    if overall is not None:
        at = place(overall)
        parts.append(f'<line class="o" x1="{at}%" x2="{at}%" y1="0" y2="100%"/>')
    parts.append(f'<circle class="f" cx="{place(value)}%" cy="50%" r="4.5"/>')
    return Markup(f'<svg class="interval" aria-hidden="true">{"".join(parts)}</svg>')


def share_bar(share: float) -> Markup:
    """A share as a bar."""
    bar = f'<rect class="f" width="{100 * share:.1f}%" height="100%"/>'
    return Markup(f'<svg class="share" aria-hidden="true">{bar}</svg>')
