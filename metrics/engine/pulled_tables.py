"""What the store pulls: the tables with their columns, as they were at one moment."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

import pyarrow as pa

from metrics.domain.errors import ParameterError


class Kind(Enum):
    """What a column of the record database holds, and how Arrow carries it."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    JSON = "json"

    def array(self, values: Sequence[object]) -> pa.Array:
        """A column of such values; flags come in as 0 and 1."""
        if self is Kind.FLAG:
            return pa.array(values, pa.int64()).cast(pa.bool_())
        return pa.array(values, pa.int64() if self is Kind.NUMBER else pa.string())


_VERSION = {
    "revision": Kind.NUMBER,
    "superseded_revision": Kind.NUMBER,
    "first_revision": Kind.NUMBER,
    "organization": Kind.TEXT,
    "id": Kind.TEXT,
}
# The tables of the record database, and of each the columns that the metrics need.
PULLED: Mapping[str, Mapping[str, Kind]] = {
    "repositories": {
        **_VERSION,
        "repository_key": Kind.TEXT,
        "repository_host": Kind.TEXT,
        "repository_path": Kind.TEXT,
        "service": Kind.TEXT,
        "service_key": Kind.TEXT,
        "team": Kind.TEXT,
        "team_key": Kind.TEXT,
        "aliases": Kind.JSON,
    },
    "deployments": {
        **_VERSION,
        "repository_key": Kind.TEXT,
        "service": Kind.TEXT,
        "service_key": Kind.TEXT,
        "environment": Kind.TEXT,
        "environment_key": Kind.TEXT,
        "production": Kind.FLAG,
        "status": Kind.TEXT,
        "commit_id": Kind.TEXT,
        "version": Kind.TEXT,
        "branch": Kind.TEXT,
        "started_at": Kind.NUMBER,
        "finished_at": Kind.NUMBER,
        "is_fix": Kind.FLAG,
        "is_hotfix": Kind.FLAG,
        "is_rollback": Kind.FLAG,
        "remediates": Kind.TEXT,
        "team": Kind.TEXT,
        "team_key": Kind.TEXT,
        "deployment_node_id": Kind.TEXT,
        "commits": Kind.JSON,
        "labels": Kind.JSON,
    },
    "incidents": {
        **_VERSION,
        "started_at": Kind.NUMBER,
        "resolved_at": Kind.NUMBER,
        "environment": Kind.TEXT,
        "environment_key": Kind.TEXT,
        "repository_key": Kind.TEXT,
        "service": Kind.TEXT,
        "service_key": Kind.TEXT,
        "deployment": Kind.TEXT,
        "commit_id": Kind.TEXT,
        "change_related": Kind.FLAG,
        "labels": Kind.JSON,
    },
    "pushes": {
        **_VERSION,
        "repository_key": Kind.TEXT,
        "before": Kind.TEXT,
        "after": Kind.TEXT,
        "commits": Kind.JSON,
    },
    "organization_settings": {
        **_VERSION,
        "recorded_at": Kind.NUMBER,
        "recorded_by": Kind.TEXT,
        "timezone": Kind.TEXT,
        "production_environments": Kind.JSON,
        "failure_signals": Kind.JSON,
        "attribution_gap_days": Kind.NUMBER,
        "benchmark": Kind.NUMBER,
    },
}

RECORDING = {"created_at": Kind.NUMBER, "recorded_at": Kind.NUMBER, "recorded_by": Kind.TEXT}
# What views show of a table beside that: no figure depends on it, so it is pulled when a view is asked for.
DETAILS: Mapping[str, Mapping[str, Kind]] = {
    "deployments": {
        "repository_url": Kind.TEXT,
        "title": Kind.TEXT,
        "url": Kind.TEXT,
        "changelog": Kind.TEXT,
        "is_forced": Kind.FLAG,
        "commits_count": Kind.NUMBER,
        "pull_request_number": Kind.NUMBER,
        "member_id": Kind.TEXT,
        "triggered_by": Kind.TEXT,
        **RECORDING,
    },
    "incidents": {
        "repository_url": Kind.TEXT,
        "key": Kind.TEXT,
        "title": Kind.TEXT,
        "severity": Kind.TEXT,
        "url": Kind.TEXT,
        **RECORDING,
    },
}
_SAME_VERSION = {name: _VERSION[name] for name in ("revision", "superseded_revision", "id")}
DETAILED: Mapping[str, Mapping[str, Kind]] = {
    table: {**_SAME_VERSION, **columns} for table, columns in DETAILS.items()
}
"""The columns in which details are pulled."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the history of a record database: a revision, and the id of the record that has it."""

    revision: int
    record_id: str


START = Position(0, "")


Rows = Sequence[Sequence[Any]]


def arrow_table(columns: Mapping[str, Kind], rows: Rows) -> pa.Table:
    """Rows with these columns, in their order, as Arrow."""
    by_column = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return pa.table(
        [kind.array(values) for kind, values in zip(columns.values(), by_column, strict=True)],
        names=list(columns),
    )


class RecordSnapshot(Protocol):
    """Records as they were at one moment."""

    def head(self) -> Position:
        """The last revision there is."""
        ...

    def holds(self, position: Position) -> bool:
        """Whether this history has passed through the position."""
        ...

    def organizations(self) -> Sequence[str]:
        """The organizations of which anything is recorded, in order."""
        ...

    def rows(self, table: str, after: int) -> Iterator[pa.Table]:
        """The versions of a table with a revision after the one given, some at a time, in their order."""
        ...

    def details(self, table: str, after: int) -> Iterator[pa.Table]:
        """The same versions of a table that has details, with the columns of `DETAILED`."""
        ...


class HeldRecords:
    """Records that nobody writes to: they are all there from the beginning."""

    def __init__(
        self,
        tables: Mapping[str, pa.Table],
        head: Position,
        details: Callable[[str], pa.Table] = lambda table: arrow_table(DETAILED[table], ()),
    ) -> None:
        """`details` reads those of a table, when they are asked for."""
        self._tables, self._head, self._details = tables, head, details

    @contextmanager
    def snapshot(self) -> Iterator["HeldRecords"]:
        yield self

    def close(self) -> None:
        """Do nothing: no connection is open."""

    def of(self, _: str) -> "HeldRecords":
        """They are of one organization already."""
        return self

    def position_at(self, _: datetime) -> Position:
        """Files and frames have no history. Raises `ParameterError`."""
        raise ParameterError([("as_of", "cannot be asked of records without a history")])

    def past(self, _: str, __: Position) -> "HeldRecords":
        """Never asked: `position_at` has refused. Raises `NotImplementedError`."""
        raise NotImplementedError

    def head(self) -> Position:
        return self._head

    def holds(self, position: Position) -> bool:
        return position in (START, self._head)

    def organizations(self) -> Sequence[str]:
        named = (table["organization"].unique().to_pylist() for table in self._tables.values())
        return sorted({name for names in named for name in names})

    def rows(self, table: str, after: int) -> Iterator[pa.Table]:
        if after == START.revision:
            yield self._tables[table]

    def details(self, table: str, after: int) -> Iterator[pa.Table]:
        if after == START.revision:
            yield self._details(table)


class RecordDatabase(Protocol):
    """Records that can be followed: those of all organizations, or of one."""

    def of(self, organization: str) -> "RecordDatabase":
        """Those of one of the organizations alone: it costs what they do."""
        ...

    def snapshot(self) -> AbstractContextManager[RecordSnapshot]:
        """One read transaction; it neither blocks a writer nor waits for one. Raises `RecordsUnavailable`."""
        ...

    def position_at(self, as_of: datetime) -> Position:
        """The last revision that was recorded by an instant, `START` where none was. Safe from any thread.

        Raises `RecordsUnavailable`, and `ParameterError` where there is no history.
        """
        ...

    def past(self, organization: str, position: Position) -> HeldRecords:
        """What an organization had recorded at a position. Safe from any thread.

        Raises `RecordsUnavailable`.
        """
        ...

    def close(self) -> None: ...
