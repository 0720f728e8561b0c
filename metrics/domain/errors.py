"""What can go wrong with a record, a question, or the records that are asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from metrics.domain.vocabulary import COMMIT_PATTERN, TEXT_PATTERN

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one part of a request. `pointer` is a JSON pointer into the body, or a parameter."""

    pointer: str
    detail: str


class Refusal(Exception):
    """A record or a request that is not taken: a `code` for programs, a `detail` for people."""

    code: ClassVar[str]

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)


class InvalidInput(Refusal):
    """A field or a parameter is not what is promised to be understood."""

    code = "invalid-request"

    @classmethod
    def of(cls, errors: Sequence[FieldError]) -> Self:
        """The refusal of several fields, each named with what would be right."""
        return cls("; ".join(f"{error.pointer} {error.detail}".strip() for error in errors), errors)

    @classmethod
    def field(cls, name: str, detail: str) -> Self:
        """The refusal of one field of a body."""
        return cls.of([FieldError(f"/{name}", detail)])

    @classmethod
    def from_pydantic(cls, error: "ValidationError") -> Self:
        """The refusal of what a model did not accept."""
        details = error.errors(include_url=False)
        return cls.of([FieldError(json_pointer(detail["loc"]), wording(detail)) for detail in details])


class Contradiction(Refusal):
    """A repeat says something else than what is recorded under the same natural key."""

    code = "contradicts-record"

    @classmethod
    def of(cls, names: Sequence[str], key: str) -> Self:
        """The refusal of a repeat under a `key`, with the names of the fields that differ."""
        names = list(dict.fromkeys(names))
        return cls(
            f"{', '.join(names)}: differs from what is recorded under this {key}. "
            f"Something else needs another {key}; a correction is a PATCH of the record.",
            [FieldError(f"/{name}", "differs from what is recorded") for name in names],
        )


class ParameterError(ValueError):
    """Parameters that cannot be understood. `errors` pairs each parameter's name with what would be right."""

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in self.errors))


class DefinitionError(ValueError):
    """A metric of one's own cannot be worked out: its rows are not what they must be."""

    def __init__(self, metric: str, detail: str) -> None:
        super().__init__(f"{metric}: its rows {detail}")


class RecordsUnavailable(Exception):
    """The record database cannot be read just now."""


class QuestionStopped(Exception):
    """A question was stopped before it was answered; the message says why."""


class AskerLeft(QuestionStopped):
    """Nobody waits for the answer any more."""

    def __init__(self) -> None:
        super().__init__("Nobody waits for the answer any more.")


class InvalidRecords(ValueError):
    """Rows of a file or a frame that are wrong; the message names the first of them and what is wrong."""


_WORDING = {
    "missing": "is required",
    "json_invalid": "is not valid JSON",
    "model_type": "must be a JSON object",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
}
_PATTERN_WORDING = {
    COMMIT_PATTERN: "must be 7 to 64 hexadecimal digits",
    TEXT_PATTERN: "must not hold a NUL character",
}


def wording(detail: "ErrorDetails", what: str = "field") -> str:
    """What would be right, in a few words that go on from the name of a `what`: a field, a parameter."""
    if detail["type"] == "extra_forbidden":
        return f"is not a {what} that is known here"
    if detail["type"] == "string_pattern_mismatch":
        return _PATTERN_WORDING.get(detail["ctx"]["pattern"], detail["msg"])
    message = _WORDING.get(detail["type"], detail["msg"].removeprefix("Value error, ").removeprefix("Input "))
    if detail["type"] == "json_invalid":
        message += f" ({detail['ctx']['error']})"
    return message[:1].lower() + message[1:]


def json_pointer(path: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a path of keys and indexes."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
