"""`/api/v1/deployments/batch` and `/api/v1/incidents/batch`: history as NDJSON, streamed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from litestar import Response, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema

from metrics.domain.errors import FieldError, InvalidInput
from metrics.domain.instants import now_microseconds
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.routes import PATH as DEPLOYMENTS_PATH
from tracker.incidents.routes import PATH as INCIDENTS_PATH
from tracker.transfer.incoming_body import IncomingBody, incoming_body
from tracker.transfer.ndjson import (
    Chunk,
    DeploymentLine,
    IncidentLine,
    InputError,
    LineError,
    LineReader,
    ReadLine,
    Tally,
    read_chunk,
)
from tracker.web.answers import KEY_HEADER
from tracker.web.paging import CallerRequest
from tracker.web.rejections import Rejection
from tracker.web.state import Service, author_of
from tracker.web.time_limit import allow

_MOST_REMEMBERED = 50
MOST_FAILED_LINES = 10_000
_LONGEST_SECONDS = 3_600.0


def _streams(what: str) -> type[Operation]:
    """The operation of a route whose body is a stream, which the handler reads itself."""

    @dataclass
    class BatchOperation(Operation):
        def __post_init__(self) -> None:
            # NDJSON has no schema in OpenAPI.
            schema = Schema(description=f"One {what} a line, as in a single POST; gzip too.")
            self.request_body = RequestBody(
                required=False, content={"application/x-ndjson": OpenAPIMediaType(schema=schema)}
            )

    return BatchOperation


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of the lines. `errors` lists the first thousand; `failed` counts them all."""

    recorded: int
    repeated: int
    failed: int
    errors: Sequence[LineError]


_ANSWERS = {
    207: "Some lines were not recorded; `errors` names them.",
    400: "No line could be recorded; `errors` names them.",
}


@post(
    f"{DEPLOYMENTS_PATH}/batch",
    guards=[requires(Scope.DEPLOYMENTS_WRITE)],
    request_max_body_size=None,
    operation_class=_streams("deployment"),
    status_code=200,
    opt={"answers": _ANSWERS},
)
async def record_deployment_batch(request: CallerRequest, service: Service) -> Response[BatchAnswer]:
    """Record history: 200 when all lines were good, 207 when some were, 400 when none was.

    Good lines are kept. `finished_at` must be given where the status is final. Lines that carry a
    `deployment_node_id` may be sent again; the others would be recorded twice. After 10,000 bad lines
    the rest is not read.
    """
    return await _record_batch(request, service, DeploymentLine.parse, "deployment_node_id")


@post(
    f"{INCIDENTS_PATH}/batch",
    guards=[requires(Scope.DEPLOYMENTS_WRITE)],
    request_max_body_size=None,
    operation_class=_streams("incident"),
    status_code=200,
    opt={"answers": _ANSWERS},
)
async def report_incident_batch(request: CallerRequest, service: Service) -> Response[BatchAnswer]:
    """Report many incidents, as deployments are recorded. Lines that carry a `key` may be sent again."""
    return await _record_batch(request, service, IncidentLine.parse, "key")


async def _record_batch(
    request: CallerRequest, service: Service, read: ReadLine, own_id: str
) -> Response[BatchAnswer]:
    """Record every line; `own_id` is what makes one the same when it is sent again."""
    author, reach = author_of(request.user), request.user.can_access
    if KEY_HEADER in request.headers:
        detail = f"is for single records; give each line a {own_id}, and the batch may be sent again"
        raise InvalidInput.of([FieldError(KEY_HEADER, detail)])

    async def record(chunk: Chunk, tally: Tally) -> None:
        outcomes = await service.recorder.record(lambda ledger: chunk.record(ledger, author, reach))
        chunk.count(outcomes, tally)

    reader = LineReader(gzip=_is_gzip(request), limit=service.settings.max_batch_bytes)
    tally = Tally()
    recording: asyncio.Task[None] | None = None
    given_up: tuple[int, str] | None = None
    allow(_LONGEST_SECONDS)
    async with incoming_body(request, service.settings.max_request_seconds) as body:
        async for lines in _chunks(body, reader, tally):
            # While one chunk is being recorded the next is read and validated, and no more than that.
            chunk = await asyncio.to_thread(read_chunk, lines, "api", read, request.user.require_write)
            if recording is not None:
                await recording
            recording = asyncio.create_task(record(chunk, tally))
            why = _reason_to_give_up(service, tally)
            if why is not None and lines:
                given_up = lines[-1][0] + 1, why
                break
            body.require_sender()
    if recording is not None:
        await recording
    if given_up is not None:
        line, why = given_up
        tally.stop(line, f"is not read, nor is what follows: {why}")
    for error in tally.errors[:_MOST_REMEMBERED]:
        service.rejections.add(_rejection(request, error))
    kept = tally.recorded + tally.repeated
    return Response(
        BatchAnswer(tally.recorded, tally.repeated, tally.failed, tally.errors),
        status_code=(207 if kept else 400) if tally.failed else 200,
    )


def _reason_to_give_up(service: Service, tally: Tally) -> str | None:
    if service.is_stopping:
        return "the service is being stopped; send the batch again"
    if tally.failed >= MOST_FAILED_LINES:
        return f"{tally.failed} lines before are wrong"
    if tally.blank >= MOST_FAILED_LINES:
        # Compressed, a few bytes hold millions.
        return f"{tally.blank} lines before are blank"
    return None


def _rejection(request: CallerRequest, error: LineError) -> Rejection:
    return Rejection(
        organization=request.user.organization,
        rejected_at=now_microseconds(),
        route=request.url.path,
        token_id=request.user.claims.token_id,
        code="batch-line",
        detail=f"line {error.line}: {error.detail}",
        repository=None,
    )


async def _chunks(
    body: IncomingBody, reader: LineReader, tally: Tally
) -> AsyncIterator[list[tuple[int, bytes]]]:
    """The body in chunks of lines. Where it cannot be read on, that is counted as one more failed line."""
    try:
        async for piece in body.pieces():
            for lines in reader.feed(piece):
                yield lines
        yield reader.close()
    except InputError as error:
        yield reader.complete_lines()
        tally.fail(reader.line_number + 1, str(error))


def _is_gzip(request: CallerRequest) -> bool:
    """Whether the body is compressed. Raises `InvalidInput` where it is in another way."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise InvalidInput(f"Content-Encoding: {encoding} is not understood here; send gzip or none")
    return encoding == "gzip"
