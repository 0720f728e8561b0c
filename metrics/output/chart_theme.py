"""How charts look: their colours, their scales and their axes. No chart here knows a metric.

A colour is said by what it means. A page has a custom property for each, so that one drawing serves light,
dark and paper; a picture has real colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from metrics.definitions.base import Unit

if TYPE_CHECKING:
    import altair as alt

WIDTH, NARROW_WIDTH = 760, 300
HEIGHT = 260

Palette = Mapping[str, str]
Theme = Literal["light", "dark"]
LIGHT: Palette = {
    "accent": "#2a55b8",
    "band": "#dbe4f7",
    "interval": "#bccdf0",
    "ink": "#17191e",
    "ink2": "#4f5560",
    "ink3": "#696f7a",
    "line": "#e6e6e1",
    "line2": "#c9c9c3",
    "surface": "#ffffff",
}
DARK: Palette = {
    "accent": "#8fb1ff",
    "band": "#202d48",
    "interval": "#2a3e69",
    "ink": "#eceef0",
    "ink2": "#b0b6bf",
    "ink3": "#939aa5",
    "line": "#272c31",
    "line2": "#444b53",
    "surface": "#16191c",
}
PALETTES: Mapping[Theme, Palette] = {"light": LIGHT, "dark": DARK}
# The renderer wants real colours: each of these occurs nowhere else, and is replaced in the drawing's text.
STAND_INS: Palette = {meaning: f"#c0de{number:02x}" for number, meaning in enumerate(LIGHT)}

_LABEL_SIZE = 12
_THIN = "\u202f"


def configured(chart: "alt.LayerChart | alt.FacetChart | alt.VConcatChart", palette: Palette) -> Any:
    """A chart in the product's look."""
    import altair as alt  # It takes half a second: for charts alone.

    return chart.configure(
        background=palette["surface"],
        font="system-ui, sans-serif",
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            domain=False,
            ticks=False,
            grid=False,
            title=None,
            labelColor=palette["ink3"],
            labelFontSize=_LABEL_SIZE,
            labelPadding=6,
            gridColor=palette["line"],
            tickColor=palette["line2"],
            tickSize=5,
        ),
        title=alt.TitleConfig(
            anchor="start",
            color=palette["ink"],
            fontSize=17,
            fontWeight=600,
            subtitleColor=palette["ink2"],
            subtitleFontSize=13,
            offset=14,
        ),
        header=alt.HeaderConfig(labelColor=palette["ink"], labelFontSize=13, labelAnchor="start", title=None),
        text=alt.MarkConfig(color=palette["ink"], fontSize=_LABEL_SIZE),
        line=alt.LineConfig(color=palette["accent"], strokeWidth=2, strokeJoin="round"),
        area=alt.AreaConfig(color=palette["band"]),
        bar=alt.BarConfig(color=palette["accent"]),
        rule=alt.MarkConfig(color=palette["line2"]),
        point=alt.MarkConfig(color=palette["accent"], filled=True, size=34, opacity=1),
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """How a unit is drawn: its values divided by `divisor`, what it is called, and what follows a number."""

    divisor: float
    title: str
    suffix: str

    @property
    def label(self) -> str:
        """The Vega expression of an axis label."""
        return f"format(datum.value, '~r') + '{self.suffix}'"


A_DAY = Scale(1, "a day", "")
SHARE = Scale(0.01, "%", f"{_THIN}%")
SECONDS = Scale(1, "seconds", f"{_THIN}s")
MINUTES = Scale(60, "minutes", f"{_THIN}min")
HOURS = Scale(3_600, "hours", f"{_THIN}h")
DAYS = Scale(86_400, "days", f"{_THIN}d")


def scale_of(unit: Unit, typical: float | None) -> Scale:
    """The scale in which a typical value reads as a number between two and a few hundred."""
    match unit:
        case Unit.PER_DAY:
            return A_DAY
        case Unit.RATIO:
            return SHARE
    fitting = [scale for scale in (DAYS, HOURS, MINUTES) if (typical or 0) >= 2 * scale.divisor]
    return fitting[0] if fitting else SECONDS


def bucket_axis(starts: Sequence[datetime], interval: str, width: int) -> "alt.Axis":
    """Ticks on the edges of buckets. Where the room is short some go without a label, and months shrink."""
    import altair as alt  # As above.

    if interval in ("month", "quarter"):
        shown, label = list(starts), _month_label(width / max(len(starts), 1))
    else:
        shown, label = _day_ticks(starts, width)
    return alt.Axis(
        values=[date_time(value) for value in shown],
        labelExpr=label,
        ticks=True,
        labelAlign="left",
        labelFlush=False,
        labelPadding=3,
        labelOverlap=False,
        domain=True,
        format="",
    )


def _month_label(room: float) -> str:
    name = "timeFormat(datum.value, '%b')"
    if room < 34:
        name = f"substring({name}, 0, 1)"
    begins = "month(datum.value) == 0 || datum.index == 0"
    year = "timeFormat(datum.value, '%Y')" if room >= 34 else "'\u2019' + timeFormat(datum.value, '%y')"
    return f"[{name}, {begins} ? {year} : '']"


def _day_ticks(starts: Sequence[datetime], width: int) -> tuple[list[datetime], str]:
    """The Mondays, and their label: the day, and the month below where it begins."""
    mondays = [start for start in starts if start.weekday() == 0] or list(starts)
    room = width / len(mondays)
    day, begins, month = (
        "timeFormat(datum.value, '%-d')",
        "date(datum.value) <= 7",
        "timeFormat(datum.value, '%b')",
    )
    if room < 12:
        months = [monday for monday in mondays if monday.day <= 7]
        return months, f"substring({month}, 0, 1)" if width / max(len(months), 1) < 30 else month
    if room >= 34:
        begins = f"({begins} || datum.index == 0)"
    elif room < 24:
        day = f"(round(datum.index * {len(mondays) - 1}) % 2 == 0 ? {day} : '')"
    return mondays, f"[{day}, {begins} ? {month} : '']"


def date_time(moment: datetime) -> dict[str, int]:
    """A local time as Vega-Lite says it."""
    return {
        "year": moment.year,
        "month": moment.month,
        "date": moment.day,
        "hours": moment.hour,
        "minutes": moment.minute,
    }
