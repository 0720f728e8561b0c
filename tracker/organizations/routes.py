"""`/api/v1/settings` and `/api/v1/repositories`: what an organization sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Controller, get, patch
from litestar.params import FromPath, JSONBody

from metrics.domain.errors import FieldError, InvalidInput
from metrics.domain.instants import from_microseconds
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.settings import OrganizationSettings, SettingsChange
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.organizations.schemas import RepositoryChange
from tracker.organizations.service import (
    change_settings,
    list_repositories,
    read_settings,
    set_aliases,
    set_team,
)
from tracker.records.ledger import Ledger
from tracker.web.paging import CallerRequest, ListAnswer
from tracker.web.state import Service, author_of

SETTINGS_PATH = "/api/v1/settings"


class SettingsController(Controller):
    """Read the settings and change them."""

    @get(SETTINGS_PATH, guards=[requires(Scope.ADMIN)], sync_to_thread=True)
    def read(self, request: CallerRequest, service: Service) -> OrganizationSettings:
        """The organization's settings, defaults included."""
        request.user.require_unlimited("settings are the whole organization's")
        with service.engine.connect() as connection:
            return read_settings(connection, request.user.organization)

    @patch(SETTINGS_PATH, guards=[requires(Scope.ADMIN)])
    async def change(
        self, data: JSONBody[SettingsChange], request: CallerRequest, service: Service
    ) -> OrganizationSettings:
        """Change settings: a merge patch, in force for the next answer of every process."""
        request.user.require_unlimited("settings are the whole organization's")
        author, changes = author_of(request.user), data.changes()

        def act(ledger: Ledger) -> OrganizationSettings:
            return change_settings(ledger, author, changes)

        return await service.recorder.record(act)


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
    aliases: list[str]
    created_at: datetime
    updated_at: datetime


REPOSITORIES_PATH = "/api/v1/repositories"


def _answer(columns: Mapping[str, Any]) -> RepositoryAnswer:
    return RepositoryAnswer(
        id=columns["id"],
        organization=columns["organization"],
        repository=RepositoryIdentity(columns["repository_host"], columns["repository_path"], "").shown,
        repository_url=columns["repository_url"],
        host=columns["repository_host"],
        service=columns["service"],
        team=columns["team"],
        aliases=columns["aliases"],
        created_at=from_microseconds(columns["created_at"]),
        updated_at=from_microseconds(columns["recorded_at"]),
    )


class RepositoriesController(Controller):
    """List repositories, and set the team and the aliases of one."""

    @get(REPOSITORIES_PATH, guards=[requires(Scope.METRICS_READ)], sync_to_thread=True)
    def list_all(self, request: CallerRequest, service: Service) -> ListAnswer[RepositoryAnswer]:
        """Every repository and service that a record has named, by path."""
        rows = list_repositories(service.engine, request.user.organization, request.user.repositories)
        return ListAnswer([_answer(dict(row._mapping)) for row in rows])

    @patch(REPOSITORIES_PATH + "/{repository_id:str}", guards=[requires(Scope.ADMIN)])
    async def change(
        self,
        repository_id: FromPath[str],
        data: JSONBody[RepositoryChange],
        request: CallerRequest,
        service: Service,
    ) -> RepositoryAnswer:
        """Set the team of a repository, or of one of its services: it holds for records that name none.

        Set the aliases of a repository: all their records are its own from then on.
        """
        author, can_access = author_of(request.user), request.user.can_access
        given = data.model_fields_set
        if not given:
            raise InvalidInput.of([FieldError("/team", "is required, or aliases")])
        if "aliases" in given:
            request.user.require_unlimited("aliases may name repositories beyond a token's own")

        def act(ledger: Ledger) -> RepositoryAnswer:
            row: Mapping[str, Any] = {}
            if "team" in given:
                row = set_team(ledger, author, repository_id, data.team, can_access)
            if "aliases" in given:
                row = set_aliases(ledger, author, repository_id, data.alias_keys())
            return _answer(row)

        return await service.recorder.record(act)
