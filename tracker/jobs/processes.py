"""A command with everything that it starts, as one thing that can be followed and ended."""

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Waits for the end of a pipe that only the runner holds open: should the runner die, the group dies with it.
_GUARD = 'cat >/dev/null; kill -s KILL -- "-$1"'
_PIECE_BYTES = 65_536


@dataclass(slots=True)
class ProcessGroup:
    """A command with everything that it has started, and the end of the pipe that they all write to."""

    process: subprocess.Popen[bytes]
    output: int
    _guard: subprocess.Popen[bytes]
    _lifeline: int
    _is_dead: bool = False

    @classmethod
    def start(cls, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> "ProcessGroup":
        """Raises `OSError` where there is no such program."""
        with contextlib.ExitStack() as opened:
            lifeline_read, lifeline = os.pipe()
            opened.callback(os.close, lifeline_read)
            output, output_write = os.pipe()
            opened.callback(os.close, output_write)
            try:
                process = subprocess.Popen(
                    arguments,
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output_write,
                    stderr=output_write,
                    start_new_session=True,
                )
            except BaseException:
                os.close(lifeline)
                os.close(output)
                raise
            guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "sh", str(process.pid)],
                stdin=lifeline_read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return cls(process, output, guard, lifeline)

    @property
    def is_over(self) -> bool:
        """Whether every process of the group has ended."""
        if self.process.poll() is None:
            return False
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    @property
    def has_output(self) -> bool:
        """Whether output waits to be read, or has ended."""
        return bool(select.select([self.output], [], [], 0)[0])

    def read(self, seconds: float, *, watched: bool = True) -> bytes | None:
        """Read output within so many seconds; None where there was none, empty where it has ended."""
        if not select.select([self.output] if watched else [], [], [], seconds)[0]:
            return None
        return os.read(self.output, _PIECE_BYTES)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._is_dead = True

    def _signal(self, number: int) -> None:
        # The number of a group that is dead may be another's by now.
        if not self._is_dead:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def __enter__(self) -> "ProcessGroup":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._guard.pid, signal.SIGKILL)
        self._guard.wait()
        os.close(self._lifeline)
        os.close(self.output)
