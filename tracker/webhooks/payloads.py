"""Events as Standard Webhooks have them."""

import msgspec

from metrics.domain.instants import from_microseconds
from tracker.deployments.schemas import DeploymentAnswer
from tracker.incidents.schemas import IncidentAnswer
from tracker.webhooks.events import Event


def standard_body(event: Event, organization: str) -> str:
    """An event as Standard Webhooks have it: type, timestamp and data."""
    data: dict[str, object] = {}
    if event.requested is not None:
        record = event.record
        data["deployment"] = None if record is None else DeploymentAnswer.of(record)
        request = event.requested.request
        data["request"] = {
            "number": event.requested.number,
            "repository": request.repository.path,
            "ref": request.ref,
            "sha": request.sha,
            "task": request.task,
            "environment": request.environment,
            "description": request.description,
            "payload": request.payload,
            "auto_merge": request.auto_merge,
            "required_contexts": request.required_contexts,
        }
    if event.status is not None:
        status = event.status
        data["status"] = {
            "number": status.number,
            "state": status.state,
            "description": status.description,
            "log_url": status.log_url,
            "environment_url": status.environment_url,
            "created_at": from_microseconds(status.created_at),
        }
    if event.incident is not None:
        data["incident"] = IncidentAnswer.of(event.incident)
    body = {
        "type": event.kind,
        "action": event.action,
        "timestamp": from_microseconds(event.occurred_at),
        "organization": organization,
        "by": event.author,
        "data": data,
    }
    return msgspec.json.encode(body).decode()
