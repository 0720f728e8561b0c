"""Workspaces and jobs as Matatika and Meltano Cloud have them: deploy, hear of a push, follow, stop."""

from tracker.integrations.base import Integration
from tracker.integrations.matatika.errors import render
from tracker.integrations.matatika.jobs import JobsController
from tracker.integrations.matatika.workspaces import ProfilesController, WorkspacesController

INTEGRATION = Integration(
    name="matatika",
    handlers=[WorkspacesController, ProfilesController, JobsController],
    # Datasets are asked for by the same clients, and there are none.
    error_shapes=dict.fromkeys(("/api/workspaces", "/api/profiles", "/api/jobs", "/api/datasets"), render),
)
