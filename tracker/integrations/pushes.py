"""What GitHub says to a webhook of a workspace: which commit to deploy, or why none."""

import contextlib
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from metrics.domain.errors import FieldError, InvalidInput
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from tracker.jobs.workspaces import Workspace

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_UNKNOWN_PUSHER = "github-webhook"


class NoJob(Exception):
    """Nothing is to be deployed; the message says why."""


@dataclass(frozen=True, slots=True)
class Push:
    """What is to be deployed: a commit, or the branch's last one where none is said."""

    commit_id: str | None
    pusher: str


def read_push(event: str | None, body: bytes, workspace: Workspace) -> Push:
    """The push that a webhook tells of. Raises `NoJob`, `InvalidInput`."""
    payload = _payload(body)
    if event not in (None, "push"):
        raise NoJob(f"The event {event} deploys nothing.")
    if not payload:
        return Push(None, _UNKNOWN_PUSHER)
    ref, commit_id = payload.get("ref"), payload.get("after")
    if not isinstance(ref, str) or not isinstance(commit_id, str):
        raise NoJob("This is no push: it names no ref and no commit after it.")
    _require_own_repository(payload, workspace)
    wanted = f"refs/heads/{workspace.branch}"
    if ref != wanted:
        raise NoJob(f"The push is to {ref}, and the workspace deploys {wanted}: no job was started.")
    if payload.get("deleted") is True or not commit_id.strip("0"):
        raise NoJob(f"{ref} was deleted: no job was started.")
    if not _COMMIT.fullmatch(commit_id):
        raise InvalidInput.of([FieldError("/after", "must be a commit, in 40 or 64 hexadecimal digits")])
    return Push(commit_id, _pusher(payload))


def _payload(body: bytes) -> dict[str, Any]:
    """The body as an object; an empty one where it is empty. Raises `InvalidInput`."""
    try:
        payload = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if body.startswith(b"payload="):
            detail = "must be JSON: set the webhook's content type to application/json"
            raise InvalidInput.of([FieldError("", detail)]) from None
        raise InvalidInput.of([FieldError("", "is not valid JSON")]) from None
    if not isinstance(payload, dict):
        raise InvalidInput.of([FieldError("", "must be a JSON object")])
    return payload


def _require_own_repository(payload: dict[str, Any], workspace: Workspace) -> None:
    """Raises `NoJob` where the push is to another repository: its commits are not in this one."""
    repository = payload.get("repository")
    if workspace.is_local or not isinstance(repository, dict):
        return
    own = workspace.repository
    for key in ("clone_url", "html_url"):
        if isinstance(repository.get(key), str):
            with contextlib.suppress(RepositoryUrlError):
                _require(RepositoryIdentity.parse(repository[key]) == own, repository[key], own)
    if isinstance(repository.get("full_name"), str):
        name = repository["full_name"]
        _require(name.casefold() == own.path.casefold(), name, own)


def _require(is_own: bool, pushed: str, own: RepositoryIdentity) -> None:
    if not is_own:
        raise NoJob(f"The push is to {pushed}, and the workspace deploys {own.path}: no job was started.")


def _pusher(payload: dict[str, Any]) -> str:
    for key, name in (("sender", "login"), ("pusher", "name")):
        part = payload.get(key)
        if isinstance(part, dict) and isinstance(part.get(name), str) and part[name]:
            return str(part[name])[:250].replace("\x00", "\ufffd")
    return _UNKNOWN_PUSHER
