"""DevLake's incoming webhooks: deployments with their commits, and incidents.

A webhook of DevLake's stands for a project. Here its id or name is a label, by which an incident finds the
repository that was deployed through the same one.
"""

from typing import Annotated, Any
from urllib.parse import unquote

from litestar import Controller, Response, Router, post
from litestar.params import FromPath, JSONBody
from pydantic import BeforeValidator, Field
from sqlalchemy import Connection, select

from metrics.domain.errors import InvalidInput
from metrics.domain.fields import CommitId, Name, RepositoryUrl, ShortText, Url
from metrics.domain.repositories import RepositoryIdentity
from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.deployments.requests import release_of_ref
from tracker.errors import NotFound
from tracker.incidents.service import report_incident, revise_incident
from tracker.integrations.base import Integration
from tracker.integrations.translation import (
    ForeignBody,
    ForeignInstant,
    NoneForEmpty,
    find_incident,
    nothing,
    record_all,
    sent_deployment,
    sent_incident,
)
from tracker.records.ledger import Ledger
from tracker.records.tables import DEPLOYMENTS, INCIDENTS, current
from tracker.senders import keys
from tracker.senders.states import DEVLAKE
from tracker.web.paging import CallerRequest
from tracker.web.problems import Failure
from tracker.web.state import Service, author_of

PREFIX = "/api/rest/plugins/webhook"
_PATHS = (
    PREFIX + "/{webhook:str}",
    PREFIX + "/connections/{webhook:str}",
    PREFIX + "/connections/by-name/{webhook:str}",
)
_WRITERS = [requires(Scope.DEPLOYMENTS_WRITE)]
_LABEL = "devlake_webhook"
_INCIDENT = "INCIDENT"
_NAMES = {
    "repository_url": "repoUrl",
    "commit_id": "commitSha",
    "branch": "refName",
    "version": "refName",
    "started_at": "startedDate",
    "finished_at": "finishedDate",
    "environment": "environment",
    "title": "displayTitle",
    "deployment_node_id": "id",
}
_ISSUE_NAMES = {
    "key": "issueKey",
    "started_at": "createdDate",
    "resolved_at": "resolutionDate",
    "service": "component",
}


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


_Text = Annotated[ShortText | None, NoneForEmpty]
_Result = Annotated[
    Annotated[str, Field(pattern=f"^({'|'.join(DEVLAKE)})$")] | None, NoneForEmpty, BeforeValidator(_upper)
]


class DeploymentCommit(ForeignBody):
    """What was deployed out of one repository."""

    repoUrl: RepositoryUrl  # noqa: N815  as DevLake has them
    commitSha: CommitId  # noqa: N815
    startedDate: ForeignInstant | None = None  # noqa: N815
    finishedDate: ForeignInstant | None = None  # noqa: N815
    refName: Annotated[Name | None, NoneForEmpty] = None  # noqa: N815
    result: _Result = None
    name: _Text = None
    displayTitle: _Text = None  # noqa: N815
    commitMsg: Any = None  # noqa: N815


class NewDeployment(ForeignBody):
    """A deployment; its times are those of its commits that have none."""

    id: Annotated[Name, Field(max_length=200)]
    startedDate: ForeignInstant | None = None  # noqa: N815
    finishedDate: ForeignInstant | None = None  # noqa: N815
    result: _Result = None
    environment: Annotated[Name | None, NoneForEmpty] = None
    name: _Text = None
    displayTitle: _Text = None  # noqa: N815
    url: Annotated[Url | None, NoneForEmpty] = None
    deploymentCommits: Annotated[list[DeploymentCommit], Field(min_length=1, max_length=500)]  # noqa: N815

    def fields(self, commit: DeploymentCommit, webhook: str) -> dict[str, Any]:
        """A record's fields, for one of its commits."""
        finished_at = commit.finishedDate or self.finishedDate
        message = commit.commitMsg if isinstance(commit.commitMsg, str) else ""
        release = {} if commit.refName is None else release_of_ref(commit.refName, commit.commitSha)
        return {
            **release,
            "repository_url": commit.repoUrl,
            "commit_id": commit.commitSha,
            "environment": self.environment,
            "status": DEVLAKE[commit.result or self.result or "SUCCESS"].value,
            "started_at": commit.startedDate or self.startedDate,
            "finished_at": finished_at,
            "title": commit.displayTitle
            or self.displayTitle
            or commit.name
            or self.name
            or message.partition("\n")[0][:500],
            "url": self.url,
            "labels": {_LABEL: webhook},
            "deployment_node_id": keys.devlake_deployment(self.id, commit.commitSha),
        }


class NewIssue(ForeignBody):
    """An issue, which is an incident by its type."""

    issueKey: Annotated[Name, Field(max_length=200)]  # noqa: N815
    type: _Text = None
    title: _Text = None
    createdDate: ForeignInstant | None = None  # noqa: N815
    resolutionDate: ForeignInstant | None = None  # noqa: N815
    severity: _Text = None
    priority: _Text = None
    component: Annotated[Name | None, NoneForEmpty] = None
    url: Annotated[Url | None, NoneForEmpty] = None

    @property
    def is_incident(self) -> bool:
        return (self.type or "").strip().upper() == _INCIDENT

    def fields(self, webhook: str) -> dict[str, Any]:
        """An incident's fields, but for its repository."""
        return {
            "key": keys.devlake_incident(self.issueKey),
            "title": self.title,
            "started_at": self.createdDate,
            "resolved_at": self.resolutionDate,
            "severity": self.severity or self.priority,
            "service": self.component,
            "url": self.url,
            "labels": {_LABEL: webhook},
        }


class DevLakeController(Controller):
    """What is posted to one webhook."""

    include_in_schema = False

    @post("/deployments", guards=_WRITERS, status_code=200)
    async def record(
        self, webhook: FromPath[str], data: JSONBody[NewDeployment], request: CallerRequest, service: Service
    ) -> Response[bytes]:
        """Record a deployment: a record for each of its commits, all of them or none."""
        caller = request.user

        def act(ledger: Ledger) -> None:
            record_all(
                ledger,
                caller,
                [
                    sent_deployment(data.fields(commit, webhook), _names(index), ledger.now)
                    for index, commit in enumerate(data.deploymentCommits)
                ],
            )

        await service.recorder.record(act)
        return nothing()

    @post("/issues", guards=_WRITERS, status_code=200)
    async def report(
        self, webhook: FromPath[str], data: JSONBody[NewIssue], request: CallerRequest, service: Service
    ) -> Response[bytes]:
        """Report an incident, or say anew what is known of it; issues of other types are passed over."""
        caller = request.user

        def act(ledger: Ledger) -> None:
            known = _incident(ledger.connection, caller, data.issueKey)
            repository = None if known is not None else _repository_of(ledger.connection, caller, webhook)
            fields = data.fields(webhook) | {"repository_url": repository and repository.url}
            sent = sent_incident(fields, _ISSUE_NAMES, ledger.now)
            if known is None:
                if data.createdDate is None:
                    raise InvalidInput.field("createdDate", "is required")
                caller.require_write(sent.facts.repository)
                report_incident(ledger, author_of(caller), sent, caller.can_access)
                return
            changes = {name: getattr(sent.facts, name) for name in sent.fields_set}
            revise_incident(ledger, author_of(caller), known, changes, caller.can_access)

        if data.is_incident:
            await service.recorder.record(act)
        return nothing()

    @post("/issue/{issue_key:str}/close", guards=_WRITERS, status_code=200)
    async def close(
        self, issue_key: FromPath[str], request: CallerRequest, service: Service
    ) -> Response[bytes]:
        """Resolve an incident: the call has no time, so that it is over now. One that is over stays so."""
        caller, key = request.user, unquote(issue_key)

        def act(ledger: Ledger) -> None:
            known = _incident(ledger.connection, caller, key)
            if known is None:
                raise NotFound(f"There is no incident {key}.")
            is_open = find_incident(
                ledger.connection, caller, INCIDENTS.c.id == known, INCIDENTS.c.resolved_at.is_(None)
            )
            if is_open is not None:
                changes = {"resolved_at": max(ledger.now, is_open.facts.started_at)}
                revise_incident(ledger, author_of(caller), known, changes, caller.can_access)

        await service.recorder.record(act)
        return nothing()


def _names(index: int) -> dict[str, str]:
    """What DevLake calls the fields of a record of the commit with the index."""
    of_all = ("environment", "deployment_node_id")
    return {
        name: theirs if name in of_all else f"deploymentCommits/{index}/{theirs}"
        for name, theirs in _NAMES.items()
    }


def _incident(connection: Connection, caller: Caller, issue_key: str) -> str | None:
    """The id of the incident with an issue's key."""
    found = find_incident(connection, caller, INCIDENTS.c.key == keys.devlake_incident(issue_key))
    return None if found is None else found.version.id


def _repository_of(connection: Connection, caller: Caller, webhook: str) -> RepositoryIdentity | None:
    """The one repository that was deployed through the webhook; None where several or none were."""
    columns = DEPLOYMENTS.c
    urls = connection.scalars(
        select(columns.repository_url)
        .where(current(columns, caller.organization), columns.labels[_LABEL].as_string() == webhook)
        .distinct()
    )
    found = {identity for url in urls if caller.may_use(identity := RepositoryIdentity.parse(url))}
    return found.pop() if len(found) == 1 else None


def render(failure: Failure, _: str) -> Response[Any]:
    """Render a failure in the form of DevLake's API."""
    causes = [f"{error.pointer.lstrip('/')} {error.detail}".strip() for error in failure.errors]
    body = {"success": False, "message": failure.detail, "causes": causes, "data": None}
    return Response(
        body, status_code=failure.status, media_type="application/json", headers=dict(failure.headers)
    )


INTEGRATION = Integration(
    name="devlake",
    handlers=[Router(path, route_handlers=[DevLakeController]) for path in _PATHS],
    error_shapes={PREFIX: render},
    encoded_slashes=(PREFIX,),
)
