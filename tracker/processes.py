"""A command with everything that it starts, as one thing that can be ended."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The guard waits for the end of a pipe that only the runner holds open: should the runner die, it takes the
# whole group with it. The command itself does not get the pipe.
_GUARDED = (
    'exec 3<&0; (trap "" TERM INT HUP; cat <&3 >/dev/null 2>&1; kill -KILL 0) & '
    'exec 3<&- </dev/null; exec /bin/sh -c "$1"'
)


@dataclass(slots=True)
class ProcessGroup:
    """A command with everything that it has started, and the end of the pipe that they all write to."""

    process: subprocess.Popen[bytes]
    output: int
    _lifeline: int
    _is_dead: bool = False

    @classmethod
    def start(cls, command: str, folder: Path, environment: Mapping[str, str]) -> "ProcessGroup":
        lifeline_read, lifeline = os.pipe()
        output, output_write = os.pipe()
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARDED, "sh", command],
                cwd=folder,
                env=environment,
                stdin=lifeline_read,
                stdout=output_write,
                stderr=output_write,
                start_new_session=True,
            )
        finally:
            os.close(lifeline_read)
            os.close(output_write)
        return cls(process, output, lifeline)

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
        os.close(self._lifeline)
        os.close(self.output)
