"""`/api/v1/incidents`: report one, read, list, resolve or correct, delete."""

from dataclasses import dataclass, replace
from typing import Any

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType
from pydantic import Field

from metrics.api.documents import documents
from metrics.domain.corrections import IncidentChange
from metrics.domain.incidents import NewIncident
from metrics.domain.instants import now_microseconds
from metrics.domain.vocabulary import matches_any_name, name_key
from metrics.queries.receipts import IncidentReceipt
from metrics.wire.query_parameters import QueryParameters
from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.errors import InsufficientScope
from tracker.incidents.queries import IncidentFilter, list_incidents
from tracker.incidents.schemas import IncidentAnswer
from tracker.incidents.service import (
    RecordedIncident,
    delete_incident,
    report_incident,
    revise_incident,
    unknown_names,
)
from tracker.organizations.asked import filter_asked_for
from tracker.records.history import entries
from tracker.records.ledger import Ledger
from tracker.records.tables import INCIDENTS
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
    page_answer,
)
from tracker.web.state import Service, author_of
from tracker.web.visible import load_visible, load_visible_history

PATH = "/api/v1/incidents"
_READERS = requires(Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_READ)


class ReportParameters(QueryParameters):
    """The query parameters of reporting an incident."""

    receipt: bool = Field(False, description="Add which deployment it marks as failed, or why none.")


@dataclass(frozen=True, slots=True)
class ReportAnswer(IncidentAnswer):
    """The incident, its warnings, and where asked for its receipt."""

    warnings: tuple[Warning, ...] = ()
    receipt: IncidentReceipt | UnsetType | None = UNSET


class IncidentFilterParameters(FilterParameters):
    """The query parameters that filter incidents; `from` and `to` bound their start."""

    open: bool | None = Field(None, description="true: only those that are not resolved; false: only others.")
    key: tuple[str, ...] = Field((), description="The sender's own id; repeatable.")


class IncidentListParameters(ListParameters, IncidentFilterParameters):
    """The query parameters of a list of incidents."""


def incident_filter(
    request: CallerRequest,
    service: Service,
    parameters: IncidentFilterParameters,
    *,
    revision: int | None = None,
    **page: Any,
) -> IncidentFilter:
    """Return the filter that is asked for, limited to what the caller may see. Raises `ParameterError`.

    `revision` is that of the records which are meant; None is the newest.
    """
    return IncidentFilter(
        **filter_asked_for(request, service, parameters, IncidentFilterParameters, revision), **page
    )


def _require_trusted(caller: Caller, data: NewIncident) -> None:
    """Raises `InsufficientScope` where the job that reports could be an outsider's, or is of no environment
    that its organization trusts.
    """
    job = caller.job
    if job is None:
        return
    if job.proof.is_outsiders and not job.trust.allow_pull_requests:
        raise InsufficientScope("insufficient_scope: pull requests and their like report no incidents")
    if job.trust.environments is not None:
        of_job = job.proof.environment if job.trust.of_kind.proves_environment else data.environment
        key = name_key(of_job or "")
        is_own = data.environment is None or name_key(data.environment) == key
        if not (is_own and matches_any_name(key, map(name_key, job.trust.environments))):
            raise InsufficientScope("insufficient_scope: jobs that are trusted here report none of there")


class IncidentsController(Controller):
    """Report, read, list, resolve or correct, delete, and the history of one."""

    @post(
        PATH,
        guards=[requires(Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_RECORD)],
        operation_class=documents(ReportParameters),
        opt={"keyed": True, "answers": {200: "Known already."}},
    )
    async def report(
        self, data: JSONBody[NewIncident], request: CallerRequest, service: Service
    ) -> Response[ReportAnswer]:
        """Report an incident: 201. A repeat under its `key`: 200. `Idempotency-Key` as for deployments."""
        parameters = ReportParameters.read(request.query_params.multi_items())
        _require_trusted(request.user, data)
        author, sent = author_of(request.user), data.sent(now_microseconds())
        request.user.require_write(sent.facts.repository)
        can_access = request.user.can_access

        def act(ledger: Ledger) -> Posted[ReportAnswer]:
            outcome = report_incident(ledger, author, sent, can_access)
            unknown = unknown_names(ledger, author.organization, outcome.incident.facts)
            warnings = (*page_warnings(sent.facts.repository), *unknown_name_warnings(unknown))
            answer = replace(ReportAnswer.of(outcome.incident), warnings=warnings)
            return Posted(answer, service.settings.link(f"{PATH}/{answer.id}"), outcome.repeated)

        def receipt_of(incident_id: str) -> IncidentReceipt:
            session = service.session(author.organization, request.user.repositories)
            return session.incident_receipt(incident_id)

        return await record_once(request, service, PATH, act, receipt_of if parameters.receipt else None)

    @delete(PATH + "/{incident_id:str}", guards=[requires(Scope.ADMIN)])
    async def remove(self, incident_id: FromPath[str], request: CallerRequest, service: Service) -> None:
        """Delete an incident: it is in no list and no metric any more, and its history says so."""
        author, can_access = author_of(request.user), request.user.can_access
        await service.recorder.record(lambda ledger: delete_incident(ledger, author, incident_id, can_access))

    @patch(PATH + "/{incident_id:str}", guards=[requires(Scope.DEPLOYMENTS_WRITE)])
    async def revise(
        self,
        incident_id: FromPath[str],
        data: JSONBody[IncidentChange],
        request: CallerRequest,
        service: Service,
    ) -> IncidentAnswer:
        """Resolve or correct an incident: a merge patch."""
        author, changes, can_access = author_of(request.user), data.changes(), request.user.can_access
        revised = await service.recorder.record(
            lambda ledger: revise_incident(ledger, author, incident_id, changes, can_access)
        )
        return IncidentAnswer.of(revised)

    @get(PATH + "/{incident_id:str}", guards=[_READERS], sync_to_thread=True)
    def read(self, incident_id: FromPath[str], request: CallerRequest, service: Service) -> IncidentAnswer:
        """One incident, as it now is."""
        row = load_visible(service.engine, request.user, INCIDENTS, incident_id)
        return IncidentAnswer.of(RecordedIncident.from_row(row))

    @get(PATH + "/{incident_id:str}/history", guards=[_READERS], sync_to_thread=True)
    def history(
        self, incident_id: FromPath[str], request: CallerRequest, service: Service
    ) -> HistoryAnswer[IncidentAnswer]:
        """Every version of an incident, the first one first, with who changed what."""
        rows = load_visible_history(service.engine, request.user, INCIDENTS, incident_id)
        return history_answer(
            entries(rows, lambda row: IncidentAnswer.of(RecordedIncident.from_row(row)), PASSED_OVER)
        )

    @get(
        PATH,
        guards=[_READERS],
        operation_class=documents(IncidentListParameters),
        sync_to_thread=True,
    )
    def list_all(self, request: CallerRequest, service: Service) -> Response[ListAnswer[IncidentAnswer]]:
        """The organization's incidents, the latest to start first."""
        parameters = IncidentListParameters.read(request.query_params.multi_items())
        wanted = incident_filter(
            request, service, parameters, limit=parameters.limit, cursor=parameters.cursor
        )
        return page_answer(
            request,
            service.settings,
            list_incidents(service.engine, wanted),
            lambda row: IncidentAnswer.of(RecordedIncident.from_row(row)),
        )
