"""What a system that sends events exports: how its events prove where they come from, and what they tell."""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tracker.intakes.events import Told

Headers = Mapping[str, str]
"""By name in lower case."""
Options = Mapping[str, str]
Payload = Mapping[str, Any]


class UnreadableEvent(Exception):
    """An event lacks what its sender's contract promises; the message names the field."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event as it came: authentic, and not yet understood."""

    headers: Headers
    payload: Any
    options: Options = field(default_factory=dict)
    """What the organization has set for the source."""
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """For what the sender says no time of."""


class Credential(Protocol):
    """A way in which a source proves that an event is its own."""

    def is_present(self, headers: Headers) -> bool:
        """Whether the request shows one of this kind, right or wrong."""
        ...

    def is_right(self, headers: Headers, raw: bytes, secret: str, /) -> bool:
        """Whether what it shows was made with the secret, from the body as it came."""
        ...


@dataclass(frozen=True, slots=True)
class HmacHeader:
    """A header with the SHA-256 HMAC of the body in hex behind a prefix; of several any may be right."""

    name: str
    prefix: str = ""
    timestamp: str | None = None
    """A header whose text stands before the body, with a colon between, where the request has it."""

    def is_present(self, headers: Headers) -> bool:
        return self.name in headers

    def is_right(self, headers: Headers, raw: bytes, secret: str) -> bool:
        signed = raw
        if self.timestamp is not None and self.timestamp in headers:
            signed = headers[self.timestamp].encode() + b":" + raw
        right = f"{self.prefix}{hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
        shown = [one.strip() for one in headers[self.name].split(",")]
        return any(hmac.compare_digest(one.encode(), right.encode()) for one in shown)


@dataclass(frozen=True, slots=True)
class SecretHeader:
    """A header that holds the secret itself."""

    name: str

    def is_present(self, headers: Headers) -> bool:
        return self.name in headers

    def is_right(self, headers: Headers, _: bytes, secret: str) -> bool:
        return hmac.compare_digest(headers[self.name].encode(), secret.encode())


class StandardWebhook:
    """The signature of Standard Webhooks: id, timestamp and body."""

    def is_present(self, headers: Headers) -> bool:
        return "webhook-signature" in headers

    def is_right(self, headers: Headers, raw: bytes, secret: str) -> bool:
        try:
            Webhook(secret).verify(raw, dict(headers))
        except (WebhookVerificationError, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Option:
    """What an organization can set for a source: by name a text."""

    name: str
    help: str
    choices: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """A system whose events come in."""

    name: str
    title: str
    read: Callable[[Incoming], Told]
    """What an event tells. Raises `UnreadableEvent`; knows no rule of any metric."""
    event_of: Callable[[Incoming], str]
    """The sender's word for the kind of event."""
    delivery_of: Callable[[Incoming], str | None] = lambda _: None
    """The sender's id of the delivery, the same when it is sent again."""
    credentials: Sequence[Credential] = ()
    """Beside those that every source may show: a bearer or basic secret, or one in the address."""
    options: Sequence[Option] = ()
    hint: str = ""
    """Where in the sender the address and the secret are to be put."""
