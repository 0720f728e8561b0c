"""`/api/v1/deployments/batch`: history as NDJSON, streamed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from litestar import Response, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema

from metrics.domain.deployments import SentDeployment
from metrics.domain.errors import FieldError, InvalidInput
from metrics.domain.instants import now_microseconds
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.routes import PATH
from tracker.transfer.ndjson import Chunk, InputError, LineError, LineReader, Tally, read_chunk
from tracker.web.answers import KEY_HEADER
from tracker.web.paging import CallerRequest
from tracker.web.rejections import Rejection
from tracker.web.state import Service, author_of

_MOST_REMEMBERED = 50


@dataclass
class BatchOperation(Operation):
    """The body is a stream, which the handler reads itself."""

    def __post_init__(self) -> None:
        # NDJSON has no schema in OpenAPI; each line is a NewDeployment.
        schema = Schema(description="One deployment a line, as in a single POST; gzip too.")
        self.request_body = RequestBody(
            required=False, content={"application/x-ndjson": OpenAPIMediaType(schema=schema)}
        )


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of the lines. `errors` lists the first thousand; `failed` counts them all."""

    recorded: int
    repeated: int
    failed: int
    errors: Sequence[LineError]


@post(
    PATH + "/batch",
    guards=[requires(Scope.DEPLOYMENTS_WRITE)],
    request_max_body_size=None,
    operation_class=BatchOperation,
    status_code=200,
    opt={"answers": {207: "Some lines were not recorded; `errors` names them."}},
)
async def record_batch(request: CallerRequest, service: Service) -> Response[BatchAnswer]:
    """Record history: 200 when all lines were good, else 207. Good lines are kept either way.

    `finished_at` must be given where the status is final. Lines that carry a `deployment_node_id` may
    be sent again; the others would be recorded twice.
    """
    author, reach = author_of(request.user), request.user.can_access
    if KEY_HEADER in request.headers:
        detail = "is for single records; give each line a deployment_node_id, and the batch may be sent again"
        raise InvalidInput.of([FieldError(KEY_HEADER, detail)])

    def reaches(sent: SentDeployment) -> None:
        request.user.require_write(sent.facts.repository)

    async def record(chunk: Chunk, tally: Tally) -> None:
        outcomes = await service.recorder.record(lambda ledger: chunk.record(ledger, author, reach))
        chunk.count(outcomes, tally)

    reader = LineReader(gzip=_is_gzip(request), limit=service.settings.max_batch_bytes)
    tally = Tally()
    recording: asyncio.Task[None] | None = None
    async for lines in _chunks(request, reader, tally):
        # While one chunk is being recorded the next is read and validated, and no more than that.
        chunk = await asyncio.to_thread(read_chunk, lines, "api", reaches)
        if recording is not None:
            await recording
        recording = asyncio.create_task(record(chunk, tally))
    if recording is not None:
        await recording
    for error in tally.errors[:_MOST_REMEMBERED]:
        service.rejections.add(_rejection(request, error))
    return Response(
        BatchAnswer(tally.recorded, tally.repeated, tally.failed, tally.errors),
        status_code=207 if tally.failed else 200,
    )


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
    request: CallerRequest, reader: LineReader, tally: Tally
) -> AsyncIterator[list[tuple[int, bytes]]]:
    """The body in chunks of lines. Where it cannot be read on, that is counted as one more failed line."""
    try:
        async for piece in request.stream():
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
