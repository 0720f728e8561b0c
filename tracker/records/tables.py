"""The tables of the record database.

Instants are integers: microseconds since 1970-01-01T00:00:00Z, the same on SQLite and PostgreSQL.
What is recorded is kept as versions. A change inserts a new row with the next revision and closes
the old one by `superseded_revision`; a deletion is a row that is closed at birth. Current rows are
those with `superseded_revision is null`, and unique keys hold over those alone.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnCollection,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Table,
    and_,
    or_,
    select,
    text,
)
from sqlmodel import Field, SQLModel

from metrics.domain.vocabulary import DEFAULT_ENVIRONMENT

# SQLite keeps a table in the order of an INTEGER primary key, and only of that.
Revision = BigInteger().with_variant(Integer, "sqlite")
_CURRENT = text("superseded_revision is null")
Columns = ColumnCollection[str, Any]


class Version(SQLModel):
    """The columns that every versioned table has."""

    revision: int = Field(primary_key=True, sa_type=Revision, sa_column_kwargs={"autoincrement": False})
    superseded_revision: int | None = Field(default=None, sa_type=BigInteger)
    first_revision: int = Field(sa_type=BigInteger)
    recorded_at: int = Field(sa_type=BigInteger)
    recorded_by: str
    token_id: str | None = None
    organization: str
    id: str
    created_at: int = Field(sa_type=BigInteger)


class Deployment(Version, table=True):
    """A commit of a repository, put into an environment."""

    __tablename__ = "deployments"

    repository_url: str
    repository_host: str
    repository_path: str
    repository_key: str
    service: str = ""
    service_key: str = ""
    environment: str = DEFAULT_ENVIRONMENT
    environment_key: str = DEFAULT_ENVIRONMENT
    # Null is "not said": the organization's settings say which environments are production.
    production: bool | None = None
    status: str
    commit_id: str | None = None
    version: str | None = None
    branch: str | None = None
    title: str | None = None
    url: str | None = None
    changelog: str | None = None
    started_at: int | None = Field(default=None, sa_type=BigInteger)
    finished_at: int | None = Field(default=None, sa_type=BigInteger)
    # What lists are ordered by: `finished_at`, or `created_at` while in progress.
    listed_at: int = Field(sa_type=BigInteger)
    # Null is "not said": it counts as false, and a repeat may still say it.
    is_fix: bool | None = None
    is_hotfix: bool | None = None
    is_forced: bool | None = None
    # Null is "work it out from the releases".
    is_rollback: bool | None = None
    remediates: str | None = None
    commits_count: int | None = None
    commits: list[dict[str, str | int]] = Field(default_factory=list, sa_type=JSON)
    pull_request_number: int | None = Field(default=None, sa_type=BigInteger)
    member_id: str | None = None
    team: str | None = None
    team_key: str | None = None
    labels: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    deployment_node_id: str | None = None
    triggered_by: str


class Incident(Version, table=True):
    """A report that production is impaired."""

    __tablename__ = "incidents"

    key: str | None = None
    # Mostly empty. Who may not know that a key is taken by another repository's incident has keys of its own.
    key_space: str = Field(default="", sa_column_kwargs={"server_default": ""})
    title: str | None = None
    started_at: int = Field(sa_type=BigInteger)
    resolved_at: int | None = Field(default=None, sa_type=BigInteger)
    environment: str | None = None
    environment_key: str | None = None
    repository_url: str | None = None
    repository_host: str | None = None
    repository_path: str | None = None
    repository_key: str | None = None
    service: str = ""
    service_key: str = ""
    deployment: str | None = None
    commit_id: str | None = None
    change_related: bool = True
    severity: str | None = None
    url: str | None = None
    labels: dict[str, str] = Field(default_factory=dict, sa_type=JSON)


class Repository(Version, table=True):
    """A repository, or one service of it, that a record has named; and the team it belongs to."""

    __tablename__ = "repositories"

    repository_url: str
    repository_host: str
    repository_path: str
    repository_key: str
    service: str = ""
    service_key: str = ""
    team: str | None = None
    team_key: str | None = None
    # Keys of other identities of the same repository: one that was renamed, moved, or has two hosts.
    aliases: list[str] = Field(default_factory=list, sa_type=JSON)


class OrganizationSettings(Version, table=True):
    """What an organization has set; its absence means the defaults. `id` is the organization's slug."""

    __tablename__ = "organization_settings"

    timezone: str
    production_environments: list[str] = Field(sa_type=JSON)
    failure_signals: list[str] = Field(sa_type=JSON)
    attribution_gap_days: int
    benchmark: int
    fix_patterns: list[str] = Field(default_factory=list, sa_type=JSON)


class Push(Version, table=True):
    """Commits that came onto the default branch of a repository at once; it is never changed.

    `before` is the commit that the first one was built on, null where that is not known: after a forced push,
    or where not all that was pushed was told. `commits` are in their order, with merges.
    """

    __tablename__ = "pushes"

    repository_url: str
    repository_host: str
    repository_path: str
    repository_key: str
    before: str | None = None
    after: str
    commits: list[dict[str, str | int | bool]] = Field(default_factory=list, sa_type=JSON)


class Numbered(SQLModel):
    """The columns of what is never changed, and has its revision for a number."""

    revision: int = Field(primary_key=True, sa_type=Revision, sa_column_kwargs={"autoincrement": False})
    recorded_at: int = Field(sa_type=BigInteger)
    recorded_by: str
    token_id: str | None = None
    organization: str


class DeploymentRequest(Numbered, table=True):
    """What was asked for through another system's interface, and a deployment's record does not hold.

    `number` is what that system calls the deployment: the record's first revision; where it is no
    deployment of a release, and has no record, its own.
    """

    __tablename__ = "deployment_requests"

    number: int = Field(sa_type=BigInteger, unique=True)
    deployment_id: str | None = None
    repository_url: str
    repository_host: str
    repository_path: str
    repository_key: str
    ref: str
    sha: str | None = None
    task: str
    environment: str
    environment_key: str
    description: str | None = None
    payload: dict[str, Any] = Field(sa_type=JSON)
    auto_merge: bool
    required_contexts: list[str] | None = Field(default=None, sa_type=JSON)
    transient_environment: bool
    production_environment: bool
    deleted_at: int | None = Field(default=None, sa_type=BigInteger)


class DeploymentStatus(Numbered, table=True):
    """What another system's interface was told of a deployment's progress.

    `version_revision` is the version of the record that it brought about, null where it changed nothing.
    """

    __tablename__ = "deployment_statuses"

    number: int = Field(sa_type=BigInteger, index=True)
    version_revision: int | None = Field(default=None, sa_type=BigInteger)
    state: str
    description: str
    log_url: str
    environment_url: str


class DeploymentSteps(SQLModel, table=True):
    """What a deployment's time went into, as it was reported."""

    __tablename__ = "deployment_steps"

    deployment_id: str = Field(primary_key=True)
    organization: str
    reported_at: int = Field(sa_type=BigInteger)
    steps: list[dict[str, Any]] = Field(sa_type=JSON)


class Lease(SQLModel, table=True):
    """Work that one process at a time does, and until when it has it."""

    __tablename__ = "leases"

    name: str = Field(primary_key=True)
    holder: str
    expires_at: int = Field(sa_type=BigInteger)


class SchemaPromise(SQLModel, table=True):
    """The one row of it: the earliest schema whose program can work with the one that the database has."""

    __tablename__ = "schema_promise"

    works_with: str = Field(primary_key=True)


class Organization(SQLModel, table=True):
    """An organization; it is created with its first token."""

    __tablename__ = "organizations"

    slug: str = Field(primary_key=True)
    id: str = Field(unique=True)
    created_at: int = Field(sa_type=BigInteger)


def table(model: type[SQLModel]) -> Table:
    """The SQLAlchemy table of a model."""
    found = model.__table__  # type: ignore[attr-defined]
    assert isinstance(found, Table)
    return found


DEPLOYMENTS = table(Deployment)
INCIDENTS = table(Incident)
REPOSITORIES = table(Repository)
ORGANIZATION_SETTINGS = table(OrganizationSettings)
PUSHES = table(Push)
ORGANIZATIONS = table(Organization)
SCHEMA_PROMISE = table(SchemaPromise)

DEPLOYMENT_REQUESTS = table(DeploymentRequest)
DEPLOYMENT_STATUSES = table(DeploymentStatus)

DEPLOYMENT_STEPS = table(DeploymentSteps)
LEASES = table(Lease)


def current(columns: Columns, organization: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a row is an organization's current version of something."""
    return and_(columns.organization == organization, is_current(columns))


def last_version(
    connection: Connection, organization: str, revision: int | None = None
) -> tuple[int, str] | None:
    """The revision and the id of the last record of an organization, up to a revision; None is the newest.

    Of another history, of a database that was restored, the same revision is of another record.
    """
    found = []
    for table in RECORDED:
        columns = table.c
        up_to = columns.organization == organization
        if revision is not None:
            up_to &= columns.revision <= revision
        last = select(columns.revision, columns.id).where(up_to).order_by(columns.revision.desc()).limit(1)
        found += [(int(row.revision), str(row.id)) for row in connection.execute(last)]
    return max(found, default=None)


def current_at(
    columns: Columns, organization: str | ColumnElement[str], revision: int | None
) -> ColumnElement[bool]:
    """Whether a row was an organization's current version of something at a revision; None is now."""
    if revision is None:
        return current(columns, organization)
    ended = columns.superseded_revision
    return and_(
        columns.organization == organization,
        columns.revision <= revision,
        or_(ended.is_(None), ended > revision),
    )


def is_current(columns: Columns) -> ColumnElement[bool]:
    """Whether a row is the current version of something: not superseded, and not deleted."""
    condition: ColumnElement[bool] = columns.superseded_revision.is_(None)
    return condition


VERSIONED = (DEPLOYMENTS, INCIDENTS, REPOSITORIES, ORGANIZATION_SETTINGS)
RECORDED = (*VERSIONED, PUSHES)
"""The tables that metrics are worked out from."""
NUMBERED = (*RECORDED, DEPLOYMENT_REQUESTS, DEPLOYMENT_STATUSES)
"""The tables that share one sequence of revisions."""


def _current_index(name: str, *columns: Column[object], unique: bool, where: str = "") -> None:
    predicate = text(f"superseded_revision is null and {where}") if where else _CURRENT
    Index(name, *columns, unique=unique, sqlite_where=predicate, postgresql_where=predicate)


Index("ix_deployment_requests_deployment", DEPLOYMENT_REQUESTS.c.deployment_id)
Index(
    "ix_deployment_requests_listed", DEPLOYMENT_REQUESTS.c.organization, DEPLOYMENT_REQUESTS.c.repository_key
)
Index(
    "uq_pushes_after",
    PUSHES.c.organization,
    PUSHES.c.repository_key,
    PUSHES.c.after,
    text("coalesce(before, '')"),
    unique=True,
)
for _table in RECORDED:
    Index(f"ix_{_table.name}_organization", _table.c.organization, _table.c.revision)
for _table in VERSIONED:
    _current_index(f"uq_{_table.name}_id", _table.c.id, unique=True)
    Index(f"ix_{_table.name}_history", _table.c.id, _table.c.revision)
_current_index(
    "uq_deployments_natural_key",
    DEPLOYMENTS.c.organization,
    DEPLOYMENTS.c.repository_key,
    DEPLOYMENTS.c.deployment_node_id,
    DEPLOYMENTS.c.service_key,
    DEPLOYMENTS.c.environment_key,
    unique=True,
    where="deployment_node_id is not null",
)
_current_index(
    "ix_deployments_listed",
    DEPLOYMENTS.c.organization,
    DEPLOYMENTS.c.listed_at,
    DEPLOYMENTS.c.id,
    unique=False,
)
_current_index(
    "ix_deployments_of_repository",
    DEPLOYMENTS.c.organization,
    DEPLOYMENTS.c.repository_key,
    DEPLOYMENTS.c.first_revision,
    unique=False,
)
_current_index(
    "uq_incidents_key",
    INCIDENTS.c.organization,
    INCIDENTS.c.key,
    INCIDENTS.c.key_space,
    unique=True,
    where="key is not null",
)
_current_index(
    "ix_incidents_listed", INCIDENTS.c.organization, INCIDENTS.c.started_at, INCIDENTS.c.id, unique=False
)
_current_index(
    "uq_repositories_key",
    REPOSITORIES.c.organization,
    REPOSITORIES.c.repository_key,
    REPOSITORIES.c.service_key,
    unique=True,
)
