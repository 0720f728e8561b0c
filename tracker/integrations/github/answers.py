"""Deployments, statuses, users and repositories in the shape that GitHub's clients read."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote

from metrics.domain.instants import from_microseconds
from metrics.domain.repositories import RepositoryIdentity
from tracker.deployments.requests import Requested
from tracker.deployments.statuses import DeploymentStatus

Answer = Mapping[str, object]
# What git itself says for a commit that is not known.
UNKNOWN_SHA = "0" * 40
# Clients want a time where there is none.
UNKNOWN_TIME = "1970-01-01T00:00:00Z"


def deployment_answer(requested: Requested, base: str) -> Answer:
    """A deployment; `base` is the address under which the client finds the service."""
    request = requested.request
    repository_url = _repository_url(request.repository, base)
    url = f"{repository_url}/deployments/{requested.number}"
    return {
        "url": url,
        "id": requested.number,
        "node_id": _node_id("Deployment", requested.number),
        "sha": request.sha or UNKNOWN_SHA,
        "ref": request.ref,
        "task": request.task,
        "payload": {} if request.payload is None else request.payload,
        "original_environment": request.environment,
        "environment": requested.environment,
        "description": request.description or "",
        "creator": user_answer(requested.creator, base),
        "created_at": _time(requested.created_at),
        "updated_at": _time(requested.updated_at),
        "statuses_url": f"{url}/statuses",
        "repository_url": repository_url,
        "transient_environment": request.transient_environment,
        "production_environment": request.production_environment,
        "performed_via_github_app": None,
    }


def status_answer(status: DeploymentStatus, requested: Requested, base: str) -> Answer:
    """A status of a deployment."""
    repository_url = _repository_url(requested.request.repository, base)
    deployment_url = f"{repository_url}/deployments/{requested.number}"
    return {
        "url": f"{deployment_url}/statuses/{status.number}",
        "id": status.number,
        "node_id": _node_id("DeploymentStatus", status.number),
        "state": status.state,
        "creator": user_answer(status.creator, base),
        "description": status.description,
        "environment": requested.environment,
        "target_url": status.log_url,
        "log_url": status.log_url,
        "environment_url": status.environment_url,
        "created_at": _time(status.created_at),
        "updated_at": _time(status.created_at),
        "deployment_url": deployment_url,
        "repository_url": repository_url,
        "performed_via_github_app": None,
    }


def user_answer(login: str, base: str) -> Answer:
    """Render the user behind a token: its subject is all that is known, and clients want every key."""
    url = f"{base}/users/{quote(login, safe='')}"
    return {
        "login": login,
        "id": _stable_number(login),
        "node_id": _node_id("User", _stable_number(login)),
        # Where there is one for everybody: a client that reads addresses refuses an empty one.
        "avatar_url": f"{base}/static/mark.svg",
        "gravatar_id": "",
        "url": url,
        "html_url": url,
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": "User",
        "site_admin": False,
    }


def organization_answer(login: str, base: str) -> Answer:
    """Render the organization that a token is of, as far as it is known."""
    url, number = f"{base}/orgs/{quote(login, safe='')}", _stable_number(login)
    return {
        "login": login,
        "id": number,
        "node_id": _node_id("Organization", number),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{base}/static/mark.svg",
        "description": None,
    }


def repository_answer(repository: RepositoryIdentity, base: str) -> Answer:
    """A repository, as far as a client needs one to reach its deployments; the rest is empty."""
    owner, _, name = repository.path.rpartition("/")
    url, number = _repository_url(repository, base), _stable_number(repository.key)
    return {
        "id": number,
        "node_id": _node_id("Repository", number),
        "name": name,
        "full_name": repository.path,
        "owner": user_answer(owner, base),
        "private": True,
        "visibility": "private",
        "html_url": repository.url,
        "clone_url": repository.url,
        "git_url": repository.url,
        "ssh_url": repository.url,
        "svn_url": repository.url,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "description": None,
        "url": url,
        **{f"{name}_url": f"{url}/{path}" for name, path in _ADDRESSES.items()},
        **dict.fromkeys(_FLAGS, False),
        **dict.fromkeys(_COUNTS, 0),
        "topics": [],
        "custom_properties": {},
        "default_branch": "main",
        "permissions": {"admin": False, "maintain": False, "push": True, "triage": False, "pull": True},
        **dict.fromkeys(("created_at", "updated_at", "pushed_at"), UNKNOWN_TIME),
    }


_ADDRESSES = {
    **{
        name: name
        for name in (
            "forks", "teams", "hooks", "events", "tags", "languages", "stargazers", "contributors",
            "subscribers", "subscription", "merges", "downloads", "deployments",
        )
    },
    "keys": "keys{/key_id}",
    "collaborators": "collaborators{/collaborator}",
    "issue_events": "issues/events{/number}",
    "assignees": "assignees{/user}",
    "branches": "branches{/branch}",
    "blobs": "git/blobs{/sha}",
    "git_tags": "git/tags{/sha}",
    "git_refs": "git/refs{/sha}",
    "trees": "git/trees{/sha}",
    "statuses": "statuses/{sha}",
    "commits": "commits{/sha}",
    "git_commits": "git/commits{/sha}",
    "comments": "comments{/number}",
    "issue_comment": "issues/comments{/number}",
    "contents": "contents/{+path}",
    "compare": "compare/{base}...{head}",
    "archive": "{archive_format}{/ref}",
    "issues": "issues{/number}",
    "pulls": "pulls{/number}",
    "milestones": "milestones{/number}",
    "notifications": "notifications{?since,all,participating}",
    "labels": "labels{/name}",
    "releases": "releases{/id}",
}  # fmt: skip
_FLAGS = (
    "fork", "archived", "disabled", "has_issues", "has_projects", "has_wiki", "has_pages", "has_downloads",
    "has_discussions", "is_template", "allow_forking", "web_commit_signoff_required",
)  # fmt: skip
_COUNTS = (
    "forks_count", "stargazers_count", "watchers_count", "size", "open_issues_count", "forks", "open_issues",
    "watchers", "network_count", "subscribers_count",
)  # fmt: skip


def _repository_url(repository: RepositoryIdentity, base: str) -> str:
    return f"{base}/repos/{quote(repository.path)}"


def _node_id(kind: str, number: int) -> str:
    return b64encode(f"{kind}:{number}".encode()).decode()


def _stable_number(name: str) -> int:
    """A number for what has only a name: the same each time, and one that JavaScript holds."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6])


def _time(microseconds: int) -> str:
    """Render a time to the second, as GitHub's clients parse it."""
    return f"{from_microseconds(microseconds):%Y-%m-%dT%H:%M:%SZ}"
