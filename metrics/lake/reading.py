"""Reads an organization's records out of the lake, as they would be read out of the record database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metrics.domain.errors import RecordsUnavailable
from metrics.domain.instants import to_microseconds
from metrics.engine.pulled_tables import DETAILED, PULLED, START, HeldRecords, Kind, Position
from metrics.lake.layout import SCHEMAS, SELECTED, Lake, Manifest

_ROWS_AT_ONCE = 50_000
_MOST_LISTINGS = 5


class LakeSnapshot:
    """The lake as it was when its manifest was read. Positions are of the history that it follows."""

    def __init__(self, lake: Lake, manifest: Manifest, organization: str | None) -> None:
        self._lake, self._manifest, self._organization = lake, manifest, organization

    def head(self) -> Position:
        return Position(self._manifest.revision, self._manifest.history)

    def holds(self, position: Position) -> bool:
        same = position.record_id == self._manifest.history
        return position == START or (same and position.revision <= self._manifest.revision)

    def organizations(self) -> Sequence[str]:
        return self._lake.organizations()

    def rows(self, table: str, after: int) -> Iterator[pa.Table]:
        return self._recorded(table, PULLED[table], after)

    def details(self, table: str, after: int) -> Iterator[pa.Table]:
        return self._recorded(table, DETAILED[table], after)

    def _recorded(self, table: str, columns: Mapping[str, Kind], after: int) -> Iterator[pa.Table]:
        return (as_recorded(columns, self._name(), versions) for versions in self.versions(table, after))

    def versions(self, table: str, after: int, until: int | None = None) -> Iterator[pa.Table]:
        """The versions with a revision after one and up to another, as they are stored, in their order."""
        until = self._manifest.revision if until is None else min(until, self._manifest.revision)
        for attempt in range(_MOST_LISTINGS):
            try:
                for piece in self._listed(table, after, until):
                    yield piece
                    after = max(after, piece["revision"][-1].as_py() if piece.num_rows else 0)
                return
            except FileNotFoundError:
                # A sync has made one of several files, and another has removed them: that one has all.
                if attempt == _MOST_LISTINGS - 1:
                    raise

    def _listed(self, table: str, after: int, until: int) -> Iterator[pa.Table]:
        folder = self._lake.folder(table, self._name())
        for file in self._lake.valid_files(folder, until):
            if file.last <= after:
                continue
            with pq.ParquetFile(file.path, filesystem=self._lake.files) as content:
                for batch in content.iter_batches(_ROWS_AT_ONCE):
                    found = pa.table(batch)
                    is_after = pc.greater(found["revision"], after)
                    yield found.filter(pc.and_(is_after, pc.less_equal(found["revision"], until)))

    def _name(self) -> str:
        assert self._organization is not None, "records are read of one organization"
        return self._organization


class LakeRecords:
    """The records of a lake: of all organizations, or of one."""

    def __init__(self, lake: Lake, organization: str | None = None) -> None:
        self._lake, self._organization = lake, organization

    def of(self, organization: str) -> "LakeRecords":
        return LakeRecords(self._lake, organization)

    @contextmanager
    def snapshot(self, manifest: Manifest | None = None) -> Iterator[LakeSnapshot]:
        """The lake as it is, or as it was by a manifest that was read before. Raises `RecordsUnavailable`."""
        try:
            yield self._snapshot(manifest or self._lake.manifest())
        except (OSError, pa.ArrowException) as error:
            raise RecordsUnavailable(f"the lake cannot be read: {error}") from error

    def position_at(self, as_of: datetime) -> Position:
        """The last revision of the organization that was recorded by an instant."""
        with self.snapshot() as snapshot:
            revisions = [
                revision
                for table in SELECTED
                for versions in snapshot.versions(table, START.revision)
                if (revision := _last_by(versions, as_of)) is not None
            ]
            return Position(max(revisions), snapshot.head().record_id) if revisions else START

    def past(self, organization: str, position: Position) -> HeldRecords:
        def until_then(table: str, columns: Mapping[str, Kind]) -> pa.Table:
            with self.of(organization).snapshot() as snapshot:
                versions = snapshot.versions(table, START.revision, position.revision)
                none = SCHEMAS[table].empty_table()
                return pa.concat_tables(
                    [as_recorded(columns, organization, piece) for piece in (none, *versions)]
                )

        tables = {table: until_then(table, columns) for table, columns in PULLED.items()}
        return HeldRecords(tables, position, lambda table: until_then(table, DETAILED[table]))

    def close(self) -> None:
        """Nothing is kept open."""

    def _snapshot(self, manifest: Manifest | None) -> LakeSnapshot:
        if manifest is None:
            raise RecordsUnavailable(f"there is no lake at {self._lake.root}: it has no manifest.json")
        return LakeSnapshot(self._lake, manifest, self._organization)


def _last_by(versions: pa.Table, as_of: datetime) -> int | None:
    known = versions.filter(pc.less_equal(versions["recorded_at"].cast(pa.int64()), to_microseconds(as_of)))
    last: int | None = pc.max(known["revision"]).as_py()
    return last


def as_recorded(wanted: Mapping[str, Kind], organization: str, versions: pa.Table) -> pa.Table:
    """Versions of an organization as they are stored, with columns as a record database gives them."""
    count, columns = versions.num_rows, []
    for name, kind in wanted.items():
        if name == "organization":
            column = pa.array([organization] * count, pa.string())
        elif name == "superseded_revision":
            column = pc.if_else(versions["deleted"], versions["revision"], pa.scalar(None, pa.int64()))
        else:
            column = versions[name].cast(kind.array([]).type)
        columns.append(column)
    return pa.table(columns, names=list(wanted))
