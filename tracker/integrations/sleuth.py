"""Sleuth's registration of deploys: one call, in JSON or as a form."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.params import FromPath
from pydantic import BeforeValidator, Field
from sqlalchemy import Connection, select

from metrics.domain.errors import InvalidInput
from metrics.domain.fields import CommitId, Name
from metrics.domain.instants import to_microseconds
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import name_key
from tracker.auth.callers import BEARER, Caller, requires
from tracker.auth.tokens import Scope
from tracker.integrations.base import Integration
from tracker.integrations.translation import (
    ForeignBody,
    ForeignInstant,
    NoneForEmpty,
    only_repository,
    plain_failure,
    record_all,
    repository_of_service,
    said_in,
    sent_deployment,
)
from tracker.records.ledger import Ledger
from tracker.records.tables import REPOSITORIES, current
from tracker.senders import keys
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

PREFIX = "/api/1/deployments"
_NAMES = {"commit_id": "sha", "finished_at": "date", "member_id": "email"}
# What `sleuth-client` has for the files of a commit that only marks where the history begins.
_IGNORED_FILES = ["ignored"]


def _flag(value: object) -> object:
    return value if isinstance(value, bool) else str(value).strip().lower() in ("true", "1")


class DeployCommit(ForeignBody):
    revision: CommitId
    date: ForeignInstant | None = None
    files: Any = None


class Deploy(ForeignBody):
    sha: CommitId
    environment: Annotated[Name | None, NoneForEmpty] = None
    date: ForeignInstant | None = None
    commits: Annotated[list[DeployCommit], Field(max_length=10_000)] | None = None
    ignore_if_duplicate: Annotated[bool, BeforeValidator(_flag)] = False
    email: Annotated[Name | None, NoneForEmpty] = None

    @property
    def is_deployed(self) -> bool:
        """Whether it is a deploy, and not the commit from which on a client tells of deploys."""
        commits = self.commits or ()
        return not commits or any(one.files != _IGNORED_FILES for one in commits)

    def fields(self, slug: str) -> dict[str, Any]:
        """A record's fields, but for its repository and its service."""
        key = None
        if self.ignore_if_duplicate:
            key = keys.sleuth_deploy(slug, self.sha, None)
        elif self.date is not None:
            key = keys.sleuth_deploy(slug, self.sha, to_microseconds(self.date))
        return {
            "commit_id": self.sha,
            "environment": self.environment,
            "finished_at": self.date,
            "member_id": self.email,
            "commits": [
                {"sha": one.revision, "committed_at": one.date}
                for one in self.commits or ()
                if one.date is not None
            ],
            "deployment_node_id": key,
        }


@post(
    PREFIX + "/{sleuth_organization:str}/{slug:str}/register_deploy",
    guards=[requires(Scope.DEPLOYMENTS_WRITE, schemes=(*BEARER, "apikey"))],
    status_code=200,
    include_in_schema=False,
)
async def register(slug: FromPath[str], request: CallerRequest, service: Service) -> Mapping[str, bool]:
    """Record a deploy. The organization is the token's; the slug names a service or a repository."""
    caller = request.user
    deploy = Deploy.parse(msgspec.json.encode(await said_in(request)))

    def act(ledger: Ledger) -> None:
        repository, has_service = _repository(ledger.connection, caller, slug, service.settings.github_url)
        fields = deploy.fields(slug) | {
            "repository_url": repository.url,
            "service": slug if has_service else "",
        }
        record_all(ledger, caller, [sent_deployment(fields, _NAMES, ledger.now)])

    if deploy.is_deployed:
        await service.recorder.record(act)
    return {"success": True}


def _repository(
    connection: Connection, caller: Caller, slug: str, base_url: str
) -> tuple[RepositoryIdentity, bool]:
    """The repository that a slug stands for, and whether it has a service of that name.

    One that the slug does not tell is the only one that the token is for. Raises `InvalidInput`.
    """
    known = repository_of_service(connection, caller, slug)
    if known is None:
        alone = only_repository(caller, base_url)
        if alone is None:
            detail = (
                f"no repository has a service {slug!r} or is called so: record once with tracker record, or "
                "send a token that is for one repository alone"
            )
            raise InvalidInput.field("slug", detail)
        return alone, False
    columns = REPOSITORIES.c
    service = connection.scalar(
        select(columns.id).where(
            current(columns, caller.organization),
            columns.repository_key == known.key,
            columns.service_key == name_key(slug),
        )
    )
    return known, service is not None


INTEGRATION = Integration(name="sleuth", handlers=[register], error_shapes={f"{PREFIX}/": plain_failure})
