"""Events as GitHub sends them to its webhooks: the payloads pass the schemas that are published of them.

GitHub sends nothing of a status that is `inactive`, nor of what is corrected or deleted.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from tracker.deployments.requests import Requested
from tracker.deployments.statuses import DeploymentStatus, State
from tracker.integrations.github.answers import (
    Answer,
    deployment_answer,
    organization_answer,
    repository_answer,
    status_answer,
    user_answer,
)
from tracker.webhooks.events import Event, EventAction
from tracker.webhooks.sender import OutgoingWebhook

# What a repository has where it is asked for, and not in an event.
_ASKED_FOR_ALONE = ("network_count", "subscribers_count")
_PAGES = ("html_url", "clone_url", "git_url", "svn_url")


def github_body(event: Event, organization: str, base: str) -> str | None:
    """The event's payload; None for what GitHub has no event for. `base` is where the service is found."""
    requested, status = event.requested, event.status
    if requested is None or event.action is not EventAction.CREATED:
        return None
    if status is not None and status.state is State.INACTIVE:
        return None
    body: dict[str, object] = {
        "action": event.action,
        "deployment": deployment_answer(requested, base),
        # There are no workflows here. Of a status the schema has them, or none, but not null.
        **(_status(status, requested, base) if status else {"workflow": None, "workflow_run": None}),
        "repository": _repository(requested, base),
        "sender": user_answer(event.author, base),
        "organization": organization_answer(organization, base),
    }
    return msgspec.json.encode(body).decode()


def _status(status: DeploymentStatus, requested: Requested, base: str) -> Answer:
    """The status; what a client has given for an address and is none stands in `target_url` alone."""
    answer = dict(status_answer(status, requested, base))
    answer |= {"environment_url": as_uri(status.environment_url), "log_url": as_uri(status.log_url)}
    if not answer["log_url"]:
        del answer["log_url"]
    return {"deployment_status": answer}


def _repository(requested: Requested, base: str) -> Answer:
    answer = dict(repository_answer(requested.request.repository, base))
    for name in _ASKED_FOR_ALONE:
        del answer[name]
    return answer | dict.fromkeys(_PAGES, as_uri(requested.request.repository.url))


# What may stand in any part of an address as it is; a percent sign where it encodes.
_PLAIN = "!$%&'()*+,/:;=@~"
_NO_ENCODING = re.compile(r"%(?![\da-fA-F]{2})", re.ASCII)


def as_uri(text: str) -> str:
    """A web address as RFC 3986 has it: what may not stand in one is encoded. Empty where it is none."""
    try:
        parts = urlsplit(_NO_ENCODING.sub("%25", text))
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    host, path = quote(parts.netloc, safe=f"{_PLAIN}[]"), quote(parts.path, safe=_PLAIN)
    rest = (quote(part, safe=f"{_PLAIN}?") for part in (parts.query, parts.fragment))
    return urlunsplit((parts.scheme, host, path, *rest)) if is_one else ""


def github_headers(outgoing: OutgoingWebhook) -> Mapping[str, str]:
    """Return the headers of a GitHub webhook, with its signature."""
    digest = hmac.new(outgoing.secret.encode(), outgoing.body.encode(), hashlib.sha256).hexdigest()
    return {
        "X-GitHub-Event": outgoing.event,
        "X-GitHub-Delivery": outgoing.id.removeprefix("msg_"),
        "X-Hub-Signature-256": f"sha256={digest}",
    }
