"""Records out of files and frames, whatever they are written in, as the store pulls them from a database."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast
from zoneinfo import ZoneInfo

import msgspec
import polars as pl
import pyarrow as pa

from metrics.domain.errors import InvalidRecords, RecordsUnavailable, Refusal
from metrics.domain.fields import without_byte_order_mark
from metrics.domain.incidents import tells_of_an_incident
from metrics.domain.instants import now_microseconds
from metrics.domain.pushes import NewPush, PushFacts
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.settings import DEFAULT_SETTINGS, SettingsChange
from metrics.domain.vocabulary import name_key
from metrics.engine.pulled_tables import DETAILED, PULLED, HeldRecords, Kind, Position, arrow_table
from metrics.library.rows import (
    DeploymentRow,
    DeploymentRows,
    IncidentRow,
    IncidentRows,
    RepositoryRow,
    Row,
    RowType,
    read_row,
    repository_columns,
    row_type,
    settings_row,
    with_zone,
)
from metrics.wire.csv_rows import csv_rows

Rows = Path | pl.DataFrame | pl.LazyFrame
_MOST_ERRORS_NAMED = 5


def read_records(
    organization: str | None, deployments: Rows, incidents: Rows | None = None, zone: ZoneInfo | None = None
) -> HeldRecords:
    """The records of files and frames; `zone` is that of times which say none.

    Raises `InvalidRecords`, and `RecordsUnavailable` where a file cannot be read.
    """
    found = _Found(organization, zone)
    found.take_all(deployments, RowType.DEPLOYMENT)
    if incidents is not None:
        found.take_all(incidents, RowType.INCIDENT)
    if found.errors:
        more = len(found.errors) - _MOST_ERRORS_NAMED
        named = [*found.errors[:_MOST_ERRORS_NAMED], *([f"and {more} more"] if more > 0 else [])]
        raise InvalidRecords("; ".join(named))
    tables = found.tables()
    head = Position(max(table.num_rows for table in tables.values()), "file")
    return HeldRecords(tables, head, found.details)


class _Found:
    """What the rows have said so far, and what was wrong with them."""

    def __init__(self, organization: str | None, zone: ZoneInfo | None) -> None:
        self.errors: list[str] = []
        self._organization, self._zone = organization, zone
        now = now_microseconds()
        self._deployments, self._incidents = DeploymentRows(now), IncidentRows(now)
        self._repositories: dict[tuple[RepositoryIdentity, str], RepositoryRow] = {}
        self._pushes: list[PushFacts] = []
        self._settings: Mapping[str, Any] | None = None

    def take_all(self, source: Rows, default: RowType) -> None:
        """Every row of a file or a frame."""
        for number, row in enumerate(_rows(source), start=1):
            with self._noting(number):
                if row is None:
                    raise ValueError("is no JSON object")
                if self._organization is None or row.get("organization") in (None, self._organization):
                    self._take(number, row, _type_of(row, default) if isinstance(source, Path) else default)

    def _take(self, number: int, row: Row, kind: RowType) -> None:
        match read_row(row if self._zone is None else with_zone(row, self._zone), kind):
            case DeploymentRow() as deployment:
                facts = self._deployments.take(number, deployment).facts
                self._name(facts.repository, facts.service)
            case IncidentRow() as incident:
                named = self._incidents.take(number, incident).facts
                if named.repository is not None:
                    self._name(named.repository, named.service)
            case RepositoryRow() as told:
                repository, service = RepositoryIdentity.parse(told.repository_url), told.service or ""
                self._name(repository, service)
                self._repositories[repository, name_key(service)] = told
            case NewPush() as push:
                self._pushes.append(push.sent())
            case SettingsChange() as change:
                self._settings = asdict(DEFAULT_SETTINGS) | change.changes()

    def _name(self, repository: RepositoryIdentity, service: str) -> None:
        for name in ("", service):
            row = RepositoryRow(repository_url=repository.url, service=name)
            self._repositories.setdefault((repository, name_key(name)), row)

    @contextmanager
    def _noting(self, number: int) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            first = refusal.errors[0]
            name = first.pointer.removeprefix("/").replace("/", ".")
            self.errors.append(f"row {number}: {name}: {first.detail}")
        except ValueError as error:
            self.errors.append(f"row {number}: {error}")

    def details(self, table: str) -> pa.Table:
        """What a record database would give of a table beside that."""
        found = self._deployments if table == "deployments" else self._incidents
        return self._table(DETAILED[table], found.columns())

    def tables(self) -> Mapping[str, pa.Table]:
        """What a record database would give of that which figures depend on."""
        repositories = [
            repository_columns(repository, row.service or "", row.team, row.aliases or ())
            for (repository, _), row in self._repositories.items()
        ]
        settings = [] if self._settings is None else [settings_row(self._settings)]
        found = {
            "deployments": self._deployments.columns(),
            "incidents": self._incidents.columns(),
            "repositories": enumerate(repositories, start=1),
            "pushes": enumerate(map(_push_columns, self._pushes), start=1),
            "organization_settings": enumerate(settings, start=1),
        }
        return {table: self._table(PULLED[table], numbered) for table, numbered in found.items()}

    def _table(self, wanted: Mapping[str, Kind], numbered: Iterable[tuple[int, Row]]) -> pa.Table:
        rows = []
        for number, columns in numbered:
            version = {
                "revision": number,
                "superseded_revision": None,
                "first_revision": number,
                "created_at": None,
                "recorded_at": None,
                "recorded_by": None,
                "organization": self._organization or "",
                "id": columns.get("id") or f"row-{number}",
            }
            row = {**columns, **version}
            rows.append([_stored(row[column]) for column in wanted])
        return arrow_table(wanted, rows)


def _push_columns(push: PushFacts) -> Row:
    return {
        **push.columns(),
        "repository_key": push.repository.key,
        "commits": msgspec.json.encode(push.commits).decode(),
    }


def _type_of(row: Row, default: RowType) -> RowType:
    """What a line of a file is of: as it says, or as it looks. A frame may have such a column of its own."""
    if row.get("type") is not None:
        return row_type(row["type"])
    return RowType.INCIDENT if tells_of_an_incident(row) else default


def _stored(value: object) -> object:
    """Flags as a database gives them."""
    return int(value) if isinstance(value, bool) else value


def _rows(source: Rows) -> Iterator[Row | None]:
    """The rows of a file or a frame, None where a line is none. Raises `RecordsUnavailable`."""
    if not isinstance(source, Path):
        yield from _frame_rows(source)
        return
    try:
        yield from _READERS[_ending(source)](source)
    except _UNREADABLE as error:
        raise RecordsUnavailable(f"{source} cannot be read: {error}") from error


def _ending(file: Path) -> str:
    return next((ending for ending in FILES if file.name.lower().endswith(ending)), "")


def _frame_rows(frame: pl.DataFrame | pl.LazyFrame) -> Iterator[Row]:
    yield from frame.lazy().collect().iter_rows(named=True)


def _parquet(file: Path) -> Iterator[Row]:
    return _frame_rows(pl.scan_parquet(file))


def _arrow(file: Path) -> Iterator[Row]:
    """An Arrow file, or what an export streams."""
    with file.open("rb") as opened:
        is_file = opened.read(len(_ARROW_FILE)) == _ARROW_FILE
    return _frame_rows(pl.read_ipc(file) if is_file else pl.read_ipc_stream(file))


def _csv(file: Path) -> Iterator[Row]:
    with _bytes_of(file) as lines, io.TextIOWrapper(lines, encoding="utf-8-sig", newline="") as text:
        for _, row in csv_rows(text):
            yield row


def _json(file: Path) -> Iterator[Row | None]:
    """A list of records, or an export's object of one."""
    with _bytes_of(file) as opened:
        found = _decoded(without_byte_order_mark(opened.read()))
    rows = found.get("items", [found]) if isinstance(found, dict) else found
    for row in rows if isinstance(rows, list) else [None]:
        yield row if isinstance(row, dict) else None


def _lines(file: Path) -> Iterator[Row | None]:
    with _bytes_of(file) as lines:
        for number, line in enumerate(lines):
            text = line if number else without_byte_order_mark(line)
            if text.strip():
                row = _decoded(text)
                yield row if isinstance(row, dict) else None


def _bytes_of(file: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(file)) if file.suffix.lower() == ".gz" else file.open("rb")


def _decoded(text: bytes) -> Any:
    """What JSON says; None where it is none."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


_UNREADABLE = (
    OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error, pa.ArrowException,
    pl.exceptions.PolarsError,
)  # fmt: skip
_ARROW_FILE = b"ARROW1"
_READERS: Mapping[str, Callable[[Path], Iterator[Row | None]]] = {
    ".ndjson": _lines,
    ".jsonl": _lines,
    ".ndjson.gz": _lines,
    ".jsonl.gz": _lines,
    ".json": _json,
    ".json.gz": _json,
    ".csv": _csv,
    ".csv.gz": _csv,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".arrows": _arrow,
    ".feather": _arrow,
}
FILES = tuple(_READERS)
"""The endings of the files that can be read."""
