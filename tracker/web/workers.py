"""Several processes that are one service: started together, replaced one by one, stopped together."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

READY = b"ready\n"
"""What a worker writes on its standard output once it answers."""
_START_SECONDS = 120
# Whoever ends as soon as it was started is not started again without a pause.
_PAUSE_SECONDS = 2.0
_log = structlog.get_logger("tracker.workers")


class WorkersFailed(Exception):
    """The workers could not be started."""


@dataclass(slots=True)
class Workers:
    """Keeps a process of each number alive, all of them at one listening socket.

    SIGHUP replaces them one by one, each once its successor answers; SIGTERM and SIGINT stop all.
    """

    commands: Sequence[Sequence[str]]
    environment: dict[str, str]
    listening: socket.socket
    on_end: Callable[[int], None] = lambda _: None
    """Called with the id of each process that has ended."""
    _running: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    _is_stopping: bool = False
    _rolling: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, on_listening: Callable[[], None]) -> None:
        """Return once all have ended that were told to. Raises `WorkersFailed` where one does not start."""
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        tasks: list[asyncio.Task[None]] = []
        numbers = range(len(self.commands))
        try:
            started = await asyncio.gather(*map(self._start, numbers), return_exceptions=True)
            for failure in started:
                if failure is not None:
                    raise failure
            tasks += [asyncio.create_task(self._keep(number)) for number in numbers]
            loop.add_signal_handler(
                signal.SIGHUP, lambda: tasks.append(loop.create_task(self._replace_all()))
            )
            on_listening()
            await stopping.wait()
        finally:
            self._is_stopping = True
            for process in self._running.values():
                _terminate(process)
            await asyncio.gather(*(process.wait() for process in self._running.values()))
        await asyncio.gather(*tasks)

    async def _start(self, number: int) -> None:
        """Have a process that answers, as the earlier one of its number does until then.

        Raises `WorkersFailed`.
        """
        process = await asyncio.create_subprocess_exec(
            *self.commands[number],
            # It ends with this one: nothing is written there.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self.environment,
            pass_fds=[self.listening.fileno()],
            # What a terminal sends to all of its processes this one sends on.
            start_new_session=True,
        )
        assert process.stdout is not None
        said = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                said = await process.stdout.readline()
        if said != READY:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            self.on_end(process.pid)
            raise WorkersFailed(f"worker {number} did not start; what it said is above")
        self._running[number] = process
        if self._is_stopping:
            _terminate(process)

    async def _keep(self, number: int) -> None:
        """Start a worker again whenever it has ended, until all are stopped."""
        while True:
            process = self._running[number]
            began = time.monotonic()
            status = await process.wait()
            self.on_end(process.pid)
            if self._running[number] is not process:
                continue  # It was replaced.
            if self._is_stopping:
                return
            _log.error("worker ended", worker=number, exit_status=status)
            if time.monotonic() - began < _PAUSE_SECONDS:
                await asyncio.sleep(_PAUSE_SECONDS)
            while not await self._start_in_place_of(process, number):
                _log.error("worker does not start", worker=number)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _start_in_place_of(self, ended: asyncio.subprocess.Process, number: int) -> bool:
        """Whether there is a process in its place by now, or none is wanted."""
        # One that ends while all are replaced has a successor already, or is about to.
        async with self._rolling:
            if self._is_stopping or self._running[number] is not ended:
                return True
            try:
                await self._start(number)
            except WorkersFailed:
                return False
            return True

    async def _replace_all(self) -> None:
        async with self._rolling:
            for number in range(len(self.commands)):
                if self._is_stopping:
                    return
                earlier = self._running[number]
                try:
                    await self._start(number)
                except WorkersFailed as failure:
                    # What works goes on working.
                    _log.error("workers are not replaced", reason=str(failure))
                    return
                _terminate(earlier)
                await earlier.wait()
            _log.info("workers are replaced", workers=len(self.commands))


def _terminate(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
