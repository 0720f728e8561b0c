"""The failures that a caller can meet, each with the status and the code that HTTP says it with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from metrics.domain.vocabulary import COMMIT_PATTERN

RETRY_AFTER_SECONDS = 2

# PostgreSQL keeps no NUL in text.
TEXT_PATTERN = r"^[^\x00]*$"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one part of a request. `pointer` is a JSON pointer into the body, or a parameter."""

    pointer: str
    detail: str


class Problem(Exception):
    """A request that cannot be answered as asked; the subclass says why and how HTTP says it."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)

    @property
    def headers(self) -> dict[str, str]:
        return {}


class InvalidRequest(Problem):
    """The body or a parameter is not what the interface promises to understand."""

    status, code, title = 400, "invalid-request", "The request is not valid"

    @classmethod
    def of(cls, errors: Sequence[FieldError]) -> "InvalidRequest":
        return cls("; ".join(f"{error.pointer} {error.detail}".strip() for error in errors), errors)

    @classmethod
    def from_pydantic(cls, error: ValidationError) -> "InvalidRequest":
        return cls.of([_field_error(detail) for detail in error.errors(include_url=False)])


class Unauthenticated(Problem):
    """No token, or none that can be believed."""

    status, code, title = 401, "unauthenticated", "A valid token is needed"

    def __init__(self, detail: str, *, token_given: bool = True) -> None:
        super().__init__(detail)
        self.token_given = token_given

    @property
    def headers(self) -> dict[str, str]:
        challenge = 'Bearer realm="tracker"'
        if self.token_given:
            challenge += f', error="invalid_token", error_description="{self.detail}"'
        return {"WWW-Authenticate": challenge}


class InsufficientScope(Problem):
    """The token is valid and does not allow this."""

    status, code, title = 403, "insufficient_scope", "The token does not allow this"

    def __init__(self, detail: str, scope: str = "") -> None:
        super().__init__(detail)
        self.scope = scope

    @property
    def headers(self) -> dict[str, str]:
        scope = f', scope="{self.scope}"' if self.scope else ""
        return {"WWW-Authenticate": f'Bearer realm="tracker", error="insufficient_scope"{scope}'}


class NotFound(Problem):
    """There is no such thing, or it belongs to somebody else."""

    status, code, title = 404, "not-found", "Not found"


class Contradiction(Problem):
    """A repeat says something else than what is recorded under the same natural key."""

    status, code, title = 409, "contradicts-record", "The repeat contradicts what is recorded"


class KeyUnderWay(Problem):
    """The first request with this idempotency key has not been answered yet."""

    status, code, title = 409, "idempotency-key-under-way", "The first request with this key is under way"


class KeyReused(Problem):
    """The idempotency key was first used with another body."""

    status, code, title = 422, "idempotency-key-reused", "The key was used with another body"


class Conflict(Problem):
    """It cannot be done to a thing that is in this state."""

    status, code, title = 409, "conflict", "Not in this state"


class TooLarge(Problem):
    """The body is larger than the service is set to accept."""

    status, code, title = 413, "too-large", "The request is too large"


class Unavailable(Problem):
    """The record database cannot be written or read just now; nothing was recorded."""

    status, code, title = 503, "unavailable", "The record database is not available"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}


_WORDING = {
    "extra_forbidden": "is not a field that is known here",
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


def _field_error(detail: ErrorDetails) -> FieldError:
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in detail["loc"])
    if detail["type"] == "string_pattern_mismatch":
        return FieldError(pointer, _PATTERN_WORDING.get(detail["ctx"]["pattern"], detail["msg"]))
    message = _WORDING.get(detail["type"], detail["msg"].removeprefix("Value error, "))
    if detail["type"] == "json_invalid":
        message += f" ({detail['ctx']['error']})"
    return FieldError(pointer, message[:1].lower() + message[1:])
