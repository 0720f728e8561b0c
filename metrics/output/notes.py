"""Remarks on answers that are misread without them."""

from datetime import timedelta

from metrics.definitions.base import Note
from metrics.definitions.catalog import CATALOG
from metrics.queries.calendar import Window
from metrics.queries.question import Answer, Question

SETTLING_SPAN = timedelta(days=7)
"""How long failures may take to show: a window that ended since can still change much."""
_SETTLING = Note(
    "settling", "The window ends within the last seven days: what failed in these may not have shown yet."
)


def is_settling(window: Window, question: Question) -> bool:
    """Whether failures in the window have had no time to show yet."""
    return window.to_at > question.asked_at - SETTLING_SPAN


def notes_on(answer: Answer) -> list[Note]:
    """Return the remarks on an answer; most have none."""
    definition = CATALOG[answer.metric]
    found = list(definition.notes(answer.row))
    if definition.is_about_failures and is_settling(answer.question.window, answer.question):
        found.insert(0, _SETTLING)
    return [*answer.notes, *found]
