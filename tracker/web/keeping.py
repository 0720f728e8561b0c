"""Of several workers one keeps the figures of an organization: what others are asked is handed over to it."""

import zlib
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from litestar.enums import ScopeType

from tracker.auth.callers import Authenticator
from tracker.auth.sessions import COOKIE
from tracker.web.time_limit import TimeLimit

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

# Whoever is asked otherwise has records to commit, and every worker can.
_ASKING = frozenset({"GET", "HEAD"})
_PEER = b"tracker-peer"
_HANDED = "handed_over"
# Of the connection between workers, and of the server that answers: the own server says its own.
_NOT_PASSED_ON = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"date", b"server"})
# Those that were there while the other was stopped have ended with it.
_KEPT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes of a service, and where it finds the others."""

    number: int
    count: int
    folder: Path

    def socket_of(self, number: int) -> Path:
        """Where a worker takes what others hand over."""
        return self.folder / f"{number}.socket"

    def keeper_of(self, organization: str) -> int:
        """The number of the worker that keeps an organization."""
        return zlib.crc32(organization.encode()) % self.count


class KeptByOne:
    """Hands over what another worker keeps, and answers itself where that one is not there just now."""

    def __init__(self, app: "ASGIApp", worker: Worker, authenticator: Authenticator, seconds: float) -> None:
        """`seconds` is how long an answer may take to begin."""
        self._app, self._worker, self._authenticator = app, worker, authenticator
        self._seconds = seconds
        # It ends with its client here as well, and so does what the other does for it.
        self._handing = TimeLimit(self._hand_over, seconds)
        self._others = [self._transport(number) for number in range(worker.count)]

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP or _HANDED in scope or self._keeper(scope) == self._worker.number:
            await self._app(scope, receive, send)
        else:
            await self._handing(scope, receive, send)

    def _transport(self, number: int) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=None, keepalive_expiry=_KEPT_SECONDS)
        return httpx.AsyncHTTPTransport(uds=str(self._worker.socket_of(number)), limits=limits)

    def _keeper(self, scope: "HTTPScope") -> int:
        if scope["method"] not in _ASKING:
            return self._worker.number
        authorization, cookie = _header(scope, b"authorization"), _session(scope)
        organization = self._authenticator.organization_of(authorization or None, cookie)
        return self._worker.number if organization is None else self._worker.keeper_of(organization)

    async def _hand_over(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        assert scope["type"] == ScopeType.HTTP
        request = httpx.Request(
            scope["method"],
            httpx.URL(scheme="http", host="worker", raw_path=_target(scope)),
            headers=[*scope["headers"], (_PEER, _peer(scope).encode())],
            extensions={"timeout": {"connect": 1.0, "read": self._seconds, "write": self._seconds}},
        )
        try:
            answer = await self._others[self._keeper(scope)].handle_async_request(request)
        except httpx.TransportError:
            # It is being started again, say. Nothing was answered yet, and asking changes nothing.
            await self._app(scope, receive, send)
            return
        try:
            headers = [pair for pair in answer.headers.raw if pair[0].lower() not in _NOT_PASSED_ON]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await answer.aclose()


class HandedOver:
    """Answers what other workers hand over, as if its client had asked here."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == ScopeType.HTTP:
            host, _, port = _header(scope, _PEER).rpartition(" ")
            scope["client"] = (host, int(port)) if host else None
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != _PEER]
            scope[_HANDED] = True  # type: ignore[literal-required]
        await self._app(scope, receive, send)


def share_of(memory: str, count: int) -> str:
    """What each of so many workers may take of an amount as DuckDB says it, `50%` or `4GB`."""
    digits = memory.rstrip("%KMGTiB ")
    return f"{float(digits) / count:g}{memory[len(digits) :].strip()}"


def _header(scope: "HTTPScope", name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _session(scope: "HTTPScope") -> str | None:
    try:
        cookie = SimpleCookie(_header(scope, b"cookie")).get(COOKIE)
    except CookieError:
        return None
    return None if cookie is None else cookie.value


def _target(scope: "HTTPScope") -> bytes:
    query = scope["query_string"]
    return scope["raw_path"] + (b"?" + query if query else b"")


def _peer(scope: "HTTPScope") -> str:
    host, port = scope["client"] or ("", 0)
    return f"{host} {port}"
