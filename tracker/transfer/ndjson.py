"""History in bulk: NDJSON, one record a line, read as it comes and recorded chunk by chunk.

The HTTP batch and `tracker import` share this: a good line is kept, a bad one is reported with its
number, and memory does not grow with the input.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from metrics.domain.deployments import NewDeployment, SentDeployment
from metrics.domain.errors import Refusal
from metrics.domain.fields import without_byte_order_mark
from metrics.domain.instants import now_microseconds
from metrics.domain.repositories import CanAccess, allow_all
from tracker.deployments.service import Recording, record_deployments
from tracker.records.ledger import Author, Ledger
from tracker.telemetry import REFUSED_RECORDS

CHUNK_LINES = 1_000
LONGEST_LINE_BYTES = 5_000_000
MOST_ERRORS_LISTED = 1_000

Check = Callable[[SentDeployment], None]
"""Raises a `Refusal` where the record must not come in: from a token that does not reach its repository."""


class InputError(Exception):
    """The input as a whole cannot be read on: damaged compression, or more than is allowed."""


@dataclass(frozen=True, slots=True)
class LineError:
    line: int
    detail: str


@dataclass(slots=True)
class Tally:
    """What has become of the lines. `errors` lists the first thousand; `failed` counts them all."""

    recorded: int = 0
    repeated: int = 0
    failed: int = 0
    errors: list[LineError] = field(default_factory=list)

    def fail(self, line: int, detail: str) -> None:
        self.failed += 1
        if len(self.errors) < MOST_ERRORS_LISTED:
            self.errors.append(LineError(line, detail))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines that can be recorded, with their numbers, and those that cannot."""

    line_numbers: Sequence[int]
    sent: Sequence[SentDeployment]
    errors: Sequence[LineError]

    def record(
        self, ledger: Ledger, author: Author, can_access: CanAccess = allow_all
    ) -> list[Recording | Refusal]:
        return record_deployments(ledger, author, self.sent, can_access)

    def count(self, outcomes: Sequence[Recording | Refusal], tally: Tally) -> None:
        """Add to the tally what became of the chunk, in the order of its lines."""
        failures = list(self.errors)
        for line, outcome in zip(self.line_numbers, outcomes, strict=True):
            if isinstance(outcome, Refusal):
                REFUSED_RECORDS.labels(outcome.code).inc()
                failures.append(LineError(line, outcome.detail))
            elif outcome.repeated:
                tally.repeated += 1
            else:
                tally.recorded += 1
        for failure in sorted(failures, key=lambda one: one.line):
            tally.fail(failure.line, failure.detail)


def read_chunk(lines: Iterable[tuple[int, bytes]], triggered_by: str, check: Check) -> Chunk:
    """Validate numbered lines; empty ones are passed over."""
    now = now_microseconds()
    numbers, sent, errors = [], [], []
    for number, line in lines:
        if not line.strip():
            continue
        try:
            body = NewDeployment.parse(line)
            one = body.sent(triggered_by=triggered_by, now=now, finish_required=True)
            check(one)
        except Refusal as refusal:
            REFUSED_RECORDS.labels(refusal.code).inc()
            errors.append(LineError(number, refusal.detail))
        else:
            numbers.append(number)
            sent.append(one)
    return Chunk(numbers, sent, errors)


class LineReader:
    """Turns pieces of bytes, gzip or plain, into chunks of numbered lines."""

    def __init__(self, *, gzip: bool, limit: int | None = None) -> None:
        self._inflate = zlib.decompressobj(wbits=31) if gzip else None
        self._limit = limit
        self._read = 0
        self._rest = b""
        self._number = 0
        self._lines: list[tuple[int, bytes]] = []

    def feed(self, piece: bytes) -> Iterator[list[tuple[int, bytes]]]:
        """The chunks that the piece completes. Raises `InputError`."""
        for data in self._inflated(piece):
            self._read += len(data)
            if self._limit is not None and self._read > self._limit:
                raise InputError(f"the input is larger than {self._limit} bytes")
            *complete, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > LONGEST_LINE_BYTES:
                raise InputError(f"line {self._number + len(complete) + 1} is longer than 5 MB")
            for line in complete:
                self._add(line)
            while len(self._lines) >= CHUNK_LINES:
                yield self._lines[:CHUNK_LINES]
                del self._lines[:CHUNK_LINES]

    def close(self) -> list[tuple[int, bytes]]:
        """The lines that are left, the last one with or without its newline. Raises `InputError`."""
        if self._inflate is not None and self._read and not self._inflate.eof:
            raise InputError("the gzip data ends too early")
        if self._rest:
            self._add(self._rest)
            self._rest = b""
        return self.complete_lines()

    def _add(self, line: bytes) -> None:
        self._number += 1
        self._lines.append((self._number, without_byte_order_mark(line) if self._number == 1 else line))

    def complete_lines(self) -> list[tuple[int, bytes]]:
        """The lines that are left and whole: what is good of input that cannot be read on."""
        left, self._lines = self._lines, []
        return left

    @property
    def line_number(self) -> int:
        return self._number

    def _inflated(self, piece: bytes) -> Iterator[bytes]:
        """The piece decompressed, never more than a megabyte at a time."""
        if self._inflate is None:
            yield piece
            return
        try:
            while piece:
                if self._inflate.eof:  # gzip files may be put one after the other
                    self._inflate = zlib.decompressobj(wbits=31)
                yield self._inflate.decompress(piece, 1_000_000)
                piece = self._inflate.unconsumed_tail or self._inflate.unused_data
        except zlib.error as error:
            raise InputError(f"the gzip data is damaged: {error}") from None
