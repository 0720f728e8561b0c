"""The kinds of fields that records are made of, and the base of every body: strict, closed, finite.

Bodies are read from JSON text in pydantic's strict mode: no number passes for a time, no "yes" for a boolean,
and a field that is not known is refused.
"""

import json
from codecs import BOM_UTF8
from collections import Counter
from datetime import datetime
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic import StringConstraints as Constraints
from pydantic_core import PydanticCustomError

from metrics.domain.errors import FieldError, InvalidInput
from metrics.domain.instants import LONGEST_DURATION_SECONDS, InstantError, is_too_far_ahead, read_instant
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from metrics.domain.vocabulary import COMMIT_PATTERN, STATUS_WORDS, TEXT_PATTERN, Status

LARGEST_INTEGER = 2**31 - 1
MOST_LABELS = 20
LONGEST_NAME = 250


def _instant(value: object) -> datetime:
    try:
        return read_instant(value)
    except InstantError as error:
        raise PydanticCustomError("instant", "{reason}", {"reason": str(error)}) from None


def _status(value: object) -> object:
    """Return the status that a CI system's word means; any other value stays, to be refused."""
    word = value.strip().lower() if isinstance(value, str) else value
    return STATUS_WORDS.get(word, word) if isinstance(word, str) else word


def _repository(text: str) -> str:
    try:
        RepositoryIdentity.parse(text)
    except RepositoryUrlError as error:
        raise PydanticCustomError("repository_url", "{reason}", {"reason": str(error)}) from None
    return text


def _unchangeable(_: object) -> object:
    raise PydanticCustomError("unchangeable", "cannot change; delete the record and post it anew")


Instant = Annotated[
    datetime, PlainValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
StatusWord = Annotated[Status, Field(strict=False), BeforeValidator(_status)]
"""A status, or another system's word for it, in any case."""
Duration = Annotated[float, Field(ge=0, le=LONGEST_DURATION_SECONDS)]
"""Seconds."""
RepositoryUrl = Annotated[
    str, Constraints(max_length=2_000, pattern=TEXT_PATTERN), AfterValidator(_repository)
]
CommitId = Annotated[str, Constraints(pattern=COMMIT_PATTERN, to_lower=True)]
ShortText = Annotated[str, Constraints(max_length=500, pattern=TEXT_PATTERN)]
LongText = Annotated[str, Constraints(max_length=200_000, pattern=TEXT_PATTERN)]
Url = Annotated[str, Constraints(max_length=4_000, pattern=TEXT_PATTERN)]
Name = Annotated[
    str, Constraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME, pattern=TEXT_PATTERN)
]
ServiceName = Annotated[
    str, Constraints(strip_whitespace=True, max_length=LONGEST_NAME, pattern=TEXT_PATTERN)
]
Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Labels = Annotated[dict[Name, ShortText], Field(max_length=MOST_LABELS)]
LabelChanges = dict[Name, ShortText | None]
Unchangeable = Annotated[object, AfterValidator(_unchangeable)]


def without_byte_order_mark(text: bytes) -> bytes:
    """The text without the mark that some editors put before it."""
    return text.removeprefix(BOM_UTF8)


class Body(BaseModel):
    """What a client sends as JSON."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

    def fields_given(self) -> frozenset[str]:
        """The fields that the sender gave a value; null says nothing."""
        # Every default is None, so what is not None was sent.
        return frozenset({name for name, value in self.__dict__.items() if value is not None})

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a JSON text. Raises `InvalidInput`, naming every field that is wrong."""
        text = without_byte_order_mark(raw)
        try:
            read = cls.model_validate_json(text)
        except ValidationError as error:
            raise InvalidInput.from_pydantic(error) from None
        _NAMES_ONCE.decode(text.decode())
        return read


def _each_name_once(pairs: list[tuple[str, object]]) -> None:
    """Raises `InvalidInput` where a name stands twice: readers differ in which value is meant."""
    if len(dict(pairs)) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise InvalidInput.of(
            [FieldError(f"/{n}", "stands there twice") for n, count in counts.items() if count > 1]
        )


_NAMES_ONCE = json.JSONDecoder(object_pairs_hook=_each_name_once)


def require_not_ahead(name: str, instant: int | None, now: int) -> None:
    """Raises `InvalidInput` where the instant is more than a day ahead. Both in microseconds."""
    if instant is not None and is_too_far_ahead(instant, now):
        raise InvalidInput.field(name, "must not be more than a day ahead")
