"""What a foreign system's interface exports, for the application to take up without knowing it by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from litestar.types import ControllerRouterHandler

from tracker.web.problems import Shape
from tracker.webhooks.shapes import WebhookShape
from tracker.webhooks.subscriptions import SubscriberKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """A system's routes, how it says failures, and how its subscribers are told of events."""

    name: str
    handlers: Sequence[ControllerRouterHandler]
    error_shapes: Mapping[str, Shape] = field(default_factory=dict)
    """By the beginning of the path."""
    webhooks: Mapping[SubscriberKind, WebhookShape] = field(default_factory=dict)
    encoded_slashes: Sequence[str] = ()
    """Beginnings of paths below which a name may hold a slash, sent as `%2F`; handlers decode it."""
