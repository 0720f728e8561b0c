"""`GET /api/v1/deployments/export`: all that a filter lets through, as one file."""

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import msgspec
import pyarrow as pa
from litestar import get
from litestar.response import Stream
from pydantic import Field

from metrics.api.answers import FormatName, asked_format
from metrics.api.documents import documents
from metrics.wire.table_files import TableFormat, write_table
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.queries import select_deployments
from tracker.deployments.routes import PATH as DEPLOYMENTS_PATH
from tracker.deployments.routes import DeploymentFilterParameters, deployment_filter
from tracker.transfer.tables import DEPLOYMENT_TABLE
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

PATH = f"{DEPLOYMENTS_PATH}/export"
_JSON = "application/json"
_PIECE_BYTES = 1 << 18


class ExportParameters(DeploymentFilterParameters):
    """The query parameters of an export of deployments."""

    format: FormatName | None = Field(
        None, description="json, csv, parquet or arrow; default by Accept, JSON."
    )


@get(
    PATH,
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
    file = tempfile.TemporaryFile()  # noqa: SIM115  # `_read` closes it
    # Written whole before the first byte is sent: a reader that is slow holds a file and no connection,
    # and a database that fails in the middle is answered as such.
    with service.engine.connect() as connection:
        batches = DEPLOYMENT_TABLE.batches(connection, query)
        file.writelines(_pieces(batches, wanted))
    file.seek(0)
    ending = "json" if wanted is None else wanted.value
    return Stream(
        _read(file),
        media_type=_JSON if wanted is None else wanted.media_type,
        headers={"Content-Disposition": f'attachment; filename="deployments.{ending}"', "Vary": "Accept"},
    )


def _pieces(batches: Iterator[pa.RecordBatch], wanted: TableFormat | None) -> Iterator[bytes]:
    if wanted is not None:
        return write_table(DEPLOYMENT_TABLE.schema, batches, wanted)
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
