"""Serving: one process, listening until it is told to stop, and ending only with its work done."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.embed import Server
from litestar import Litestar

if TYPE_CHECKING:
    from litestar.types import ASGIApp

_BACKLOG = 1024
_Connect = Callable[[], Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def serve(app: Litestar, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve at a port of `listenable_port` until SIGTERM or SIGINT. Raises `OSError` where it cannot listen.

    `on_listening` is called with the base URL once connections are accepted.
    """

    async def run() -> None:
        server = _server(app, host=host, port=port)
        _stop_at_signals(app, server)
        serving = asyncio.create_task(server.serve())
        await _accepts(lambda: asyncio.open_connection(host, port), serving)
        on_listening(f"http://{host}:{port}")
        await serving

    _calm_garbage_collection()
    uvloop.run(run())


def serve_as_worker(
    app: Litestar, listening: int, handed: "ASGIApp", at: Path, on_listening: Callable[[], None]
) -> None:
    """Serve at a socket where others accept as well, until SIGTERM or until standard input ends.

    `handed` answers what other workers hand over, at a socket of its own in the file system: there the
    earlier worker of this number answers until this one can. `on_listening` is called once it does.
    """

    async def run() -> None:
        server = _AtSharedSocket(app, listening)
        own = at.with_name(f"{at.name}.{os.getpid()}")
        private = _server(handed, uds=own, interface=Interfaces.ASGINL)
        _stop_at_signals(app, server)
        _stop_at_end_of_input()
        serving, answering = asyncio.create_task(server.serve()), asyncio.create_task(private.serve())
        await _accepts(lambda: asyncio.open_unix_connection(own), answering)
        own.replace(at)
        on_listening()
        await serving
        private.stop()  # type: ignore[no-untyped-call]
        await answering

    _calm_garbage_collection()
    uvloop.run(run())


def _calm_garbage_collection() -> None:
    """Look for cycles rarely: records are many small objects without any, and each look walks over them."""
    gc.set_threshold(100_000, 20, 20)


def _server(
    app: "ASGIApp",
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    uds: Path | None = None,
    interface: Interfaces = Interfaces.ASGI,
) -> Server:
    return Server(
        app,
        address=host,
        port=port,
        uds=uds,
        interface=interface,
        websockets=False,
        log_level=LogLevels.error,
    )


class _AtSharedSocket(Server):
    """A server at a socket that it was given: who waits there is accepted by another, once this one stops."""

    def __init__(self, app: "ASGIApp", listening: int) -> None:
        super().__init__(app, interface=Interfaces.ASGI, websockets=False, log_level=LogLevels.error)
        self._listening = listening

    def _init_shared_socket(self) -> None:
        self._shd = SocketHolder(self._listening, False, _BACKLOG)  # type: ignore[call-arg, assignment]


def _stop_at_signals(app: Litestar, server: Server) -> None:
    service = app.state.get("service")

    def stop() -> None:
        if service is not None:
            service.is_stopping = True
        server.stop()  # type: ignore[no-untyped-call]

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def _stop_at_end_of_input() -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(sys.stdin)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(sys.stdin, stop)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens, for processes that inherit it. Raises `OSError` where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    listening.set_inheritable(True)
    return listening


def listenable_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises `OSError` where it is taken: the server itself would share it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        free: int = probe.getsockname()[1]
        return free


def _cannot_listen(host: str, port: int, error: OSError) -> OSError:
    return OSError(f"cannot listen on {host}:{port}: {error.strerror}")


async def _accepts(connect: _Connect, serving: "asyncio.Task[None]") -> None:
    """Return once connections are accepted, or the server has ended."""
    while not serving.done():
        try:
            _, writer = await connect()
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
