"""Repositories beside each other, and for admins the page of one: its team, its services, its aliases."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlalchemy import Row

from metrics.definitions.base import MetricName
from metrics.domain.errors import Refusal, wording
from metrics.domain.repositories import matches_any
from metrics.domain.vocabulary import name_key
from metrics.queries.question import Dimension
from tracker.audit.quality import last_recorded, quality_of
from tracker.auth.tokens import Scope
from tracker.errors import NotFound
from tracker.organizations.schemas import RepositoryChange
from tracker.organizations.service import list_repositories, set_aliases, set_team
from tracker.pages.frame.access import PAGE, admin_signed_in, read_form, signed_in
from tracker.pages.frame.address import Address
from tracker.pages.frame.asking import Asked, together
from tracker.pages.frame.controls import Controls, controls_of
from tracker.pages.frame.live import live_page
from tracker.pages.frame.shell import frame_of, is_admin, page_response, render
from tracker.pages.parts.groups import GroupTable, group_answers, group_table
from tracker.records.ledger import Ledger, repository_of, shown_repository
from tracker.web.paging import CallerRequest
from tracker.web.state import Service, author_of


@dataclass(frozen=True, slots=True)
class KnownRepository:
    """A repository, its team, its services and its other names."""

    id: str
    name: str
    team: str | None
    services: Sequence[str]
    aliases: Sequence[str]
    last_recorded_at: datetime | None
    refused: int
    without_commits: int


@dataclass(frozen=True, slots=True)
class RepositoriesPage:
    asked: Asked
    controls: Controls
    known: Sequence[KnownRepository]
    groups: GroupTable
    sort: str
    may_change: bool


@get(
    "/repositories",
    include_in_schema=False,
    opt=PAGE,
    guards=[signed_in(Scope.METRICS_READ)],
    sync_to_thread=True,
)
def repositories_page(request: CallerRequest, service: Service) -> Response[bytes] | Redirect:
    """The repositories, with their figures and what is missing of them."""
    return live_page(request, service, "repositories", _list)


def _list(asked: Asked) -> RepositoriesPage:
    answers, quality = together(
        lambda: group_answers(asked, Dimension.REPOSITORY, MetricName.CHANGE_FAILURE_RATE),
        lambda: quality_of(asked.service, asked.caller, asked.parameters()),
    )
    entries = {entry.repository: entry for entry in quality.repositories}
    rows = list_repositories(asked.service.engine, asked.caller.organization, asked.caller.repositories)
    last = last_recorded(asked.service.engine, asked.caller.organization)
    services: dict[str, list[str]] = {}
    for row in rows:
        if row.service:
            services.setdefault(row.repository_key, []).append(row.service)
    known = []
    for row in rows:
        name = shown_repository(row._mapping) or ""
        if row.service or not _is_asked_for(asked, row):
            continue
        entry = entries.get(name) or entries.get(row.repository_key)
        known.append(
            KnownRepository(
                id=row.id,
                name=name,
                team=row.team,
                services=services.get(row.repository_key, ()),
                aliases=row.aliases,
                last_recorded_at=last.get(row.repository_key),
                refused=0 if entry is None else entry.rejected,
                without_commits=0 if entry is None else entry.without_commits,
            )
        )
    sort = asked.address.first("sort") or ""
    return RepositoriesPage(
        asked=asked,
        controls=controls_of(asked, "sort", "by"),
        known=sorted(known, key=_ORDERS.get(asked.address.first("by") or "", _ORDERS["name"])),
        groups=group_table(
            asked, Dimension.REPOSITORY, answers, MetricName.CHANGE_FAILURE_RATE, sort=sort, everything=True
        ),
        sort=asked.address.first("by") or "name",
        may_change=is_admin(asked.caller),
    )


def _is_asked_for(asked: Asked, row: Row[Any]) -> bool:
    """Whether the repository, or its team, is among those that the address names."""
    question = asked.question
    identity = repository_of(row._mapping)
    patterns = question.repositories
    if patterns and not (identity is not None and matches_any(patterns, identity)):
        return False
    return not question.teams or row.team_key in {name_key(team) for team in question.teams}


_ORDERS: Mapping[str, Any] = {
    "name": lambda one: one.name.casefold(),
    "team": lambda one: (one.team is None, name_key(one.team or ""), one.name.casefold()),
    "last": lambda one: -(one.last_recorded_at.timestamp() if one.last_recorded_at else 0),
    "refused": lambda one: (-one.refused, one.name.casefold()),
}


def _form(
    request: CallerRequest, service: Service, repository_id: str, error: str = "", saved: bool = False
) -> Response[bytes]:
    repository, services = _found(request, service, repository_id)
    html = render(
        "repository.html",
        frame_of("repositories", request, service, Address("/repositories")),
        repository=repository,
        name=shown_repository(repository._mapping),
        services=services,
        teams=sorted({row.team for row in [repository, *services] if row.team}),
        error=error,
        saved=saved,
    )
    return page_response(request, html, status_code=400 if error else 200)


def _found(
    request: CallerRequest, service: Service, repository_id: str
) -> tuple[Row[Any], Sequence[Row[Any]]]:
    """The repository and its services. Raises `NotFound`."""
    rows = list_repositories(service.engine, request.user.organization, request.user.repositories)
    repository = next((row for row in rows if row.id == repository_id and not row.service), None)
    if repository is None:
        raise NotFound(f"There is no repository {repository_id}.")
    services = [row for row in rows if row.repository_key == repository.repository_key and row.service]
    return repository, services


class RepositoryPages(Controller):
    """The form of a repository, and what it sends."""

    @get(
        "/repositories/{repository_id:str}",
        include_in_schema=False,
        opt=PAGE,
        guards=[admin_signed_in],
        sync_to_thread=True,
    )
    def repository_page(
        self, repository_id: FromPath[str], request: CallerRequest, service: Service
    ) -> Response[bytes]:
        """The form that changes a repository's team and aliases."""
        return _form(request, service, repository_id)

    @post("/repositories/{repository_id:str}", include_in_schema=False, opt=PAGE, guards=[admin_signed_in])
    async def change_repository(
        self, repository_id: FromPath[str], request: CallerRequest, service: Service
    ) -> Response[bytes] | Redirect:
        """Set the team of a repository, those of its services, and its aliases."""
        form, author = await read_form(request, service), author_of(request.user)
        repository, services = await asyncio.to_thread(_found, request, service, repository_id)
        aliases = form.text("aliases").split()
        try:
            change = RepositoryChange.model_validate(
                {"team": form.text("team") or None, "aliases": aliases or None}
            )
            teams = [
                (row.id, RepositoryChange.model_validate({"team": form.text(f"team-{row.id}") or None}).team)
                for row in services
                if form.has(f"team-{row.id}")
            ]
        except ValidationError as error:
            said = "; ".join(f"{detail['loc'][0]} {wording(detail, 'field')}" for detail in error.errors())
            return await asyncio.to_thread(_form, request, service, repository_id, said)

        def act(ledger: Ledger) -> None:
            for row_id, team in [(repository.id, change.team), *teams]:
                set_team(ledger, author, row_id, team)
            set_aliases(ledger, author, repository.id, change.alias_keys())

        try:
            await service.recorder.record(act)
        except Refusal as refusal:
            said = "; ".join(f"{error.pointer.strip('/')} {error.detail}" for error in refusal.errors)
            return await asyncio.to_thread(_form, request, service, repository_id, said or refusal.detail)
        return await asyncio.to_thread(_form, request, service, repository_id, "", True)
