"""Records as versions: deployments, incidents, repositories, settings; organizations and revocations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deployments",
        *version_columns(),
        sa.Column("repository_url", sa.String(), nullable=False),
        sa.Column("repository_host", sa.String(), nullable=False),
        sa.Column("repository_path", sa.String(), nullable=False),
        sa.Column("repository_key", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("environment_key", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("commit_id", sa.String(), nullable=True),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("branch", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("changelog", sa.String(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("listed_at", sa.BigInteger(), nullable=False),
        sa.Column("is_fix", sa.Boolean(), nullable=True),
        sa.Column("is_hotfix", sa.Boolean(), nullable=True),
        sa.Column("is_forced", sa.Boolean(), nullable=True),
        sa.Column("is_rollback", sa.Boolean(), nullable=True),
        sa.Column("remediates", sa.String(), nullable=True),
        sa.Column("commits_count", sa.Integer(), nullable=True),
        sa.Column("commits", sa.JSON(), nullable=False),
        sa.Column("pull_request_number", sa.BigInteger(), nullable=True),
        sa.Column("member_id", sa.String(), nullable=True),
        sa.Column("team", sa.String(), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("deployment_node_id", sa.String(), nullable=True),
        sa.Column("triggered_by", sa.String(), nullable=False),
    )
    index_versions("deployments")
    op.create_table(
        "incidents",
        *version_columns(),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("environment", sa.String(), nullable=True),
        sa.Column("environment_key", sa.String(), nullable=True),
        sa.Column("repository_url", sa.String(), nullable=True),
        sa.Column("repository_host", sa.String(), nullable=True),
        sa.Column("repository_path", sa.String(), nullable=True),
        sa.Column("repository_key", sa.String(), nullable=True),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("deployment", sa.String(), nullable=True),
        sa.Column("commit_id", sa.String(), nullable=True),
        sa.Column("change_related", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
    )
    index_versions("incidents")
    op.create_table(
        "organization_settings",
        *version_columns(),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("production_environments", sa.JSON(), nullable=False),
        sa.Column("failure_signals", sa.JSON(), nullable=False),
        sa.Column("attribution_gap_days", sa.Integer(), nullable=False),
        sa.Column("benchmark", sa.Integer(), nullable=False),
    )
    index_versions("organization_settings")
    op.create_table(
        "organizations",
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("slug"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "repositories",
        *version_columns(),
        sa.Column("repository_url", sa.String(), nullable=False),
        sa.Column("repository_host", sa.String(), nullable=False),
        sa.Column("repository_path", sa.String(), nullable=False),
        sa.Column("repository_key", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("team", sa.String(), nullable=True),
    )
    index_versions("repositories")
    op.create_table(
        "revoked_tokens",
        sa.Column("token_id", sa.String(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_id"),
    )
    index_current(
        "uq_deployments_natural_key",
        "deployments",
        ["organization", "repository_key", "deployment_node_id", "service", "environment_key"],
        unique=True,
        where="deployment_node_id is not null",
    )
    index_current("ix_deployments_listed", "deployments", ["organization", "listed_at", "id"])
    index_current(
        "uq_incidents_key", "incidents", ["organization", "key"], unique=True, where="key is not null"
    )
    index_current("ix_incidents_listed", "incidents", ["organization", "started_at", "id"])
    index_current(
        "uq_repositories_key", "repositories", ["organization", "repository_key", "service"], unique=True
    )


def downgrade() -> None:
    op.drop_table("revoked_tokens")
    op.drop_table("repositories")
    op.drop_table("organizations")
    op.drop_table("organization_settings")
    op.drop_table("incidents")
    op.drop_table("deployments")


def version_columns() -> list[sa.Column]:
    """The columns of every versioned table; a fresh list, since a column belongs to one table."""
    return [
        sa.Column(
            "revision",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            primary_key=True,
        ),
        sa.Column("superseded_revision", sa.BigInteger(), nullable=True),
        sa.Column("first_revision", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("token_id", sa.String(), nullable=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    ]


def index_versions(table: str) -> None:
    index_current(f"uq_{table}_id", table, ["id"], unique=True)
    op.create_index(f"ix_{table}_history", table, ["id", "revision"])


def index_current(
    name: str, table: str, columns: list[str], *, unique: bool = False, where: str | None = None
) -> None:
    """An index over the versions that are not superseded."""
    predicate = sa.text("superseded_revision is null" + (f" and {where}" if where else ""))
    op.create_index(name, table, columns, unique=unique, sqlite_where=predicate, postgresql_where=predicate)
