"""Sentry's releases and their deploys, as `sentry-cli` tells them.

A release is described by several calls before it is deployed: what they say is kept, and becomes a record
with the deploy. The organization is the token's, whatever the path says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import unquote

from litestar import Controller, Response, get, post, put
from litestar.params import FromPath, JSONBody
from pydantic import Field
from sqlalchemy import Connection, select

from metrics.domain.errors import InvalidInput
from metrics.domain.fields import CommitId, Name, ServiceName, ShortText, Url
from metrics.domain.instants import EPOCH, from_microseconds, instant_of, to_microseconds
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from metrics.domain.vocabulary import name_key
from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.deployments.service import RecordedDeployment
from tracker.errors import NotFound
from tracker.intakes.descriptions import describe, described
from tracker.integrations.base import Integration
from tracker.integrations.translation import (
    ForeignBody,
    ForeignInstant,
    NoneForEmpty,
    commit_or_none,
    find_deployment,
    record_all,
    repository_named,
    repository_of_service,
    sent_deployment,
)
from tracker.records.ledger import Ledger
from tracker.records.tables import DEPLOYMENTS, REPOSITORIES, current
from tracker.senders import keys
from tracker.web.paging import CallerRequest
from tracker.web.problems import Failure
from tracker.web.state import Service

PREFIX = "/api/0"
_WRITERS = [requires(Scope.DEPLOYMENTS_WRITE)]
_READERS = [requires(Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_READ)]
_NAMES = {
    "repository_url": "projects",
    "version": "version",
    "environment": "environment",
    "started_at": "dateStarted",
    "finished_at": "dateFinished",
    "service": "projects",
    "title": "name",
    "url": "url",
}
_NO_REPOSITORY = (
    "no repository is known for the release: tell its commits (sentry-cli releases set-commits), or record "
    "once with tracker record, with the project's name as the service"
)
_RELEASE = "release"
_OF_DEPLOYS = keys.sender_key("sentry", "", "deploy", "")
# A client takes a repository for its own by the kind of its host, as Sentry calls it.
_PROVIDERS = ("github", "gitlab", "bitbucket")
Answer = Mapping[str, Any]

_Text = Annotated[ShortText | None, NoneForEmpty]
_Projects = Annotated[list[ServiceName], Field(max_length=100)]


class Ref(ForeignBody):
    repository: ShortText
    commit: ShortText | None = None


class ReleaseCommit(ForeignBody):
    id: CommitId
    timestamp: ForeignInstant | None = None
    message: str | None = None

    @property
    def is_change(self) -> bool:
        """Whether it is told when it was written, and it is no merge as far as its message tells."""
        return self.timestamp is not None and not (self.message or "").startswith("Merge ")


class Release(ForeignBody):
    """What a call says of a release; what it leaves out stays as it was said."""

    version: Name | None = None
    projects: _Projects | None = None
    refs: Annotated[list[Ref], Field(max_length=100)] | None = None
    commits: Annotated[list[ReleaseCommit], Field(max_length=10_000)] | None = None
    url: Annotated[Url | None, NoneForEmpty] = None
    dateReleased: ForeignInstant | None = None  # noqa: N815  as Sentry has them
    dateCreated: ForeignInstant | None = None  # noqa: N815
    """When it was told of first; what a client says of that is passed over."""

    def said(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True, exclude={"version", "dateCreated"})


class Deploy(ForeignBody):
    environment: Annotated[Name, Field(max_length=64)]
    name: _Text = None
    url: Annotated[Url | None, NoneForEmpty] = None
    dateStarted: ForeignInstant | None = None  # noqa: N815
    dateFinished: ForeignInstant | None = None  # noqa: N815
    projects: _Projects | None = None


@dataclass(frozen=True, slots=True)
class Releases:
    """The releases that a caller has told of. Those that are told with a limited token are its own."""

    connection: Connection
    caller: Caller

    def find(self, version: str) -> Release | None:
        found = described(self.connection, self.caller.organization, _RELEASE, self.key(version))
        return None if found is None else Release.model_validate(found, strict=False)

    def key(self, version: str) -> str:
        reach = ",".join(sorted(self.caller.repositories or ()))
        digest = sha256(reach.encode()).hexdigest()[:16] if reach else ""
        return keys.sender_key("sentry", digest, _RELEASE, version)

    def keep(self, ledger: Ledger, version: str, release: Release) -> None:
        """Keep what is said of a release beside what was said before."""
        said = release.said()
        if self.find(version) is None:
            said["dateCreated"] = from_microseconds(ledger.now).isoformat()
        describe(ledger, self.caller.organization, _RELEASE, self.key(version), said)

    def fields(self, project: str, release: Release, github_url: str) -> dict[str, Any]:
        """What a record of the release says for one of its projects, `""` for none. Raises `InvalidInput`."""
        known = repository_of_service(self.connection, self.caller, project) if project else None
        named = [(self._repository(ref.repository, github_url), ref.commit) for ref in release.refs or ()]
        chosen = next(
            (pair for pair in named if known is not None and pair[0] == known),
            next((pair for pair in named if _is_called(pair[0], project)), named[0] if named else None),
        )
        repository, commit = (known, None) if chosen is None else chosen
        if repository is None:
            raise InvalidInput.field("projects", _NO_REPOSITORY)
        commits = release.commits or ()
        return {
            "repository_url": repository.url,
            "service": project,
            "commit_id": commit_or_none(commit) or (commits[0].id if commits else None),
            "commits": [
                {"sha": one.id, "committed_at": one.timestamp}
                for one in commits
                if one.is_change
            ],
        }  # fmt: skip

    def _repository(self, name: str, github_url: str) -> RepositoryIdentity:
        """The repository that a ref names. Raises `InvalidInput`."""
        try:
            return repository_named(self.connection, self.caller.organization, name, github_url)
        except RepositoryUrlError as error:
            raise InvalidInput.field("refs", f"{name!r} {error}") from None

    def last_commit(self, version: str, release: Release) -> str | None:
        """The commit of its first project's latest other release that was deployed through these calls.

        One that came otherwise need not be in the history that a client looks through, and it fails then.
        """
        project = (release.projects or [""])[0]
        known = repository_of_service(self.connection, self.caller, project) if project else None
        if known is None:
            return None
        columns = DEPLOYMENTS.c
        found = find_deployment(
            self.connection,
            self.caller,
            columns.repository_key == known.key,
            columns.service_key.in_([name_key(project), ""]),
            columns.commit_id.is_not(None),
            columns.deployment_node_id.startswith(f"{_OF_DEPLOYS}:"),
            columns.version.is_distinct_from(version),
        )
        return None if found is None else found.facts.commit_id


def _is_called(repository: RepositoryIdentity, project: str) -> bool:
    return name_key(repository.path.rpartition("/")[2]) == name_key(project)


class SentryController(Controller):
    """Releases and their deploys."""

    path = PREFIX + "/organizations/{sentry_organization:str}"
    include_in_schema = False

    @get("/repos", guards=_READERS, sync_to_thread=True)
    def list_repositories(self, request: CallerRequest, service: Service) -> Sequence[Answer]:
        """The repositories that records have named: a client looks for its own among them."""
        columns = REPOSITORIES.c
        statement = (
            select(columns.first_revision, columns.repository_url, columns.created_at)
            .where(current(columns, request.user.organization), columns.service_key == "")
            .order_by(columns.first_revision)
        )
        with service.engine.connect() as connection:
            rows = connection.execute(statement).all()
        found = [(number, RepositoryIdentity.parse(url), at) for number, url, at in rows]
        return [
            repository_answer(number, identity, at)
            for number, identity, at in found
            if request.user.may_use(identity)
        ]

    @post("/releases", guards=_WRITERS)
    async def create(self, data: JSONBody[Release], request: CallerRequest, service: Service) -> Answer:
        """Tell of a release."""
        version = data.version
        if version is None:
            raise InvalidInput.field("version", "is required")
        return await _kept(service, request.user, version, data)

    @put("/releases/{version:str}", guards=_WRITERS)
    async def update(
        self, version: FromPath[str], data: JSONBody[Release], request: CallerRequest, service: Service
    ) -> Answer:
        """Say more of a release: its commits, its projects."""
        return await _kept(service, request.user, unquote(version), data)

    @get("/releases/{version:str}", guards=_READERS, sync_to_thread=True)
    def read(self, version: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """What was said of a release."""
        with service.engine.connect() as connection:
            release = Releases(connection, request.user).find(unquote(version))
        if release is None:
            raise NotFound("The requested resource does not exist")
        return release_answer(unquote(version), release)

    @get("/releases/{version:str}/previous-with-commits", guards=_READERS, sync_to_thread=True)
    def previous(self, version: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """The release before, up to whose commit a client looks for new ones; empty where none is known."""
        name = unquote(version)
        with service.engine.connect() as connection:
            releases = Releases(connection, request.user)
            commit = releases.last_commit(name, releases.find(name) or Release())
        return {} if commit is None else release_answer(commit, Release(), commit)

    @post("/releases/{version:str}/deploys", guards=_WRITERS)
    async def deploy(
        self, version: FromPath[str], data: JSONBody[Deploy], request: CallerRequest, service: Service
    ) -> Answer:
        """Record a deploy of a release: a record for each of its projects, all of them or none."""
        caller, name = request.user, unquote(version)

        def act(ledger: Ledger) -> Answer:
            releases = Releases(ledger.connection, caller)
            release = releases.find(name) or Release()
            finished_at = instant_of(ledger.now) if data.dateFinished is None else data.dateFinished
            assert finished_at is not None
            key = keys.sentry_deploy(name, data.environment, to_microseconds(finished_at))
            said = {
                "version": name,
                "environment": data.environment,
                "title": data.name,
                "url": data.url,
                "started_at": data.dateStarted,
                "finished_at": finished_at,
                "deployment_node_id": key,
            }
            projects = data.projects or release.projects or [""]
            sent = [
                sent_deployment(
                    {**releases.fields(one, release, service.settings.github_url), **said}, _NAMES, ledger.now
                )
                for one in projects
            ]
            return deploy_answer(record_all(ledger, caller, sent)[0], data.name)

        return await service.recorder.record(act)

    @get("/releases/{version:str}/deploys", guards=_READERS, sync_to_thread=True)
    def list_deploys(
        self, version: FromPath[str], request: CallerRequest, service: Service
    ) -> Sequence[Answer]:
        """The deploys of a release, the latest first, however they were recorded."""
        columns = DEPLOYMENTS.c
        statement = (
            select(DEPLOYMENTS)
            .where(current(columns, request.user.organization), columns.version == unquote(version))
            .order_by(columns.listed_at.desc(), columns.id.desc())
        )
        with service.engine.connect() as connection:
            found = [RecordedDeployment.from_row(row) for row in connection.execute(statement)]
        return [
            deploy_answer(one, one.facts.title) for one in found if request.user.may_use(one.facts.repository)
        ]


@get(PREFIX, guards=[requires(*Scope)], include_in_schema=False, sync_to_thread=False)
def root(request: CallerRequest) -> Answer:
    """Whose token it is."""
    claims = request.user.claims
    user = {"id": claims.subject, "name": claims.subject, "username": claims.subject, "email": claims.subject}
    return {"version": "0", "auth": {"scopes": sorted(claims.scopes)}, "user": user}


async def _kept(service: Service, caller: Caller, version: str, release: Release) -> Answer:
    """Keep what is said of a release; answer all that is."""

    def act(ledger: Ledger) -> Answer:
        releases = Releases(ledger.connection, caller)
        releases.keep(ledger, version, release)
        return release_answer(version, releases.find(version) or release)

    return await service.recorder.record(act)


def release_answer(version: str, release: Release, commit: str | None = None) -> Answer:
    return {
        "version": version,
        "shortVersion": version,
        "ref": None,
        "url": release.url,
        # Of one that a client is told of by its commit alone it is not known, and must be something.
        "dateCreated": release.dateCreated or EPOCH,
        "dateReleased": release.dateReleased,
        "lastEvent": None,
        "newGroups": 0,
        "projects": [{"name": one, "slug": one} for one in release.projects or ()],
        "lastCommit": None if commit is None else {"id": commit},
    }


def deploy_answer(recorded: RecordedDeployment, name: str | None) -> Answer:
    facts = recorded.facts
    return {
        "id": recorded.version.id,
        "environment": facts.environment,
        "name": name,
        "url": facts.url,
        "dateStarted": instant_of(facts.started_at),
        "dateFinished": instant_of(facts.finished_at),
    }


def repository_answer(number: int, identity: RepositoryIdentity, created_at: int) -> Answer:
    kind = next((kind for kind in _PROVIDERS if kind in identity.host), "git")
    return {
        "id": str(number),
        "name": identity.path,
        "url": f"https://{identity.host}/{identity.path}",
        "provider": {"id": f"integrations:{kind}", "name": kind},
        "status": "active",
        "externalSlug": identity.path,
        "dateCreated": instant_of(created_at),
    }


def render(failure: Failure, _: str) -> Response[Any]:
    """Render a failure in the form of Sentry's API."""
    return Response(
        {"detail": failure.detail},
        status_code=failure.status,
        media_type="application/json",
        headers=dict(failure.headers),
    )


INTEGRATION = Integration(
    name="sentry",
    handlers=[SentryController, root],
    error_shapes={PREFIX: render},
    encoded_slashes=(f"{PREFIX}/",),
)
