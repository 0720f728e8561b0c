"""What a source of history gives, one thing after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """A deployment or an incident, with the fields of its POST. `place` names it in messages."""

    place: str
    record: Mapping[str, Any]
    is_incident: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that is not as its system promises; the detail names the field."""

    place: str
    detail: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Something that is rightly no record; those of one reason are counted together."""

    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """How a source was understood, for whoever watches."""

    text: str


Item = Found | Unreadable | PassedOver | Remark


class SourceError(Exception):
    """A source cannot be read at all; the message says what to do."""
