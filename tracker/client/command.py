"""The command that a deployment is: run in the pipeline's place, and told what the pipeline is told."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_NOT_FOUND, _SIGNALLED = 127, 128


def run_command(command: list[str]) -> tuple[int, bool]:
    """The command's exit status, as a shell says it, and whether the pipeline was told to stop meanwhile."""
    interrupted = False
    try:
        process = subprocess.Popen(command)
    except OSError as failure:
        print(f"tracker: {command[0]} cannot be run: {failure.strerror}", file=sys.stderr)
        return _NOT_FOUND, False

    def hand_on(number: int, _: object) -> None:
        nonlocal interrupted
        interrupted = True
        # A terminal has told the command itself.
        if number != signal.SIGINT or not sys.stdin.isatty():
            process.send_signal(number)

    with _handling((signal.SIGINT, signal.SIGTERM), hand_on):
        exit_status = process.wait()
    return (_SIGNALLED - exit_status if exit_status < 0 else exit_status), interrupted


@contextmanager
def _handling(numbers: Sequence[signal.Signals], handler: Callable[[int, object], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)
