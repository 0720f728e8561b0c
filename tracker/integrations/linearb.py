"""LinearB's deployments API, below a prefix: its own path is that of the service's interface."""

from typing import Annotated, Any

from litestar import Response, post
from litestar.params import JSONBody
from pydantic import Field

from metrics.domain.fields import Name, RepositoryUrl, ServiceName
from metrics.domain.instants import to_microseconds
from metrics.domain.vocabulary import DEFAULT_ENVIRONMENT
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.requests import release_of_ref
from tracker.integrations.base import Integration
from tracker.integrations.translation import (
    UNKNOWN_RELEASE,
    ForeignBody,
    ForeignInstant,
    NoneForEmpty,
    commit_or_none,
    nothing,
    plain_failure,
    record_all,
    sent_deployment,
)
from tracker.records.ledger import Ledger
from tracker.senders import keys
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

PREFIX = "/linearb"
_NAMES = {
    "repository_url": "repo_url",
    "commit_id": "ref_name",
    "version": "ref_name",
    "branch": "ref_name",
    "environment": "stage",
    "finished_at": "timestamp",
    "service": "services",
}
_RELEASE_STAGE = "release"


class NewDeployment(ForeignBody):
    """What was deployed: `ref_name` is a tag, a branch or a commit; the stage `release` is production."""

    repo_url: RepositoryUrl
    ref_name: Name
    timestamp: ForeignInstant | None = None
    stage: Annotated[Name | None, NoneForEmpty] = None
    services: Annotated[list[ServiceName], Field(max_length=100)] | None = None

    def fields(self) -> dict[str, Any]:
        """A record's fields, but for its service."""
        commit = commit_or_none(self.ref_name)
        release = release_of_ref(self.ref_name, commit)
        if commit is None and "version" not in release:
            # A branch says where the release is from, and not which one it is.
            release["version"] = UNKNOWN_RELEASE
        stage = self.stage or _RELEASE_STAGE
        key = None
        if self.timestamp is not None:
            key = keys.linearb_deployment(self.ref_name, to_microseconds(self.timestamp))
        return {
            **release,
            "repository_url": self.repo_url,
            "commit_id": commit,
            "environment": DEFAULT_ENVIRONMENT if stage.lower() == _RELEASE_STAGE else stage,
            "finished_at": self.timestamp,
            "deployment_node_id": key,
        }


@post(
    PREFIX + "/api/v1/deployments",
    guards=[requires(Scope.DEPLOYMENTS_WRITE, headers=("x-api-key",))],
    status_code=200,
    include_in_schema=False,
)
async def record(data: JSONBody[NewDeployment], request: CallerRequest, service: Service) -> Response[bytes]:
    """Record a deployment: a record for each of its services, all of them or none."""

    def act(ledger: Ledger) -> None:
        services = [name for name in data.services or () if name] or [""]
        sent = [sent_deployment({**data.fields(), "service": name}, _NAMES, ledger.now) for name in services]
        record_all(ledger, request.user, sent)

    await service.recorder.record(act)
    return nothing()


INTEGRATION = Integration(name="linearb", handlers=[record], error_shapes={f"{PREFIX}/": plain_failure})
