"""The Deployments API of GitHub, for clients that speak it, and its webhooks."""

from litestar import Router

from tracker.integrations.base import Integration
from tracker.integrations.github.account import ACCOUNT
from tracker.integrations.github.conditional import conditional
from tracker.integrations.github.errors import render
from tracker.integrations.github.events import github_body, github_headers
from tracker.integrations.github.graphql import GRAPHQL
from tracker.integrations.github.limits import tell_rate
from tracker.integrations.github.routes import PREFIXES, GitHubController, know_repository
from tracker.webhooks.shapes import WebhookShape
from tracker.webhooks.subscriptions import SubscriberKind

INTEGRATION = Integration(
    name="github",
    handlers=[
        *(
            Router(
                prefix or "/",
                route_handlers=[GitHubController],
                before_request=know_repository,
                after_request=tell_rate,
                middleware=[conditional],
            )
            for prefix in PREFIXES
        ),
        *ACCOUNT,
        *GRAPHQL,
    ],
    error_shapes=dict.fromkeys(
        ("/repos/", "/user", "/rate_limit", "/meta", "/api/v3", "/graphql", "/api/graphql"), render
    ),
    webhooks={SubscriberKind.GITHUB: WebhookShape(github_body, github_headers)},
)
