"""The deployments API of GitLab, for clients that speak it, and its DORA metrics, answered from here."""

from tracker.integrations.base import Integration
from tracker.integrations.gitlab.answers import PREFIX, render
from tracker.integrations.gitlab.deployments import AccountController, ProjectController
from tracker.integrations.gitlab.dora import DoraController

INTEGRATION = Integration(
    name="gitlab",
    handlers=[AccountController, ProjectController, DoraController],
    error_shapes={f"{PREFIX}/": render},
    encoded_slashes=(f"{PREFIX}/projects/", f"{PREFIX}/groups/"),
)
