"""Everything that an organization has recorded, as lines that `tracker import` takes in again."""

import heapq
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, select

from tracker.deployments.service import RecordedDeployment
from tracker.incidents.service import RecordedIncident
from tracker.records.ledger import Version
from tracker.records.tables import (
    DEPLOYMENTS,
    INCIDENTS,
    ORGANIZATION_SETTINGS,
    PUSHES,
    RECORDED,
    REPOSITORIES,
    is_current,
)
from tracker.transfer.schemas import LineType, deployment_fields, incident_fields, push_fields, version_fields

_ROWS_AT_ONCE = 1_000
_NAMED, _NAMING = (REPOSITORIES, ORGANIZATION_SETTINGS), (DEPLOYMENTS, INCIDENTS, PUSHES)


def export_lines(connection: Connection, organization: str, *, all_versions: bool) -> Iterator[bytes]:
    """The organization's lines, in the order in which an import has to record them.

    Current versions come in the order in which things were first recorded, after the repositories that
    they name; all versions in their own. That order decides between two deployments that finished at the
    same moment.
    """
    stages: list[tuple[Table, ...]] = [RECORDED] if all_versions else [_NAMED, _NAMING]
    for tables in stages:
        rows = [_rows(connection, table, organization, all_versions) for table in tables]
        for _, table_name, row in heapq.merge(*rows, key=lambda entry: entry[0]):
            yield _line(table_name, row, with_history=all_versions)


def _rows(
    connection: Connection, table: Table, organization: str, all_versions: bool
) -> Iterator[tuple[int, str, Row[Any]]]:
    columns = table.c
    order = columns.revision if all_versions else columns.first_revision
    query = select(table).where(columns.organization == organization).order_by(order)
    if not all_versions:
        query = query.where(is_current(columns))
    for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
        yield row._mapping[order], table.name, row


def _line(table_name: str, row: Row[Any], *, with_history: bool) -> bytes:
    fields = version_fields(Version.from_columns(row._mapping), with_history=with_history)
    fields = _fields(table_name, row) | fields
    return msgspec.json.encode({"type": fields.pop("type"), **fields}) + b"\n"


def _fields(table_name: str, row: Row[Any]) -> dict[str, Any]:
    if table_name == DEPLOYMENTS.name:
        return deployment_fields(RecordedDeployment.from_row(row))
    if table_name == INCIDENTS.name:
        return incident_fields(RecordedIncident.from_row(row))
    if table_name == REPOSITORIES.name:
        named = ("repository_url", "service", "team", "aliases")
        return {"type": LineType.REPOSITORY} | {name: row._mapping[name] for name in named}
    if table_name == PUSHES.name:
        return push_fields(dict(row._mapping))
    own = [column.name for column in ORGANIZATION_SETTINGS.c if column.name not in Version.__annotations__]
    return {"type": LineType.SETTINGS} | {name: row._mapping[name] for name in own}
