"""The versions that a lake holds, as frames of Spark's."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa

from metrics.engine.pulled_tables import PULLED, Kind, arrow_table
from metrics.lake.layout import SCHEMAS, Lake, Manifest
from metrics.lake.reading import LakeRecords

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TABLE = "table_of_the_lake"

Columns = Mapping[str, Mapping[str, Kind]]


class Versions:
    """The versions up to the manifest's revision, of each table the columns that are needed."""

    def __init__(self, session: "SparkSession", lake: str, manifest: Manifest, columns: Columns) -> None:
        self.session = session
        self._place, self._root = Lake.at(lake), lake.rstrip("/")
        self._manifest, self._columns = manifest, columns
        self._frames: dict[str, DataFrame] = {}

    def of(self, table: str) -> "DataFrame":
        """Those of a table, after the name of the table and the organization."""
        if table not in self._frames:
            self._frames[table] = self._frame(table)
        return self._frames[table]

    def _frame(self, table: str) -> "DataFrame":
        from pyspark.sql import functions as F  # noqa: N812 - everybody calls it so
        from pyspark.sql.pandas.types import from_arrow_schema

        schema = SCHEMAS[table]
        # What a folder is called is a text, whatever it looks like.
        for folder in ("organization", "month"):
            schema = schema.append(pa.field(folder, pa.string()))
        if self._place.all_files(f"{self._place.root}/{table}"):
            found = self.session.read.schema(from_arrow_schema(schema)).parquet(f"{self._root}/{table}")
        else:
            found = self.session.createDataFrame([], from_arrow_schema(schema))
        needed = [name for name in schema.names if name in self._columns[table] or name == "deleted"]
        kept = found.where(F.col("revision") <= self._manifest.revision)
        return kept.select(F.lit(table).alias(TABLE), *needed)

    def recorded(self, table: str, organizations: Sequence[str]) -> pa.Table:
        """Those of a small table of some organizations, here, as a record database gives them.

        Raises `RecordsUnavailable`.
        """
        found = [arrow_table(PULLED[table], ())]
        for organization in organizations:
            with LakeRecords(self._place, organization).snapshot(self._manifest) as snapshot:
                found += snapshot.rows(table, 0)
        return pa.concat_tables(found)

    def of_all(self, tables: Sequence[str] = tuple(SCHEMAS)) -> "DataFrame":
        """Those of several tables as one frame, with the columns that any of them has."""
        return together([self.of(table) for table in tables])


def together(frames: Sequence["DataFrame"]) -> "DataFrame":
    """The rows of all frames, with the columns that any of them has."""
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)
