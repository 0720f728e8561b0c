"""`GET /api/v1/changes`: everything that was recorded since an instant, in the order of recording."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from litestar import Response, get
from pydantic import Field
from sqlalchemy import Row, Table

from metrics.api.documents import documents
from metrics.domain.instants import from_microseconds, to_microseconds
from metrics.domain.repositories import CanAccess, RepositoryIdentity
from metrics.domain.settings import settings_from
from metrics.wire.cursors import read_cursor, write_cursor
from metrics.wire.query_parameters import QueryParameters
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.schemas import DeploymentAnswer
from tracker.deployments.service import RecordedDeployment
from tracker.incidents.schemas import IncidentAnswer
from tracker.incidents.service import RecordedIncident
from tracker.organizations.service import zone_of
from tracker.records.history import Action, Change, Recorded, entries, find_recorded
from tracker.records.tables import DEPLOYMENTS, INCIDENTS, REPOSITORIES
from tracker.web.answers import PASSED_OVER
from tracker.web.paging import CallerRequest, next_link, read_bound
from tracker.web.state import Service

PATH = "/api/v1/changes"
LARGEST_PAGE = 1_000


class ChangesParameters(QueryParameters):
    """The query parameters of a list of changes."""

    since: str = Field(description="Date or instant: only what was recorded after it.")
    limit: int = Field(100, ge=1, le=LARGEST_PAGE, description="Items a page.")
    cursor: str | None = Field(None, description="From the Link of the page before.")


@dataclass(frozen=True, slots=True)
class ChangeAnswer:
    """One version: what it is of, when and by whom it was recorded, and what it changed."""

    revision: int
    recorded_at: datetime
    recorded_by: str
    token_id: str | None
    kind: str
    id: str
    repository: str | None
    action: Action
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class ChangesAnswer:
    """A page of changes. The header `Link: <…>; rel="next"` leads to the next."""

    items: Sequence[ChangeAnswer]


@dataclass(frozen=True, slots=True)
class _Team:
    team: str | None


_KINDS: Mapping[Table, tuple[str, Callable[[Row[Any]], Any]]] = {
    DEPLOYMENTS: ("deployment", lambda row: DeploymentAnswer.of(RecordedDeployment.from_row(row))),
    INCIDENTS: ("incident", lambda row: IncidentAnswer.of(RecordedIncident.from_row(row))),
    REPOSITORIES: ("repository", lambda row: _Team(row.team)),
}


@get(
    PATH,
    guards=[requires(Scope.DEPLOYMENTS_READ)],
    operation_class=documents(ChangesParameters),
    sync_to_thread=True,
)
def list_changes(request: CallerRequest, service: Service) -> Response[ChangesAnswer]:
    """Everything that was recorded since an instant: what changed a figure since its `as_of`."""
    parameters = ChangesParameters.read(request.query_params.multi_items())
    organization = request.user.organization
    since = read_bound("since", parameters.since, lambda: zone_of(service.engine, organization))
    after = 0
    if parameters.cursor is not None:
        (position,) = read_cursor(parameters.cursor, int)
        after = int(position)
    found = find_recorded(
        service.engine,
        organization,
        after=after,
        recorded_after=to_microseconds(since),
        limit=parameters.limit + 1,
    )
    page = found[: parameters.limit]
    cursor = write_cursor([page[-1].row.revision]) if len(found) > len(page) else None
    can_access = request.user.can_access
    visible = [_as_seen(one, can_access) for one in page if can_access(_repository(one.row))]
    headers = next_link(request, service.settings, cursor)
    return Response(ChangesAnswer([_answer(one) for one in visible]), headers=headers)


def _as_seen(recorded: Recorded, can_access: CanAccess) -> Recorded:
    """Leave out the version before where it was in a repository that the caller may not see."""
    if recorded.before is None or can_access(_repository(recorded.before)):
        return recorded
    return replace(recorded, before=None)


def _repository(row: Row[Any]) -> RepositoryIdentity | None:
    columns = row._mapping
    if columns.get("repository_path") is None:
        return None
    return RepositoryIdentity(columns["repository_host"], columns["repository_path"], "")


def _answer(recorded: Recorded) -> ChangeAnswer:
    kind, read = _KINDS.get(recorded.table, ("settings", lambda row: settings_from(row._mapping)))
    rows = [recorded.row] if recorded.before is None else [recorded.before, recorded.row]
    entry = entries(rows, read, PASSED_OVER)[-1]
    repository = _repository(recorded.row)
    return ChangeAnswer(
        revision=entry.version.revision,
        recorded_at=from_microseconds(entry.version.recorded_at),
        recorded_by=entry.version.recorded_by,
        token_id=entry.version.token_id,
        kind=kind,
        id=entry.version.id,
        repository=None if repository is None else repository.shown,
        action=entry.action,
        changes=entry.changes,
    )
