"""The Deployments API of GitHub, for clients that speak it, and its webhooks."""

from litestar import Router

from tracker.integrations.base import Integration
from tracker.integrations.github.errors import render
from tracker.integrations.github.events import github_body, github_headers
from tracker.integrations.github.routes import PREFIXES, GitHubController, know_repository
from tracker.webhooks.shapes import WebhookShape
from tracker.webhooks.subscriptions import SubscriberKind

INTEGRATION = Integration(
    name="github",
    handlers=[
        Router(prefix or "/", route_handlers=[GitHubController], before_request=know_repository)
        for prefix in PREFIXES
    ],
    error_shapes=dict.fromkeys(("/repos/", "/api/v3/"), render),
    webhooks={SubscriberKind.GITHUB: WebhookShape(github_body, github_headers)},
)
