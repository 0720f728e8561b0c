"""One open write transaction: numbers versions in commit order and writes them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from operator import itemgetter
from typing import Any, Self, TypeVar, cast

import psycopg
from msgspec.json import encode as encode_json
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    RowMapping,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from uuid_utils import uuid7

from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import name_key
from tracker.records.aliases import Aliases, read_aliases
from tracker.records.failures import of_driver
from tracker.records.tables import NUMBERED, ORGANIZATIONS, REPOSITORIES, VERSIONED, current

T = TypeVar("T")
_FEWEST_TO_COPY = 50

RepositoryName = tuple[str, str, str]
"""Organization, repository key and service key."""


@dataclass(slots=True)
class KnownRepositories:
    """What has a row in `repositories`, known as long as nobody else writes."""

    head: tuple[int, int] = (0, 0)
    """The last revision and its time, as the one who remembers has left them."""
    names: set[RepositoryName] = field(default_factory=set)


# The last revision given, and its time. Each branch reads one row off a primary key.
_HEAD = union_all(
    *(
        select(
            select(table.c.revision, table.c.recorded_at)
            .order_by(table.c.revision.desc())
            .limit(1)
            .subquery()
        )
        for table in NUMBERED
    )
)
_SUPERSEDE = {
    table.name: update(table)
    .where(table.c.revision == bindparam("old_revision"))
    .values(superseded_revision=bindparam("new_revision"))
    for table in VERSIONED
}
_JSON_COLUMNS = {
    table.name: tuple(column.name for column in table.c if isinstance(column.type, JSON))
    for table in NUMBERED
}


@dataclass(frozen=True)
class Author:
    """Who records: the token's subject and id, for one organization. The command line has no token."""

    organization: str
    subject: str
    token_id: str | None = None


@dataclass(frozen=True)
class Version:
    """The columns of a version that say when and by whom, not what. Instants in microseconds UTC."""

    revision: int
    first_revision: int
    recorded_at: int
    recorded_by: str
    token_id: str | None
    organization: str
    id: str
    created_at: int
    superseded_revision: int | None = None

    @classmethod
    def from_columns(cls, columns: RowMapping) -> Self:
        """The version columns of a row."""
        return cls(**{name: columns[name] for name in _VERSION_COLUMNS})

    def as_deletion(self) -> Self:
        """The version as a deletion: it stands in the history and is never current."""
        return replace(self, superseded_revision=self.revision)


_VERSION_COLUMNS = tuple(column.name for column in fields(Version))


@dataclass(frozen=True, slots=True)
class _InsertStatement:
    """An INSERT as the driver takes it, and what puts a row's values into its order.

    Run past SQLAlchemy's own handling of parameters, which takes longer than the database does.
    """

    sql: str
    copy_sql: str | None
    """PostgreSQL's COPY of the same columns; None elsewhere."""
    values: Callable[[Mapping[str, object]], tuple[object, ...]]

    @classmethod
    @cache
    def of(cls, table_name: str, dialect_name: str) -> Self:
        dialect = (
            sqlite.dialect(paramstyle="qmark")
            if dialect_name == "sqlite"
            else postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]
        )
        table = next(table for table in NUMBERED if table.name == table_name)
        compiled = insert(table).compile(dialect=dialect)
        assert compiled.positiontup is not None
        columns = ", ".join(compiled.positiontup)
        copy_sql = f"copy {table_name} ({columns}) from stdin" if dialect_name == "postgresql" else None
        return cls(str(compiled), copy_sql, itemgetter(*compiled.positiontup))


class Ledger:
    """Writes versions inside one transaction of `tracker.records.engine.write_transaction`."""

    def __init__(self, connection: Connection, known_repositories: KnownRepositories) -> None:
        self._connection = connection
        self._unwritten: dict[str, list[dict[str, object]]] = {}
        heads = connection.execute(_HEAD).all()
        self._head: tuple[int, int] = max((tuple(head) for head in heads), default=(0, 0))
        self._revision = self._head[0]
        # A clock that was set back must not make history run backwards.
        self.now = max(time.time_ns() // 1_000, self._head[1])
        if known_repositories.head != self._head:
            # Another process has written, or the database was restored.
            known_repositories.names.clear()
        self._known_repositories = known_repositories
        self._new_repositories: set[RepositoryName] = set()
        self._read_once: dict[str, Any] = {}
        self._aliases: dict[str, Aliases] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing has ever been recorded."""
        return self._revision == 0

    def first_version(self, author: Author) -> Version:
        """The next revision, as the first version of a new thing."""
        revision = self._next_revision()
        return Version(
            revision=revision,
            first_revision=revision,
            recorded_at=self.now,
            recorded_by=author.subject,
            token_id=author.token_id,
            organization=author.organization,
            id=str(uuid7()),
            created_at=self.now,
        )

    def next_version(self, author: Author, current: Version) -> Version:
        """The next revision, as a newer version of a thing that is recorded."""
        return replace(
            current,
            revision=self._next_revision(),
            recorded_at=self.now,
            recorded_by=author.subject,
            token_id=author.token_id,
        )

    def next_event_columns(self, author: Author) -> dict[str, object]:
        """The next revision, with who and when, as the columns of what is never changed."""
        return {
            "revision": self._next_revision(),
            "recorded_at": self.now,
            "recorded_by": author.subject,
            "token_id": author.token_id,
            "organization": author.organization,
        }

    @property
    def connection(self) -> Connection:
        """For reading: it sees everything that this transaction has written."""
        self.flush()
        return self._connection

    def once(self, name: str, read: Callable[[Connection], T]) -> T:
        """Return what `read` gives, read once a transaction; only for what no act of it changes."""
        if name not in self._read_once:
            self._read_once[name] = read(self._connection)
        found: T = self._read_once[name]
        return found

    def aliases(self, organization: str) -> Aliases:
        """The aliases of the organization's repositories."""
        if organization not in self._aliases:
            self._aliases[organization] = read_aliases(self.connection, organization)
        return self._aliases[organization]

    def forget_aliases(self) -> None:
        """Read them anew: one was said or withdrawn."""
        self._aliases.clear()

    def in_values(self, column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
        """Whether the column is one of the values, which may be a thousand."""
        if self._connection.dialect.name == "sqlite":
            return column.in_(sorted(values))
        # One array, whatever its length: a list of parameters is compared one by one once it is prepared.
        array = bindparam(None, sorted(values), type_=postgresql.ARRAY(String))
        return column.in_(select(func.unnest(array)))

    def insert(self, table: Table, row: dict[str, object]) -> None:
        """Write a new version. Rows are held back and written together: `flush` says when."""
        for name in _JSON_COLUMNS[table.name]:
            row[name] = encode_json(row[name]).decode()
        self._unwritten.setdefault(table.name, []).append(row)

    def supersede(self, table: Table, current: Version, row: dict[str, object]) -> None:
        """Close the current version and write the one that takes its place."""
        self.connection.execute(
            _SUPERSEDE[table.name], {"old_revision": current.revision, "new_revision": row["revision"]}
        )
        self.insert(table, row)

    def supersede_all(self, table: Table, changes: Sequence[tuple[Version, dict[str, object]]]) -> None:
        """Supersede many at once, each as `supersede` does."""
        if changes:
            closed = [
                {"old_revision": current.revision, "new_revision": row["revision"]}
                for current, row in changes
            ]
            self.connection.execute(_SUPERSEDE[table.name], closed)
        for _, row in changes:
            self.insert(table, row)

    def flush(self) -> None:
        """Write what is held back: before a read of this transaction, and before its commit."""
        for name, rows in self._unwritten.items():
            statement = _InsertStatement.of(name, self._connection.dialect.name)
            values = [statement.values(row) for row in rows]
            if statement.copy_sql is not None and len(values) >= _FEWEST_TO_COPY:
                self._copy(statement.copy_sql, values)
            else:
                self._connection.exec_driver_sql(statement.sql, values)
        self._unwritten.clear()

    def _copy(self, sql: str, values: Sequence[tuple[object, ...]]) -> None:
        cursor = cast(psycopg.Cursor, self._connection.connection.cursor())
        try:
            with cursor, cursor.copy(sql) as copy:
                for row in values:
                    copy.write_row(row)
        except psycopg.Error as failure:
            raise of_driver(failure, sql) from failure

    def ensure_repositories(
        self, author: Author, repositories: Iterable[tuple[RepositoryIdentity, str]]
    ) -> None:
        """Give each repository, and each service of it, a row of its own if it has none."""
        wanted: dict[RepositoryName, tuple[RepositoryIdentity, str]] = {}
        for identity, service in repositories:
            for name in {"", service}:
                wanted.setdefault((author.organization, identity.key, name_key(name)), (identity, name))
        for key in sorted(wanted.keys() - self._known_repositories.names - self._new_repositories):
            self._ensure_repository(author, *wanted[key])
            self._new_repositories.add(key)

    def _ensure_repository(self, author: Author, identity: RepositoryIdentity, service: str) -> None:
        found = self.connection.execute(
            select(REPOSITORIES.c.revision).where(
                current(REPOSITORIES.c, author.organization),
                REPOSITORIES.c.repository_key == identity.key,
                REPOSITORIES.c.service_key == name_key(service),
            )
        ).first()
        if found is None:
            row = {
                **vars(self.first_version(author)),
                **repository_columns(identity),
                **service_columns(service, team=None),
                "aliases": [],
            }
            self.insert(REPOSITORIES, row)

    def ensure_organization(self, slug: str) -> None:
        """Create the organization where it does not exist."""
        upsert = sqlite.insert if self.connection.dialect.name == "sqlite" else postgresql.insert
        self.connection.execute(
            upsert(ORGANIZATIONS)
            .values(slug=slug, id=str(uuid7()), created_at=self.now)
            .on_conflict_do_nothing()
        )

    def remember(self) -> None:
        """After the commit: what it has recorded is known from now on."""
        self._known_repositories.names |= self._new_repositories
        self._known_repositories.head = (
            self._head if self._revision == self._head[0] else (self._revision, self.now)
        )

    def _next_revision(self) -> int:
        self._revision += 1
        return self._revision


def repository_columns(identity: RepositoryIdentity | None) -> dict[str, str | None]:
    """The columns that hold a repository, in every table that names one."""
    if identity is None:
        return dict.fromkeys(("repository_url", "repository_host", "repository_path", "repository_key"))
    return {
        "repository_url": identity.url,
        "repository_host": identity.host,
        "repository_path": identity.path,
        "repository_key": identity.key,
    }


def service_columns(service: str, team: str | None) -> dict[str, str | None]:
    """The columns that hold a service and its team, in a row of a repository."""
    return {
        "service": service,
        "service_key": name_key(service),
        "team": team,
        "team_key": None if team is None else name_key(team),
    }


def repository_of(columns: RowMapping) -> RepositoryIdentity | None:
    """The repository that a row names, read from the columns that `repository_columns` fills."""
    if columns["repository_key"] is None:
        return None
    return RepositoryIdentity(
        columns["repository_host"], columns["repository_path"], columns["repository_url"]
    )


def shown_repository(columns: RowMapping | Mapping[str, Any]) -> str | None:
    """The name that a row's repository is shown by; None where the row names none."""
    host, path = columns["repository_host"], columns["repository_path"]
    return None if path is None else RepositoryIdentity(host, path, "").shown


Act = Callable[[Ledger], T]
"""Something to record. It decides first and writes last: raising a `Refusal`, it has written nothing."""
