"""Webhooks and deliveries as clients send them and as they are answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import AfterValidator, Field
from pydantic import StringConstraints as Constraints
from pydantic_core import PydanticCustomError
from sqlalchemy import Row

from metrics.domain.errors import InvalidInput
from metrics.domain.fields import Body
from metrics.domain.instants import from_microseconds
from metrics.domain.vocabulary import TEXT_PATTERN
from tracker.webhooks.deliveries import DeliveryState
from tracker.webhooks.events import EventKind
from tracker.webhooks.subscriptions import EVENTS, SubscriberKind, Subscription, new_secret, signing_key

BY_HAND = "by hand"


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    is_plain = text.isascii() and text.isprintable() and " " not in text
    if not (is_one and is_plain) or parts.username is not None or parts.fragment:
        raise PydanticCustomError(
            "url", "must be an http or https address, without a user and a fragment, in ASCII"
        )
    return text


def _secret(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise PydanticCustomError("secret", "must be printable ASCII")
    try:
        signing_key(text)
    except ValueError as error:
        raise PydanticCustomError("secret", "{reason}", {"reason": str(error)}) from None
    return text


WebhookUrl = Annotated[str, Constraints(max_length=2_000, pattern=TEXT_PATTERN), AfterValidator(_address)]
Secret = Annotated[str, Constraints(min_length=24, max_length=200), AfterValidator(_secret)]
Events = Annotated[list[Annotated[EventKind, Field(strict=False)]], Field(min_length=1, max_length=10)]


class NewWebhook(Body):
    """The body of a new webhook."""

    url: WebhookUrl = Field(description="Where to post them; not inside the host or a private network.")
    kind: Annotated[SubscriberKind, Field(strict=False)] | None = Field(
        None, description="standard (Standard Webhooks), or github: also as GitHub does. Default: standard."
    )
    events: Events | None = Field(
        None, description="deployment, deployment_status, incident. Default: all that the kind has."
    )
    secret: Secret | None = Field(None, description="What signs them. Default: a new one, told once.")

    def wanted(self) -> tuple[SubscriberKind, Sequence[EventKind], str]:
        """Kind, events and secret. Raises `InvalidInput` where the kind has no such event."""
        kind = self.kind or SubscriberKind.STANDARD
        events = tuple(dict.fromkeys(self.events or EVENTS[kind]))
        require_known(events, kind)
        return kind, events, self.secret or new_secret()


def require_known(events: Sequence[EventKind], kind: SubscriberKind) -> None:
    """Raises `InvalidInput` where a subscriber of the kind cannot be told of an event."""
    if any(event not in EVENTS[kind] for event in events):
        names = ", ".join(EVENTS[kind])
        raise InvalidInput.field("events", f"must be one or more of {names} where the kind is {kind}")


def _fixed(_: object) -> object:
    raise PydanticCustomError("unchangeable", "cannot change; make a new webhook")


Fixed = Annotated[object, AfterValidator(_fixed)]


class WebhookChange(Body):
    """A merge patch of a webhook."""

    kind: Fixed = None
    secret: Fixed = None

    url: WebhookUrl | None = None
    events: Events | None = None
    enabled: bool | None = Field(None, description="Enabled again, it hears of what happens from then on.")

    def changes(self, kind: SubscriberKind) -> dict[str, Any]:
        """The columns to set. Raises `InvalidInput`."""
        for name in self.model_fields_set - {"kind", "secret"}:
            if getattr(self, name) is None:
                raise InvalidInput.field(name, "cannot be cleared")
        changes: dict[str, Any] = {}
        if self.url is not None:
            changes["url"] = self.url
        if self.events is not None:
            require_known(self.events, kind)
            changes["events"] = [event.value for event in dict.fromkeys(self.events)]
        if self.enabled is not None:
            changes["disabled_reason"] = None if self.enabled else BY_HAND
        return changes


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """A webhook; its `secret` only where it was just made."""

    id: str
    url: str
    kind: SubscriberKind
    events: Sequence[EventKind]
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    created_by: str
    secret: str | UnsetType = UNSET

    @classmethod
    def of(cls, one: Subscription, *, tell_secret: bool = False) -> Self:
        return cls(
            id=one.id,
            url=one.url,
            kind=one.kind,
            events=one.events,
            enabled=one.disabled_reason is None,
            disabled_reason=one.disabled_reason,
            created_at=from_microseconds(one.created_at),
            created_by=one.created_by,
            secret=one.secret if tell_secret else UNSET,
        )


@dataclass(frozen=True, slots=True)
class AttemptAnswer:
    """One try; `error` is null where the subscriber took the event."""

    at: datetime
    seconds: float
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class DeliveryAnswer:
    """An event on its way; its `id` is the `webhook-id` under which it is sent, each time."""

    id: str
    event: str
    action: str
    subject: str
    state: DeliveryState
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: Sequence[AttemptAnswer]
    body: msgspec.Raw | UnsetType = UNSET

    @classmethod
    def of(cls, row: Row[Any], *, with_body: bool = False) -> Self:
        state = DeliveryState(row.state)
        next_at = max(row.next_attempt_at, row.pending_since)
        return cls(
            id=row.id,
            event=row.event,
            action=row.action,
            subject=row.subject,
            state=state,
            created_at=from_microseconds(row.created_at),
            next_attempt_at=from_microseconds(next_at) if state is DeliveryState.PENDING else None,
            attempts=[
                AttemptAnswer(from_microseconds(one["at"]), one["seconds"], one["status"], one["error"])
                for one in row.attempts
            ],
            body=msgspec.Raw(row.body.encode()) if with_body else UNSET,
        )
