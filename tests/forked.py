"""`tracker` in a process of its own, forked from one that has imported all of it already.

Python takes seconds to import what the service is made of, and a run of the tests starts it a thousand times.
What the forked process runs is what the command runs; only `tests.server.started` decides who is forked.
"""

import atexit
import ctypes
import functools
import json
import os
import socket
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

_ROOT = Path(__file__).parent.parent
_PR_SET_CHILD_SUBREAPER = 36
_STANDARD_STREAMS = 3


class Forked(subprocess.Popen[str]):
    """A process like any other, of which only the beginning is another: its first argument is `tracker` itself."""

    def _execute_child(
        self, args: Any, _executable: Any, _preexec: Any, _close: Any, _pass: Any, cwd: Any, env: Any,
        _startup: Any, _flags: Any, _shell: Any, p2cread: int, p2cwrite: int, c2pread: int, c2pwrite: int,
        errread: int, errwrite: int, *_: Any,
    ) -> None:  # fmt: skip
        order = {
            "arguments": [str(one) for one in args],
            "folder": str(cwd or Path.cwd()),
            "environment": env,
        }
        self.pid = _Parent.of_this_process().fork(order, (p2cread, c2pwrite, errwrite))
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


class _Parent:
    """The process that has imported `tracker`, on order of this one."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    @classmethod
    @functools.cache
    def of_this_process(cls) -> "_Parent":
        return cls()

    def fork(self, order: dict[str, Any], streams: tuple[int, ...]) -> int:
        """The id of a process that has begun, which is this one's child: its other parent is gone by then."""
        with open(os.devnull, "r+") as nothing:
            given = [nothing.fileno() if fd == -1 else fd for fd in streams]
            _adopt(True)
            try:
                message = json.dumps(order).encode()
                socket.send_fds(self._orders, [len(message).to_bytes(4, "big")], given)
                self._orders.sendall(message)
                return int.from_bytes(_exactly(self._orders, 4), "big")
            finally:
                _adopt(False)


def _adopt(does: bool) -> None:
    """Whether processes that lose their parent become this one's children: for a moment only."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(does), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        if not (more := connection.recv(count - len(received))):
            raise EOFError
        received += more
    return received


def _serve(orders: socket.socket) -> dict[str, Any]:
    """Fork at each order, until the tests are gone; return in the process that is to carry one out."""
    while True:
        length, streams, _, _ = socket.recv_fds(orders, 4, _STANDARD_STREAMS)
        if not length:
            sys.exit()
        message = _exactly(orders, int.from_bytes(length, "big"))
        reading, writing = os.pipe()
        if between := os.fork():
            os.waitpid(between, 0)
            orders.sendall(os.read(reading, 4))
            for one in (reading, writing, *streams):
                os.close(one)
            continue
        if child := os.fork():
            os.write(writing, child.to_bytes(4, "big"))
            os._exit(0)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(_STANDARD_STREAMS, max(*streams, reading, writing, orders.detach()) + 1)
        order: dict[str, Any] = json.loads(message)
        return order


def _carry_out(order: dict[str, Any]) -> NoReturn:
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = order["arguments"]
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1 if at_once else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    main = import_module("tracker.cli.main").main
    try:
        main()
    except SystemExit as ending:
        _end(ending.code)
    _end(0)


def _end(code: object) -> NoReturn:
    """End as any process does, but for taking apart all that was imported: where it was forked, that takes a second."""
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        # As Python has it where nobody reads any more.
        os._exit(120)
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    connection = socket.socket(fileno=int(sys.argv[1]))
    for name in (
        "tracker.app",
        *(module.partition(":")[0] for module in import_module("tracker.cli.main")._COMMANDS.values()),
    ):
        import_module(name)
    _carry_out(_serve(connection))
