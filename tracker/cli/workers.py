"""The processes of `tracker serve --workers`: starting them, and what runs in each of them."""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tracker.settings import Settings
from tracker.web.keeping import HandedOver, Worker, share_of
from tracker.web.workers import READY, Workers

# Where the figures of all workers are added up, by the name that prometheus-client has for it.
_FIGURES = "PROMETHEUS_MULTIPROC_DIR"


def run_workers(settings: Settings, listening: socket.socket, on_listening: Callable[[], None]) -> None:
    """Serve at a socket by several processes, until SIGTERM or SIGINT. Raises `WorkersFailed`."""
    # A path of a socket is short; a folder of one's own is nobody else's to enter.
    with tempfile.TemporaryDirectory(prefix="tracker-") as folder:
        host, port = listening.getsockname()[:2]
        environment = {
            **os.environ,
            "TRACKER_HOST": str(host),
            "TRACKER_PORT": str(port),
            "TRACKER_STORE_MEMORY": share_of(settings.store_memory, settings.workers),
            "TRACKER_STORE_THREADS": str(
                settings.store_threads or max(1, (os.cpu_count() or 1) // settings.workers)
            ),
            _FIGURES: folder,
        }
        commands = [
            [
                sys.executable,
                "-m",
                __spec__.name,
                *map(str, (number, settings.workers, folder, listening.fileno())),
            ]
            for number in range(settings.workers)
        ]
        workers = Workers(commands, environment, listening, lambda process: _forget_figures(process, folder))
        asyncio.run(workers.run(on_listening))


def _forget_figures(process: int, folder: str) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(process, folder)  # type: ignore[no-untyped-call]


def main(number: str, count: str, folder: str, listening: str) -> None:
    """Be one of the workers."""
    from tracker.app import create_app
    from tracker.telemetry import configure_logging
    from tracker.web.server import serve_as_worker

    settings = Settings()
    configure_logging(settings)
    worker = Worker(int(number), int(count), Path(folder))
    app = create_app(settings, worker)

    def say_ready() -> None:
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()

    serve_as_worker(app, int(listening), HandedOver(app), worker.socket_of(worker.number), say_ready)


if __name__ == "__main__":
    main(*sys.argv[1:])
