"""The OpenAPI document beyond what the framework reads off the handlers: who may ask, and every refusal.

What a handler refuses of its own, it says itself in its `opt`: `refusals` by status, `keyed` where it takes
an `Idempotency-Key`, `tables` where it answers in other formats too, `media_types` where in none of these,
`answers` where it has other statuses.
"""

from collections.abc import Mapping
from typing import Any

from litestar import Litestar
from litestar.openapi.spec import (
    Components,
    OpenAPIFormat,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    PathItem,
    Reference,
    Schema,
    SecurityScheme,
)
from litestar.routes import HTTPRoute
from msgspec import UNSET

from metrics.wire.table_files import TableFormat
from tracker.web.idempotency import LONGEST_KEY

_BEARER = "token"
_PROBLEM = "#/components/schemas/ProblemDetails"


def complete_document(app: Litestar) -> None:
    """Write into the application's OpenAPI document what its users have to know beside the good answers."""
    document = app.openapi_schema
    components = document.components = document.components or Components()
    for schema in components.schemas.values():
        _drop_unset_defaults(schema)
    components.schemas["ProblemDetails"] = _problem_schema()
    components.security_schemes = {
        _BEARER: SecurityScheme(
            type="http", scheme="bearer", bearer_format="JWT", description="tracker token"
        )
    }
    options = {
        (route.path_format, method.lower()): handler.opt
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }
    for path, item in (document.paths or {}).items():
        for method, operation in _operations(item):
            _complete(path, method, operation, options[path, method])


def _drop_unset_defaults(schema: Schema) -> None:
    """A field that is absent where it was not asked for has no default that JSON could say."""
    for field in (schema.properties or {}).values():
        if isinstance(field, Schema) and field.default is UNSET:
            field.default = None


def _operations(item: PathItem) -> list[tuple[str, Operation]]:
    named = {
        "get": item.get,
        "post": item.post,
        "put": item.put,
        "patch": item.patch,
        "delete": item.delete,
    }
    return [(method, operation) for method, operation in named.items() if operation is not None]


def _complete(path: str, method: str, operation: Operation, options: Mapping[str, Any]) -> None:
    responses = operation.responses = operation.responses or {}
    responses.pop("400", None)  # the framework's own form, which is not sent
    for status, description in options.get("answers", {}).items():
        responses[str(status)] = _like(next(iter(responses.values())), description)
    if not path.startswith("/api/"):
        return
    operation.security = [{_BEARER: []}]
    _add_problem(responses, "400", "The body or a parameter is not valid; `errors` names each.")
    responses["401"] = _problem("No token, or none that can be believed.", "WWW-Authenticate")
    responses["403"] = _problem("The token does not allow this.", "WWW-Authenticate")
    responses["503"] = _problem("The record database does not answer; nothing was recorded.", "Retry-After")
    if "{" in path:
        responses["404"] = _problem("There is no such thing, or it is another organization's.")
    if method in ("post", "put", "patch"):
        responses["413"] = _problem("The body is larger than the service is set to accept.")
    if options.get("tables"):
        _add_tables(responses["200"])
    if media_types := options.get("media_types"):
        answer = responses["200"]
        assert isinstance(answer, OpenAPIResponse)
        answer.content = {one: _object() if one.endswith("json") else _file() for one in media_types}
    if options.get("keyed"):
        responses["409"] = _problem("A repeat differs from the record, or the first request is under way.")
        responses["422"] = _problem("The Idempotency-Key came with another body first.")
        operation.parameters = [*(operation.parameters or []), _idempotency_key()]
    for status, description in options.get("refusals", {}).items():
        responses[str(status)] = _problem(description)


def _add_tables(response: OpenAPIResponse | Reference) -> None:
    """The formats that an answer can have beside JSON."""
    assert isinstance(response, OpenAPIResponse)
    response.content = {"application/json": _object()} | {one.media_type: _file() for one in TableFormat}


def _object() -> OpenAPIMediaType:
    return OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))


def _file() -> OpenAPIMediaType:
    """An answer that is a file."""
    return OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY))


def _like(response: OpenAPIResponse | Reference, description: str) -> OpenAPIResponse:
    content = response.content if isinstance(response, OpenAPIResponse) else None
    return OpenAPIResponse(description=description, content=content)


def _add_problem(responses: dict[str, Any], status: str, description: str) -> None:
    """A status that tells of a problem, beside the form of its own that it may have."""
    problem, own = _problem(description), responses.get(status)
    if isinstance(own, OpenAPIResponse):
        problem.description = f"{own.description} Or: {description}"
        problem.content = {**(own.content or {}), **(problem.content or {})}
    responses[status] = problem


def _problem(description: str, *headers: str) -> OpenAPIResponse:
    return OpenAPIResponse(
        description=description,
        content={"application/problem+json": OpenAPIMediaType(schema=Reference(ref=_PROBLEM))},
        headers={name: OpenAPIHeader(schema=Schema(type=OpenAPIType.STRING)) for name in headers},
    )


def _problem_schema() -> Schema:
    text, number = Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.INTEGER)
    error = Schema(
        type=OpenAPIType.OBJECT,
        properties={"pointer": text, "detail": text},
        required=["pointer", "detail"],
    )
    return Schema(
        type=OpenAPIType.OBJECT,
        title="ProblemDetails",
        description="RFC 9457. `type` and `title` are constant for a kind of problem.",
        properties={
            "type": text,
            "title": text,
            "status": number,
            "detail": text,
            "errors": Schema(type=OpenAPIType.ARRAY, items=error),
        },
        required=["type", "title", "status", "detail"],
    )


def _idempotency_key() -> Parameter:
    return Parameter(
        name="Idempotency-Key",
        param_in="header",
        description="The same request again gets the first answer again, for thirty days.",
        schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=LONGEST_KEY, pattern="^[ -~]+$"),
    )
