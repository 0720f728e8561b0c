"""Failures in the shape that these interfaces' clients read."""

from datetime import UTC, datetime
from typing import Any

from litestar import Response

from tracker.web.problems import Failure


def render(failure: Failure, path: str) -> Response[Any]:
    """Render a failure in the form of these interfaces."""
    phrases = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}
    body = {
        "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}",
        "status": failure.status,
        "error": phrases.get(failure.status, failure.title),
        "errors": [
            {"field": error.pointer.lstrip("/"), "defaultMessage": error.detail} for error in failure.errors
        ],
        "message": failure.detail,
        "path": path,
    }
    return Response(
        body, status_code=failure.status, media_type="application/json", headers=dict(failure.headers)
    )
