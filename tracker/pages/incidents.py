"""Incidents: a list, and the page of one."""

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import select

from metrics.definitions.words import span
from metrics.queries.receipts import Mark
from tracker.auth.tokens import Scope
from tracker.incidents.schemas import IncidentAnswer
from tracker.incidents.service import RecordedIncident
from tracker.pages.frame.access import PAGE, signed_in
from tracker.pages.frame.address import WINDOW, page_number
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.controls import Controls, controls_of
from tracker.pages.frame.live import live_page
from tracker.pages.frame.words import about, left_out_words, no_break, rule_words
from tracker.pages.parts.history import HistoryRow, history_rows
from tracker.pages.parts.naming import NamedDeployment, names_of
from tracker.records.history import entries
from tracker.records.tables import INCIDENTS, current
from tracker.web.answers import PASSED_OVER
from tracker.web.paging import CallerRequest
from tracker.web.state import Service
from tracker.web.visible import load_visible, load_visible_history

_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class ListedIncident:
    """An incident, the deployment that it marks as failed, and by which rule; or why it marks none."""

    incident: IncidentAnswer
    where: str
    lasted: str
    open_for: str
    failed: NamedDeployment | None
    rule: str
    reason: str

    @property
    def url(self) -> str:
        return f"/incidents/{self.incident.id}"

    @property
    def title(self) -> str:
        return self.incident.title or self.incident.key or "Incident"


@dataclass(frozen=True, slots=True)
class IncidentsPage:
    asked: Asked
    controls: Controls
    rows: Sequence[ListedIncident]
    which: str
    next_url: str | None


@get(
    "/incidents",
    include_in_schema=False,
    opt=PAGE,
    guards=[signed_in(Scope.DEPLOYMENTS_READ)],
    sync_to_thread=True,
)
def incidents_page(request: CallerRequest, service: Service) -> Response[bytes] | Redirect:
    """The incidents, the latest to begin first."""
    return live_page(request, service, "incidents", _list, follows_history=False)


def _list(asked: Asked) -> IncidentsPage:
    address = asked.address
    which = {"true": "open", "false": "over"}.get(address.first("open") or "", "all")
    page = page_number(address)
    # Of every environment, unless some are named: those of none are of production.
    parameters = asked.parameters() if address.given("environment") else asked.parameters(environment="*")
    ids = asked.session.incident_ids(
        parameters,
        open={"open": True, "over": False}.get(which),
        limit=_A_PAGE + 1,
        passed_over=(page - 1) * _A_PAGE,
        is_windowed=address.given(*WINDOW),
    )
    columns = INCIDENTS.c
    query = select(INCIDENTS).where(
        current(columns, asked.caller.organization), columns.id.in_(ids[:_A_PAGE])
    )
    with asked.service.engine.connect() as connection:
        rows = {row.id: row for row in connection.execute(query)}
    found = [IncidentAnswer.of(RecordedIncident.from_row(rows[one])) for one in ids[:_A_PAGE] if one in rows]
    return IncidentsPage(
        asked=asked,
        controls=controls_of(asked, "open", is_list=True),
        rows=_listed(asked, found),
        which=which,
        next_url=str(address.having(page=str(page + 1))) if len(ids) > _A_PAGE else None,
    )


def _listed(asked: Asked, found: Sequence[IncidentAnswer]) -> Sequence[ListedIncident]:
    marks = asked.session.incident_marks([one.id for one in found])
    names = names_of(
        asked.service.engine, asked.caller.organization, [mark.deployment_id for mark in marks.values()]
    )
    rows = []
    for one in found:
        mark = marks.get(one.id)
        lasted = None if one.resolved_at is None else (one.resolved_at - one.started_at).total_seconds()
        rows.append(
            ListedIncident(
                incident=one,
                where=about(one.repository, one.service) or "whole production",
                lasted="" if lasted is None else no_break(span(lasted)),
                open_for=asked.clock.ago(one.started_at),
                failed=None if mark is None else names.deployments.get(mark.deployment_id or ""),
                rule="" if mark is None else rule_words(mark.method),
                reason=_reason(mark),
            )
        )
    return rows


def _reason(mark: Mark | None) -> str:
    if mark is None or (mark.deployment_id and not mark.reason):
        return ""
    return left_out_words(mark.reason)


@dataclass(frozen=True, slots=True)
class IncidentPage:
    asked: Asked
    row: ListedIncident
    history: Sequence[HistoryRow]


@get(
    "/incidents/{incident_id:str}",
    include_in_schema=False,
    opt=PAGE,
    guards=[signed_in(Scope.DEPLOYMENTS_READ)],
    sync_to_thread=True,
)
def incident_page(
    incident_id: FromPath[str], request: CallerRequest, service: Service
) -> Response[bytes] | Redirect:
    """One incident: what it marks as failed and why, and its history."""
    load_visible(service.engine, request.user, INCIDENTS, incident_id)
    return live_page(
        request, service, "incident", lambda asked: _incident(asked, incident_id), follows_history=False
    )


def _incident(asked: Asked, incident_id: str) -> IncidentPage:
    row = load_visible(asked.service.engine, asked.caller, INCIDENTS, incident_id)
    (listed,) = _listed(asked, [IncidentAnswer.of(RecordedIncident.from_row(row))])
    versions = load_visible_history(asked.service.engine, asked.caller, INCIDENTS, incident_id)
    found = entries(
        versions, lambda version: IncidentAnswer.of(RecordedIncident.from_row(version)), PASSED_OVER
    )
    return IncidentPage(asked, listed, history_rows(found))
