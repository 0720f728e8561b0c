"""Brings the lake to the head of the record database: each version once, whenever it is cut off."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metrics.engine.pulled_tables import START, Position
from metrics.engine.record_databases import DatabaseRecords
from metrics.lake.layout import (
    MANIFEST,
    PENDING,
    SCHEMAS,
    SELECTED,
    File,
    Lake,
    Manifest,
    Pending,
    at,
    at_start,
    widest,
)

_MOST_FILES = 8
"""More files of a month are made one."""
_COMPRESSION = "zstd"


@dataclass(slots=True)
class Synced:
    """What a sync has written."""

    go_on: Callable[[], None]
    revision: int = 0
    organizations: int = 0
    versions: int = 0
    files: int = 0
    began_anew: bool = False
    touched: set[str] = field(default_factory=set)


def sync(records: DatabaseRecords, lake: Lake, go_on: Callable[[], None] = lambda: None) -> Synced:
    """Write what is recorded since the last sync, and go on with one that was cut off.

    `go_on` is called again and again, before what comes next is written: to renew a lock, or to stop it.

    One at a time: two syncs of a lake would remove each other's files. A lake that has followed another
    history, of a database that was restored or replaced, begins anew. Raises `RecordsUnavailable`, `OSError`.
    """
    done, manifest = Synced(go_on), _begun(records, lake)
    done.began_anew = manifest.revision == 0
    # One that was cut off, and one to where the records end by then: what comes meanwhile is the next one's.
    for _ in range(2):
        pending = _next(records, lake, manifest)
        if pending is None:
            break
        _write_until(records, lake, manifest, pending, done)
        manifest = at(manifest, pending)
        lake.write(MANIFEST, manifest)
        lake.forget(PENDING)
    for folder in sorted(done.touched):
        done.go_on()
        _compact(lake, folder)
    done.revision = manifest.revision
    return done


def _begun(records: DatabaseRecords, lake: Lake) -> Manifest:
    """The lake's manifest; an empty one, of a lake that is empty, where this is none of its history."""
    manifest = lake.manifest()
    if manifest is None or not _holds(records, manifest):
        manifest = at_start(uuid.uuid4().hex)
        lake.forget(PENDING)
        lake.write(MANIFEST, manifest)
    pending = lake.pending()
    if pending is None and manifest.revision == 0:
        lake.remove_everything()
    elif pending is not None and not _holds(records, pending):
        # Of a history that is no more.
        for table in SELECTED:
            lake.remove_after(f"{lake.root}/{table}", manifest.revision)
        lake.forget(PENDING)
    return manifest


def _holds(records: DatabaseRecords, said: Manifest | Pending) -> bool:
    with records.snapshot() as snapshot:
        return snapshot.holds(Position(said.revision, said.record_id))


def _next(records: DatabaseRecords, lake: Lake, manifest: Manifest) -> Pending | None:
    """The sync that was cut off, else one to where the records end now; None where the lake is there."""
    pending = lake.pending()
    if pending is not None and pending.revision > manifest.revision:
        return pending
    with records.snapshot() as snapshot:
        head = snapshot.head()
    if head == START or head.revision <= manifest.revision:
        return None
    return Pending(head.revision, head.record_id, "")


def _write_until(
    records: DatabaseRecords, lake: Lake, manifest: Manifest, pending: Pending, done: Synced
) -> None:
    # From here on there may be something to remove.
    lake.write(PENDING, pending)
    with records.snapshot() as snapshot:
        # In an order of its own: a database's may be another, and a sync that is gone on with skips by it.
        organizations = sorted(snapshot.organizations_since(manifest.revision))
    for organization in organizations:
        if organization <= pending.done:
            continue
        with records.of(organization).snapshot() as snapshot:
            for table, columns in SELECTED.items():
                rows = snapshot.versions(table, columns, manifest.revision, pending.revision)
                _write(lake, table, organization, manifest.revision, pending.revision, rows, done)
        done.organizations += 1
        lake.write(PENDING, Pending(pending.revision, pending.record_id, organization))


def _write(
    lake: Lake, table: str, organization: str, after: int, until: int, rows: Iterator[pa.Table], done: Synced
) -> None:
    """Write versions of an organization, a file a month: they come in the order of their recording."""
    lake.remove_after(lake.folder(table, organization), after)
    writing: _Writing | None = None
    latest = 0
    for piece in rows:
        done.go_on()
        # What was taken over from elsewhere may run backwards: a month does not begin again.
        reached = pc.cumulative_max(piece["recorded_at"], start=latest)
        latest = reached[-1].as_py()
        months = pc.strftime(_instants(reached), "%Y-%m")
        for month in pc.unique(months).to_pylist():
            part = piece.filter(pc.equal(months, month))
            if writing is None or writing.month != month:
                if writing is not None:
                    writing.close()
                writing = _Writing(lake, table, organization, month, int(part["revision"][0].as_py()), until)
                done.files += 1
                done.touched.add(lake.folder(table, organization, month))
            writing.add(part)
            done.versions += part.num_rows
    if writing is not None:
        writing.close()


class _Writing:
    """A file that is being written; it is there when it is closed, and not before."""

    def __init__(self, lake: Lake, table: str, organization: str, month: str, first: int, until: int) -> None:
        self.month, self._lake, self._schema = month, lake, SCHEMAS[table]
        folder = lake.folder(table, organization, month)
        self._path = File.of(folder, first, until).path
        lake.make_folder(folder)
        self._writer = _writer(lake, self._path, self._schema)

    def add(self, rows: pa.Table) -> None:
        self._writer.write_table(_as_stored(rows, self._schema))

    def close(self) -> None:
        self._writer.close()
        self._lake.finish(self._path)


def _writer(lake: Lake, path: str, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(lake.unfinished(path), schema, filesystem=lake.files, compression=_COMPRESSION)


def _as_stored(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Versions as the lake has them: instants for microseconds, and whether one ends its record."""
    deleted = pc.fill_null(pc.equal(rows["superseded_revision"], rows["revision"]), fill_value=False)
    columns = [
        deleted if name == "deleted" else rows[name].cast(schema.field(name).type) for name in schema.names
    ]
    return pa.table(columns, schema=schema)


def _instants(microseconds: pa.ChunkedArray) -> pa.ChunkedArray:
    return microseconds.cast(pa.timestamp("us", "UTC"))


def _compact(lake: Lake, folder: str) -> None:
    """Remove what an earlier sync has made one file of, and make one of many.

    Those stay until the next time, for whoever has listed them and reads them just now.
    """
    files = lake.all_files(folder)
    kept = widest(files)
    for file in files:
        if file not in kept:
            lake.files.delete_file(file.path)
    if len(kept) > _MOST_FILES:
        whole = kept[0].as_wide_as(kept)
        with _writer(lake, whole.path, pq.read_schema(kept[0].path, filesystem=lake.files)) as writer:
            for file in kept:
                writer.write_table(pq.read_table(file.path, filesystem=lake.files, partitioning=None))
        lake.finish(whole.path)
