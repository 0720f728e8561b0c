"""What has to be known beside a number, or it is read wrongly."""

from dataclasses import dataclass
from datetime import timedelta

from metrics.definitions.results import ChangeFailureRate, MeanTimeToRecover
from metrics.queries.calendar import Window
from metrics.queries.question import Answer, Question

SETTLING_SPAN = timedelta(days=7)
"""How long failures may take to show: a window that ended since can still change much."""


@dataclass(frozen=True, slots=True)
class Note:
    """A code for programs and a sentence for people."""

    code: str
    detail: str


def is_settling(window: Window, question: Question) -> bool:
    """Whether failures in the window have had no time to show yet."""
    return window.to_at > question.asked_at - SETTLING_SPAN


def notes_on(answer: Answer) -> list[Note]:
    """What is to be said about an answer: nothing for most."""
    found = []
    about_failures = isinstance(answer.row, ChangeFailureRate | MeanTimeToRecover)
    if about_failures and is_settling(answer.question.window, answer.question):
        found.append(
            Note("settling", "The window ends within the last seven days: its failures had no time to show.")
        )
    if isinstance(answer.row, MeanTimeToRecover) and not answer.row.incidents:
        found.append(
            Note(
                "no_incidents",
                "No incidents are reported here: failures are known only by their repairs, and those that "
                "nobody has repaired are not among the open ones.",
            )
        )
    return found
