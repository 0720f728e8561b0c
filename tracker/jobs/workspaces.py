"""Workspaces: what a job deploys, from which branch, and by which command."""

import re
import secrets
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, insert, select, update

from metrics.domain.errors import InvalidInput
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from tracker.errors import Conflict, NotFound
from tracker.jobs.tables import JOB_LINES, JOBS, WORKSPACES
from tracker.records.ledger import Author, Ledger, repository_columns, repository_of

DEFAULT_BRANCH = "main"
DEFAULT_TIME_LIMIT_SECONDS = 3_600
_LOCAL_HOST = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """`clone_url` is where a runner fetches the repository; `secret` signs the calls of a webhook."""

    id: str
    organization: str
    name: str
    repository: RepositoryIdentity
    clone_url: str
    branch: str
    command: str
    service: str
    environment: str
    secret: str
    max_attempts: int
    time_limit_seconds: int
    created_at: int
    created_by: str
    event: str | None
    event_at: int | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        repository = repository_of(row._mapping)
        assert repository is not None
        return cls(repository=repository, **{name: row._mapping[name] for name in _COLUMNS})

    @property
    def is_local(self) -> bool:
        """Whether the repository is a folder of the runner's host."""
        return self.repository.host == _LOCAL_HOST


_COLUMNS = tuple(field.name for field in fields(Workspace) if field.name != "repository")


def read_location(text: str) -> tuple[RepositoryIdentity, str]:
    """A repository and where it is fetched, out of a git URL, or of a path on the runner's host.

    Raises `RepositoryUrlError`.
    """
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise RepositoryUrlError(
            "must carry no query and no fragment: git knows none, and a token does not belong there"
        )
    if (parts.hostname or "").startswith("-") or text.startswith("-"):
        raise RepositoryUrlError("must not begin with a hyphen: a program would take it for an option")
    if parts.password or (parts.username and parts.scheme in ("http", "https")):
        raise RepositoryUrlError("must carry no password or token: give them to git on the runner's host")
    if parts.scheme != "file" and not text.startswith("/"):
        return RepositoryIdentity.parse(text), text
    path = Path(parts.path if parts.scheme == "file" else text)
    name = "/".join(quote(part) for part in path.parts[1:])
    return RepositoryIdentity.parse(f"https://{_LOCAL_HOST}/{name}"), str(path)


# git check-ref-format: what a branch cannot be named, and what git would read as something else.
_NOT_IN_A_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|/\.|\.$|/$")


def require_branch(name: str) -> None:
    """Raises `InvalidInput` where git has no branch of that name."""
    if not name or name == "@" or name.startswith(("-", "/", ".")) or _NOT_IN_A_BRANCH.search(name):
        raise InvalidInput.field("branch", f"must be the name of a branch, which {name!r} is not")


def create_workspace(
    ledger: Ledger,
    author: Author,
    *,
    name: str,
    location: tuple[RepositoryIdentity, str],
    command: str,
    branch: str = DEFAULT_BRANCH,
    service: str = "",
    environment: str = "production",
    max_attempts: int = 0,
    time_limit_seconds: int = DEFAULT_TIME_LIMIT_SECONDS,
) -> Workspace:
    """Set a workspace up, with a new secret. Raises `InvalidInput`, `Conflict` where the name is taken."""
    require_branch(branch)
    repository, clone_url = location
    taken = select(WORKSPACES.c.id).where(
        WORKSPACES.c.organization == author.organization, WORKSPACES.c.name == name
    )
    if ledger.connection.execute(taken).first():
        raise Conflict(f"There is a workspace {name} already.")
    row = {
        "id": str(uuid4()),
        "organization": author.organization,
        "name": name,
        **repository_columns(repository),
        "clone_url": clone_url,
        "branch": branch,
        "command": command,
        "service": service,
        "environment": environment,
        "secret": secrets.token_urlsafe(32),
        "max_attempts": max_attempts,
        "time_limit_seconds": time_limit_seconds,
        "created_at": ledger.now,
        "created_by": author.subject,
        "event": None,
        "event_at": None,
    }
    ledger.connection.execute(insert(WORKSPACES).values(**row))
    return find_workspace(ledger.connection, str(row["id"]), author.organization)


def remove_workspace(ledger: Ledger, workspace: Workspace) -> None:
    """Remove a workspace with its jobs, which are over, and their logs; what was recorded stays."""
    jobs = select(JOBS.c.id).where(JOBS.c.workspace_id == workspace.id)
    ledger.connection.execute(delete(JOB_LINES).where(JOB_LINES.c.job_id.in_(jobs)))
    ledger.connection.execute(delete(JOBS).where(JOBS.c.workspace_id == workspace.id))
    ledger.connection.execute(delete(WORKSPACES).where(WORKSPACES.c.id == workspace.id))


def note_event(ledger: Ledger, workspace: Workspace, event: str) -> None:
    """Keep an event of a workspace that deploys nothing."""
    columns = WORKSPACES.c
    values = {"event": event, "event_at": ledger.now}
    ledger.connection.execute(update(WORKSPACES).where(columns.id == workspace.id).values(**values))


def find_workspace(connection: Connection, workspace_id: str, organization: str | None = None) -> Workspace:
    """One workspace, of an organization where one is named. Raises `NotFound`."""
    row = connection.execute(select(WORKSPACES).where(WORKSPACES.c.id == workspace_id)).first()
    if row is None or organization not in (None, row.organization):
        raise NotFound(f"There is no workspace {workspace_id}.")
    return Workspace.from_row(row)


def list_workspaces(connection: Connection, organization: str) -> list[Workspace]:
    """List the organization's workspaces by name."""
    columns = WORKSPACES.c
    statement = select(WORKSPACES).where(columns.organization == organization).order_by(columns.name)
    return [Workspace.from_row(row) for row in connection.execute(statement)]
