"""What an organization sets: its settings, and the teams that its repositories belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    select,
)

from metrics.domain.errors import InvalidInput
from metrics.domain.repositories import CanAccess, allow_all
from metrics.domain.settings import DEFAULT_SETTINGS, OrganizationSettings, settings_columns, settings_from
from tracker.errors import NotFound
from tracker.records.ledger import Author, Ledger, Version, repository_of, service_columns
from tracker.records.pages import names_repository
from tracker.records.tables import ORGANIZATION_SETTINGS, REPOSITORIES, current, current_at


def read_settings(
    connection: Connection, organization: str, revision: int | None = None
) -> OrganizationSettings:
    """The organization's settings at a revision, None is now; the defaults where it had set nothing."""
    row = _settings_row(connection, organization, revision)
    return DEFAULT_SETTINGS if row is None else settings_from(row._mapping)


def zone_of(engine: Engine, organization: str) -> ZoneInfo:
    """The time zone that the organization has set."""
    with engine.connect() as connection:
        return ZoneInfo(read_settings(connection, organization).timezone)


def change_settings(ledger: Ledger, author: Author, changes: Mapping[str, Any]) -> OrganizationSettings:
    """Set what `changes` names, and return all settings as they then are."""
    row = _settings_row(ledger.connection, author.organization)
    before = DEFAULT_SETTINGS if row is None else settings_from(row._mapping)
    after = replace(before, **changes)
    if after != before:
        _record_settings(ledger, author, None if row is None else Version.from_columns(row._mapping), after)
    return after


def _record_settings(
    ledger: Ledger, author: Author, current: Version | None, settings: OrganizationSettings
) -> None:
    columns = settings_columns(settings)
    if current is None:
        version = replace(ledger.first_version(author), id=author.organization)
        ledger.insert(ORGANIZATION_SETTINGS, {**vars(version), **columns})
    else:
        version = ledger.next_version(author, current)
        ledger.supersede(ORGANIZATION_SETTINGS, current, {**vars(version), **columns})


def _settings_row(connection: Connection, organization: str, revision: int | None = None) -> Row[Any] | None:
    then = current_at(ORGANIZATION_SETTINGS.c, organization, revision)
    return connection.execute(select(ORGANIZATION_SETTINGS).where(then)).first()


def set_team(
    ledger: Ledger,
    author: Author,
    repository_id: str,
    team: str | None,
    can_access: CanAccess = allow_all,
) -> Mapping[str, Any]:
    """Set the team of a repository, or of a service of one; return its row as it then is.

    Raises `NotFound`.
    """
    row = _repository_row(ledger, author, repository_id, can_access)
    return _revise_repository(ledger, author, row, service_columns(row._mapping["service"], team))


def set_aliases(
    ledger: Ledger, author: Author, repository_id: str, aliases: Sequence[str]
) -> Mapping[str, Any]:
    """Say which other identities a repository has, by their keys; return its row as it then is.

    Raises `NotFound`, and `InvalidInput` where one is a repository's own, or another one's alias already.
    """
    row = _repository_row(ledger, author, repository_id, allow_all)
    own, known = row.repository_key, ledger.aliases(author.organization)
    if row.service:
        raise InvalidInput.field("aliases", "are those of a whole repository, not of a service")
    if own in known and aliases:
        raise InvalidInput.field("aliases", f"cannot be had by an alias itself: {own} is one of {known[own]}")
    for alias in aliases:
        if alias == own:
            raise InvalidInput.field("aliases", f"must be other identities than its own, {own}")
        if known.get(alias, own) != own:
            raise InvalidInput.field("aliases", f"{alias} is an alias of {known[alias]} already")
        if alias in known.values():
            raise InvalidInput.field("aliases", f"{alias} has aliases itself: withdraw them first")
    revised = _revise_repository(ledger, author, row, {"aliases": list(aliases)})
    ledger.forget_aliases()
    return revised


def _repository_row(ledger: Ledger, author: Author, repository_id: str, can_access: CanAccess) -> Row[Any]:
    columns = REPOSITORIES.c
    row = ledger.connection.execute(
        select(REPOSITORIES).where(columns.id == repository_id, current(columns, author.organization))
    ).first()
    if row is None or not can_access(repository_of(row._mapping)):
        raise NotFound(f"There is no repository {repository_id}.")
    return row


def _revise_repository(
    ledger: Ledger, author: Author, row: Row[Any], changes: Mapping[str, Any]
) -> Mapping[str, Any]:
    before = dict(row._mapping)
    if all(before[name] == value for name, value in changes.items()):
        return before
    version = Version.from_columns(row._mapping)
    after: dict[str, Any] = {**before, **changes, **vars(ledger.next_version(author, version))}
    ledger.supersede(REPOSITORIES, version, dict(after))
    return after


def list_repositories(engine: Engine, organization: str, visible: Sequence[str] | None) -> Sequence[Row[Any]]:
    """Every repository and service that a record has named, by path."""
    columns = REPOSITORIES.c
    query = select(REPOSITORIES).where(current(columns, organization))
    if visible is not None:
        query = query.where(names_repository(REPOSITORIES, visible))
    with engine.connect() as connection:
        return connection.execute(query.order_by(columns.repository_key, columns.service)).all()
