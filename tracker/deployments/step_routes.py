"""`/api/v1/deployments/{id}/steps`: what a deployment's time went into."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from litestar import Controller, get, put
from litestar.params import FromPath, JSONBody
from pydantic import Field

from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.deployments.routes import PATH
from tracker.deployments.schemas import Duration
from tracker.deployments.service import RecordedDeployment
from tracker.deployments.steps import Step, StepStatus, report_steps, steps_of
from tracker.errors import NotFound
from tracker.records.ledger import Ledger
from tracker.records.pages import find
from tracker.records.tables import DEPLOYMENTS
from tracker.web.paging import CallerRequest
from tracker.web.schemas import Body, Name
from tracker.web.state import Service, author_of

_ONE = PATH + "/{deployment_id:str}/steps"


class NewStep(Body):
    """A part of a deployment."""

    step_name: Name
    status: Annotated[StepStatus, Field(strict=False)]
    duration_sec: Duration


class NewSteps(Body):
    """All parts of a deployment, in their order."""

    steps: Annotated[list[NewStep], Field(max_length=200)]


@dataclass(frozen=True, slots=True)
class StepsAnswer:
    """The steps as they were reported last."""

    steps: Sequence[Step]


class StepsController(Controller):
    """Report them and read them."""

    @put(_ONE, guards=[requires(Scope.DEPLOYMENTS_WRITE)])
    async def report(
        self,
        deployment_id: FromPath[str],
        data: JSONBody[NewSteps],
        request: CallerRequest,
        service: Service,
    ) -> StepsAnswer:
        """Say what a deployment's time went into, in place of what was said before."""
        author = author_of(request.user)
        steps = [Step(one.step_name, one.status, one.duration_sec) for one in data.steps]
        _require(service, request.user, deployment_id)

        def act(ledger: Ledger) -> StepsAnswer:
            report_steps(ledger, author, deployment_id, steps)
            return StepsAnswer(steps)

        return await service.recorder.record(act)

    @get(
        _ONE,
        guards=[requires(Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_READ)],
        sync_to_thread=True,
    )
    def read(self, deployment_id: FromPath[str], request: CallerRequest, service: Service) -> StepsAnswer:
        """The steps of a deployment; none where nobody has reported any."""
        _require(service, request.user, deployment_id)
        with service.engine.connect() as connection:
            return StepsAnswer(steps_of(connection, deployment_id))


def _require(service: Service, caller: Caller, deployment_id: str) -> None:
    """Raises `NotFound` where there is no such deployment, for this caller."""
    what = f"There is no deployment {deployment_id}."
    row = find(service.engine, DEPLOYMENTS, caller.organization, deployment_id)
    if row is None:
        raise NotFound(what)
    caller.require_read(RecordedDeployment.from_row(row).facts.repository, what)
