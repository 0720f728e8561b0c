"""The figures of all organizations of a lake at once, by Spark: each by the same library, on an executor.

No definition is written twice: an organization's records go to an executor as Arrow, where the metric is
answered as it is everywhere. docs/scale.md
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from metrics.definitions.catalog import CATALOG, load_registered
from metrics.domain.errors import RecordsUnavailable
from metrics.engine.pulled_tables import DETAILED, PULLED, HeldRecords, Kind, Position
from metrics.engine.store import Store
from metrics.lake.layout import SCHEMAS, SELECTED, Lake, Manifest
from metrics.lake.reading import as_recorded
from metrics.library.stored import StoredLibrary

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TABLE = "table_of_the_lake"


def figures(session: "SparkSession", lake: str, metric: str, **parameters: Any) -> "DataFrame":
    """A metric of every organization: the rows of `Library.metric`, after a column `organization`.

    The parameters are the metric's own. All is asked of the revision that the lake's manifest names, and at
    one moment. The executors need this package, with its extra `library`. Raises `ParameterError`,
    `RecordsUnavailable`.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    load_registered()
    manifest = Lake.at(lake).manifest()
    if manifest is None or not manifest.revision:
        raise RecordsUnavailable(f"there is no lake at {lake}, or nothing in it")
    asked_at = datetime.now(UTC)
    # What is wrong with the parameters is said here, and not by an executor.
    schema = _answer("", _no_records(), metric, parameters, asked_at).schema
    records = _records(session, lake, manifest, _needed(metric))
    return records.groupBy("organization").applyInArrow(
        _answering(metric, parameters, asked_at), from_arrow_schema(schema)
    )


Columns = Mapping[str, Mapping[str, Kind]]


def _needed(metric: str) -> Columns:
    """Of each table the columns that a metric may look at: one that chooses its rows sees what views show."""
    if CATALOG[metric].selection is None:
        return PULLED
    return {table: {**columns, **DETAILED.get(table, {})} for table, columns in PULLED.items()}


def _records(session: "SparkSession", lake: str, manifest: Manifest, columns: Columns) -> "DataFrame":
    """The versions of all tables as one frame: an organization's go to one executor together."""
    from pyspark.sql import functions as F  # noqa: N812 - everybody calls it so
    from pyspark.sql.pandas.types import from_arrow_schema

    place, root = Lake.at(lake), lake.rstrip("/")
    frames = []
    for table, schema in SCHEMAS.items():
        if place.all_files(f"{place.root}/{table}"):
            needed = [name for name in schema.names if name in columns[table] or name == "deleted"]
            # What a folder is called is a text, whatever it looks like.
            whole = schema.append(pa.field("organization", pa.string())).append(
                pa.field("month", pa.string())
            )
            versions = session.read.schema(from_arrow_schema(whole)).parquet(f"{root}/{table}")
            kept = versions.where(F.col("revision") <= manifest.revision)
            frames.append(kept.select(F.lit(table).alias(_TABLE), "organization", *needed))
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)


def _answering(
    metric: str, parameters: Mapping[str, Any], asked_at: datetime
) -> Callable[[pa.Table], pa.Table]:
    """What runs on an executor, an organization at a time."""

    def answer(versions: pa.Table) -> pa.Table:
        load_registered()
        organization = str(versions["organization"][0].as_py())
        tables = {
            table: _versions_of(table, organization, versions, wanted)
            for table, wanted in _needed(metric).items()
        }
        return _answer(organization, tables, metric, parameters, asked_at, threads=_cores_of_the_task())

    return answer


def _cores_of_the_task() -> int:
    """What Spark has given the task of its executor's cores: by `spark.task.cpus`, else one."""
    from pyspark import TaskContext

    task = TaskContext.get()
    return 1 if task is None else int(task.cpus())


def _versions_of(table: str, organization: str, versions: pa.Table, wanted: Mapping[str, Kind]) -> pa.Table:
    """A table's versions with the columns that a record database gives, each once."""
    found = versions.filter(pc.equal(versions[_TABLE], table))
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


def _no_records() -> Mapping[str, pa.Table]:
    return {
        table: as_recorded(columns, "", SCHEMAS[table].empty_table()) for table, columns in SELECTED.items()
    }


def _answer(
    organization: str,
    tables: Mapping[str, pa.Table],
    metric: str,
    parameters: Mapping[str, Any],
    asked_at: datetime,
    *,
    threads: int = 1,
) -> pa.Table:
    """The metric's table, after a column with the organization."""
    details = lambda table: tables[table].select(list(DETAILED[table]))  # noqa: E731
    records = HeldRecords(tables, Position(1, "lake"), details)
    store = Store(records, threads=threads)
    with StoredLibrary(store, organization, asked_at=asked_at) as library:
        table = library.metric(metric, **parameters).to_arrow(compat_level=None)
    named = pa.array([organization] * table.num_rows, pa.string())
    return _plain(table.add_column(0, "organization", named))


def _plain(table: pa.Table) -> pa.Table:
    """With types that Spark has: short texts, and instants in UTC."""
    fields = [pa.field(field.name, _plain_type(field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return pa.timestamp("us", "UTC") if pa.types.is_timestamp(kind) else kind
