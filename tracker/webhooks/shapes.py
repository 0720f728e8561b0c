"""How events are said to each kind of subscriber: the body, and the headers that it wants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tracker.webhooks.events import Event
from tracker.webhooks.payloads import standard_body
from tracker.webhooks.sender import HeadersOf, OutgoingWebhook

Render = Callable[[Event, str, str], str | None]
"""An event, its organization and the service's base URL as a body; None where it is not for the kind."""


def no_headers(_: OutgoingWebhook) -> Mapping[str, str]:
    """Return no headers beyond those of Standard Webhooks."""
    return {}


@dataclass(frozen=True, slots=True)
class WebhookShape:
    """The body and headers that a kind of subscriber is sent."""

    render: Render
    headers_of: HeadersOf = no_headers


STANDARD = WebhookShape(lambda event, organization, _: standard_body(event, organization))
