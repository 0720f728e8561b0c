"""What a sender may not have meant, told with a record that is recorded all the same."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select

from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import name_key
from tracker.records.ledger import Ledger
from tracker.records.tables import DEPLOYMENTS, REPOSITORIES, current


@dataclass(frozen=True, slots=True)
class Warning:
    """Something about a record that a sender may not have meant; it is recorded all the same."""

    code: str
    detail: str


def page_warnings(repository: RepositoryIdentity | None) -> list[Warning]:
    """That the address sent is of a page, where it is: the repository is taken."""
    if repository is None or not repository.is_page:
        return []
    return [
        Warning(
            "repository_page",
            f"The repository_url is a page of {repository.shown}: the repository is recorded.",
        )
    ]


def unknown_name_warnings(names: Iterable[tuple[str, str]]) -> list[Warning]:
    """That names which a record gives, with their fields, are not known: the links that they make wait."""
    return [
        Warning("unknown_name", f"Nothing is known by the {field} {name} yet: it takes effect once it is.")
        for field, name in names
    ]


def is_known_deployment(
    ledger: Ledger, organization: str, repository: RepositoryIdentity | None, name: str
) -> bool:
    """Whether a deployment has the id, or the node id in the repository; in any where that is None."""
    columns = DEPLOYMENTS.c
    named = columns.deployment_node_id == name
    if repository is not None:
        named &= columns.repository_key == repository.key
    return _exists(ledger, organization, columns.id == name) or _exists(ledger, organization, named)


def is_known_release(
    ledger: Ledger, organization: str, repository: RepositoryIdentity | None, name: str
) -> bool:
    """Whether a deployment is of the release, in the repository, or in any where that is None.

    A commit id is known by another one of which it is the beginning, or which is its own.
    """
    columns, text = DEPLOYMENTS.c, name.lower()
    beginnings = [text[:digits] for digits in range(7, len(text) + 1)]
    named = or_(
        columns.commit_id.startswith(text, autoescape=True),
        columns.commit_id.in_(beginnings),
        columns.version == name,
    )
    if repository is not None:
        named &= columns.repository_key == repository.key
    return _exists(ledger, organization, named)


def is_known_repository(ledger: Ledger, organization: str, repository: RepositoryIdentity) -> bool:
    """Whether anything was ever deployed out of the repository."""
    return _exists(ledger, organization, DEPLOYMENTS.c.repository_key == repository.key)


def is_known_service(
    ledger: Ledger, organization: str, repository: RepositoryIdentity | None, service: str
) -> bool:
    """Whether the service was ever deployed, out of the repository, or out of any where that is None."""
    columns, rows = DEPLOYMENTS.c, REPOSITORIES.c
    named = rows.service_key == name_key(service)
    if repository is not None:
        named &= rows.repository_key == repository.key
    deployed = (
        select(columns.revision)
        .where(
            current(columns, organization),
            columns.repository_key == rows.repository_key,
            columns.service_key == rows.service_key,
        )
        .exists()
    )
    found = select(rows.revision).where(current(rows, organization), named, deployed).limit(1)
    return ledger.connection.execute(found).first() is not None


def _exists(ledger: Ledger, organization: str, condition: ColumnElement[bool]) -> bool:
    found = select(DEPLOYMENTS.c.revision).where(current(DEPLOYMENTS.c, organization), condition).limit(1)
    return ledger.connection.execute(found).first() is not None
