"""What a sender may not have meant, told with a record that is recorded all the same."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select, true

from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import COMMIT_PATTERN, is_short_commit, name_key
from tracker.records.aliases import keys_of_one
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
    named &= _of(ledger, organization, columns.repository_key, repository)
    return _exists(ledger, organization, columns.id == name) or _exists(ledger, organization, named)


def is_known_release(
    ledger: Ledger, organization: str, repository: RepositoryIdentity | None, name: str
) -> bool:
    """Whether a deployment is of the release, in the repository, or in any where that is None.

    A shortened commit id is the whole one that begins with it, where there is one.
    """
    columns, text = DEPLOYMENTS.c, name.lower()
    where = _of(ledger, organization, columns.repository_key, repository)
    same = or_(columns.commit_id == text, columns.version == name)
    if _exists(ledger, organization, where & same):
        return True
    if not re.fullmatch(COMMIT_PATTERN, text) or not is_short_commit(text):
        return False
    whole = func.length(columns.commit_id).in_((40, 64))
    begins = columns.commit_id.startswith(text, autoescape=True)
    found = (
        select(columns.commit_id)
        .where(current(columns, organization), where, begins, whole)
        .distinct()
        .limit(2)
    )
    return len(ledger.connection.execute(found).all()) == 1


def is_known_repository(ledger: Ledger, organization: str, repository: RepositoryIdentity) -> bool:
    """Whether anything was ever deployed out of the repository."""
    return _exists(ledger, organization, _of(ledger, organization, DEPLOYMENTS.c.repository_key, repository))


def is_known_service(
    ledger: Ledger, organization: str, repository: RepositoryIdentity | None, service: str
) -> bool:
    """Whether the service was ever deployed, out of the repository, or out of any where that is None."""
    columns, rows = DEPLOYMENTS.c, REPOSITORIES.c
    named = (rows.service_key == name_key(service)) & _of(
        ledger, organization, rows.repository_key, repository
    )
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


def _of(
    ledger: Ledger, organization: str, key: ColumnElement[str], repository: RepositoryIdentity | None
) -> ColumnElement[bool]:
    """Whether a row is of the repository, under whatever identity; of any where that is None."""
    if repository is None:
        return true()
    return key.in_(sorted(keys_of_one(ledger.aliases(organization), repository.key)))


def _exists(ledger: Ledger, organization: str, condition: ColumnElement[bool]) -> bool:
    found = select(DEPLOYMENTS.c.revision).where(current(DEPLOYMENTS.c, organization), condition).limit(1)
    return ledger.connection.execute(found).first() is not None
