"""`/api/v1/deployments/export` and `/api/v1/incidents/export`: what a filter lets through, as one file."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
import pyarrow as pa
from litestar import Response, get, post
from pydantic import Field
from sqlalchemy import Select

from metrics.api.answers import FormatName, asked_format
from metrics.api.documents import documents
from metrics.domain.errors import ParameterError
from metrics.wire.query_parameters import QueryParameters
from metrics.wire.table_files import TableFormat, write_table
from tracker.auth.callers import requires
from tracker.auth.links import LONGEST, SIGNATURE, Link
from tracker.auth.tokens import Scope
from tracker.deployments.queries import select_deployments
from tracker.deployments.routes import PATH as DEPLOYMENTS_PATH
from tracker.deployments.routes import DeploymentFilterParameters, deployment_filter
from tracker.incidents.queries import select_incidents
from tracker.incidents.routes import PATH as INCIDENTS_PATH
from tracker.incidents.routes import IncidentFilterParameters, incident_filter
from tracker.records.pages import ListFilter
from tracker.records.tables import last_version
from tracker.transfer.parts import KeptFiles
from tracker.transfer.tables import DEPLOYMENT_TABLE, INCIDENT_TABLE, RecordTable
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

DEPLOYMENTS_EXPORT, INCIDENTS_EXPORT = f"{DEPLOYMENTS_PATH}/export", f"{INCIDENTS_PATH}/export"
_JSON = "application/json"
_SCOPE = Scope.DEPLOYMENTS_READ
_HOUR = 3_600
_NOTHING = (0, "")
_KEPT = KeptFiles()


class FileParameters(QueryParameters):
    """Which file is asked for."""

    format: FormatName | None = Field(
        None, description="json, csv, parquet or arrow; default by Accept, JSON."
    )
    revision: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        description="As the records were at this revision, of which parts can be asked for by `Range`; "
        "default the newest.",
    )


class LinkedParameters(FileParameters):
    """Which file is asked for, and what a link says beside that."""

    record: str | None = Field(
        None, description="Of a link: which record has the revision, unless records were restored."
    )
    signature: str | None = Field(None, description="Of a link, in place of a token.")


class ExportParameters(LinkedParameters, DeploymentFilterParameters):
    """The query parameters of an export of deployments."""


class IncidentExportParameters(LinkedParameters, IncidentFilterParameters):
    """The query parameters of an export of incidents."""


class LinkParameters(FileParameters):
    """What is to be known of a link itself."""

    expires_in: int = Field(
        _HOUR,
        ge=1,
        le=int(LONGEST.total_seconds()),
        description="Seconds; the link ends with the token that it is made with, if that is sooner.",
    )


class ExportLinkParameters(LinkParameters, DeploymentFilterParameters):
    """The query parameters of a link to an export of deployments: those of the export."""


class IncidentExportLinkParameters(LinkParameters, IncidentFilterParameters):
    """The query parameters of a link to an export of incidents: those of the export."""


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """The address of a file that whoever has it may get, without a token."""

    url: str
    revision: int
    expires_at: datetime


@get(
    DEPLOYMENTS_EXPORT,
    guards=[requires(_SCOPE, by_link=True)],
    operation_class=documents(ExportParameters),
    opt={"tables": True, "answers": {206: "The part that `Range` asks for, of the file of a `revision`."}},
    sync_to_thread=True,
)
def export_deployments(request: CallerRequest, service: Service) -> Response[Any]:
    """Every deployment that the filter lets through, the oldest first, as a file of any length.

    JSON is `{"items": […]}`; the tables have the same fields as columns.
    """
    parameters = ExportParameters.read(request.query_params.multi_items())
    wanted = deployment_filter(request, service, parameters, revision=parameters.revision)
    return _file(request, service, DEPLOYMENT_TABLE, select_deployments(wanted), wanted, parameters)


@get(
    INCIDENTS_EXPORT,
    guards=[requires(_SCOPE, by_link=True)],
    operation_class=documents(IncidentExportParameters),
    opt={"tables": True, "answers": {206: "The part that `Range` asks for, of the file of a `revision`."}},
    sync_to_thread=True,
)
def export_incidents(request: CallerRequest, service: Service) -> Response[Any]:
    """Every incident that the filter lets through, the first to start first, as deployments are exported."""
    parameters = IncidentExportParameters.read(request.query_params.multi_items())
    wanted = incident_filter(request, service, parameters, revision=parameters.revision)
    return _file(request, service, INCIDENT_TABLE, select_incidents(wanted), wanted, parameters)


@post(
    f"{DEPLOYMENTS_EXPORT}/link",
    guards=[requires(_SCOPE)],
    operation_class=documents(ExportLinkParameters),
    sync_to_thread=True,
)
def link_to_deployments(request: CallerRequest, service: Service) -> LinkAnswer:
    """A link to an export of deployments, as they are now, for what reads files by their address alone."""
    parameters = ExportLinkParameters.read(request.query_params.multi_items())
    deployment_filter(request, service, parameters)
    return _link(request, service, DEPLOYMENTS_EXPORT, parameters)


@post(
    f"{INCIDENTS_EXPORT}/link",
    guards=[requires(_SCOPE)],
    operation_class=documents(IncidentExportLinkParameters),
    sync_to_thread=True,
)
def link_to_incidents(request: CallerRequest, service: Service) -> LinkAnswer:
    """A link to an export of incidents, as one to deployments."""
    parameters = IncidentExportLinkParameters.read(request.query_params.multi_items())
    incident_filter(request, service, parameters)
    return _link(request, service, INCIDENTS_EXPORT, parameters)


def _link(request: CallerRequest, service: Service, path: str, parameters: LinkParameters) -> LinkAnswer:
    caller = request.user
    last = _last_version(request, service, parameters.revision)
    query = [pair for pair in request.query_params.multi_items() if pair[0] not in ("expires_in", "revision")]
    query += [("revision", str(last[0])), ("record", last[1])]
    lifetime = timedelta(seconds=parameters.expires_in)
    link, ends_at = Link.to(path, query), datetime.now(UTC) + lifetime
    signature = service.authenticator.sign_link(caller, link, _SCOPE, lifetime)
    return LinkAnswer(
        url=service.settings.link(f"{path}?{urlencode([*query, (SIGNATURE, signature)])}"),
        revision=last[0],
        expires_at=min(ends_at, datetime.fromtimestamp(caller.claims.expires_at, UTC)),
    )


def _last_version(request: CallerRequest, service: Service, revision: int | None) -> tuple[int, str]:
    """The last revision up to one, and what tells its record from another: whose it is may not be told.

    Raises `ParameterError` where the revision is still to come.
    """
    organization = request.user.organization
    with service.engine.connect() as connection:
        newest = last_version(connection, organization) or _NOTHING
        if revision is not None and revision > newest[0]:
            detail = f"must be at most {newest[0]}, the last of what is recorded"
            raise ParameterError([("revision", detail)])
        last = newest if revision is None else last_version(connection, organization, revision) or _NOTHING
    return last[0], hashlib.sha256(last[1].encode()).hexdigest()[:16]


def _file(
    request: CallerRequest,
    service: Service,
    table: RecordTable,
    query: Select[Any],
    asked: ListFilter,
    parameters: LinkedParameters,
) -> Response[Any]:
    wanted = asked_format(request, parameters.format)

    def pieces() -> Iterator[bytes]:
        with service.engine.connect() as connection:
            yield from _pieces(table, table.batches(connection, query), wanted)

    key = None
    if parameters.revision is not None:
        last = _last_version(request, service, parameters.revision)
        if parameters.record is not None and parameters.record != last[1]:
            detail = "is of another history: the records were restored meanwhile, and need a new link"
            raise ParameterError([("record", detail)])
        key = (table.name, wanted, last, repr(asked))
    response = _KEPT.answer(request, key, pieces)
    response.media_type = _JSON if wanted is None else wanted.media_type
    ending = "json" if wanted is None else wanted.value
    name = f"{table.name}.{ending}"
    response.headers |= {"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"}
    return response


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
