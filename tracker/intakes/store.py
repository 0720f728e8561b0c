"""Intakes as they are kept: added, listed, removed, and found by their id."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from uuid_utils import uuid7

from metrics.domain.instants import from_microseconds, now_microseconds
from metrics.domain.repositories import RepositoryIdentity, matches_any
from metrics.domain.vocabulary import matches_any_name, name_key
from tracker.errors import Conflict, NotFound
from tracker.intakes.tables import INTAKES

MOST_OF_ONE = 200
"""Intakes of one organization."""
MOST_SECRETS = 5
_SECRET_BYTES = 32


def new_secret() -> str:
    """Make a secret that every sender's form takes."""
    return secrets.token_hex(_SECRET_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Where one system's events come in for an organization."""

    id: str
    organization: str
    source: str
    secrets: Sequence[str]
    repositories: Sequence[str] | None = None
    defaults: Mapping[str, str]
    production: Sequence[str] = ()
    names: Mapping[str, Mapping[str, str]]
    options: Mapping[str, str]
    created_at: datetime
    created_by: str

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        columns = dict(row._mapping)
        return cls(**{**columns, "created_at": from_microseconds(columns["created_at"])})

    def reaches(self, repository: RepositoryIdentity | None) -> bool:
        """Whether its events may tell of the repository."""
        if self.repositories is None:
            return True
        return repository is not None and matches_any(self.repositories, repository)

    def completed(self, fields: Mapping[str, Any], *, is_deployment: bool) -> dict[str, Any]:
        """The fields with what the intake knows of them: names of services, defaults, what is production."""
        known = {name: value for name, value in fields.items() if value not in (None, "")}
        mapped = self._mapped(str(known.get("service", "")))
        completed = {**self.defaults, **known, **mapped}
        if not is_deployment:
            completed.pop("team", None)
        environment = completed.get("environment")
        if is_deployment and environment and matches_any_name(name_key(environment), _keys(self.production)):
            completed["production"] = True
        return {name: value for name, value in completed.items() if value != ""}

    def unmapped_name(self, fields: Mapping[str, Any]) -> str | None:
        """The sender's name of the service, where nothing says which repository it is of."""
        name = str(fields.get("service") or "").strip()
        filled = {**self.defaults, **self._mapped(name), **fields}
        return None if filled.get("repository_url") or not name else name

    def _mapped(self, sender_name: str) -> Mapping[str, str]:
        key = name_key(sender_name.strip())
        return next((one for name, one in self.names.items() if name_key(name) == key), {})


def _keys(patterns: Sequence[str]) -> list[str]:
    return [name_key(one) for one in patterns]


def add_intake(connection: Connection, intake: Intake) -> Intake:
    """Add an intake under a new id. Raises `Conflict` where there are too many."""
    count = connection.scalar(
        select(func.count()).select_from(INTAKES).where(INTAKES.c.organization == intake.organization)
    )
    if (count or 0) >= MOST_OF_ONE:
        raise Conflict(f"An organization has at most {MOST_OF_ONE} intakes.")
    row = {name: getattr(intake, name) for name in INTAKES.c.keys()}  # noqa: SIM118  a column collection
    row |= {"id": str(uuid7()), "created_at": now_microseconds()}
    connection.execute(insert(INTAKES).values(**row))
    return find_intake(connection, str(row["id"]))


def find_intake(connection: Connection, intake_id: str, organization: str | None = None) -> Intake:
    """The intake by its id, and of the organization where one is named. Raises `NotFound`."""
    row = connection.execute(select(INTAKES).where(INTAKES.c.id == intake_id)).first()
    intake = None if row is None else Intake.from_row(row)
    if intake is None or organization not in (None, intake.organization):
        raise NotFound(f"There is no intake {intake_id}.")
    return intake


def list_intakes(connection: Connection, organization: str) -> Sequence[Intake]:
    """Those of an organization, the oldest first."""
    query = select(INTAKES).where(INTAKES.c.organization == organization).order_by(INTAKES.c.id)
    return [Intake.from_row(row) for row in connection.execute(query)]


def remove_intake(connection: Connection, organization: str, intake_id: str) -> None:
    """Take no more events in there; what came stays recorded. Raises `NotFound`."""
    find_intake(connection, intake_id, organization)
    connection.execute(delete(INTAKES).where(INTAKES.c.id == intake_id))


def change_intake(connection: Connection, intake: Intake) -> None:
    """Keep what the intake now knows: its reach, defaults, production, names and options."""
    names = ("repositories", "defaults", "production", "names", "options")
    values = {name: getattr(intake, name) for name in names}
    connection.execute(update(INTAKES).where(INTAKES.c.id == intake.id).values(**values))


def change_secrets(connection: Connection, intake: Intake, kept: Sequence[str]) -> None:
    """Take these secrets, and no others, from now on. Raises `Conflict` where there are too many."""
    if len(kept) > MOST_SECRETS:
        raise Conflict(f"An intake has at most {MOST_SECRETS} secrets at once: remove one.")
    connection.execute(update(INTAKES).where(INTAKES.c.id == intake.id).values(secrets=list(kept)))
