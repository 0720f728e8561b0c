"""The failures that a caller can meet, and what each becomes in HTTP: problem details, RFC 9457."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import OperationalError

from metrics.parameters import ParameterError

_log = logging.getLogger("tracker")

AnyRequest = Request[Any, Any, Any]

RETRY_AFTER_SECONDS = 2

COMMIT_PATTERN = r"^[0-9a-fA-F]{7,64}$"
# PostgreSQL keeps no NUL in text.
TEXT_PATTERN = r"^[^\x00]*$"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one part of a request. `pointer` is a JSON pointer into the body, or a parameter."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class ProblemDetails:
    """The body of every error. `type` and `title` are constant for a kind of problem."""

    type: str
    title: str
    status: int
    detail: str
    errors: Sequence[FieldError] = ()


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


class TooLarge(Problem):
    """The body is larger than the service is set to accept."""

    status, code, title = 413, "too-large", "The request is too large"


class Unavailable(Problem):
    """The record database cannot be written or read just now; nothing was recorded."""

    status, code, title = 503, "unavailable", "The record database is not available"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}


_UNAVAILABLE = "The record database does not answer. Nothing was recorded; try again shortly."
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


def _respond(
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: dict[str, str] | None = None,
) -> Response[ProblemDetails]:
    return Response(
        ProblemDetails(f"urn:tracker:problem:{code}", title, status, detail, errors),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


def answer_problem(_: AnyRequest, problem: Problem) -> Response[ProblemDetails]:
    return _respond(
        problem.status, problem.code, problem.title, problem.detail, problem.errors, problem.headers
    )


def answer_parameter_error(request: AnyRequest, error: ParameterError) -> Response[ProblemDetails]:
    return answer_problem(request, InvalidRequest.of([FieldError(*pair) for pair in error.errors]))


def answer_database_failure(request: AnyRequest, _: OperationalError) -> Response[ProblemDetails]:
    return answer_problem(request, Unavailable(_UNAVAILABLE))


def answer_framework_refusal(request: AnyRequest, error: HTTPException) -> Response[ProblemDetails]:
    """What the framework itself refuses: an unknown path, a method, a body of the wrong form."""
    if isinstance(error, ValidationException):
        if not request.headers.get("Content-Length", "0").strip("0"):
            return answer_problem(request, InvalidRequest.of([FieldError("", "a JSON object is required")]))
        extra = error.extra if isinstance(error.extra, list) else []
        fields = [FieldError(f"/{item.get('key', '')}", item["message"]) for item in extra]
        return answer_problem(request, InvalidRequest.of(fields) if fields else InvalidRequest(error.detail))
    if error.status_code == TooLarge.status:
        return answer_problem(request, TooLarge("The body is larger than TRACKER_MAX_BODY_BYTES allows."))
    if error.status_code == NotFound.status:
        return answer_problem(request, NotFound(f"There is nothing at {request.url.path}."))
    phrase = HTTPStatus(error.status_code).phrase
    return _respond(
        error.status_code,
        phrase.lower().replace(" ", "-"),
        phrase,
        f"{request.method} {request.url.path}: {error.detail}",
        headers=error.headers,
    )


def answer_fault(request: AnyRequest, fault: Exception) -> Response[ProblemDetails]:
    """A fault of the service itself: its log has the traceback, the answer has not."""
    _log.error("%s %s failed", request.method, request.url.path, exc_info=fault)
    detail = f"{request.method} {request.url.path} failed; the log of the service says why."
    return _respond(500, "internal", "The service failed", detail)


EXCEPTION_HANDLERS: Mapping[int | type[Exception], Callable[..., Response[ProblemDetails]]] = {
    Problem: answer_problem,
    ParameterError: answer_parameter_error,
    OperationalError: answer_database_failure,
    HTTPException: answer_framework_refusal,
    500: answer_fault,
}
