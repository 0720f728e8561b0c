"""`/api/v1/repositories`: the repositories and services that records have named."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Controller, get, patch
from litestar.params import FromPath, JSONBody

from metrics.domain.instants import from_microseconds
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.errors import FieldError, InvalidRequest
from tracker.organizations.schemas import RepositoryChange
from tracker.organizations.service import list_repositories, set_team
from tracker.web.paging import CallerRequest, ListAnswer
from tracker.web.state import Service, author_of


@dataclass(frozen=True, slots=True)
class RepositoryAnswer:
    """A repository, or with `service` one of the things deployed out of it."""

    id: str
    organization: str
    repository: str
    repository_url: str
    host: str
    service: str
    team: str | None
    created_at: datetime
    updated_at: datetime


PATH = "/api/v1/repositories"


def _answer(columns: Mapping[str, Any]) -> RepositoryAnswer:
    return RepositoryAnswer(
        id=columns["id"],
        organization=columns["organization"],
        repository=columns["repository_path"],
        repository_url=columns["repository_url"],
        host=columns["repository_host"],
        service=columns["service"],
        team=columns["team"],
        created_at=from_microseconds(columns["created_at"]),
        updated_at=from_microseconds(columns["recorded_at"]),
    )


class RepositoriesController(Controller):
    """List them, and set the team of one."""

    @get(PATH, guards=[requires(Scope.METRICS_READ)], sync_to_thread=True)
    def list_all(self, request: CallerRequest, service: Service) -> ListAnswer[RepositoryAnswer]:
        """Every repository and service that a record has named, by path."""
        rows = list_repositories(service.engine, request.user.organization, request.user.repositories)
        return ListAnswer([_answer(dict(row._mapping)) for row in rows])

    @patch(PATH + "/{repository_id:str}", guards=[requires(Scope.DEPLOYMENTS_WRITE)])
    async def change(
        self,
        repository_id: FromPath[str],
        data: JSONBody[RepositoryChange],
        request: CallerRequest,
        service: Service,
    ) -> RepositoryAnswer:
        """Set the team of a repository, or of one of its services: it holds for records that name none."""
        author, reaches = author_of(request.user), request.user.reach
        if "team" not in data.model_fields_set:
            raise InvalidRequest.of([FieldError("/team", "is required")])
        changed = await service.recorder.record(
            lambda ledger: set_team(ledger, author, repository_id, data.team, reaches)
        )
        return _answer(changed)
