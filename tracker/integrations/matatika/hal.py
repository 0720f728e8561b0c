"""Workspaces, profiles and jobs as HAL: with what can be done about them as links, and in pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from metrics.domain.errors import FieldError, InvalidInput
from metrics.domain.instants import from_microseconds
from tracker.auth.callers import NO_SCHEME, requires
from tracker.auth.tokens import Claims, Scope
from tracker.integrations.workspaces import profile_of
from tracker.jobs.queue import Job
from tracker.jobs.workspaces import Workspace
from tracker.web.paging import CallerRequest

Answer = Mapping[str, object]
DEFAULT_PAGE, LARGEST_PAGE = 20, 500
# These interfaces' own examples send the token with no scheme before it.
SCHEMES = ("bearer", NO_SCHEME)
READERS = requires(Scope.DEPLOY, Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_READ, schemes=SCHEMES)


def job_answer(job: Job, base: str) -> Answer:
    """A job with what can be done about it as HAL links. Times are in UTC, and say no zone."""
    own = f"{base}/api/jobs/{job.id}"
    answer: dict[str, object] = {
        "id": job.id,
        "created": hal_time(job.created_at),
        "type": "WORKSPACE_DEPLOY",
        "maxAttempts": job.max_attempts,
        "attempt": job.attempt,
        "status": job.status,
    }
    if job.commit_id is not None:
        answer["commitId"] = job.commit_id
    if job.started_at is not None:
        answer["startTime"] = hal_time(job.started_at)
    if job.ended_at is not None:
        answer |= {"endTime": hal_time(job.ended_at), "exitCode": job.exit_code}
    answer["_embedded"] = {"profile": {**job.profile, "workingAccount": _account(job.organization)}}
    links: dict[str, object] = {
        "self": {"href": own},
        "delete job": {"href": own, "type": "DELETE"},
        "logs": {"href": f"{own}/logs?sequence=0", "type": "GET"},
    }
    if not job.status.is_over:
        links["withdraw job"] = {"href": f"{own}/stopped", "type": "PUT"}
    return {**answer, "_links": links}


def hal_time(microseconds: int) -> str:
    """Render a time in UTC, without a zone."""
    return f"{from_microseconds(microseconds):%Y-%m-%dT%H:%M:%S.%f}"


def workspace_answer(workspace: Workspace, base: str) -> Answer:
    """A workspace; here nobody has a default one, and none is limited to mail domains."""
    own = f"{base}/api/workspaces/{workspace.id}"
    return {
        "id": workspace.id,
        "name": workspace.name,
        "domains": None,
        "repositoryUrl": workspace.repository.url,
        "defaultWorkspace": False,
        "_links": {"self": {"href": own}, "jobs": {"href": f"{own}/jobs"}},
    }


def profile_answer(claims: Claims, base: str) -> Answer:
    """Who has the token. Clients want a name: where the token has none, it is the subject."""
    return {
        "name": claims.subject,
        **profile_of(claims),
        "workingAccount": _account(claims.organization),
        "_links": {"self": {"href": f"{base}/api/profiles/{quote(claims.subject, safe='')}"}},
    }


def _account(organization: str) -> Answer:
    return {"company": organization, "id": organization}


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for; pages count from 0."""

    number: int
    size: int
    oldest_first: bool

    @classmethod
    def of(cls, request: CallerRequest) -> Self:
        """Read `page`, `size` and `sort`. Raises `InvalidInput`."""

        def number(name: str, default: int, least: int, most: int) -> int:
            text = request.query_params.get(name, str(default))
            is_number = text.isascii() and text.isdigit() and len(text) < 10
            if not (is_number and least <= int(text) <= most):
                raise InvalidInput.of([FieldError(name, f"must be a number from {least} to {most}")])
            return int(text)

        column, _, direction = request.query_params.get("sort", "created,desc").partition(",")
        if column != "created" or direction not in ("", "asc", "desc"):
            raise InvalidInput.of([FieldError("sort", "must be created,asc or created,desc")])
        return cls(
            number("page", 0, 0, 10**6), number("size", DEFAULT_PAGE, 1, LARGEST_PAGE), direction != "desc"
        )

    @property
    def offset(self) -> int:
        return self.number * self.size

    def answer(self, name: str, items: Sequence[Answer], total: int, own: str) -> Answer:
        """The page of a list of so many, with links to the others; `own` is the list's address."""
        pages = -(-total // self.size)
        rest = f"size={self.size}" + ("&sort=created,asc" if self.oldest_first else "")
        others = {"first": 0, "prev": self.number - 1, "next": self.number + 1, "last": max(pages - 1, 0)}
        links = {
            relation: {"href": f"{own}?page={number}&{rest}"}
            for relation, number in others.items()
            if 0 <= number < max(pages, 1)
        }
        return {
            "_embedded": {name: items},
            "_links": {"self": {"href": f"{own}?page={self.number}&{rest}"}, **links},
            "page": {"size": self.size, "totalElements": total, "totalPages": pages, "number": self.number},
        }
