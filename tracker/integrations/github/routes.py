"""GitHub's Deployments API: deployments and their statuses, at `/` and at `/api/v3`.

There is no repository behind the service: `auto_merge` and `required_contexts` are kept and passed on, and
nothing is merged or waited for.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.requests import (
    RequestFilter,
    delete_requested,
    find_requested,
    list_requested,
    report_progress,
    request_deployment,
    status_history,
)
from tracker.errors import NotFound
from tracker.integrations.github.answers import Answer, deployment_answer, repository_answer, status_answer
from tracker.integrations.github.bodies import NewDeployment, NewStatus
from tracker.records.ledger import Ledger
from tracker.web.paging import CallerRequest, base_of
from tracker.web.state import Service, author_of

T = TypeVar("T")
PREFIXES = ("", "/api/v3")
LARGEST_PAGE = 100
DEFAULT_PAGE = 30
# What a database has for a number.
_LARGEST_NUMBER = 2**63 - 1
SCHEMES = ("bearer", "token", "basic")
"""What GitHub's clients show a token as: the last one has it for a password."""
_READERS = requires(Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_READ, schemes=SCHEMES)
_WRITERS = requires(Scope.DEPLOYMENTS_WRITE, schemes=SCHEMES)


async def know_repository(request: CallerRequest) -> None:
    """The repository that the path names, for the handler and for whoever notes a refusal."""
    service: Service = request.app.state.service
    owner, name = request.path_params["owner"], request.path_params["repo"]
    numbers = (request.path_params.get("number", 0), request.path_params.get("status", 0))
    if "\x00" in owner + name or max(numbers) > _LARGEST_NUMBER:
        raise NotFound("There is no such repository.")
    try:
        identity = RepositoryIdentity.parse(f"{service.settings.github_url.rstrip('/')}/{owner}/{name}")
    except RepositoryUrlError:
        raise NotFound("There is no such repository.") from None
    request.state.repository = identity
    request.user.require_read(identity, "There is no such repository.")


class GitHubController(Controller):
    """Deployments and statuses of one repository."""

    path = "/repos/{owner:str}/{repo:str}"
    include_in_schema = False

    @get("/", guards=[_READERS])
    async def read_repository(self, request: CallerRequest, service: Service) -> Answer:
        """The repository, whether a record has named it or not: clients ask for it first."""
        return repository_answer(request.state.repository, base_of_github(request, service))

    @post("/deployments", guards=[_WRITERS])
    async def create(
        self, data: JSONBody[NewDeployment], request: CallerRequest, service: Service
    ) -> Response[Answer]:
        """Ask for a deployment."""
        author, base = author_of(request.user), base_of_github(request, service)
        wanted = data.request(request.state.repository)
        requested = await service.recorder.record(lambda ledger: request_deployment(ledger, author, wanted))
        answer = deployment_answer(requested, base)
        return Response(answer, headers={"Location": str(answer["url"])})

    @get("/deployments", guards=[_READERS], sync_to_thread=True)
    def list_all(self, request: CallerRequest, service: Service) -> Response[list[Answer]]:
        """The repository's deployments, the newest first."""
        given = request.query_params
        filters = {name: given[name] for name in ("ref", "sha", "task", "environment") if given.get(name)}
        if filters.get("sha"):
            filters["sha"] = filters["sha"].lower()
        wanted = RequestFilter(
            organization=request.user.organization, repository=request.state.repository, **filters
        )
        base, (page, size) = base_of_github(request, service), _page(given)
        with service.engine.connect() as connection:
            found, total = list_requested(connection, wanted, offset=(page - 1) * size, limit=size)
        answers = [deployment_answer(one, base) for one in found]
        return Response(answers, headers=_links(request, base, page, size, total))

    @get("/deployments/{number:int}", guards=[_READERS], sync_to_thread=True)
    def read(self, number: FromPath[int], request: CallerRequest, service: Service) -> Answer:
        """One deployment."""
        requested = _reading(service, lambda connection: _find(connection, request, number))
        return deployment_answer(requested, base_of_github(request, service))

    @delete("/deployments/{number:int}", guards=[requires(Scope.ADMIN, schemes=SCHEMES)])
    async def delete(self, number: FromPath[int], request: CallerRequest, service: Service) -> None:
        """Delete a deployment that is not active."""
        author, repository = author_of(request.user), request.state.repository

        def act(ledger: Ledger) -> None:
            delete_requested(ledger, author, repository, number)

        await service.recorder.record(act)

    @post("/deployments/{number:int}/statuses", guards=[_WRITERS])
    async def create_status(
        self,
        number: FromPath[int],
        data: JSONBody[NewStatus],
        request: CallerRequest,
        service: Service,
    ) -> Response[Answer]:
        """Report a deployment's status; its record follows."""
        author, repository, progress = author_of(request.user), request.state.repository, data.progress()

        def act(ledger: Ledger) -> Answer:
            status = report_progress(ledger, author, repository, number, progress)
            requested = find_requested(ledger.connection, author.organization, repository, number)
            return status_answer(status, requested, base)

        base = base_of_github(request, service)
        answer = await service.recorder.record(act)
        return Response(answer, headers={"Location": str(answer["url"])})

    @get("/deployments/{number:int}/statuses", guards=[_READERS], sync_to_thread=True)
    def list_statuses(
        self, number: FromPath[int], request: CallerRequest, service: Service
    ) -> Response[list[Answer]]:
        """The statuses of a deployment, the latest first."""
        base, (page, size) = base_of_github(request, service), _page(request.query_params)

        def act(connection: Connection) -> list[Answer]:
            requested = _find(connection, request, number)
            return [
                status_answer(status, requested, base) for status in status_history(connection, requested)
            ]

        answers = _reading(service, act)
        shown = answers[(page - 1) * size : page * size]
        return Response(shown, headers=_links(request, base, page, size, len(answers)))

    @get("/deployments/{number:int}/statuses/{status:int}", guards=[_READERS], sync_to_thread=True)
    def read_status(
        self, number: FromPath[int], status: FromPath[int], request: CallerRequest, service: Service
    ) -> Answer:
        """One status."""
        base = base_of_github(request, service)

        def act(connection: Connection) -> Answer:
            requested = _find(connection, request, number)
            for one in status_history(connection, requested):
                if one.number == status:
                    return status_answer(one, requested, base)
            raise NotFound(f"There is no status {status}.")

        return _reading(service, act)


def _find(connection: Connection, request: CallerRequest, number: int) -> Any:
    return find_requested(connection, request.user.organization, request.state.repository, number)


def _reading(service: Service, act: Callable[[Connection], T]) -> T:
    with service.engine.connect() as connection:
        return act(connection)


def base_of_github(request: CallerRequest, service: Service) -> str:
    """The address that the client has called, without a slash at the end; the public one where it is set."""
    path = f"{request.url.path}/"
    prefix = next(prefix for prefix in reversed(PREFIXES) if path.startswith(f"{prefix}/"))
    return base_of(request, service.settings) + prefix


def _page(given: Mapping[str, Any]) -> tuple[int, int]:
    """The page, from 1, and how many a page; what is no such number is passed over, as GitHub does."""

    def number(name: str, default: int, largest: int) -> int:
        text = str(given.get(name, ""))
        is_number = text.isascii() and text.isdigit() and len(text) < 10
        # GitHub takes 0 for nothing said.
        return min(int(text), largest) or default if is_number else default

    return number("page", 1, 10**9), number("per_page", DEFAULT_PAGE, LARGEST_PAGE)


def _links(request: CallerRequest, base: str, page: int, size: int, total: int) -> dict[str, str]:
    """The header that leads to other pages; none where there is one page only."""
    last = max(1, -(-total // size))
    pages: dict[str, int] = {}
    if page > 1:
        pages |= {"prev": min(page - 1, last), "first": 1}
    if page < last:
        pages |= {"next": page + 1, "last": last}
    path = quote(request.url.path.removeprefix("/api/v3"))
    others = [pair for pair in request.query_params.multi_items() if pair[0] not in ("page", "per_page")]
    links = (
        f'<{base}{path}?{urlencode([*others, ("per_page", size), ("page", number)])}>; rel="{name}"'
        for name, number in pages.items()
    )
    return {"Link": ", ".join(links)} if pages else {}
