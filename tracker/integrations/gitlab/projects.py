"""Which repository a project of GitLab's is."""

from urllib.parse import unquote

from sqlalchemy import Connection, select

from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.errors import NotFound
from tracker.integrations.translation import only_repository
from tracker.records.tables import REPOSITORIES, current

HEADERS = ("PRIVATE-TOKEN", "JOB-TOKEN")
WRITERS = [requires(Scope.DEPLOYMENTS_WRITE, headers=HEADERS)]
READERS = [requires(Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_READ, headers=HEADERS)]
# What a database has for a number.
LARGEST_NUMBER = 2**63 - 1
_NOT_FOUND = "Project Not Found"


def project_of(connection: Connection, caller: Caller, gitlab_url: str, text: str) -> RepositoryIdentity:
    """The repository that a path names by number or path. Raises `NotFound`.

    A number is one that this service has given; another one is the only repository that a token is for,
    for a pipeline knows its project by GitLab's own number.
    """
    name = unquote(text)
    if "\x00" in name:
        raise NotFound(_NOT_FOUND)
    identity = _numbered(connection, caller, int(name), gitlab_url) if name.isdecimal() else None
    if identity is None and not name.isdecimal():
        identity = _at(gitlab_url, name)
    if identity is None:
        raise NotFound(_NOT_FOUND)
    caller.require_read(identity, _NOT_FOUND)
    return identity


def number_of_project(connection: Connection, caller: Caller, identity: RepositoryIdentity) -> int | None:
    """The number that this service has given to a repository; None where no record has named it."""
    columns = REPOSITORIES.c
    found: int | None = connection.scalar(
        select(columns.first_revision).where(
            current(columns, caller.organization),
            columns.repository_key == identity.key,
            columns.service_key == "",
        )
    )
    return found


def _numbered(
    connection: Connection, caller: Caller, number: int, gitlab_url: str
) -> RepositoryIdentity | None:
    columns = REPOSITORIES.c
    if number <= LARGEST_NUMBER:
        url = connection.scalar(
            select(columns.repository_url).where(
                current(columns, caller.organization), columns.first_revision == number
            )
        )
        if url is not None and caller.may_use(identity := RepositoryIdentity.parse(url)):
            return identity
    return only_repository(caller, gitlab_url)


def _at(gitlab_url: str, path: str) -> RepositoryIdentity | None:
    try:
        return RepositoryIdentity.parse(f"{gitlab_url.rstrip('/')}/{path}")
    except RepositoryUrlError:
        return None
