"""Writes the log of a job: what the command says, line by line, some at a time."""

import contextlib
import time
from dataclasses import dataclass, field

from sqlalchemy import Engine

from metrics.domain.instants import now_microseconds
from tracker.jobs.logs import LONGEST_LINE, append_lines
from tracker.records.engine import write_transaction
from tracker.records.failures import UNAVAILABLE

_FLUSH_SECONDS, _FLUSH_LINES = 0.25, 1_000
# What is read and cannot be written yet; while it is more, the command has to wait.
_MOST_HELD = 5_000


@dataclass(slots=True)
class LogWriter:
    """The log of a job, as long as the runner has it. While the database is away, lines are held."""

    engine: Engine
    job_id: str
    runner: str
    _lines: list[str] = field(default_factory=list)
    _rest: bytes = b""
    _flushed_at: float = field(default_factory=time.monotonic)

    @property
    def may_take_more(self) -> bool:
        """Whether there is room for more output."""
        return len(self._lines) < _MOST_HELD

    def take(self, piece: bytes) -> None:
        """Add output of the command; a line is held until it is complete."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        while len(self._rest) > LONGEST_LINE:
            first, self._rest = _cut(self._rest)
            whole.append(first)
        for line in whole:
            while len(line) > LONGEST_LINE:
                first, line = _cut(line)
                self._lines.append(_readable(first))
            self._lines.append(_readable(line))
        self.flush_when_due()

    def end_line(self) -> None:
        """Write the incomplete last line: the output has ended."""
        self.take(b"\n" if self._rest else b"")

    def say(self, text: str) -> None:
        """Add a line of the runner's own, and write it at once."""
        self._lines += [f"[runner] {line}" for line in _readable(text.encode()).splitlines()]
        self.flush()

    def flush_when_due(self) -> None:
        """Write the held lines where they are many, or held for long."""
        if len(self._lines) >= _FLUSH_LINES or time.monotonic() - self._flushed_at > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the held lines."""
        self._flushed_at = time.monotonic()
        if self._lines:
            with contextlib.suppress(*UNAVAILABLE):
                with write_transaction(self.engine) as connection:
                    append_lines(connection, self.job_id, self.runner, now_microseconds(), self._lines)
                self._lines = []


def _cut(line: bytes) -> tuple[bytes, bytes]:
    """The longest beginning that is no longer than a line may be, and the rest; between two characters."""
    end = LONGEST_LINE
    while end > LONGEST_LINE - 4 and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[:end], line[end:]


def _readable(line: bytes) -> str:
    return line.rstrip(b"\r").decode(errors="replace").replace("\x00", "\ufffd")
