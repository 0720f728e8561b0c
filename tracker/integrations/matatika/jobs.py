"""Jobs: deploy a workspace, hear of a push, follow, stop."""

import asyncio
import hmac
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from litestar import Controller, Response, delete, get, post, put
from litestar.datastructures import Headers
from litestar.params import FromPath
from litestar.response import Stream

from metrics.domain.errors import FieldError, InvalidInput
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.errors import Unauthenticated
from tracker.integrations.matatika.hal import READERS, SCHEMES, Answer, Page, hal_time, job_answer
from tracker.integrations.pushes import NoJob, read_push
from tracker.integrations.workspaces import profile_of, reached_job, reached_workspace
from tracker.jobs.logs import Line, read_lines
from tracker.jobs.queue import delete_job, list_jobs, request_job, stop_job
from tracker.jobs.workspaces import Workspace, find_workspace
from tracker.records.ledger import Ledger
from tracker.web.idempotency import LONGEST_KEY, KeptAnswer, KeyedRequest, answer_once
from tracker.web.paging import CallerRequest, base_of
from tracker.web.state import Service

_DEPLOYERS = requires(Scope.DEPLOY, schemes=SCHEMES)
_NDJSON = "application/x-ndjson"


class JobsController(Controller):
    """Deploy a workspace, and read and stop its jobs."""

    path = "/api"
    include_in_schema = False

    @post("/workspaces/{workspace_id:str}/deployments", guards=[_DEPLOYERS], status_code=202)
    async def deploy(self, workspace_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """Queue a deployment of the workspace's branch."""
        caller, base = request.user, base_of(request, service.settings)

        def act(ledger: Ledger) -> Answer:
            workspace = reached_workspace(ledger.connection, workspace_id, caller)
            return job_answer(request_job(ledger, workspace, profile_of(caller.claims)), base)

        return await service.recorder.record(act)

    @post("/workspaces/{workspace_id:str}/deployments/github-webhook")
    async def hear_of_push(
        self, workspace_id: FromPath[str], request: CallerRequest, service: Service
    ) -> Response[Answer]:
        """Queue a deployment of the commit that was pushed; the signature says who may, and nothing else."""
        body, headers, base = await request.body(), request.headers, base_of(request, service.settings)
        workspace = await asyncio.to_thread(_read_workspace, service, workspace_id)
        require_signature(headers, body, workspace.secret)
        try:
            push = read_push(headers.get("X-GitHub-Event"), body, workspace)
        except NoJob as reason:
            return Response({"message": str(reason)}, status_code=200)

        def act(ledger: Ledger) -> KeptAnswer:
            profile = {"id": push.pusher, "name": push.pusher}
            job = request_job(ledger, workspace, profile, commit_id=push.commit_id)
            return KeptAnswer(202, "", msgspec.json.encode(job_answer(job, base)).decode())

        # GitHub may deliver again, by itself or when somebody asks for it.
        delivery = headers.get("X-GitHub-Delivery", "")[:LONGEST_KEY]
        keyed = KeyedRequest.of(workspace.organization, request.url.path, delivery, body)
        kept = await service.recorder.record(
            lambda ledger: answer_once(ledger, keyed, act) if delivery else act(ledger)
        )
        answer: Answer = msgspec.json.decode(kept.body)
        return Response(answer, status_code=kept.status_code)

    @get("/workspaces/{workspace_id:str}/jobs", guards=[READERS], sync_to_thread=True)
    def list_jobs(self, workspace_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """The workspace's jobs, a page of them; the latest first unless `sort` says otherwise."""
        wanted, base = Page.of(request), base_of(request, service.settings)
        with service.engine.connect() as connection:
            workspace = reached_workspace(connection, workspace_id, request.user)
            jobs, total = list_jobs(
                connection,
                workspace.id,
                offset=wanted.offset,
                limit=wanted.size,
                oldest_first=wanted.oldest_first,
            )
        answers = [job_answer(job, base) for job in jobs]
        return wanted.answer("jobs", answers, total, f"{base}/api/workspaces/{workspace.id}/jobs")

    @get("/jobs/{job_id:str}", guards=[READERS], sync_to_thread=True)
    def read(self, job_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """One job."""
        with service.engine.connect() as connection:
            job = reached_job(connection, job_id, request.user)
        return job_answer(job, base_of(request, service.settings))

    @get("/jobs/{job_id:str}/logs", guards=[READERS], sync_to_thread=True)
    def logs(self, job_id: FromPath[str], request: CallerRequest, service: Service) -> Response[Any] | Stream:
        """The log from a line on, as text or as NDJSON; 204 where there is nothing."""
        text = request.query_params.get("sequence", "0")
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InvalidInput.of([FieldError("sequence", "must be a number from 0 on")])
        with service.engine.connect() as connection:
            job = reached_job(connection, job_id, request.user)
        if int(text) >= job.lines:
            return Response(None, status_code=204)
        media_type = request.accept.best_match(
            ["text/plain", _NDJSON, "application/json"], default="text/plain"
        )
        is_text = media_type == "text/plain"
        pieces = read_lines(service.engine, job.id, int(text), job.lines)
        return Stream(
            _written(pieces, _as_text if is_text else _as_json),
            media_type="text/plain" if is_text else _NDJSON,
        )

    @put("/jobs/{job_id:str}/stopped", guards=[_DEPLOYERS], status_code=202)
    async def stop(self, job_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """Stop an unfinished job."""
        base = base_of(request, service.settings)

        def act(ledger: Ledger) -> Answer:
            return job_answer(stop_job(ledger, reached_job(ledger.connection, job_id, request.user)), base)

        return await service.recorder.record(act)

    @delete("/jobs/{job_id:str}", guards=[_DEPLOYERS])
    async def delete(self, job_id: FromPath[str], request: CallerRequest, service: Service) -> None:
        """Delete a job; an unfinished one is stopped."""
        await service.recorder.record(
            lambda ledger: delete_job(ledger, reached_job(ledger.connection, job_id, request.user))
        )


def _read_workspace(service: Service, workspace_id: str) -> Workspace:
    with service.engine.connect() as connection:
        return find_workspace(connection, workspace_id)


def require_signature(headers: Headers, body: bytes, secret: str) -> None:
    """Raises `Unauthenticated` unless the body is signed; by SHA-256 where that signature is sent."""
    for name, algorithm in (("X-Hub-Signature-256", "sha256"), ("X-Hub-Signature", "sha1")):
        if name in headers:
            expected = f"{algorithm}={hmac.new(secret.encode(), body, algorithm).hexdigest()}"
            if hmac.compare_digest(expected.encode(), headers[name].strip().encode()):
                return
            raise Unauthenticated(f"the signature in {name} is wrong")
    raise Unauthenticated("sign the body: X-Hub-Signature-256", token_given=False)


def _as_text(line: Line) -> bytes:
    return f"{line.text}\n".encode()


def _as_json(line: Line) -> bytes:
    said = {"sequence": line.sequence, "created": hal_time(line.written_at), "line": line.text}
    return msgspec.json.encode(said) + b"\n"


def _written(pieces: Iterator[Sequence[Line]], write: Callable[[Line], bytes]) -> Iterator[bytes]:
    return (b"".join(map(write, piece)) for piece in pieces)
