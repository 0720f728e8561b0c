"""The history of a record, version by version."""

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from typing import Any

from metrics.domain.instants import from_microseconds
from tracker.records.history import Action, Entry

_LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class FieldChange:
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A version: when, by whom, and what it changed."""

    recorded_at: datetime
    recorded_by: str
    what: str
    changes: Sequence[FieldChange]


def history_rows(found: Sequence[Entry[Any]]) -> Sequence[HistoryRow]:
    """The history, the latest version first."""
    return [
        HistoryRow(
            recorded_at=from_microseconds(entry.version.recorded_at),
            recorded_by=entry.version.recorded_by,
            what=entry.action.value if entry.action is not Action.CHANGED else "",
            changes=[
                FieldChange(change.field, _text(change.before), _text(change.after))
                for change in entry.changes
            ],
        )
        for entry in reversed(found)
    ]


def _text(value: object) -> str:
    """A value as one reads it."""
    if value is None or value == "" or value == [] or value == {}:
        return "nothing"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, dict):
        text = ", ".join(f"{name}: {part}" for name, part in value.items())
    elif isinstance(value, list | tuple):
        if value and is_dataclass(value[0]):
            return f"{len(value)} {'entry' if len(value) == 1 else 'entries'}"
        text = ", ".join(map(str, value))
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
