"""Deployments, projects, users and refusals as GitLab's API answers them."""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from litestar import Response

from metrics.domain.errors import InvalidInput
from metrics.domain.instants import instant_of
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import Status
from tracker.deployments.service import RecordedDeployment
from tracker.web.problems import Failure

PREFIX = "/api/v4"
STATUSES: Mapping[str, Status] = {
    "running": Status.IN_PROGRESS,
    "success": Status.SUCCESS,
    "failed": Status.FAIL,
    "canceled": Status.CANCELLED,
}
_ANSWERED = {status: word for word, status in STATUSES.items()}
_UNKNOWN_SHA = "0" * 40

Answer = Mapping[str, Any]


def deployment_answer(recorded: RecordedDeployment) -> Answer:
    facts, version = recorded.facts, recorded.version
    return {
        # Of the record, not of a project, so that they are the same.
        "id": version.first_revision,
        "iid": version.first_revision,
        "ref": facts.branch or facts.version or facts.commit_id or "",
        "sha": facts.commit_id or _UNKNOWN_SHA,
        "created_at": instant_of(version.created_at),
        "updated_at": instant_of(version.recorded_at),
        "finished_at": instant_of(facts.finished_at),
        "status": _ANSWERED[facts.status],
        "user": user_answer(version.recorded_by, f"https://{facts.repository_host}"),
        "environment": {
            "id": number_of(f"{facts.repository_key}\n{facts.environment_key}"),
            "name": facts.environment,
            "slug": facts.environment_key,
            "external_url": None,
        },
        "deployable": None,
        "pending_approval_count": 0,
    }


def project_answer(identity: RepositoryIdentity, number: int | None) -> Answer:
    """The repository as a project. One that no record has named has its path for an id."""
    namespace, _, name = identity.path.rpartition("/")
    return {
        "id": identity.path if number is None else number,
        "name": name,
        "path": name,
        "name_with_namespace": identity.path.replace("/", " / "),
        "path_with_namespace": identity.path,
        "namespace": {"full_path": namespace, "path": namespace.rpartition("/")[2], "kind": "group"},
        "web_url": f"https://{identity.host}/{identity.path}",
        "http_url_to_repo": f"https://{identity.host}/{identity.path}.git",
        "default_branch": "main",
        "archived": False,
        "visibility": "private",
    }


def user_answer(name: str, base: str) -> Answer:
    """Somebody who has a token: of a user GitLab's clients want a number and two names."""
    return {
        "id": number_of(name),
        "username": name,
        "name": name,
        "state": "active",
        "avatar_url": None,
        "web_url": f"{base}/{name}",
    }


def number_of(name: str) -> int:
    """A number that is always the same for a name."""
    return crc32(name.encode())


def render(failure: Failure, _: str) -> Response[Answer]:
    """Render a failure in the form of GitLab's API."""
    body: Answer
    if failure.code == InvalidInput.code:
        said = [_word(error.pointer.lstrip("/"), error.detail) for error in failure.errors]
        body = {"error": ", ".join(said) or failure.detail}
    else:
        phrase = {401: "Unauthorized", 403: "Forbidden"}.get(failure.status, failure.detail)
        body = {"message": f"{failure.status} {phrase}"}
    return Response(
        body, status_code=failure.status, media_type="application/json", headers=dict(failure.headers)
    )


def _word(name: str, detail: str) -> str:
    return f"{name} is missing" if detail == "is required" else f"{name} {detail}".strip()
