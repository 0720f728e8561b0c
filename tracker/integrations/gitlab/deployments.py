"""GitLab's projects as far as they are deployed: their deployments, made, finished, read and listed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Controller, Response, get, post, put
from litestar.params import FromPath
from pydantic import BeforeValidator, Field
from sqlalchemy import ColumnElement, Connection, func, select

from metrics.domain.corrections import Correction
from metrics.domain.errors import InvalidInput
from metrics.domain.fields import CommitId, Name
from metrics.domain.instants import InstantError, instant_of, to_microseconds
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import name_key
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.service import RecordedDeployment, record_deployment, revise_deployment
from tracker.errors import NotFound
from tracker.integrations.gitlab.answers import (
    PREFIX,
    STATUSES,
    Answer,
    deployment_answer,
    project_answer,
    user_answer,
)
from tracker.integrations.gitlab.projects import (
    HEADERS,
    LARGEST_NUMBER,
    READERS,
    WRITERS,
    number_of_project,
    project_of,
)
from tracker.integrations.translation import ForeignBody, find_deployment, said_in, sent_deployment
from tracker.records.ledger import Ledger
from tracker.records.tables import DEPLOYMENTS, current
from tracker.senders.times import read_foreign_instant
from tracker.web.paging import CallerRequest, base_of
from tracker.web.state import Service, author_of

LARGEST_PAGE = 100
DEFAULT_PAGE = 20
_NAMES = {"environment": "environment", "commit_id": "sha", "branch": "ref", "version": "ref"}
# No record is in one of these.
_NEVER = ("created", "blocked", "skipped")
_NOT_FOUND = "Deployment Not Found"


def _flag(value: object) -> object:
    """A flag as a form has it."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower(), value)


_Status = Annotated[str, Field(pattern=f"^({'|'.join(STATUSES)})$")]


class NewDeployment(ForeignBody):
    environment: Name
    sha: CommitId
    ref: Name
    tag: Annotated[bool, BeforeValidator(_flag)]
    status: _Status

    def fields(self, repository: RepositoryIdentity) -> dict[str, Any]:
        """A record's fields, but for its times."""
        return {
            "repository_url": repository.url,
            "environment": self.environment,
            "commit_id": self.sha,
            "version": self.ref if self.tag else None,
            "branch": None if self.tag else self.ref.removeprefix("refs/heads/"),
            "status": STATUSES[self.status].value,
        }


class DeploymentUpdate(ForeignBody):
    status: _Status


class AccountController(Controller):
    """What GitLab's clients ask of an installation, and of whoever has the token."""

    path = PREFIX
    include_in_schema = False

    @get("/user", guards=[requires(*Scope, headers=HEADERS)], sync_to_thread=False)
    def user(self, request: CallerRequest, service: Service) -> Answer:
        """The token's subject as a user."""
        return user_answer(request.user.claims.subject, base_of(request, service.settings))

    @get("/version", guards=[requires(*Scope, headers=HEADERS)], sync_to_thread=False)
    def version(self) -> Answer:
        """A version in which all that there is here is known."""
        return {"version": "18.0.0", "revision": "tracker"}


class ProjectController(Controller):
    """A project and its deployments."""

    path = PREFIX + "/projects/{project:str}"
    include_in_schema = False

    @get("/", guards=READERS, sync_to_thread=True)
    def read_project(self, project: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """The repository, whether a record has named it or not: clients ask for it first."""
        with service.engine.connect() as connection:
            identity = project_of(connection, request.user, service.settings.gitlab_url, project)
            return project_answer(identity, number_of_project(connection, request.user, identity))

    @post("/deployments", guards=WRITERS)
    async def create(self, project: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """Record a deployment, under way or over."""
        caller, author, said = request.user, author_of(request.user), await said_in(request)
        wanted = NewDeployment.parse(msgspec.json.encode(said))

        def act(ledger: Ledger) -> Answer:
            repository = project_of(ledger.connection, caller, service.settings.gitlab_url, project)
            fields = wanted.fields(repository)
            if wanted.status == "running":
                fields["started_at"] = instant_of(ledger.now)
            sent = sent_deployment(fields, _NAMES, ledger.now)
            caller.require_write(sent.facts.repository)
            return deployment_answer(record_deployment(ledger, author, sent, caller.can_access).deployment)

        return await service.recorder.record(act)

    @get("/deployments", guards=READERS, sync_to_thread=True)
    def list_all(
        self, project: FromPath[str], request: CallerRequest, service: Service
    ) -> Response[Sequence[Answer]]:
        """The project's deployments, however they were recorded."""
        given, page = request.query_params, _Page.of(request.query_params)
        with service.engine.connect() as connection:
            identity = project_of(connection, request.user, service.settings.gitlab_url, project)
            conditions = [
                current(DEPLOYMENTS.c, request.user.organization),
                DEPLOYMENTS.c.repository_key == identity.key,
                *_filters(given),
            ]
            total = connection.scalar(select(func.count()).select_from(DEPLOYMENTS).where(*conditions)) or 0
            statement = select(DEPLOYMENTS).where(*conditions).order_by(*_order(given))
            rows = connection.execute(statement.offset(page.offset).limit(page.size)).all()
        answers = [deployment_answer(RecordedDeployment.from_row(row)) for row in rows]
        return Response(answers, headers=page.headers(request, base_of(request, service.settings), total))

    @get("/deployments/{deployment_number:int}", guards=READERS, sync_to_thread=True)
    def read(
        self,
        project: FromPath[str],
        deployment_number: FromPath[int],
        request: CallerRequest,
        service: Service,
    ) -> Answer:
        """One deployment."""
        with service.engine.connect() as connection:
            return deployment_answer(_found(connection, request, service, project, deployment_number))

    @put("/deployments/{deployment_number:int}", guards=WRITERS)
    async def update(
        self,
        project: FromPath[str],
        deployment_number: FromPath[int],
        request: CallerRequest,
        service: Service,
    ) -> Answer:
        """Tell how a deployment stands; one that is over is under way no more."""
        caller, author = request.user, author_of(request.user)
        status = STATUSES[DeploymentUpdate.parse(msgspec.json.encode(await said_in(request))).status]

        def act(ledger: Ledger) -> Answer:
            found = _found(ledger.connection, request, service, project, deployment_number)
            if found.facts.status is status:
                return deployment_answer(found)
            changes: dict[str, Any] = {"status": status}
            if status.is_final:
                changes["finished_at"] = ledger.now
            correction = Correction(changes)
            revised = revise_deployment(ledger, author, found.version.id, correction, caller.can_access)
            return deployment_answer(revised)

        return await service.recorder.record(act)


def _found(
    connection: Connection, request: CallerRequest, service: Service, project: str, number: int
) -> RecordedDeployment:
    """The project's deployment with the number. Raises `NotFound`."""
    identity = project_of(connection, request.user, service.settings.gitlab_url, project)
    columns = DEPLOYMENTS.c
    found = (
        None
        if number > LARGEST_NUMBER
        else find_deployment(
            connection,
            request.user,
            columns.repository_key == identity.key,
            columns.first_revision == number,
        )
    )
    if found is None:
        raise NotFound(_NOT_FOUND)
    return found


def _filters(given: Mapping[str, str]) -> list[ColumnElement[bool]]:
    """What a list is limited to. Raises `InvalidInput`."""
    columns = DEPLOYMENTS.c
    found: list[ColumnElement[bool]] = []
    if given.get("environment"):
        found.append(columns.environment_key == name_key(given["environment"]))
    if status := given.get("status"):
        if status not in STATUSES and status not in _NEVER:
            raise InvalidInput.field("status", "does not have a valid value")
        found.append(columns.status == (STATUSES[status].value if status in STATUSES else status))
    for name, column in (("updated", columns.recorded_at), ("finished", columns.finished_at)):
        for suffix, compare in _COMPARE.items():
            if (at := _instant(given, f"{name}_{suffix}")) is not None:
                found.append(compare(column, at))
    return found


_COMPARE: Mapping[str, Callable[[ColumnElement[Any], int], ColumnElement[bool]]] = {
    "after": lambda column, at: column > at,
    "before": lambda column, at: column < at,
}


def _instant(given: Mapping[str, str], name: str) -> int | None:
    try:
        found = read_foreign_instant(given.get(name))
    except InstantError as error:
        raise InvalidInput.field(name, str(error)) from None
    return None if found is None else to_microseconds(found)


def _order(given: Mapping[str, str]) -> list[ColumnElement[Any]]:
    columns = DEPLOYMENTS.c
    known = {
        "id": columns.first_revision,
        "iid": columns.first_revision,
        "created_at": columns.created_at,
        "updated_at": columns.recorded_at,
        "finished_at": columns.finished_at,
        "ref": func.coalesce(columns.branch, columns.version, columns.commit_id),
    }
    name, sort = given.get("order_by") or "id", given.get("sort") or "asc"
    if name not in known:
        raise InvalidInput.field("order_by", "does not have a valid value")
    if sort not in ("asc", "desc"):
        raise InvalidInput.field("sort", "does not have a valid value")
    ordered = [known[name], columns.first_revision]
    return [column.desc() for column in ordered] if sort == "desc" else ordered


@dataclass(frozen=True, slots=True)
class _Page:
    """Which page of a list, from 1, and how many a page."""

    number: int
    size: int

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "_Page":
        return cls(_number(given, "page", 1, 10**9), _number(given, "per_page", DEFAULT_PAGE, LARGEST_PAGE))

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size

    def headers(self, request: CallerRequest, base: str, total: int) -> dict[str, str]:
        """What leads to the other pages."""
        last = max(1, -(-total // self.size))
        following = self.number + 1 if self.number < last else None
        before = self.number - 1 if self.number > 1 else None
        links = {"prev": before, "next": following, "first": 1, "last": last}
        others = [pair for pair in request.query_params.multi_items() if pair[0] not in ("page", "per_page")]
        path = base + quote(request.url.path, safe="/%")

        def link(name: str, page: int) -> str:
            query = urlencode([*others, ("page", page), ("per_page", self.size)])
            return f'<{path}?{query}>; rel="{name}"'

        return {
            "Link": ", ".join(link(name, page) for name, page in links.items() if page is not None),
            "X-Page": str(self.number),
            "X-Per-Page": str(self.size),
            "X-Next-Page": str(following or ""),
            "X-Prev-Page": str(before or ""),
            "X-Total": str(total),
            "X-Total-Pages": str(last),
        }


def _number(given: Mapping[str, str], name: str, default: int, largest: int) -> int:
    text = given.get(name, "")
    return min(int(text), largest) or default if text.isdecimal() and len(text) < 10 else default
