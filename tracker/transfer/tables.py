"""Records as tables for analysts: the fields of an answer as typed columns, in batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_type_hints

import msgspec
import pyarrow as pa
from sqlalchemy import Connection, Row, Select

from tracker.deployments.schemas import DeploymentAnswer
from tracker.deployments.service import RecordedDeployment
from tracker.incidents.schemas import IncidentAnswer
from tracker.incidents.service import RecordedIncident

ROWS_AT_ONCE = 5_000
_INSTANT = pa.timestamp("us", "UTC")
_COLUMNS: dict[str, pa.DataType] = {
    "commits": pa.list_(pa.struct({"sha": pa.string(), "committed_at": _INSTANT})),
    "labels": pa.map_(pa.string(), pa.string()),
}
_TYPES: dict[Any, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    datetime: _INSTANT,
}


@dataclass(frozen=True, slots=True)
class RecordTable:
    """A kind of record as a table: the columns are those of its answers, of the same type every time."""

    name: str
    schema: pa.Schema
    answer: Callable[[Row[Any]], DeploymentAnswer | IncidentAnswer]

    def batches(self, connection: Connection, query: Select[Any]) -> Iterator[pa.RecordBatch]:
        """The rows of a query as batches, with no more than one of them in memory."""
        for rows in connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE)).partitions():
            answers = [msgspec.to_builtins(self.answer(row), builtin_types=[datetime]) for row in rows]
            for answer in answers:
                answer["labels"] = list(answer["labels"].items())
            yield pa.RecordBatch.from_pylist(answers, schema=self.schema)


def _schema(answer: type) -> pa.Schema:
    columns = {}
    for name, hint in get_type_hints(answer).items():
        kinds = getattr(hint, "__args__", (hint,))
        columns[name] = _COLUMNS.get(name) or _TYPES.get(kinds[0], pa.string())
    return pa.schema(list(columns.items()))


DEPLOYMENT_TABLE = RecordTable(
    "deployments",
    _schema(DeploymentAnswer),
    lambda row: DeploymentAnswer.of(RecordedDeployment.from_row(row)),
)
INCIDENT_TABLE = RecordTable(
    "incidents", _schema(IncidentAnswer), lambda row: IncidentAnswer.of(RecordedIncident.from_row(row))
)
