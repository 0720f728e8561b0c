"""Workspaces and jobs as far as a caller reaches them, for every interface that deploys on request."""

from collections.abc import Mapping

from sqlalchemy import Connection

from tracker.auth.callers import Caller
from tracker.auth.tokens import Claims
from tracker.errors import NotFound
from tracker.jobs.queue import Job, find_job
from tracker.jobs.workspaces import Workspace, find_workspace


def reached_workspace(connection: Connection, workspace_id: str, caller: Caller) -> Workspace:
    """A workspace of the caller's organization. Raises `NotFound`."""
    workspace = find_workspace(connection, workspace_id, caller.organization)
    caller.require_read(workspace.repository, f"There is no workspace {workspace_id}.")
    return workspace


def reached_job(connection: Connection, job_id: str, caller: Caller) -> Job:
    """A job of a workspace that the caller reaches. Raises `NotFound`."""
    job = find_job(connection, job_id)
    try:
        reached_workspace(connection, job.workspace_id, caller)
    except NotFound:
        raise NotFound(f"There is no job {job_id}.") from None
    return job


def profile_of(claims: Claims) -> Mapping[str, str]:
    """Return the user behind a token."""
    return {"id": claims.subject, **claims.profile}
