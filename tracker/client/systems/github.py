"""GitHub Actions, and what speaks its variables: Gitea and Forgejo Actions."""

import json
from pathlib import Path
from typing import Any

from tracker.client.run import Environment, Run, System, marked_by, text, without_prefix


def _read(environment: Environment) -> Run:
    event = _event(environment)
    pull_request = event.get("pull_request") or {}
    repository = text(environment, "GITHUB_REPOSITORY")
    server = (text(environment, "GITHUB_SERVER_URL") or "https://github.com").rstrip("/")
    page = None if repository is None else f"{server}/{repository}"
    run_id, attempt = text(environment, "GITHUB_RUN_ID"), text(environment, "GITHUB_RUN_ATTEMPT")
    ref = text(environment, "GITHUB_REF")
    return Run(
        system="github",
        repository_url=page,
        commit_id=text(environment, "GITHUB_SHA"),
        branch=text(environment, "GITHUB_HEAD_REF") or without_prefix(ref, "refs/heads/"),
        tag=without_prefix(ref, "refs/tags/"),
        id=run_id,
        attempt=attempt,
        url=page and run_id and f"{page}/actions/runs/{run_id}" + (f"/attempts/{attempt}" if attempt else ""),
        actor=text(environment, "GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"),
        pull_request_number=pull_request.get("number"),
        labels=tuple(label["name"] for label in pull_request.get("labels", ()) if "name" in label),
        status=text(environment, "JOB_STATUS"),
    )


def _event(environment: Environment) -> dict[str, Any]:
    """What has set the workflow off; nothing where it cannot be read."""
    path = text(environment, "GITHUB_EVENT_PATH")
    try:
        event = json.loads(Path(path).read_bytes()) if path else {}
    except (OSError, ValueError):
        return {}
    return event if isinstance(event, dict) else {}


GITHUB = System(marked_by("GITHUB_ACTIONS"), _read)
