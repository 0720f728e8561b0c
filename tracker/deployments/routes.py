"""`/api/v1/deployments`: record, read, list, correct, delete, the history of one, and its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import structlog
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType
from pydantic import AfterValidator, Field

from metrics.api.documents import documents
from metrics.domain.corrections import DeploymentChange
from metrics.domain.deployments import NewDeployment
from metrics.domain.errors import ParameterError, RecordsUnavailable
from metrics.domain.fields import Body, Duration, Name, RepositoryUrl, ServiceName, StatusWord
from metrics.domain.instants import from_microseconds, instant_of, now_microseconds
from metrics.domain.merging import MergedDeployment
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import DEFAULT_ENVIRONMENT
from metrics.queries.outcomes import Finished, Outcome, Repair
from metrics.queries.question import Label
from metrics.queries.receipts import DeploymentReceipt
from metrics.wire.query_parameters import QueryParameters, require_label
from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.deployments.baseline import DeployedCommit, deployed_commits
from tracker.deployments.proofs import as_proved, require_allowed
from tracker.deployments.queries import DeploymentFilter, list_deployments
from tracker.deployments.schemas import DeploymentAnswer, warnings_of, warnings_of_repeat
from tracker.deployments.service import (
    RecordedDeployment,
    delete_deployment,
    preview_deployment,
    record_deployment,
    revise_deployment,
    unknown_names,
)
from tracker.deployments.steps import Step, StepStatus, report_steps, steps_of
from tracker.organizations.asked import filter_asked_for
from tracker.organizations.service import read_settings
from tracker.records.history import entries
from tracker.records.ledger import Ledger
from tracker.records.pages import find
from tracker.records.tables import DEPLOYMENTS
from tracker.records.warnings import Warning, page_warnings, unknown_name_warnings
from tracker.web.answers import (
    PASSED_OVER,
    HistoryAnswer,
    Posted,
    history_answer,
    record_once,
)
from tracker.web.paging import (
    CallerRequest,
    FilterParameters,
    ListAnswer,
    ListParameters,
    next_link,
)
from tracker.web.state import Service, author_of
from tracker.web.visible import load_visible, load_visible_history

PATH = "/api/v1/deployments"
_log = structlog.get_logger("tracker")


class RecordParameters(QueryParameters):
    """The query parameters of recording a deployment."""

    dry_run: bool = Field(False, description="Check the record and answer as if, and record nothing.")
    receipt: bool = Field(False, description="Add what the record does to the metrics, or why it does not.")


@dataclass(frozen=True, slots=True)
class RecordAnswer(DeploymentAnswer):
    """The record, its warnings, and where asked for its receipt."""

    warnings: tuple[Warning, ...] = ()
    receipt: DeploymentReceipt | UnsetType | None = UNSET


def _warnings(
    ledger: Ledger,
    organization: str,
    merged: MergedDeployment,
    sent_as: RepositoryIdentity | None = None,
) -> tuple[Warning, ...]:
    settings = ledger.once(
        f"settings of {organization}", lambda connection: read_settings(connection, organization)
    )
    return (
        *warnings_of(merged.facts, settings.production_environments),
        *warnings_of_repeat(merged),
        *page_warnings(sent_as),
        *unknown_name_warnings(unknown_names(ledger, organization, merged.facts)),
    )


class BaselineParameters(QueryParameters):
    """The query parameters that name a stream."""

    repository_url: RepositoryUrl = Field(description="As a deployment says it.")
    service: ServiceName = Field("", description="As a deployment says it.")
    environment: Name = Field(DEFAULT_ENVIRONMENT, description="As a deployment says it.")
    deployment_node_id: Name | None = Field(
        None, description="The attempt that asks; what it has recorded itself is left out."
    )


@dataclass(frozen=True, slots=True)
class BaselineAnswer:
    """What was deployed in a stream, the latest first, and what the organization takes for a fix."""

    repository: str
    service: str
    environment: str
    deployed: Sequence[DeployedCommit]
    fix_patterns: Sequence[str]


class DeploymentFilterParameters(FilterParameters):
    """The query parameters that filter deployments."""

    status: tuple[StatusWord, ...] = Field(
        (), description="success, fail, in_progress, cancelled; repeatable."
    )
    branch: tuple[str, ...] = Field((), description="Repeatable.")
    commit_id: tuple[str, ...] = Field((), description="As it was sent; repeatable.")
    team: tuple[str, ...] = Field((), description="Of the record, else of its service or repository.")
    label: tuple[Annotated[str, AfterValidator(require_label)], ...] = Field(
        (), description="key:value; repeatable, all must hold."
    )
    q: str | None = Field(
        None,
        max_length=200,
        description="Text in the repository, service, release, title, branch or member.",
    )


class DeploymentListParameters(ListParameters, DeploymentFilterParameters):
    """The query parameters of a list of deployments."""


@dataclass(frozen=True, slots=True)
class ListedDeployment(DeploymentAnswer):
    """A deployment with what became of it.

    `failed` has the signals by which it failed, `repairs` what it repaired, `lead_time_seconds` is the median
    of the commits that it carried first. All are null where it has not finished.
    """

    failed: Sequence[str] | None = None
    repairs: Repair | None = None
    lead_time_seconds: float | None = None


def with_outcomes(
    service: Service, caller: Caller, recorded: Sequence[RecordedDeployment]
) -> list[ListedDeployment]:
    """Deployments with what became of them, as far as that can be worked out just now."""
    asked = [
        Finished(one.version.id, from_microseconds(one.facts.finished_at), one.facts.environment)
        for one in recorded
        if one.facts.finished_at is not None
    ]
    outcomes: Mapping[str, Outcome] = {}
    try:
        outcomes = service.session(caller.organization, caller.repositories).outcomes(asked)
    except (RecordsUnavailable, ParameterError) as failure:
        _log.warning("what became of deployments cannot be worked out", failure=str(failure))
    found = []
    for one in recorded:
        listed, outcome = ListedDeployment.of(one), outcomes.get(one.version.id)
        if outcome is not None:
            listed = replace(
                listed,
                failed=outcome.failed,
                repairs=outcome.repairs,
                lead_time_seconds=outcome.lead_time_seconds,
            )
        found.append(listed)
    return found


def deployment_filter(
    request: CallerRequest,
    service: Service,
    parameters: DeploymentFilterParameters,
    *,
    revision: int | None = None,
    **page: Any,
) -> DeploymentFilter:
    """Return the filter that is asked for, limited to what the caller may see. Raises `ParameterError`.

    `revision` is that of the records which are meant; None is the newest.
    """
    given = filter_asked_for(request, service, parameters, DeploymentFilterParameters, revision)
    labels = [(label.name, label.text) for label in map(Label.read, parameters.label)]
    return DeploymentFilter(**{**given, "label": labels}, **page)


class DeploymentsController(Controller):
    """Record, read, list, correct, delete, and the history of one."""

    @post(
        PATH,
        guards=[requires(Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_RECORD)],
        operation_class=documents(RecordParameters),
        opt={"keyed": True, "answers": {200: "Known already, or a dry run."}},
    )
    async def record(
        self, data: JSONBody[NewDeployment], request: CallerRequest, service: Service
    ) -> Response[RecordAnswer]:
        """Record a deployment: 201. A repeat under its `deployment_node_id`, and a dry run: 200.

        With the header `Idempotency-Key`, the same request again gets the first answer again.
        """
        parameters = RecordParameters.read(request.query_params.multi_items())
        caller, author = request.user, author_of(request.user)
        data = data if caller.job is None else as_proved(data, caller.job, caller.claims.token_id)
        sent = data.sent(triggered_by="api", now=now_microseconds())
        caller.require_write(sent.facts.repository)
        sent_as = RepositoryIdentity.parse(data.repository_url)

        def preview(ledger: Ledger) -> RecordAnswer:
            require_allowed(ledger, caller, sent.facts, records=False)
            merged = preview_deployment(ledger, author, sent, caller.can_access)
            answer = RecordAnswer.of_facts(merged.facts, caller.organization)
            return replace(answer, warnings=_warnings(ledger, caller.organization, merged, sent_as))

        if parameters.dry_run:
            return Response(await service.recorder.record(preview), status_code=200)

        def act(ledger: Ledger) -> Posted[RecordAnswer]:
            require_allowed(ledger, caller, sent.facts)
            recording = record_deployment(ledger, author, sent, caller.can_access)
            merged = recording.merged or MergedDeployment(recording.deployment.facts)
            warnings = _warnings(ledger, caller.organization, merged, sent_as)
            answer = replace(RecordAnswer.of(recording.deployment), warnings=warnings)
            return Posted(answer, service.settings.link(f"{PATH}/{answer.id}"), recording.repeated)

        def receipt_of(deployment_id: str) -> DeploymentReceipt | None:
            # As it now is: a retry may be answered with what was recorded long ago.
            row = find(service.engine, DEPLOYMENTS, caller.organization, deployment_id)
            if row is None:
                return None
            facts = RecordedDeployment.from_row(row).facts
            at = instant_of(facts.started_at if facts.finished_at is None else facts.finished_at)
            session = service.session(caller.organization, caller.repositories)
            return session.deployment_receipt(deployment_id, at)

        return await record_once(request, service, PATH, act, receipt_of if parameters.receipt else None)

    @patch(PATH + "/{deployment_id:str}", guards=[requires(Scope.DEPLOYMENTS_WRITE)])
    async def revise(
        self,
        deployment_id: FromPath[str],
        data: JSONBody[DeploymentChange],
        request: CallerRequest,
        service: Service,
    ) -> RecordAnswer:
        """Finish or correct a deployment: a merge patch. What it was before stays in its history."""
        author, can_access = author_of(request.user), request.user.can_access
        correction = data.correction(now_microseconds())

        def act(ledger: Ledger) -> RecordAnswer:
            revised = revise_deployment(ledger, author, deployment_id, correction, can_access)
            warnings = _warnings(ledger, author.organization, MergedDeployment(revised.facts))
            return replace(RecordAnswer.of(revised), warnings=warnings)

        return await service.recorder.record(act)

    @delete(PATH + "/{deployment_id:str}", guards=[requires(Scope.ADMIN)])
    async def remove(self, deployment_id: FromPath[str], request: CallerRequest, service: Service) -> None:
        """Delete a deployment: it is in no list and no metric any more, and its history says so."""
        author, can_access = author_of(request.user), request.user.can_access
        await service.recorder.record(
            lambda ledger: delete_deployment(ledger, author, deployment_id, can_access)
        )

    @get(
        PATH + "/{deployment_id:str}/history", guards=[requires(Scope.DEPLOYMENTS_READ)], sync_to_thread=True
    )
    def history(
        self, deployment_id: FromPath[str], request: CallerRequest, service: Service
    ) -> HistoryAnswer[DeploymentAnswer]:
        """Every version of a deployment, the first one first, with who changed what; deleted ones too."""
        rows = load_visible_history(service.engine, request.user, DEPLOYMENTS, deployment_id)
        return history_answer(
            entries(rows, lambda row: DeploymentAnswer.of(RecordedDeployment.from_row(row)), PASSED_OVER)
        )

    @get(
        PATH + "/last",
        guards=[requires(Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_RECORD, Scope.DEPLOYMENTS_READ)],
        operation_class=documents(BaselineParameters),
        sync_to_thread=True,
    )
    def last(self, request: CallerRequest, service: Service) -> BaselineAnswer:
        """The commits that a stream's last deployments have put there: between them and its own lies what a
        deployment carries.
        """
        asked = BaselineParameters.read(request.query_params.multi_items())
        caller, repository = request.user, RepositoryIdentity.parse(asked.repository_url)
        caller.require_write(repository)
        environment = asked.environment
        if "environment" not in asked.model_fields_set and caller.job is not None:
            # As the record will be filled in.
            environment = caller.job.proof.environment or environment
        with service.engine.connect() as connection:
            deployed = deployed_commits(
                connection,
                caller.organization,
                repository,
                asked.service,
                environment,
                except_node_id=asked.deployment_node_id,
            )
            patterns = read_settings(connection, caller.organization).fix_patterns
        return BaselineAnswer(repository.shown, asked.service, environment, deployed, patterns)

    @get(PATH + "/{deployment_id:str}", guards=[requires(Scope.DEPLOYMENTS_READ)], sync_to_thread=True)
    def read(
        self, deployment_id: FromPath[str], request: CallerRequest, service: Service
    ) -> ListedDeployment:
        """One deployment, as it now is, and what became of it."""
        row = load_visible(service.engine, request.user, DEPLOYMENTS, deployment_id)
        (answer,) = with_outcomes(service, request.user, [RecordedDeployment.from_row(row)])
        return answer

    @get(
        PATH,
        guards=[requires(Scope.DEPLOYMENTS_READ)],
        operation_class=documents(DeploymentListParameters),
        sync_to_thread=True,
    )
    def list_all(self, request: CallerRequest, service: Service) -> Response[ListAnswer[ListedDeployment]]:
        """The organization's deployments, newest first."""
        parameters = DeploymentListParameters.read(request.query_params.multi_items())
        wanted = deployment_filter(
            request, service, parameters, limit=parameters.limit, cursor=parameters.cursor
        )
        page = list_deployments(service.engine, wanted)
        items = with_outcomes(service, request.user, [RecordedDeployment.from_row(row) for row in page.items])
        return Response(ListAnswer(items), headers=next_link(request, service.settings, page.next_cursor))


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
    """Report the steps of a deployment and read them."""

    @put(_ONE, guards=[requires(Scope.DEPLOYMENTS_WRITE)])
    async def report(
        self,
        deployment_id: FromPath[str],
        data: JSONBody[NewSteps],
        request: CallerRequest,
        service: Service,
    ) -> StepsAnswer:
        """Report what a deployment's time went into; replaces what was reported before."""
        author = author_of(request.user)
        steps = [Step(one.step_name, one.status, one.duration_sec) for one in data.steps]
        load_visible(service.engine, request.user, DEPLOYMENTS, deployment_id)

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
        load_visible(service.engine, request.user, DEPLOYMENTS, deployment_id)
        with service.engine.connect() as connection:
            return StepsAnswer(steps_of(connection, deployment_id))
