"""A metric as a card: the figure as a person would say it, what it rests on, its change, its level."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from metrics.definitions.catalog import CATALOG
from metrics.definitions.dora import level_of, score_of
from metrics.definitions.words import say_interval
from metrics.output.comparison import compare
from metrics.queries.question import Answer
from tracker.pages.frame.words import REASONS, Shift, level_words, no_break, score_words, shift_of
from tracker.pages.parts.drawing import sparkline


@dataclass(frozen=True, slots=True)
class Card:
    """A metric's figure for the window."""

    name: str
    title: str
    short_title: str
    figure: str
    unit: str
    basis: Sequence[str]
    shift: Shift
    interval: str
    """The interval of the typical value, or what levels go by in words."""
    level: str
    score: str
    spark: Markup


def card_of(answer: Answer) -> Card:
    """The card of an answer with a series and a comparison."""
    definition, row = CATALOG[answer.metric], answer.row
    shown = definition.shown(row)
    interval = definition.typical_interval(row)
    basis = shown.basis if row.value is not None else [REASONS[row.reason or ""]]
    previous = None if answer.previous is None else answer.previous.row
    return Card(
        name=answer.metric,
        title=definition.title,
        short_title=definition.short_title,
        figure=no_break(shown.figure),
        unit=shown.unit,
        basis=[no_break(part) if len(part) < 28 else part for part in basis],
        shift=shift_of(definition, row, previous, compare(answer)),
        interval=no_break(say_interval(definition.unit, interval)) if interval else definition.judged_as(row),
        level=level_words(level_of(answer.metric, row, answer.question.benchmark)),
        score=score_words(score_of(answer.metric, row)),
        spark=sparkline(answer.series, definition, answer.question),
    )
