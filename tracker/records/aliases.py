"""Other identities of a repository: one that was renamed or moved, or has two hosts."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, String, cast, select

from metrics.domain.repositories import RepositoryIdentity, matches_any
from tracker.records.tables import REPOSITORIES, current_at

Aliases = Mapping[str, str]
"""By the key of an alias, the key of the repository that it belongs to."""


def read_aliases(connection: Connection, organization: str, revision: int | None = None) -> Aliases:
    """The aliases that an organization has said, up to a revision of the records; None is now."""
    columns = REPOSITORIES.c
    rows = connection.execute(
        select(columns.repository_key, columns.aliases).where(
            current_at(columns, organization, revision), cast(columns.aliases, String) != "[]"
        )
    )
    return {alias: row.repository_key for row in rows for alias in row.aliases}


def keys_of_one(aliases: Aliases, key: str) -> set[str]:
    """All keys of the repository that has the key."""
    own = aliases.get(key, key)
    return {own, *(alias for alias, repository in aliases.items() if repository == own)}


def keys_meant(aliases: Aliases, patterns: Iterable[str]) -> set[str]:
    """All keys of the repositories with aliases of which one of the patterns means an identity."""
    texts = list(patterns)
    return {
        key
        for own in set(aliases.values())
        for key in keys_of_one(aliases, own)
        if any(matches_any(texts, _identity(one)) for one in keys_of_one(aliases, own))
    }


def keys_reached(aliases: Aliases, patterns: Iterable[str]) -> set[str]:
    """The aliases of the repositories of which one of the patterns means their own identity."""
    texts = list(patterns)
    return {alias for alias, own in aliases.items() if matches_any(texts, _identity(own))}


def _identity(key: str) -> RepositoryIdentity:
    host, _, path = key.partition("/")
    return RepositoryIdentity(host, path, "")
