"""The documentation of the HTTP interface, from the service's own OpenAPI document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from litestar import Litestar, Response, get

from tracker.pages.frame.access import PAGE
from tracker.pages.frame.shell import BARE, page_response, render
from tracker.pages.guides import guides
from tracker.web.paging import CallerRequest

_METHODS = ("get", "post", "put", "patch", "delete", "head")
_LONGEST_CHOICE = 12


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body or an answer."""

    name: str
    kind: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Reply:
    status: str
    description: str


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of the interface."""

    method: str
    path: str
    summary: str
    description: str
    parameters: Sequence[Field]
    body: Sequence[Field]
    answer: Sequence[Field]
    replies: Sequence[Reply]

    @property
    def anchor(self) -> str:
        return f"{self.method}-{self.path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}"


@get("/docs", include_in_schema=False, opt=PAGE, sync_to_thread=True)
def reference(request: CallerRequest) -> Response[bytes]:
    """Every call of the interface: what it takes, and what it answers."""
    html = render("reference.html", BARE, groups=_groups(request.app), guides=guides())
    return page_response(request, html)


@cache
def _groups(app: Litestar) -> Sequence[tuple[str, Sequence[Call]]]:
    """The calls by what they are about, in the order of their paths."""
    document = app.openapi_schema.to_schema()
    groups: dict[str, list[Call]] = {}
    for path, item in sorted(document["paths"].items()):
        for method in _METHODS:
            if method in item:
                call = _call(document, method, path, item[method])
                groups.setdefault(_subject(path), []).append(call)
    return sorted(groups.items(), key=lambda group: (group[0] == "Service", group[0]))


def _subject(path: str) -> str:
    parts = path.strip("/").split("/")
    return (
        parts[2].partition(".")[0].capitalize()
        if parts[:2] == ["api", "v1"] and len(parts) > 2
        else "Service"
    )


def _call(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Call:
    lines = (operation.get("description") or operation.get("summary") or "").strip().split("\n\n", 1)
    body = _schema_of(operation.get("requestBody", {}))
    good: Mapping[str, Any] = next(
        (one for status, one in operation["responses"].items() if status.startswith("2")), {}
    )
    return Call(
        method=method,
        path=path,
        summary=" ".join(lines[0].split()),
        description=" ".join(lines[1].split()) if len(lines) > 1 else "",
        parameters=[
            Field(
                one["name"],
                _kind(document, one.get("schema", {})),
                one.get("required", False),
                one.get("description", ""),
            )
            for one in operation.get("parameters", [])
        ],
        body=_fields(document, body),
        answer=_fields(document, _schema_of(good)),
        replies=[
            Reply(status, one.get("description", ""))
            for status, one in sorted(operation["responses"].items())
        ],
    )


def _schema_of(part: Mapping[str, Any]) -> Mapping[str, Any]:
    content = part.get("content", {})
    schema: Mapping[str, Any] = content.get("application/json", {}).get("schema", {})
    return schema


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    if not reference:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Sequence[Field]:
    """The fields of an object, or of the items of a list of them."""
    resolved = _resolved(document, schema)
    if "items" in resolved.get("properties", {}) and len(resolved["properties"]) == 1:
        items = _resolved(document, resolved["properties"]["items"])
        resolved = _resolved(document, items.get("items", {}))
    required = resolved.get("required", [])
    return [
        Field(name, _kind(document, one), name in required, _resolved(document, one).get("description", ""))
        for name, one in resolved.get("properties", {}).items()
    ]


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a value is, in a few words."""
    named: str = schema.get("$ref", "").rpartition("/")[2]
    resolved = _resolved(document, schema)
    if "enum" in resolved:
        choices = [str(choice) for choice in resolved["enum"] if choice is not None]
        more = " …" if len(choices) > _LONGEST_CHOICE else ""
        return f"one of {', '.join(choices[:_LONGEST_CHOICE])}{more}"
    for union in ("oneOf", "anyOf"):
        if union in resolved:
            kinds = [_kind(document, one) for one in resolved[union] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    kind = resolved.get("type", named or "any")
    if isinstance(kind, list):
        kind = " or ".join(one for one in kind if one != "null")
    if kind == "array":
        return f"list of {_kind(document, resolved.get('items', {}))}"
    if kind == "object" and named:
        return named
    return f"{kind} ({resolved['format']})" if "format" in resolved else str(kind)
