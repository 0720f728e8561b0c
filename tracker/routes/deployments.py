"""`/api/v1/deployments`: record one, read one, list."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody
from pydantic import AfterValidator, Field

from metrics.api.documents import documents
from metrics.parameters import QueryParameters
from metrics.records import Status
from tracker.auth import Scope, requires
from tracker.deployments import RecordedDeployment, preview_deployment, record_deployment
from tracker.errors import NotFound
from tracker.lists import DeploymentFilter, find, list_deployments
from tracker.models import DEPLOYMENTS
from tracker.routes.listing import CallerRequest, ListAnswer, ListParameters, page_answer
from tracker.schemas.deployment_answers import DeploymentAnswer, Warning, warnings_of
from tracker.schemas.deployments import NewDeployment
from tracker.service import Service, author_of

PATH = "/api/v1/deployments"


class RecordParameters(QueryParameters):
    """How to record."""

    dry_run: bool = Field(False, description="Check the record and answer as if, and record nothing.")


@dataclass(frozen=True, slots=True)
class RecordAnswer(DeploymentAnswer):
    """The record, and what its sender may not have meant."""

    warnings: tuple[Warning, ...] = ()


@post(
    PATH,
    guards=[requires(Scope.DEPLOYMENTS_WRITE)],
    operation_class=documents(RecordParameters),
)
async def record(
    data: JSONBody[NewDeployment], request: CallerRequest, service: Service
) -> Response[RecordAnswer]:
    """Record a deployment: 201. A repeat under its `deployment_node_id`, and a dry run: 200."""
    parameters = RecordParameters.read(request.query_params.multi_items())
    caller, author = request.user, author_of(request.user)
    sent = data.sent(triggered_by="api", now=datetime.now(UTC))
    caller.require_write(sent.facts.repository)
    warnings = tuple(warnings_of(sent.facts))
    if parameters.dry_run:
        facts = await service.recorder.record(lambda ledger: preview_deployment(ledger, author, sent))
        dry = RecordAnswer.of_facts(facts, caller.organization)
        return Response(replace(dry, warnings=warnings), status_code=200)
    recording = await service.recorder.record(lambda ledger: record_deployment(ledger, author, sent))
    answer = RecordAnswer.of(recording.deployment)
    return Response(
        replace(answer, warnings=warnings),
        status_code=200 if recording.repeated else 201,
        headers={"Location": service.settings.link(f"{PATH}/{answer.id}")},
    )


@get(PATH + "/{deployment_id:str}", guards=[requires(Scope.DEPLOYMENTS_READ)], sync_to_thread=True)
def read(deployment_id: FromPath[str], request: CallerRequest, service: Service) -> DeploymentAnswer:
    """One deployment, as it now is."""
    what = f"There is no deployment {deployment_id}."
    row = find(service.engine, DEPLOYMENTS, request.user.organization, deployment_id)
    if row is None:
        raise NotFound(what)
    recorded = RecordedDeployment.from_row(row)
    request.user.require_read(recorded.facts.repository, what)
    return DeploymentAnswer.of(recorded)


def _name_and_text(label: str) -> str:
    if ":" not in label:
        raise ValueError("must be key:value")
    return label


class DeploymentListParameters(ListParameters):
    """Which deployments."""

    status: tuple[Status, ...] = Field((), description="success, fail, in_progress; repeatable.")
    branch: tuple[str, ...] = Field((), description="Repeatable.")
    commit_id: tuple[str, ...] = Field((), description="As it was sent; repeatable.")
    team: tuple[str, ...] = Field((), description="Of the record, else of its service or repository.")
    label: tuple[Annotated[str, AfterValidator(_name_and_text)], ...] = Field(
        (), description="key:value; repeatable, all must hold."
    )


@get(
    PATH,
    guards=[requires(Scope.DEPLOYMENTS_READ)],
    operation_class=documents(DeploymentListParameters),
    sync_to_thread=True,
)
def list_all(request: CallerRequest, service: Service) -> Response[ListAnswer[DeploymentAnswer]]:
    """The organization's deployments, newest first."""
    parameters = DeploymentListParameters.read(request.query_params.multi_items())
    given = dict(parameters)
    labels = [(name, text) for name, _, text in (label.partition(":") for label in given.pop("label"))]
    wanted = DeploymentFilter(
        organization=request.user.organization, visible=request.user.repositories, label=labels, **given
    )
    return page_answer(
        request,
        service.settings,
        list_deployments(service.engine, wanted),
        lambda row: DeploymentAnswer.of(RecordedDeployment.from_row(row)),
    )
