"""Jobs as Qovery has them: deploy one, and ask how it stands. A job there is a workspace here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from litestar import Response, Router, get, post
from litestar.params import FromPath
from pydantic import ConfigDict
from sqlalchemy import Connection

from metrics.domain.errors import FieldError, InvalidInput
from metrics.domain.fields import Body, CommitId, Name
from metrics.domain.instants import instant_of
from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.deployments.steps import QUEUEING, steps_of
from tracker.integrations.base import Integration
from tracker.integrations.workspaces import profile_of, reached_workspace
from tracker.jobs.queue import Job, JobStatus, Standing, request_job, standing_of, stop_all
from tracker.jobs.workspaces import Workspace, note_event
from tracker.records.ledger import Ledger
from tracker.web.paging import CallerRequest
from tracker.web.problems import Failure
from tracker.web.state import Service

Answer = Mapping[str, object]
_SCHEMES = ("bearer", "token")
_DEPLOYERS = requires(Scope.DEPLOY, schemes=_SCHEMES)
_READERS = requires(Scope.DEPLOY, Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_READ, schemes=_SCHEMES)


class Event(StrEnum):
    """The events that a call can name; `STOP` and `DELETE` deploy nothing."""

    START = "START"
    STOP = "STOP"
    DELETE = "DELETE"
    CRON = "CRON"

    @property
    def deploys(self) -> bool:
        return self not in (Event.STOP, Event.DELETE)


_STATES = {
    JobStatus.QUEUED: "DEPLOYMENT_QUEUED",
    JobStatus.RUNNING: "DEPLOYING",
    JobStatus.COMPLETE: "DEPLOYED",
    JobStatus.ERROR: "DEPLOYMENT_ERROR",
    JobStatus.STOPPED: "CANCELED",
}
_STATUSES = {
    JobStatus.QUEUED: "QUEUED",
    JobStatus.RUNNING: "ONGOING",
    JobStatus.COMPLETE: "SUCCESS",
    JobStatus.ERROR: "ERROR",
    JobStatus.STOPPED: "CANCELED",
}
_AFTER = {Event.STOP: "STOPPED", Event.DELETE: "DELETED"}


class DeployRequest(Body):
    """What to deploy: an image, or a commit."""

    model_config = ConfigDict(extra="ignore")

    image_tag: Name | None = None
    git_commit_id: CommitId | None = None

    def require_one(self) -> None:
        """Raises `InvalidInput` unless one is given, and not both."""
        if (self.image_tag is None) == (self.git_commit_id is None):
            raise InvalidInput("one of image_tag and git_commit_id is required, and not both")


@post("/deploy", guards=[_DEPLOYERS], status_code=202)
async def deploy(job_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
    """Deploy an image or a commit; `forceEvent` may be what deploys nothing, which is noted."""
    caller, event = request.user, _event(request)
    raw = await request.body()
    wanted = DeployRequest.parse(raw) if raw.strip() else DeployRequest()
    if event.deploys:
        wanted.require_one()

    def act(ledger: Ledger) -> Answer:
        workspace = reached_workspace(ledger.connection, job_id, caller)
        if event.deploys:
            request_job(
                ledger,
                workspace,
                profile_of(caller.claims),
                commit_id=wanted.git_commit_id,
                image_tag=wanted.image_tag,
                alone=True,
            )
        else:
            _wind_down(ledger, workspace, event)
        return status_answer(ledger.connection, job_id, caller)

    return await service.recorder.record(act)


@get("/status", guards=[_READERS], sync_to_thread=True)
def read_status(job_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
    """The status of the latest deployment."""
    with service.engine.connect() as connection:
        return status_answer(connection, job_id, request.user)


def _event(request: CallerRequest) -> Event:
    name = request.query_params.get("forceEvent", Event.START)
    if name not in set(Event):
        detail = f"must be one of {', '.join(Event)}"
        raise InvalidInput.of([FieldError("forceEvent", detail)])
    return Event(name)


def _wind_down(ledger: Ledger, workspace: Workspace, event: Event) -> None:
    """Keep the event, and stop the jobs under way."""
    note_event(ledger, workspace, event)
    stop_all(ledger, workspace)


def status_answer(connection: Connection, workspace_id: str, caller: Caller) -> Answer:
    """Render the status of a workspace by its last deployment."""
    workspace = reached_workspace(connection, workspace_id, caller)
    standing = standing_of(connection, workspace.id)
    job, success = standing.last, standing.last_success
    steps = steps_of(connection, None if job is None else job.deployment_id)
    state, details = _state(workspace, job)
    computing = sum(step.duration_sec for step in steps if step.step_name not in QUEUEING)
    return {
        "id": workspace.id,
        "state": state,
        "service_deployment_status": _deployment_status(standing),
        "is_part_last_deployment": job is not None,
        "status_details": details,
        "deployment_request_id": None if job is None else job.id,
        "deployment_requests_count": standing.count,
        "last_deployment_date": instant_of(None if success is None else success.ended_at),
        "steps": {
            "total_duration_sec": round(sum(step.duration_sec for step in steps)),
            "total_computing_duration_sec": round(computing),
            "details": [
                {
                    "step_name": step.step_name,
                    "status": step.status,
                    "duration_sec": round(step.duration_sec),
                }
                for step in steps
            ],
        },
        "execution_id": None if job is None else job.id,
    }


def _state(workspace: Workspace, job: Job | None) -> tuple[str, Answer]:
    """The state, and what it is the state of."""
    event = None if workspace.event is None else Event(workspace.event)
    asked_last = event is not None and (job is None or (workspace.event_at or 0) >= job.created_at)
    if event is not None and asked_last and (job is None or job.status.is_over):
        return _AFTER[event], {"action": event, "status": "SUCCESS", "sub_action": "NONE"}
    if job is None:
        return "READY", {"action": "DEPLOY", "status": "NEVER", "sub_action": "NONE"}
    if job.status is JobStatus.RUNNING and job.stop_requested_at is not None:
        return "CANCELING", {"action": "DEPLOY", "status": "CANCELING", "sub_action": "NONE"}
    details = {"action": "DEPLOY", "status": _STATUSES[job.status], "sub_action": "NONE"}
    return _STATES[job.status], details


def _deployment_status(standing: Standing) -> str:
    if standing.last_success is None:
        return "NEVER_DEPLOYED"
    return "UP_TO_DATE" if standing.last == standing.last_success else "OUT_OF_DATE"


def render(failure: Failure, path: str) -> Response[Any]:
    """Render a failure in the form of Qovery's API."""
    body = {
        "timestamp": datetime.now(UTC),
        "status": failure.status,
        "error": failure.title,
        "message": failure.detail,
        "path": path,
    }
    return Response(
        body, status_code=failure.status, media_type="application/json", headers=dict(failure.headers)
    )


# Both calls, under the address of a job.
INTEGRATION = Integration(
    name="qovery",
    handlers=[Router("/job/{job_id:str}", route_handlers=[deploy, read_status], include_in_schema=False)],
    error_shapes={"/job/": render},
)
