"""What GitHub's clients send. Fields that are not known are passed over, as there."""

import re
from typing import Annotated, Any

import msgspec
from pydantic import ConfigDict, Field, field_validator, model_validator

from metrics.domain.fields import Body, CommitId, LongText, Name, ShortText, Url
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import COMMIT_PATTERN, DEFAULT_ENVIRONMENT
from tracker.deployments.requests import DEPLOY_TASK, Request
from tracker.deployments.statuses import Progress, State

_COMMIT = re.compile(COMMIT_PATTERN)
LONGEST_DESCRIPTION = 140


class GitHubBody(Body):
    model_config = ConfigDict(extra="ignore")


class NewDeployment(GitHubBody):
    """The body of a request for a deployment."""

    ref: Name
    sha: CommitId | None = None
    task: Name | None = None
    auto_merge: bool | None = None
    required_contexts: list[ShortText] | None = None
    payload: Any = None
    environment: Name | None = None
    description: LongText | None = None
    production_environment: bool | None = None
    transient_environment: bool | None = None

    @field_validator("environment", "task", "sha", mode="before")
    @classmethod
    def _default_for_empty(cls, value: object) -> object:
        return None if value == "" else value

    def request(self, repository: RepositoryIdentity) -> Request:
        """Return the request, with GitHub's defaults."""
        environment = self.environment or DEFAULT_ENVIRONMENT
        is_production = environment == DEFAULT_ENVIRONMENT
        return Request(
            repository=repository,
            ref=self.ref,
            sha=self.sha or (self.ref.lower() if _COMMIT.fullmatch(self.ref) else None),
            task=self.task or DEPLOY_TASK,
            environment=environment,
            description=self.description or "",
            payload=_read_payload(self.payload),
            auto_merge=self.auto_merge is not False,
            required_contexts=self.required_contexts,
            transient_environment=self.transient_environment is True,
            production_environment=_or(self.production_environment, is_production),
        )


def _or(given: bool | None, default: bool) -> bool:
    return default if given is None else given


def _read_payload(payload: object) -> object:
    """A payload is JSON, or a text that holds JSON, or any text; never null."""
    if isinstance(payload, str):
        try:
            payload = msgspec.json.decode(payload) if payload.strip() else {}
            msgspec.json.encode(payload)
        except (ValueError, RecursionError):
            return payload
    return {} if payload is None else payload


class NewStatus(GitHubBody):
    """A deployment's progress."""

    state: Annotated[State, Field(strict=False)]
    target_url: Url | None = None
    log_url: Url | None = None
    environment_url: Url | None = None
    description: Annotated[ShortText, Field(max_length=LONGEST_DESCRIPTION)] | None = None
    environment: Name | None = None
    auto_inactive: bool | None = None

    @field_validator("environment", mode="before")
    @classmethod
    def _default_for_empty(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="before")
    @classmethod
    def _one_address(cls, given: Any) -> Any:
        """Take `target_url` for `log_url`: it is the older name."""
        if isinstance(given, dict) and not given.get("log_url"):
            return {**given, "log_url": given.get("target_url")}
        return given

    def progress(self) -> Progress:
        return Progress(
            state=self.state,
            description=self.description or "",
            log_url=self.log_url or "",
            environment_url=self.environment_url or "",
            environment=self.environment,
            auto_inactive=self.auto_inactive is not False,
        )
