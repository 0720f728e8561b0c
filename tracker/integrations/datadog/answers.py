"""Deployments, failures and refusals as Datadog's API answers them."""

from collections.abc import Mapping
from typing import Any

from litestar import Response

from metrics.domain.errors import InvalidInput
from metrics.domain.instants import instant_of
from tracker.deployments.service import RecordedDeployment
from tracker.incidents.service import RecordedIncident
from tracker.senders import keys
from tracker.web.problems import Failure

PREFIX = "/api/v2/dora"
_DEPLOYMENT, _FAILURE = "dora_deployment", "dora_failure"
_OF_DEPLOYMENT, _OF_FAILURE = keys.datadog_deployment(""), keys.datadog_failure("")

Answer = Mapping[str, Any]


def receipt(kind: str, record_id: str) -> Answer:
    """What is answered to what was recorded."""
    return {"data": {"id": record_id, "type": kind}}


def deployment_id(recorded: RecordedDeployment) -> str:
    """The id by which Datadog's clients know it: their own where they gave one, else the record's."""
    return _their_id(recorded.facts.deployment_node_id, _OF_DEPLOYMENT) or recorded.version.id


def failure_id(recorded: RecordedIncident) -> str:
    return _their_id(recorded.facts.key, _OF_FAILURE) or recorded.version.id


def _their_id(key: str | None, beginning: str) -> str | None:
    return key.removeprefix(f"{beginning}:") if key is not None and key.startswith(f"{beginning}:") else None


def deployment_answer(recorded: RecordedDeployment) -> Answer:
    facts = recorded.facts
    began = facts.finished_at if facts.started_at is None else facts.started_at
    attributes = {
        # A client wants both, and a record may have neither.
        "service": facts.service or facts.repository.shown,
        "started_at": instant_of(recorded.version.created_at if began is None else began),
        "finished_at": instant_of(facts.finished_at),
        "env": facts.environment,
        "version": facts.version,
        "team": facts.team,
        "custom_tags": _tags(facts.labels),
        "git": facts.commit_id
        and {
            "commit_sha": facts.commit_id,
            "repository_id": f"{facts.repository_host}/{facts.repository_path}",
        },
    }
    return {"id": deployment_id(recorded), "type": _DEPLOYMENT, "attributes": _known(attributes)}


def failure_answer(recorded: RecordedIncident) -> Answer:
    facts = recorded.facts
    repository = facts.repository
    tags = {name: text for name, text in facts.labels.items() if name not in ("team", "version")}
    attributes = {
        "name": facts.title,
        "started_at": instant_of(facts.started_at),
        "finished_at": instant_of(facts.resolved_at),
        "services": [facts.service] if facts.service else None,
        "severity": facts.severity,
        "env": facts.environment,
        "team": facts.labels.get("team"),
        "version": facts.labels.get("version"),
        "custom_tags": _tags(tags),
        "git": repository
        and facts.commit_id
        and {"commit_sha": facts.commit_id, "repository_url": repository.url},
    }
    return {"id": failure_id(recorded), "type": _FAILURE, "attributes": _known(attributes)}


def _tags(labels: Mapping[str, str]) -> list[str]:
    return [f"{name}:{text}" if text else name for name, text in labels.items()]


def _known(attributes: Mapping[str, Any]) -> Answer:
    return {name: value for name, value in attributes.items() if value not in (None, [])}


def render(failure: Failure, _: str) -> Response[Answer]:
    """Render a failure in the form of Datadog's API: to its clients a bad key is 403."""
    status = 403 if failure.status == 401 else failure.status
    body: Answer = {"errors": [failure.detail]}
    if failure.code == InvalidInput.code and failure.errors:
        body = {
            "errors": [
                {
                    "status": str(status),
                    "title": failure.title,
                    "detail": f"{error.pointer} {error.detail}".strip(),
                    "source": {"pointer": error.pointer},
                }
                for error in failure.errors
            ]
        }
    return Response(body, status_code=status, media_type="application/json", headers=dict(failure.headers))
