"""What Datadog's clients send: JSON:API documents, with times as integers in seconds to nanoseconds."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from metrics.domain.fields import CommitId, Name, RepositoryUrl, ServiceName, ShortText
from tracker.integrations.translation import (
    UNKNOWN_RELEASE,
    ForeignBody,
    ForeignInstant,
    NoneForEmpty,
    labels_of,
)

MOST_TAGS = 100
LARGEST_LIST = 1_000
_OF_ATTRIBUTES = "data/attributes/"
NAMES: Mapping[str, str] = {
    name: _OF_ATTRIBUTES + theirs
    for name, theirs in {
        "repository_url": "git/repository_url",
        "commit_id": "git/commit_sha",
        "version": "version",
        "service": "service",
        "environment": "env",
        "started_at": "started_at",
        "finished_at": "finished_at",
        "resolved_at": "finished_at",
        "team": "team",
        "title": "name",
        "severity": "severity",
        "labels": "custom_tags",
        "deployment_node_id": "id",
        "key": "id",
    }.items()
}
"""What they call the fields of a record."""

Id = Annotated[Name | None, NoneForEmpty, Field(max_length=128)]
Tags = Annotated[list[ShortText], Field(max_length=MOST_TAGS)]
_Text = Annotated[Name | None, NoneForEmpty]


class Git(ForeignBody):
    repository_url: Annotated[RepositoryUrl | None, NoneForEmpty] = None
    commit_sha: Annotated[CommitId | None, NoneForEmpty] = None


class _Attributes(ForeignBody):
    """What deployments and failures have in common."""

    env: _Text = None
    version: _Text = None
    team: _Text = None
    git: Git | None = None
    custom_tags: Tags | None = None
    id: Id = None

    @property
    def commit_id(self) -> str | None:
        return None if self.git is None else self.git.commit_sha

    @property
    def repository_url(self) -> str | None:
        return None if self.git is None else self.git.repository_url


class DeploymentAttributes(_Attributes):
    service: Name
    started_at: ForeignInstant
    finished_at: ForeignInstant

    def fields(self) -> dict[str, Any]:
        """A record's fields, but for its repository and its key."""
        return {
            "service": self.service,
            "environment": self.env,
            "commit_id": self.commit_id,
            "version": self.version or (None if self.commit_id else UNKNOWN_RELEASE),
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "team": self.team,
            "labels": labels_of(read_tags(self.custom_tags or ())),
        }


class FailureAttributes(_Attributes):
    started_at: ForeignInstant
    finished_at: ForeignInstant | None = None
    services: Annotated[list[ServiceName], Field(max_length=100)] | None = None
    severity: Annotated[ShortText | None, NoneForEmpty] = None
    name: Annotated[ShortText | None, NoneForEmpty] = None

    def fields(self) -> dict[str, Any]:
        """A record's fields, but for its service and its key. What it has no field for is a label."""
        beside = {"team": self.team, "version": self.version}
        tags = {name: text for name, text in beside.items() if text} | read_tags(self.custom_tags or ())
        return {
            "title": self.name,
            "environment": self.env,
            "repository_url": self.repository_url,
            "commit_id": self.commit_id,
            "started_at": self.started_at,
            "resolved_at": self.finished_at,
            "severity": self.severity,
            "labels": labels_of(tags),
        }


class Remediation(ForeignBody):
    """Which deployment put things right, by its id or its version, and how."""

    id: Id = None
    version: _Text = None
    type: Annotated[str | None, Field(pattern="^(rollback|rollforward)$")] = None


class PatchAttributes(ForeignBody):
    change_failure: bool | None = None
    remediation: Remediation | None = None


class PatchByVersionAttributes(PatchAttributes):
    service: Name
    env: Name
    version: Name


class ListAttributes(ForeignBody):
    from_: Annotated[ForeignInstant | None, Field(alias="from")] = None
    to: ForeignInstant | None = None
    limit: Annotated[int, Field(ge=1, le=LARGEST_LIST)] | None = None
    query: Annotated[ShortText | None, NoneForEmpty] = None
    sort: Annotated[ShortText | None, NoneForEmpty] = None


class DeploymentData(ForeignBody):
    attributes: DeploymentAttributes


class FailureData(ForeignBody):
    attributes: FailureAttributes


class PatchData(ForeignBody):
    attributes: PatchAttributes


class PatchByVersionData(ForeignBody):
    attributes: PatchByVersionAttributes


class ListData(ForeignBody):
    attributes: ListAttributes = ListAttributes()


class NewDeployment(ForeignBody):
    data: DeploymentData


class NewFailure(ForeignBody):
    data: FailureData


class Patch(ForeignBody):
    data: PatchData


class PatchByVersion(ForeignBody):
    data: PatchByVersionData


class ListRequest(ForeignBody):
    data: ListData = ListData()


def read_tags(tags: Sequence[str]) -> dict[str, str]:
    """Tags of the form `key:value` by their keys; one without a colon has no value."""
    pairs = (tag.partition(":") for tag in tags)
    return {name.strip(): text.strip() for name, _, text in pairs if name.strip()}
