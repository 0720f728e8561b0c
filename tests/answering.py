"""An HTTP server on a loopback port that answers as a test tells it to, and keeps what it was asked."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """`body` is sent as it is where it is bytes, else as JSON; `seconds` is how long the answer takes."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class Answering:
    """`answer` may be exchanged while it runs. `url` is its address."""

    def __init__(
        self,
        answer: Callable[[Asked], Answer],
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.command, self.path, {n.lower(): v for n, v in self.headers.items()}, body)
                server.asked.append(asked)
                answered = server.answer(asked)
                time.sleep(answered.seconds)
                sent = (
                    answered.body if isinstance(answered.body, bytes) else json.dumps(answered.body).encode()
                )
                self.send_response(answered.status)
                headers = {"Content-Type": "application/json", "Content-Length": str(len(sent))} | dict(
                    answered.headers
                )
                for name, text in headers.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815  the names that http.server calls

            def log_message(self, *_: object) -> None:
                """Nothing: the tests look at what was asked."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if tls is None else 'https'}://{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


# What concerns one connection alone.
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}


def hand_on(asked: Asked, url: str, **forwarded: str) -> Answer:
    """What a server at the URL answers: for a proxy before it."""
    headers = {k: v for k, v in asked.headers.items() if k not in _OF_THE_CONNECTION} | forwarded
    answered = httpx.request(asked.method, url + asked.path, headers=headers, content=asked.body, timeout=30)
    kept = {k.title(): v for k, v in answered.headers.items() if k not in _OF_THE_CONNECTION}
    return Answer(answered.status_code, answered.content, kept)
