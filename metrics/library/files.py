"""Records out of files and frames: NDJSON, Parquet or Polars, as the store pulls them from a database."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa
from pydantic import ValidationError

from metrics.domain.errors import InvalidRecords, RecordsUnavailable
from metrics.domain.repositories import RepositoryIdentity
from metrics.engine.pulled_tables import PULLED, HeldRecords, Position, pulled_table
from metrics.library.rows import Deployment, Incident, RepositoryTeam, Row, RowType, Settings, placed

Rows = Path | pl.DataFrame | pl.LazyFrame
Record = TypeVar("Record", Deployment, Incident)
_NDJSON = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_PARQUET = (".parquet",)
FILES = (*_NDJSON, *_PARQUET)
"""The endings of the files that can be read."""
_MOST_ERRORS_NAMED = 5
_WORDINGS = {"string_pattern_mismatch": "must be 7 to 64 hexadecimal digits"}


def read_records(organization: str | None, deployments: Rows, incidents: Rows | None = None) -> HeldRecords:
    """The records of files and frames.

    Raises `InvalidRecords`, and `RecordsUnavailable` where a file cannot be read.
    """
    found = _Found(organization)
    found.take_all(deployments, RowType.DEPLOYMENT)
    if incidents is not None:
        found.take_all(incidents, RowType.INCIDENT)
    tables = found.tables()
    if found.errors:
        more = len(found.errors) - _MOST_ERRORS_NAMED
        named = [*found.errors[:_MOST_ERRORS_NAMED], *([f"and {more} more"] if more > 0 else [])]
        raise InvalidRecords("; ".join(named))
    return HeldRecords(tables, Position(max(table.num_rows for table in tables.values()), "file"))


class _Found:
    """What the rows have said so far, and what was wrong with them."""

    def __init__(self, organization: str | None) -> None:
        self.errors: list[str] = []
        self._organization = organization
        self._deployments: dict[tuple[object, ...], tuple[int, Deployment]] = {}
        self._incidents: dict[tuple[object, ...], tuple[int, Incident]] = {}
        self._teams: dict[tuple[RepositoryIdentity, str], str | None] = {}
        self._settings: Settings | None = None

    def take_all(self, source: Rows, default: RowType) -> None:
        """Every row of a file or a frame."""
        for number, row in enumerate(_rows(source), start=1):
            with self._noting(number):
                if row is None:
                    raise ValueError("is no JSON object")
                if self._organization is None or row.get("organization") in (None, self._organization):
                    # Lines of an export say what they are; a frame may have such a column of its own.
                    named = row.get("type") if isinstance(source, Path) else None
                    self._take(number, row, RowType(named or default))

    def _take(self, number: int, row: Row, row_type: RowType) -> None:
        match row_type:
            case RowType.DEPLOYMENT:
                deployment = Deployment.model_validate(row)
                _merge(self._deployments, number, deployment)
                self._name(deployment.repository, deployment.service)
            case RowType.INCIDENT:
                incident = Incident.model_validate(row)
                _merge(self._incidents, number, incident)
                if incident.repository is not None:
                    self._name(incident.repository, incident.service)
            case RowType.REPOSITORY:
                named = RepositoryTeam.model_validate(row)
                self._name(named.repository, named.service)
                self._teams[named.repository, named.service] = named.team
            case RowType.SETTINGS:
                self._settings = Settings.model_validate(row)

    def _name(self, repository: RepositoryIdentity, service: str) -> None:
        self._teams.setdefault((repository, ""), None)
        self._teams.setdefault((repository, service), None)

    @contextmanager
    def _noting(self, number: int) -> Iterator[None]:
        try:
            yield
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            said = _WORDINGS.get(first["type"], first["msg"].removeprefix("Value error, "))
            self.errors.append(f"row {number}: {where}: {said}")
        except ValueError as error:
            self.errors.append(f"row {number}: {error}")

    def tables(self) -> Mapping[str, pa.Table]:
        """What a record database would give. What is wrong with a record as a whole is noted."""
        repositories = [
            {**placed(repository, service), "team": team}
            for (repository, service), team in self._teams.items()
        ]
        settings = [] if self._settings is None else [self._settings.columns()]
        return {
            "deployments": self._table("deployments", self._columns(self._deployments)),
            "incidents": self._table("incidents", self._columns(self._incidents)),
            "repositories": self._table("repositories", enumerate(repositories, start=1)),
            "organization_settings": self._table("organization_settings", enumerate(settings, start=1)),
        }

    def _columns(self, records: Mapping[Any, tuple[int, Deployment | Incident]]) -> Iterator[tuple[int, Row]]:
        for number, record in records.values():
            if not record.deleted:
                with self._noting(number):
                    yield number, record.columns()

    def _table(self, name: str, numbered: Iterable[tuple[int, Row]]) -> pa.Table:
        rows = []
        for number, columns in numbered:
            version = {
                "revision": number,
                "superseded_revision": None,
                "first_revision": number,
                "recorded_at": None,
                "recorded_by": None,
                "organization": self._organization or "",
                "id": columns.get("id") or f"row-{number}",
            }
            row = {**columns, **version}
            rows.append([_stored(row[column]) for column in PULLED[name]])
        return pulled_table(name, rows)


def _stored(value: object) -> object:
    """Flags as a database gives them."""
    return int(value) if isinstance(value, bool) else value


def _merge(records: dict[tuple[object, ...], tuple[int, Record]], number: int, record: Record) -> None:
    """Several rows may be of one record; it keeps the place of its first."""
    key = record.key(number)
    first, earlier = records.get(key, (number, None))
    records[key] = first, record if earlier is None else record.after(earlier)


def _rows(source: Rows) -> Iterator[Row | None]:
    """The rows of a file or a frame, None where a line is none. Raises `RecordsUnavailable`."""
    if not isinstance(source, Path):
        yield from _frame_rows(source)
        return
    is_ndjson = source.name.lower().endswith(_NDJSON)
    try:
        yield from _lines(source) if is_ndjson else _frame_rows(pl.scan_parquet(source))
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        raise RecordsUnavailable(f"{source} cannot be read: {error}") from error


def _frame_rows(frame: pl.DataFrame | pl.LazyFrame) -> Iterator[Row]:
    yield from frame.lazy().collect().iter_rows(named=True)


def _lines(file: Path) -> Iterator[Row | None]:
    with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as lines:
        for line in lines:
            if line.strip():
                yield _parsed(line)


def _parsed(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
