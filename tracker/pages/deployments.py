"""Deployments: a list to search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any

from litestar import Response, get
from litestar.response import Redirect

from metrics.definitions.words import span
from metrics.domain.errors import ParameterError
from metrics.domain.vocabulary import Status, matches_any_name, name_key
from metrics.queries.question import Dimension
from tracker.auth.tokens import Scope
from tracker.deployments.queries import DeploymentFilter, list_deployments
from tracker.deployments.routes import ListedDeployment, with_outcomes
from tracker.deployments.service import RecordedDeployment
from tracker.pages.frame.access import PAGE, signed_in
from tracker.pages.frame.address import WINDOW, Address
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.controls import Controls, controls_of
from tracker.pages.frame.live import live_page
from tracker.pages.frame.words import about, no_break, short_release
from tracker.pages.parts.naming import NamedDeployment, Names, names_of
from tracker.records.aliases import read_aliases
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """A deployment in the list."""

    deployment: ListedDeployment
    at: datetime
    about: str
    release: str
    took: str
    lead_time: str
    repaired: NamedDeployment | None

    @property
    def url(self) -> str:
        return f"/deployments/{self.deployment.id}"

    @property
    def commits(self) -> int:
        return self.deployment.commits_count or len(self.deployment.commits)


@dataclass(frozen=True, slots=True)
class ListedDay:
    """A day's deployments, as far as they are on the page."""

    day: date
    rows: Sequence[Listed]

    @property
    def failed(self) -> int:
        return sum(bool(row.deployment.failed) for row in self.rows)


@dataclass(frozen=True, slots=True)
class DeploymentsPage:
    asked: Asked
    controls: Controls
    days: Sequence[ListedDay]
    next_url: str | None
    statuses: Sequence[tuple[str, str]]
    is_limited: bool
    """Whether the window limits the list."""
    query: str
    found_nothing: str


_STATUSES = (
    (Status.SUCCESS.value, "succeeded"),
    (Status.FAIL.value, "did not get through"),
    (Status.IN_PROGRESS.value, "under way"),
    (Status.CANCELLED.value, "cancelled"),
)


@get(
    "/deployments",
    include_in_schema=False,
    opt=PAGE,
    guards=[signed_in(Scope.DEPLOYMENTS_READ)],
    sync_to_thread=True,
)
def deployments_page(request: CallerRequest, service: Service) -> Response[bytes] | Redirect:
    """The deployments, newest first."""
    return live_page(request, service, "deployments", _list, follows_history=False)


def _list(asked: Asked) -> DeploymentsPage:
    address, question = asked.address, asked.question
    is_limited = address.given(*WINDOW)
    status = address.first("status")
    notices = list(asked.notices)
    wanted = DeploymentFilter(
        organization=asked.caller.organization,
        visible=asked.caller.repositories,
        aliases=_aliases(asked),
        repository=tuple(question.repositories or ()),
        service=tuple(question.services or ()),
        environment=environments_named(asked),
        team=tuple(question.teams or ()),
        label=[(label.name, label.text) for label in question.labels],
        status=(status,) if status in dict(_STATUSES) else (),
        branch=tuple(address.every("branch")),
        q=(address.first("q") or "")[:200] or None,
        from_=question.from_at if is_limited else None,
        to=question.to_at if is_limited else None,
        limit=_A_PAGE,
        cursor=address.first("cursor"),
    )
    try:
        page = list_deployments(asked.service.engine, wanted)
    except ParameterError:
        notices.append("The page that was asked for is not known. The first one is shown.")
        page = list_deployments(asked.service.engine, replace(wanted, cursor=None))
    recorded = [RecordedDeployment.from_row(row) for row in page.items]
    listed = with_outcomes(asked.service, asked.caller, recorded)
    names = names_of(
        asked.service.engine,
        asked.caller.organization,
        [one.repairs.deployment_id for one in listed if one.repairs is not None],
    )
    rows = [_listed(one, names) for one in listed]
    local_day = lambda row: asked.clock.local(row.at).date()  # noqa: E731
    return DeploymentsPage(
        asked=replace(asked, notices=notices),
        controls=controls_of(asked, "q", "status", "branch", is_list=True),
        days=[ListedDay(day, list(of_it)) for day, of_it in groupby(rows, local_day)],
        next_url=None if page.next_cursor is None else str(address.having(cursor=page.next_cursor)),
        statuses=_STATUSES,
        is_limited=is_limited,
        query=_export_query(asked, is_limited),
        found_nothing="No deployment fits." if address.pairs else "Nothing is recorded yet.",
    )


def _aliases(asked: Asked) -> Any:
    with asked.service.engine.connect() as connection:
        return read_aliases(connection, asked.caller.organization)


def environments_named(asked: Asked) -> tuple[str, ...]:
    """The environments that the address names, by whatever pattern."""
    patterns = [name_key(name) for name in asked.address.every("environment")]
    known = asked.names.of(Dimension.ENVIRONMENT)
    named = tuple(name for name in known if matches_any_name(name_key(name), patterns))
    # What nothing is known of finds nothing.
    return named or tuple(asked.address.every("environment"))


def _export_query(asked: Asked, is_limited: bool) -> str:
    """What the export is asked with for the same: the window as instants, whatever it is called here."""
    taken = ("repository", "service", "team", "label", "status", "branch", "q")
    address = Address("", asked.address.only(taken).pairs).having(environment=environments_named(asked))
    if is_limited:
        window = asked.question.from_at.isoformat(), asked.question.to_at.isoformat()
        address = address.having(from_=window[0], to=window[1])
    return str(address) or "?"


def _listed(one: ListedDeployment, names: Names) -> Listed:
    at = one.finished_at or one.created_at
    assert at is not None, "what is recorded has a time"
    return Listed(
        deployment=one,
        at=at,
        about=about(one.repository, one.service),
        release=short_release(one.version, one.commit_id),
        took="" if one.duration_seconds is None else no_break(span(one.duration_seconds)),
        lead_time="" if one.lead_time_seconds is None else no_break(span(one.lead_time_seconds)),
        repaired=names.deployments.get((one.repairs and one.repairs.deployment_id) or ""),
    )
