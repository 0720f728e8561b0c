"""What clients send and what they are answered: bodies, strictly validated, and their answers.

Bodies are read from the raw JSON in pydantic's strict mode: no number passes for a time, no "yes" for
a boolean, and a field that is not known is refused.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic import StringConstraints as Constraints
from pydantic_core import PydanticCustomError

from metrics.domain.instants import EPOCH, from_microseconds, to_microseconds
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from metrics.domain.vocabulary import COMMIT_PATTERN
from tracker.errors import TEXT_PATTERN, FieldError, InvalidRequest
from tracker.facts import MOST_LABELS

LARGEST_INTEGER = 2**31 - 1
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def _instant(value: object) -> datetime:
    """An instant in UTC out of RFC 3339 text, to the microsecond."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise PydanticCustomError("instant", "must be a time as text, as in 2026-03-02T10:00:00Z")
    try:
        instant = datetime.fromisoformat(value.upper())
    except ValueError:
        raise PydanticCustomError("instant", "is no date and time of the calendar") from None
    if instant.tzinfo is None:
        raise PydanticCustomError("instant", "must carry a time zone, as in 2026-03-02T10:00:00Z")
    # Years at the ends of the calendar overflow when they are moved to another zone.
    if not 1970 <= instant.year < 9999 or instant < EPOCH:
        raise PydanticCustomError("instant", "must be a time from 1970 on")
    return instant.astimezone(UTC)


def _repository(text: str) -> str:
    try:
        RepositoryIdentity.parse(text)
    except RepositoryUrlError as error:
        raise PydanticCustomError("repository_url", "{reason}", {"reason": str(error)}) from None
    return text


Instant = Annotated[
    datetime, PlainValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
RepositoryUrl = Annotated[
    str, Constraints(max_length=2_000, pattern=TEXT_PATTERN), AfterValidator(_repository)
]
CommitId = Annotated[str, Constraints(pattern=COMMIT_PATTERN, to_lower=True)]
ShortText = Annotated[str, Constraints(max_length=500, pattern=TEXT_PATTERN)]
LongText = Annotated[str, Constraints(max_length=200_000, pattern=TEXT_PATTERN)]
Url = Annotated[str, Constraints(max_length=4_000, pattern=TEXT_PATTERN)]
Name = Annotated[str, Constraints(strip_whitespace=True, min_length=1, max_length=250, pattern=TEXT_PATTERN)]
ServiceName = Annotated[str, Constraints(strip_whitespace=True, max_length=250, pattern=TEXT_PATTERN)]
Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Labels = Annotated[dict[Name, ShortText], Field(max_length=MOST_LABELS)]
LabelChanges = dict[Name, ShortText | None]


class Body(BaseModel):
    """A request body: strict, closed, finite."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

    def carries(self) -> frozenset[str]:
        """The fields that the sender gave a value; null says nothing."""
        # Every default is None, so what is not None was sent.
        return frozenset({name for name, value in self.__dict__.items() if value is not None})

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a JSON text. Raises `InvalidRequest`, naming every field that is wrong."""
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            raise InvalidRequest.from_pydantic(error) from None


def invalid_field(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest.of([FieldError(f"/{name}", detail)])


def microseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_microseconds(instant)


def span(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


def instant_of(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)
