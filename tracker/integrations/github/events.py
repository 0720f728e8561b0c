"""Events as GitHub sends them to its webhooks."""

import msgspec

from tracker.integrations.github.answers import (
    deployment_answer,
    repository_answer,
    status_answer,
    user_answer,
)
from tracker.webhooks.events import Event, EventAction


def github_body(event: Event, organization: str, base: str) -> str | None:
    """The event's payload; None for what GitHub has no event for. `base` is where the service is found."""
    requested = event.requested
    if requested is None or event.action is not EventAction.CREATED:
        return None
    body: dict[str, object] = {
        "action": event.action,
        "deployment": {
            **deployment_answer(requested, base),
            "auto_merge": requested.request.auto_merge,
            "required_contexts": requested.request.required_contexts,
        },
    }
    if event.told is not None:
        body["deployment_status"] = status_answer(event.told, requested, base)
    body |= {
        "repository": repository_answer(requested.request.repository, base),
        "sender": user_answer(event.author, base),
        "organization": {"login": organization},
    }
    return msgspec.json.encode(body).decode()
