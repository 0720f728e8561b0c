"""The limit that GitHub's clients wait by, as headers and as an answer: none that they could reach."""

import time
from collections.abc import Mapping

import structlog
from litestar import Response

_PER_HOUR, _HOUR_SECONDS = 5_000, 3_600


def rate() -> Mapping[str, int]:
    """All of an hour's requests, left over."""
    reset = int(time.time()) + _HOUR_SECONDS
    return {"limit": _PER_HOUR, "remaining": _PER_HOUR, "used": 0, "reset": reset}


def told_headers() -> Mapping[str, str]:
    """What the headers of every answer say: the limits, and the id by which clients name the request."""
    limits = {f"X-RateLimit-{name.capitalize()}": str(number) for name, number in rate().items()}
    request_id = structlog.contextvars.get_contextvars()["request_id"]
    return {**limits, "X-RateLimit-Resource": "core", "X-GitHub-Request-Id": request_id}


async def tell_rate(response: Response[object]) -> Response[object]:
    """Say the limits in an answer's headers."""
    response.headers.update(told_headers())
    return response
