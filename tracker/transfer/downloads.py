"""`/api/v1/deployments/export` and `/api/v1/incidents/export`: what a filter lets through, as one file."""

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import msgspec
import pyarrow as pa
from litestar import get
from litestar.response import Stream
from pydantic import Field
from sqlalchemy import Select

from metrics.api.answers import FormatName, asked_format
from metrics.api.documents import documents
from metrics.wire.table_files import TableFormat, write_table
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.queries import select_deployments
from tracker.deployments.routes import PATH as DEPLOYMENTS_PATH
from tracker.deployments.routes import DeploymentFilterParameters, deployment_filter
from tracker.incidents.queries import select_incidents
from tracker.incidents.routes import PATH as INCIDENTS_PATH
from tracker.incidents.routes import IncidentFilterParameters, incident_filter
from tracker.transfer.tables import DEPLOYMENT_TABLE, INCIDENT_TABLE, RecordTable
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

DEPLOYMENTS_EXPORT = f"{DEPLOYMENTS_PATH}/export"
_JSON = "application/json"
_PIECE_BYTES = 1 << 18
_FORMAT = Field(None, description="json, csv, parquet or arrow; default by Accept, JSON.")


class ExportParameters(DeploymentFilterParameters):
    """The query parameters of an export of deployments."""

    format: FormatName | None = _FORMAT


class IncidentExportParameters(IncidentFilterParameters):
    """The query parameters of an export of incidents."""

    format: FormatName | None = _FORMAT


@get(
    DEPLOYMENTS_EXPORT,
    guards=[requires(Scope.DEPLOYMENTS_READ)],
    operation_class=documents(ExportParameters),
    opt={"tables": True},
    sync_to_thread=True,
)
def export_deployments(request: CallerRequest, service: Service) -> Stream:
    """Every deployment that the filter lets through, the oldest first, as a file of any length.

    JSON is `{"items": […]}`; the tables have the same fields as columns.
    """
    parameters = ExportParameters.read(request.query_params.multi_items())
    wanted = asked_format(request, parameters.format)
    query = select_deployments(deployment_filter(request, service, parameters))
    return _file(service, DEPLOYMENT_TABLE, query, wanted, "deployments")


@get(
    f"{INCIDENTS_PATH}/export",
    guards=[requires(Scope.DEPLOYMENTS_READ)],
    operation_class=documents(IncidentExportParameters),
    opt={"tables": True},
    sync_to_thread=True,
)
def export_incidents(request: CallerRequest, service: Service) -> Stream:
    """Every incident that the filter lets through, the first to start first, as deployments are exported."""
    parameters = IncidentExportParameters.read(request.query_params.multi_items())
    wanted = asked_format(request, parameters.format)
    query = select_incidents(incident_filter(request, service, parameters))
    return _file(service, INCIDENT_TABLE, query, wanted, "incidents")


def _file(
    service: Service, table: RecordTable, query: Select[Any], wanted: TableFormat | None, name: str
) -> Stream:
    file = tempfile.TemporaryFile()  # noqa: SIM115  # `_read` closes it
    # Written whole before the first byte is sent: a reader that is slow holds a file and no connection,
    # and a database that fails in the middle is answered as such.
    with service.engine.connect() as connection:
        file.writelines(_pieces(table, table.batches(connection, query), wanted))
    file.seek(0)
    ending = "json" if wanted is None else wanted.value
    return Stream(
        _read(file),
        media_type=_JSON if wanted is None else wanted.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{ending}"', "Vary": "Accept"},
    )


def _pieces(
    table: RecordTable, batches: Iterator[pa.RecordBatch], wanted: TableFormat | None
) -> Iterator[bytes]:
    if wanted is not None:
        return write_table(table.schema, batches, wanted)
    return _items(row for batch in batches for row in batch.to_pylist(maps_as_pydicts="strict"))


def _items(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    separator = b'{"items":['
    for row in rows:
        yield separator + msgspec.json.encode(row)
        separator = b","
    yield b"]}" if separator == b"," else b'{"items":[]}'


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
