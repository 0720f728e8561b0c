"""How a repeat of a record is understood: it may fill what is empty and never contradicts."""

from collections.abc import Iterable, Sequence
from typing import Any

from tracker.errors import Contradiction, FieldError


def fill_empty(recorded: object, sent: object, names: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """The named facts that a repeat adds to a record, and the names of those that contradict it.

    Dictionaries are filled name by name; everything else as a whole.
    """
    changes: dict[str, Any] = {}
    conflicts: list[str] = []
    for name in sorted(names):
        before, after = getattr(recorded, name), getattr(sent, name)
        if isinstance(before, dict):
            changes[name] = {**before, **after}
            if changes[name] != {**after, **before}:
                conflicts.append(name)
        elif before in (None, "", []):
            changes[name] = after
        elif before != after:
            conflicts.append(name)
    return changes, conflicts


def contradiction(names: Sequence[str], key: str) -> Contradiction:
    """The refusal of a repeat, naming the fields that differ and what to do instead."""
    names = list(dict.fromkeys(names))
    return Contradiction(
        f"{', '.join(names)}: differs from what is recorded under this {key}. "
        f"Something else needs another {key}; a correction is a PATCH of the record.",
        [FieldError(f"/{name}", "differs from what is recorded") for name in names],
    )
