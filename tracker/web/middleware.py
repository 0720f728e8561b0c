"""What is written down about each request: one event in the log, and the figures."""

import re
import time
from typing import TYPE_CHECKING

import structlog
from litestar.enums import ScopeType
from uuid_utils import uuid7

from tracker.auth.callers import Caller
from tracker.telemetry import REQUEST_SECONDS, REQUESTS

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

REQUEST_ID_HEADER = b"x-request-id"
_REQUEST_ID = re.compile(rb"[\w.:/+=-]{1,128}", re.ASCII)
# Where somebody has put a token into a path by mistake.
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
REFUSAL = "refusal"
"""Where in a request's state stands why nobody was let in, and whose token it was where that is sure."""
# Asked every few seconds by machines.
_QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_log = structlog.get_logger("tracker.request")


class Observation:
    """Gives each request an id, which its answer and every log event of it carry, and counts it."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope)
        status = 500

        async def observed_send(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID_HEADER, request_id)]
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        # What the application makes of it, HEAD say, is its own affair.
        method, path = scope["method"], scope["path"]
        try:
            await self._app(scope, receive, observed_send)
        finally:
            _write_down(scope, method, path, status, time.perf_counter() - began)
            structlog.contextvars.clear_contextvars()


def _request_id(scope: "Scope") -> bytes:
    """The id that a proxy or client has given the request, where it is a sane one, else a new one."""
    given = next((value for name, value in scope["headers"] if name == REQUEST_ID_HEADER), b"")
    return given if _REQUEST_ID.fullmatch(given) else uuid7().hex.encode()


def _write_down(scope: "HTTPScope", method: str, path: str, status: int, seconds: float) -> None:
    # Templates are few; what clients make up is not.
    template = scope.get("path_template", "") or "unknown"
    REQUESTS.labels(method, template, status).inc()
    REQUEST_SECONDS.labels(method, template).observe(seconds)
    caller = scope.get("user")
    fields: dict[str, object] = {}
    if isinstance(caller, Caller):
        claims = caller.claims
        fields = {"organization": claims.organization, "subject": claims.subject, "token_id": claims.token_id}
    fields |= scope["state"].get(REFUSAL, {})
    write = _log.debug if path in _QUIET_PATHS else _log.info
    shown_path = _TOKEN.sub("<token>", path)
    write("request", method=method, path=shown_path, status=status, seconds=round(seconds, 6), **fields)
