"""What runs on an executor: the library, on an organization's versions as Arrow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from metrics.definitions.catalog import CATALOG, load_registered
from metrics.engine.parts import OF_PARTS, part_of
from metrics.engine.pulled_tables import DETAILED, PULLED, HeldRecords, Kind, Position
from metrics.engine.store import Store
from metrics.lake.layout import SCHEMAS, SELECTED
from metrics.lake.reading import as_recorded
from metrics.library.stored import StoredLibrary
from metrics.spark.versions import TABLE, Columns

REST = 0
"""The number of what is of an organization as a whole: its parts are numbered from 1."""

PIECES = pa.schema([("organization", pa.string()), ("table", pa.string()), ("rows", pa.binary())])
"""Rows of one table of an organization that is worked out in parts, as an Arrow stream."""
_ROWS_OF_A_PIECE = 50_000

Tables = Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric with its parameters, asked at a moment."""

    metric: str
    parameters: Mapping[str, Any]
    at: datetime

    @property
    def needed(self) -> Columns:
        """Of each table the columns that it may look at: one that chooses its rows sees what views show."""
        if not self._shows_details:
            return PULLED
        return {table: {**columns, **DETAILED.get(table, {})} for table, columns in PULLED.items()}

    def schema(self) -> pa.Schema:
        """The columns of its answers. Raises `ParameterError`."""
        return self._answered("", Store(_held(_none("", SELECTED)))).schema

    def of_the_whole(self, versions: pa.Table) -> pa.Table:
        """What an organization is answered, of all its versions."""
        load_registered()
        organization = str(versions["organization"][0].as_py())
        store = Store(_held(self._recorded(organization, versions)), threads=_cores_of_the_task())
        return self._answered(organization, store)

    def of_a_part(self, versions: pa.Table) -> pa.Table:
        """What a part of an organization comes to, as pieces: of the rest its records, as they are."""
        load_registered()
        organization, part = (versions[name][0].as_py() for name in ("organization", "part"))
        tables = self._recorded(organization, versions)
        if part != REST:
            with Store(_held(tables), threads=_cores_of_the_task()) as store:
                tables = store.read(part_of, with_details=self._shows_details)
        return _pieces(organization, tables)

    def of_all_parts(self, pieces: pa.Table, divided: Mapping[str, Sequence[str]]) -> pa.Table:
        """What an organization is answered, of all its pieces; `divided` as a `Division` has them."""
        load_registered()
        organization = str(pieces["organization"][0].as_py())
        of_parts = pc.is_in(pieces["table"], pa.array(OF_PARTS))
        rest = [_none(organization, self.needed)]
        rest += [{table: rows} for table, rows in _unpacked(pieces.filter(pc.invert(of_parts)))]
        tables = {
            table: pa.concat_tables(found[table] for found in rest if table in found) for table in rest[0]
        }
        store = Store(_held(tables), threads=_cores_of_the_task())
        store.put_together(_unpacked(pieces.filter(of_parts)), divided.get(organization, ()))
        return self._answered(organization, store)

    @property
    def _shows_details(self) -> bool:
        return CATALOG[self.metric].selection is not None

    def _recorded(self, organization: str, versions: pa.Table) -> Tables:
        """The versions by their tables, as a record database gives them."""
        return {
            table: _versions_of(table, organization, versions, wanted)
            for table, wanted in self.needed.items()
        }

    def _answered(self, organization: str, store: Store) -> pa.Table:
        """The metric's table, after a column with the organization."""
        with StoredLibrary(store, organization, asked_at=self.at) as library:
            table = library.metric(self.metric, **self.parameters).to_arrow(compat_level=None)
        named = pa.array([organization] * table.num_rows, pa.string())
        return _plain(table.add_column(0, "organization", named))


def _none(organization: str, columns: Columns) -> Tables:
    return {
        table: as_recorded(wanted, organization, SCHEMAS[table].empty_table())
        for table, wanted in columns.items()
    }


def _held(tables: Tables) -> HeldRecords:
    return HeldRecords(tables, Position(1, "lake"), lambda table: tables[table].select(list(DETAILED[table])))


def _cores_of_the_task() -> int:
    """What Spark has given the task of its executor's cores: by `spark.task.cpus`, else one."""
    from pyspark import TaskContext

    task = TaskContext.get()
    return 1 if task is None else int(task.cpus())


def _versions_of(table: str, organization: str, versions: pa.Table, wanted: Mapping[str, Kind]) -> pa.Table:
    """A table's versions with the columns that a record database gives, each once."""
    found = versions.filter(pc.equal(versions[TABLE], table))
    if found.num_rows:
        # While files are made one, a version is in two of them.
        first = found.append_column("place", pa.array(range(found.num_rows))).group_by("revision")
        found = found.take(first.aggregate([("place", "min")])["place_min"])
    columns = {
        field.name: found[field.name].cast(field.type)
        if field.name in found.column_names
        else pa.nulls(found.num_rows, field.type)
        for field in SCHEMAS[table]
        if field.name in wanted or field.name == "deleted"
    }
    return as_recorded(wanted, organization, pa.table(columns))


def _pieces(organization: str, tables: Tables) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"organization": organization, "table": table, "rows": _packed(rows)}
            for table, whole in tables.items()
            for rows in whole.to_batches(max_chunksize=_ROWS_OF_A_PIECE)
        ],
        PIECES,
    )


def _packed(rows: pa.RecordBatch) -> bytes:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, rows.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(rows)
    return bytes(stream.getvalue())


def _unpacked(pieces: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    for table, rows in zip(pieces["table"], pieces["rows"], strict=True):
        with pa.ipc.open_stream(rows.as_buffer()) as reader:
            yield table.as_py(), reader.read_all()


def _plain(table: pa.Table) -> pa.Table:
    """With types that Spark has: short texts, and instants in UTC."""
    fields = [pa.field(field.name, _plain_type(field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return pa.timestamp("us", "UTC") if pa.types.is_timestamp(kind) else kind
