"""Events as GitHub sends them to its webhooks."""

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from tracker.integrations.github.answers import (
    deployment_answer,
    repository_answer,
    status_answer,
    user_answer,
)
from tracker.webhooks.events import Event, EventAction
from tracker.webhooks.sender import OutgoingWebhook


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
    if event.status is not None:
        body["deployment_status"] = status_answer(event.status, requested, base)
    body |= {
        "repository": repository_answer(requested.request.repository, base),
        "sender": user_answer(event.author, base),
        "organization": {"login": organization},
    }
    return msgspec.json.encode(body).decode()


def github_headers(outgoing: OutgoingWebhook) -> Mapping[str, str]:
    """Return the headers of a GitHub webhook, with its signature."""
    digest = hmac.new(outgoing.secret.encode(), outgoing.body.encode(), hashlib.sha256).hexdigest()
    return {
        "X-GitHub-Event": outgoing.event,
        "X-GitHub-Delivery": outgoing.id.removeprefix("msg_"),
        "X-Hub-Signature-256": f"sha256={digest}",
    }
