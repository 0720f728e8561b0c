"""Whether a change between two windows is more than chance: a word for programs, a sentence for people."""

from dataclasses import dataclass

from metrics.definitions.catalog import CATALOG
from metrics.queries.question import Answer


@dataclass(frozen=True, slots=True)
class Comparison:
    """`distinguishable` is None where there is too little to tell."""

    distinguishable: bool | None
    detail: str


def compare(answer: Answer) -> Comparison | None:
    """Compare the window with the one before; None where no comparison is asked for."""
    if answer.previous is None:
        return None
    definition = CATALOG[answer.metric]
    title = definition.typical_title or definition.title
    before, after = definition.typical(answer.previous.row), definition.typical(answer.row)
    differs = definition.differ(answer.previous.row, answer.row)
    if differs is None:
        return Comparison(None, f"{title}: too little has been recorded to tell whether it changed.")
    if not differs:
        return Comparison(False, f"{title}: what changed is no more than chance would bring about.")
    rose = after is not None and before is not None and after > before
    direction = "rose" if rose else "fell"
    return Comparison(True, f"{title} {direction}, by more than chance would bring about (95 %).")
