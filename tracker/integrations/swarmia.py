"""Swarmia's deployments API: one call that records a deployment, or what a deployment has fixed."""

from typing import Annotated, Any

from litestar import post
from litestar.params import JSONBody
from pydantic import Field
from sqlalchemy import Connection

from metrics.domain.deployments import SentDeployment
from metrics.domain.errors import InvalidInput
from metrics.domain.fields import CommitId, Name, ServiceName, ShortText
from metrics.domain.instants import to_microseconds
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from tracker.auth.callers import BEARER, NO_SCHEME, Caller, requires
from tracker.auth.tokens import Scope
from tracker.integrations.base import Integration
from tracker.integrations.translation import (
    ForeignBody,
    ForeignInstant,
    NoneForEmpty,
    commit_or_none,
    find_deployment,
    plain_failure,
    record_all,
    repository_named,
    repository_of_service,
    sent_deployment,
)
from tracker.records.ledger import Ledger
from tracker.records.tables import DEPLOYMENTS
from tracker.senders import keys
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

PREFIX = "/swarmia"
_NAMES = {
    "repository_url": "repositoryFullName",
    "commit_id": "commitSha",
    "version": "version",
    "service": "appName",
    "environment": "environment",
    "finished_at": "deployedAt",
    "remediates": "fixesVersion",
    "commits_count": "includedCommitShas",
}


class NewDeployment(ForeignBody):
    version: Name
    appName: Annotated[ServiceName | None, NoneForEmpty] = None  # noqa: N815  as Swarmia has them
    environment: Annotated[Name | None, NoneForEmpty] = None
    deployedAt: ForeignInstant | None = None  # noqa: N815
    commitSha: Annotated[CommitId | None, NoneForEmpty] = None  # noqa: N815
    repositoryFullName: Annotated[ShortText | None, NoneForEmpty] = None  # noqa: N815
    includedCommitShas: Annotated[list[ShortText], Field(max_length=10_000)] | None = None  # noqa: N815
    fixesVersion: Annotated[Name | None, NoneForEmpty] = None  # noqa: N815

    def fields(self) -> dict[str, Any]:
        """A record's fields, but for its repository."""
        key = None
        if self.deployedAt is not None:
            key = keys.swarmia_deployment(self.version, to_microseconds(self.deployedAt))
        return {
            "version": self.version,
            "commit_id": self.commitSha or commit_or_none(self.version),
            "service": self.appName,
            "environment": self.environment,
            "finished_at": self.deployedAt,
            # Without the times at which they were written they are no lead time.
            "commits_count": len(self.includedCommitShas or ()) or None,
            "remediates": self.fixesVersion,
            "deployment_node_id": key,
        }


@post(
    PREFIX + "/deployments",
    guards=[requires(Scope.DEPLOYMENTS_WRITE, schemes=(*BEARER, NO_SCHEME))],
    include_in_schema=False,
)
async def record(data: JSONBody[NewDeployment], request: CallerRequest, service: Service) -> dict[str, str]:
    """Record a deployment; with `fixesVersion`, one that repairs the latest deployment of that version."""
    caller = request.user

    def act(ledger: Ledger) -> dict[str, str]:
        connection = ledger.connection
        repository = _repository(connection, caller, data, service.settings.github_url)
        fields = {**data.fields(), "repository_url": repository.url}
        sent = sent_deployment(fields, _NAMES, ledger.now)
        fixed = _fixed(connection, caller, sent)
        if fixed is not None:
            sent = sent_deployment({**fields, "remediates": fixed}, _NAMES, ledger.now)
        (recorded,) = record_all(ledger, caller, [sent])
        return {"id": recorded.version.id}

    return await service.recorder.record(act)


def _repository(
    connection: Connection, caller: Caller, data: NewDeployment, base_url: str
) -> RepositoryIdentity:
    """The repository that is named, else the one that has the app. Raises `InvalidInput`."""
    if data.repositoryFullName is not None:
        try:
            return repository_named(connection, caller.organization, data.repositoryFullName, base_url)
        except RepositoryUrlError as error:
            raise InvalidInput.field("repositoryFullName", str(error)) from None
    known = repository_of_service(connection, caller, data.appName) if data.appName else None
    if known is None:
        detail = "is required: no repository is known for this appName, or several are"
        raise InvalidInput.field("repositoryFullName", detail)
    return known


def _fixed(connection: Connection, caller: Caller, sent: SentDeployment) -> str | None:
    """The id of the latest deployment of the version that is fixed, in the same stream."""
    columns, facts = DEPLOYMENTS.c, sent.facts
    if facts.remediates is None:
        return None
    found = find_deployment(
        connection,
        caller,
        columns.version == facts.remediates,
        columns.repository_key == facts.repository_key,
        columns.service_key == facts.service_key,
        columns.environment_key == facts.environment_key,
    )
    return None if found is None else found.version.id


INTEGRATION = Integration(name="swarmia", handlers=[record], error_shapes={f"{PREFIX}/": plain_failure})
