"""What each failure becomes in HTTP: problem details, RFC 9457. The one place that maps them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from sqlalchemy.exc import DataError

from metrics.domain.errors import (
    Contradiction,
    DefinitionError,
    FieldError,
    InvalidInput,
    ParameterError,
    QuestionStopped,
    RecordsUnavailable,
    Refusal,
)
from metrics.domain.instants import now_microseconds
from tracker.auth.callers import Caller
from tracker.errors import NotFound, Problem, TooLarge, TooManyRequests, Unauthenticated, Unavailable
from tracker.records.failures import UNAVAILABLE
from tracker.telemetry import FAILED_LOGINS, REFUSED_RECORDS
from tracker.web.middleware import REFUSAL
from tracker.web.rejections import Rejection, named_repository

AnyRequest = Request[Any, Any, Any]

_log = structlog.get_logger("tracker")
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# How the framework says that nobody is there to be answered.
_LEFT = "client disconnected"
_UNAVAILABLE = "The record database does not answer. Nothing was recorded; try again shortly."


@dataclass(frozen=True, slots=True)
class ProblemDetails:
    """The body of every error. `type` and `title` are constant for a kind of problem."""

    type: str
    title: str
    status: int
    detail: str
    errors: Sequence[FieldError] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure, before an interface gives it its form."""

    status: int
    code: str
    title: str
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


Shape = Callable[[Failure, str], Response[Any]]
"""How a failure at a path is said. Other systems' interfaces have their own: their clients know no other."""


Page = Callable[[AnyRequest, Failure], Response[Any]]
"""How a failure is said to somebody who looks at a page."""


def problem_details(failure: Failure, _: str) -> Response[ProblemDetails]:
    """Render a failure as problem details: RFC 9457."""
    body = ProblemDetails(
        f"urn:tracker:problem:{failure.code}", failure.title, failure.status, failure.detail, failure.errors
    )
    return Response(
        body,
        status_code=failure.status,
        media_type="application/problem+json",
        headers=dict(failure.headers),
    )


def _respond(request: AnyRequest, failure: Failure) -> Response[Any]:
    """The failure in the shape of the interface that the path belongs to; to a browser as a page."""
    service, path = request.app.state.service, request.url.path
    shapes: Mapping[str, Shape] = service.error_shapes
    shape = next((shape for prefix, shape in shapes.items() if path.startswith(prefix)), None)
    if shape is None and service.error_page is not None and _wants_page(request):
        page: Response[Any] = service.error_page(request, failure)
        return page
    return (shape or problem_details)(failure, path)


def _wants_page(request: AnyRequest) -> bool:
    """Whether a person looks: at a page's own address, or with a browser where no interface is."""
    if _is_page(request):
        return True
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")


# How HTTP says the refusals that know nothing of it.
_STATUS_AND_TITLE: Mapping[type[Refusal], tuple[int, str]] = {
    InvalidInput: (400, "The request is not valid"),
    Contradiction: (409, "The repeat contradicts what is recorded"),
}


def answer_refusal(request: AnyRequest, refusal: Refusal) -> Response[Any]:
    if isinstance(refusal, Unauthenticated):
        FAILED_LOGINS.labels(refusal.reason).inc()
        request.state[REFUSAL] = {"refusal": refusal.detail, "reason": refusal.reason, **refusal.known}
        refusal = _counted(request, refusal)
    elif request.method in _WRITING and not _is_page(request):
        REFUSED_RECORDS.labels(refusal.code).inc()
        _note_rejection(request, refusal)
    if isinstance(refusal, Problem):
        status, title, headers = refusal.status, refusal.title, refusal.headers
    else:
        (status, title), headers = _STATUS_AND_TITLE[type(refusal)], {}
    return _respond(request, Failure(status, refusal.code, title, refusal.detail, refusal.errors, headers))


def _counted(request: AnyRequest, refusal: Unauthenticated) -> Problem:
    """The refusal, or that there are too many from its address."""
    try:
        if refusal.token_given:
            request.app.state.service.rate_limits.count_failed_login(request.scope)
    except TooManyRequests as too_many:
        return too_many
    return refusal


def _note_rejection(request: AnyRequest, refusal: Refusal) -> None:
    """Remember a post that was refused; one that may simply be sent again is none."""
    caller = request.scope.get("user")
    if request.method != "POST" or not isinstance(caller, Caller) or isinstance(refusal, Unavailable):
        return
    fields = "; ".join(f"{error.pointer} {error.detail}" for error in refusal.errors)
    request.app.state.service.rejections.add(
        Rejection(
            organization=caller.organization,
            rejected_at=now_microseconds(),
            # PostgreSQL keeps no NUL in text.
            route=request.url.path.replace("\x00", "\ufffd"),
            token_id=caller.claims.token_id,
            code=refusal.code,
            detail=fields or refusal.detail,
            repository=request.state.get("repository") or named_repository(request.state.get("raw_body")),
        )
    )


def _is_page(request: AnyRequest) -> bool:
    """Whether the address is a page's, and not of an interface."""
    handler = request.scope.get("route_handler")
    return handler is not None and bool(handler.opt.get("is_page"))


def answer_parameter_error(request: AnyRequest, error: ParameterError) -> Response[Any]:
    return answer_refusal(request, InvalidInput.of([FieldError(*pair) for pair in error.errors]))


def answer_database_failure(request: AnyRequest, failure: Exception) -> Response[Any]:
    _log.warning("the record database does not answer", failure=str(getattr(failure, "orig", failure)))
    return answer_refusal(request, Unavailable(_UNAVAILABLE))


def answer_stopped(request: AnyRequest, stopped: QuestionStopped) -> Response[Any]:
    """A question whose asker has left, or that asks for too much: no fault, and nobody may read this."""
    _log.info("a question was stopped", method=request.method, path=request.url.path, why=str(stopped))
    failure = Failure(503, "stopped", "The question was stopped", str(stopped))
    return _respond(request, failure)


def answer_definition_error(request: AnyRequest, error: DefinitionError) -> Response[Any]:
    """A registered metric does not give what it must: a fault of whoever wrote it."""
    _log.error("a registered metric cannot be worked out", path=request.url.path, why=str(error))
    return _respond(request, Failure(500, "metric-definition", "The metric cannot be worked out", str(error)))


def answer_data_error(request: AnyRequest, _: DataError) -> Response[Any]:
    """What a database cannot even compare: a NUL in a path, say. No record is named so."""
    return answer_refusal(request, NotFound(f"There is nothing at {request.url.path!r}."))


def answer_framework_refusal(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """What the framework itself refuses: an unknown path, a method, a body of the wrong form."""
    if isinstance(error, ValidationException):
        if not request.headers.get("Content-Length", "0").strip("0"):
            return answer_refusal(request, InvalidInput.of([FieldError("", "a JSON object is required")]))
        extra = error.extra if isinstance(error.extra, list) else []
        fields = [FieldError(f"/{item.get('key', '')}", item["message"]) for item in extra]
        return answer_refusal(request, InvalidInput.of(fields) if fields else InvalidInput(error.detail))
    if error.status_code == TooLarge.status:
        return answer_refusal(request, TooLarge("The body is larger than TRACKER_MAX_BODY_BYTES allows."))
    if error.status_code == NotFound.status:
        return answer_refusal(request, NotFound(f"There is nothing at {request.url.path}."))
    phrase = HTTPStatus(error.status_code).phrase
    detail = f"{request.method} {request.url.path}: {error.detail}"
    code = phrase.lower().replace(" ", "-")
    return _respond(request, Failure(error.status_code, code, phrase, detail, headers=error.headers or {}))


def answer_fault(request: AnyRequest, fault: Exception) -> Response[Any]:
    """A fault of the service itself: its log has the traceback, the answer has not."""
    if isinstance(fault, InternalServerException) and _LEFT in fault.detail:
        _log.info(
            "the client left before its request was whole", method=request.method, path=request.url.path
        )
        return _respond(
            request, Failure(400, "incomplete", "The request is not whole", "The body ends too early.")
        )
    _log.error("fault", method=request.method, path=request.url.path, exc_info=fault)
    detail = f"{request.method} {request.url.path} failed; the log of the service says why."
    return _respond(request, Failure(500, "internal", "The service failed", detail))


EXCEPTION_HANDLERS: Mapping[int | type[Exception], Callable[..., Response[Any]]] = {
    Refusal: answer_refusal,
    ParameterError: answer_parameter_error,
    DataError: answer_data_error,
    **dict.fromkeys(UNAVAILABLE, answer_database_failure),
    RecordsUnavailable: answer_database_failure,
    QuestionStopped: answer_stopped,
    DefinitionError: answer_definition_error,
    HTTPException: answer_framework_refusal,
    500: answer_fault,
}
