"""History in bulk: NDJSON, one record a line, read as it comes and recorded chunk by chunk.

The HTTP batches and `tracker import` share this: a good line is kept, a bad one is reported with its
number, and memory does not grow with the input.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from metrics.domain.deployments import NewDeployment, SentDeployment
from metrics.domain.errors import InvalidInput, Refusal
from metrics.domain.fields import without_byte_order_mark
from metrics.domain.incidents import NewIncident, SentIncident, tells_of_an_incident
from metrics.domain.instants import now_microseconds
from metrics.domain.repositories import CanAccess, RepositoryIdentity, allow_all
from tracker.deployments.service import Recording, record_deployments
from tracker.incidents.service import Report, record_incidents
from tracker.records.ledger import Author, Ledger
from tracker.telemetry import REFUSED_RECORDS

CHUNK_LINES = 1_000
LONGEST_LINE_BYTES = 5_000_000
MOST_ERRORS_LISTED = 1_000

Check = Callable[[RepositoryIdentity | None], None]
"""Raises a `Refusal` where the record must not come in: from a token that does not reach its repository."""


class InputError(Exception):
    """The input as a whole cannot be read on: damaged compression, more than is allowed, or nothing comes."""


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
    blank: int = 0
    errors: list[LineError] = field(default_factory=list)

    def fail(self, line: int, detail: str) -> None:
        self.failed += 1
        if len(self.errors) < MOST_ERRORS_LISTED:
            self.errors.append(LineError(line, detail))

    def stop(self, line: int, detail: str) -> None:
        """Count the line from which nothing is read on; it is listed however many errors are."""
        self.failed += 1
        self.errors.append(LineError(line, detail))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines that can be recorded, with their numbers, and those that cannot."""

    deployments: Mapping[int, SentDeployment]
    incidents: Mapping[int, SentIncident]
    errors: Sequence[LineError]
    blank: int

    def record(
        self, ledger: Ledger, author: Author, can_access: CanAccess = allow_all
    ) -> dict[int, Recording | Report | Refusal]:
        """What became of each line, by its number."""
        outcomes: dict[int, Recording | Report | Refusal] = {}
        recorded = record_deployments(ledger, author, list(self.deployments.values()), can_access)
        outcomes.update(zip(self.deployments, recorded, strict=True))
        reported = record_incidents(ledger, author, list(self.incidents.values()), can_access)
        outcomes.update(zip(self.incidents, reported, strict=True))
        return outcomes

    def count(self, outcomes: Mapping[int, Recording | Report | Refusal], tally: Tally) -> None:
        """Add to the tally what became of the chunk, in the order of its lines."""
        tally.blank += self.blank
        failures = list(self.errors)
        for line, outcome in outcomes.items():
            if isinstance(outcome, Refusal):
                REFUSED_RECORDS.labels(outcome.code).inc()
                failures.append(LineError(line, outcome.detail))
            elif outcome.repeated:
                tally.repeated += 1
            else:
                tally.recorded += 1
        for failure in sorted(failures, key=lambda one: one.line):
            tally.fail(failure.line, failure.detail)


class DeploymentLine(NewDeployment):
    """A deployment, which may say that it is one."""

    type: Literal["deployment"] | None = None


class IncidentLine(NewIncident):
    """An incident, which may say that it is one."""

    type: Literal["incident"] | None = None


Line = DeploymentLine | IncidentLine
ReadLine = Callable[[bytes], Line]
"""Validates a line. Raises `InvalidInput`."""


def read_either(line: bytes) -> Line:
    """Validate a line that may be of a deployment or of an incident."""
    try:
        told = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return DeploymentLine.parse(line)
    is_object = isinstance(told, dict)
    if is_object and told.get("type") not in (None, "deployment", "incident"):
        raise InvalidInput.field("type", "must be deployment or incident, else as tracker export writes it")
    is_incident = is_object and tells_of_an_incident(told)
    return IncidentLine.parse(line) if is_incident else DeploymentLine.parse(line)


def read_chunk(lines: Iterable[tuple[int, bytes]], triggered_by: str, read: ReadLine, check: Check) -> Chunk:
    """Validate numbered lines; empty ones are passed over."""
    now = now_microseconds()
    deployments: dict[int, SentDeployment] = {}
    incidents: dict[int, SentIncident] = {}
    errors: list[LineError] = []
    blank = 0
    for number, line in lines:
        if not line.strip():
            blank += 1
            continue
        try:
            match read(line):
                case IncidentLine() as incident:
                    reported = incident.sent(now)
                    check(reported.facts.repository)
                    incidents[number] = reported
                case DeploymentLine() as deployment:
                    sent = deployment.sent(triggered_by=triggered_by, now=now, finish_required=True)
                    check(sent.facts.repository)
                    deployments[number] = sent
        except Refusal as refusal:
            REFUSED_RECORDS.labels(refusal.code).inc()
            errors.append(LineError(number, refusal.detail))
    return Chunk(deployments, incidents, errors, blank)


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
