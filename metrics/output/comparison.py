"""Whether a change between two windows is more than chance: a word for programs, a sentence for people."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from metrics.definitions.catalog import CATALOG
from metrics.domain.instants import midnight
from metrics.queries.calendar import Window
from metrics.queries.question import Answer, Group


@dataclass(frozen=True, slots=True)
class Comparison:
    """`distinguishable` is None where there is too little to tell, `rose` where no change is shown."""

    distinguishable: bool | None
    detail: str
    rose: bool | None = None


def compare(answer: Answer, part: Answer | Group | None = None) -> Comparison | None:
    """Compare an answer, or one of its groups, with the window before; None where that is not asked for."""
    part = part or answer
    if part.previous is None:
        return None
    definition, previous = CATALOG[answer.metric], part.previous
    title = definition.typical_title or definition.title
    before, after = definition.typical(previous.row), definition.typical(part.row)
    differs = definition.differ(previous.row, part.row, previous.weeks_before, previous.weeks)
    span = _span(previous.window, answer.question.zone)
    began = answer.recorded_from
    if began is not None and previous.window.from_at + timedelta(days=1) < began:
        day = began.astimezone(answer.question.zone).date()
        return Comparison(
            None, f"{title}: recording began on {day}, within or after the window before, {span}."
        )
    if differs is None:
        return Comparison(None, f"{title}: too little to tell whether it changed, compared with {span}.")
    if not differs:
        return Comparison(
            False, f"{title}: no change is shown beyond what chance brings about, compared with {span}."
        )
    rose = after is not None and before is not None and after > before
    direction = "rose" if rose else "fell"
    return Comparison(
        True, f"{title} {direction} by more than chance brings about (95 %), compared with {span}.", rose
    )


def _span(window: Window, zone: ZoneInfo) -> str:
    """The days of a window, the last one included; with times where it does not begin and end with a day."""
    starts, ends = window.from_at.astimezone(zone), window.to_at.astimezone(zone)
    if all(midnight(local.date(), zone) == local for local in (starts, ends)):
        return f"{starts:%Y-%m-%d} to {ends - timedelta(days=1):%Y-%m-%d}"
    return f"{starts:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M}"
