"""Serving: one process, listening until it is told to stop, and ending only with its work done."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable

import uvloop
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar

GRACE_SECONDS = 30


def serve(app: Litestar, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve at a port of `listenable_port` until SIGTERM or SIGINT. Raises `OSError` where it cannot listen.

    `on_listening` is called with the base URL once connections are accepted.
    """

    _calm_garbage_collection()
    uvloop.run(_serve(app, host, port, on_listening))


def _calm_garbage_collection() -> None:
    """Look for cycles rarely: records are many small objects without any, and each look walks over them."""
    gc.set_threshold(100_000, 20, 20)


async def _serve(app: Litestar, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_level=LogLevels.error,
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        app.state.service.is_stopping = True
        server.stop()  # type: ignore[no-untyped-call]

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    serving = asyncio.create_task(server.serve())
    await _answers(host, port, serving)
    on_listening(f"http://{host}:{port}")
    await serving


def listenable_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises `OSError` where it is taken: the server itself would share it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        free: int = probe.getsockname()[1]
        return free


async def _answers(host: str, port: int, serving: "asyncio.Task[None]") -> None:
    """Return once the port accepts connections, or the server has ended."""
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
