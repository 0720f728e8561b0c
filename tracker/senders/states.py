"""The states of other systems' deployments, as a record's status. None: it is not over."""

from collections.abc import Mapping

from metrics.domain.vocabulary import Status

GITHUB_DEPLOYMENT: Mapping[str, Status | None] = {
    "pending": None,
    "queued": None,
    "waiting": None,
    "in_progress": None,
    "success": Status.SUCCESS,
    "failure": Status.FAIL,
    "error": Status.FAIL,
}
"""`inactive` is not among them: a later deployment took its place, which says nothing of how it ended."""

GITHUB_RUN: Mapping[str | None, Status | None] = {
    None: None,
    "action_required": None,
    "success": Status.SUCCESS,
    "failure": Status.FAIL,
    "timed_out": Status.FAIL,
    "startup_failure": Status.FAIL,
    "cancelled": Status.CANCELLED,
    "skipped": Status.CANCELLED,
    "stale": Status.CANCELLED,
    "neutral": Status.CANCELLED,
}
"""By the run's conclusion."""

GITLAB: Mapping[str, Status | None] = {
    "created": None,
    "running": None,
    "blocked": None,
    "success": Status.SUCCESS,
    "failed": Status.FAIL,
    "canceled": Status.CANCELLED,
    "skipped": Status.CANCELLED,
}

DEVLAKE: Mapping[str, Status] = {"SUCCESS": Status.SUCCESS, "FAILURE": Status.FAIL, "ABORT": Status.CANCELLED}
