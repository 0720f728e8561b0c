"""One identity for a repository however it is written, names compared case-folded, and said production."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from metrics.domain.vocabulary import name_key

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The tables that name repositories. Every version gets the new identity, for figures of the past too.
_NAMING_REPOSITORIES = (
    "deployments",
    "incidents",
    "repositories",
    "deployment_requests",
    "workspaces",
)
_NATURAL_KEY = ("organization", "repository_key", "deployment_node_id", "{service}", "environment_key")
_REPOSITORY_KEY = ("organization", "repository_key", "{service}")


def upgrade() -> None:
    _drop_indexes()
    for table, column in (
        ("deployments", sa.Column("service_key", sa.String(), nullable=False, server_default="")),
        ("deployments", sa.Column("team_key", sa.String(), nullable=True)),
        ("deployments", sa.Column("production", sa.Boolean(), nullable=True)),
        ("incidents", sa.Column("service_key", sa.String(), nullable=False, server_default="")),
        ("repositories", sa.Column("service_key", sa.String(), nullable=False, server_default="")),
        ("repositories", sa.Column("team_key", sa.String(), nullable=True)),
        ("repositories", sa.Column("aliases", sa.JSON(), nullable=False, server_default="[]")),
    ):
        op.add_column(table, column)
    for table in _NAMING_REPOSITORIES:
        _identify(table)
    for table, name, key in (
        ("deployments", "environment", "environment_key"),
        ("incidents", "environment", "environment_key"),
        ("deployment_requests", "environment", "environment_key"),
        ("deployments", "service", "service_key"),
        ("incidents", "service", "service_key"),
        ("repositories", "service", "service_key"),
        ("deployments", "team", "team_key"),
        ("repositories", "team", "team_key"),
    ):
        _set(table, name, {value: {key: name_key(value)} for value in _values(table, name)})
    _join_repositories()
    _part_deployments()
    _create_indexes("service_key")


def downgrade() -> None:
    """The identities stay: the program before compares what it records with them, and no other."""
    _drop_indexes()
    op.drop_column("deployments", "service_key")
    op.drop_column("deployments", "team_key")
    op.drop_column("deployments", "production")
    op.drop_column("incidents", "service_key")
    op.drop_column("repositories", "service_key")
    op.drop_column("repositories", "team_key")
    op.drop_column("repositories", "aliases")
    _create_indexes("service")


def _drop_indexes() -> None:
    op.drop_index("uq_deployments_natural_key", "deployments")
    op.drop_index("uq_repositories_key", "repositories")


def _create_indexes(service: str) -> None:
    for name, table, columns, where in (
        ("uq_deployments_natural_key", "deployments", _NATURAL_KEY, " and deployment_node_id is not null"),
        ("uq_repositories_key", "repositories", _REPOSITORY_KEY, ""),
    ):
        predicate = sa.text(f"superseded_revision is null{where}")
        op.create_index(
            name,
            table,
            [column.format(service=service) for column in columns],
            unique=True,
            sqlite_where=predicate,
            postgresql_where=predicate,
        )


def _values(table: str, column: str) -> Iterable[str]:
    found = op.get_bind().exec_driver_sql(f"select distinct {column} from {table} where {column} is not null")
    return list(found.scalars())


def _set(table: str, column: str, changes: Mapping[str, Mapping[str, str]]) -> None:
    """Set in every row what goes with the value of a column, by one statement however many rows there are."""
    if not changes:
        return
    names = list(next(iter(changes.values())))
    bind = op.get_bind()
    targets = sa.table("identity_changes", sa.column("before"), *(sa.column(name) for name in names))
    kept = ", ".join(f"{name} varchar" for name in names)
    bind.exec_driver_sql(f"create temporary table identity_changes (before varchar primary key, {kept})")
    bind.execute(targets.insert(), [{"before": value, **change} for value, change in changes.items()])
    each = ", ".join(
        f"{name} = (select {name} from identity_changes where before = {table}.{column})" for name in names
    )
    bind.exec_driver_sql(f"update {table} set {each} where {column} in (select before from identity_changes)")
    bind.exec_driver_sql("drop table identity_changes")


def _identify(table: str) -> None:
    """Give every row the identity that its URL has now."""
    changes = {}
    found = op.get_bind().exec_driver_sql(
        f"select distinct repository_url, repository_host from {table} where repository_url is not null"
    )
    for url, host in found.all():
        # An IPv6 host used to be shown without its brackets.
        text = url.replace(host, f"[{host}]", 1) if ":" in host and "[" not in url else url
        try:
            identity = RepositoryIdentity.parse(text)
        except RepositoryUrlError:
            continue
        changes[url] = {
            "repository_url": identity.url,
            "repository_host": identity.host,
            "repository_path": identity.path,
            "repository_key": identity.key,
        }
    _set(table, "repository_url", changes)


def _current(table: str, names: str, where: str = "true") -> list[dict[str, Any]]:
    rows = op.get_bind().exec_driver_sql(
        f"select {names} from {table} where superseded_revision is null and {where} order by first_revision"
    )
    return [dict(row._mapping) for row in rows]


def _join_repositories() -> None:
    """Of rows that have become one repository's the first stays, with a team that any of them had."""
    kept: dict[tuple[str, ...], dict[str, Any]] = {}
    bind = op.get_bind()
    names = "organization, repository_key, service_key, revision, team, team_key"
    for row in _current("repositories", names):
        first = kept.setdefault((row["organization"], row["repository_key"], row["service_key"]), row)
        if first is row:
            continue
        # Closed at birth is how a deletion is kept.
        bind.execute(
            sa.text("update repositories set superseded_revision = revision where revision = :revision"),
            {"revision": row["revision"]},
        )
        if first["team"] is None and row["team"] is not None:
            bind.execute(
                sa.text("update repositories set team = :team, team_key = :team_key where revision = :first"),
                {"team": row["team"], "team_key": row["team_key"], "first": first["revision"]},
            )
            first["team"] = row["team"]


def _part_deployments() -> None:
    """Two records that have come to one natural key stay two: the later one's node id gets its own id."""
    seen: set[tuple[str, ...]] = set()
    names = "organization, repository_key, service_key, environment_key, deployment_node_id, id"
    for row in _current("deployments", names, "deployment_node_id is not null"):
        record_id = row.pop("id")
        if tuple(row.values()) in seen:
            op.get_bind().execute(
                sa.text("update deployments set deployment_node_id = :node where id = :id"),
                {"id": record_id, "node": f"{row['deployment_node_id'][:200]} ({record_id})"},
            )
        seen.add(tuple(row.values()))
