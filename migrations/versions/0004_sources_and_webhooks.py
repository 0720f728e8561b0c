"""What other systems' interfaces keep beside records, and the events that go out."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_REVISION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CURRENT = sa.text("superseded_revision is null")
_PENDING = sa.text("state = 'pending'")


def _numbered() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("revision", _REVISION, primary_key=True, autoincrement=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("token_id", sa.String(), nullable=True),
        sa.Column("organization", sa.String(), nullable=False),
    )


def upgrade() -> None:
    op.create_table(
        "deployment_requests",
        *_numbered(),
        sa.Column("number", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("deployment_id", sa.String(), nullable=True),
        sa.Column("repository_url", sa.String(), nullable=False),
        sa.Column("repository_host", sa.String(), nullable=False),
        sa.Column("repository_path", sa.String(), nullable=False),
        sa.Column("repository_key", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("sha", sa.String(), nullable=True),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("environment_key", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("auto_merge", sa.Boolean(), nullable=False),
        sa.Column("required_contexts", sa.JSON(), nullable=True),
        sa.Column("transient_environment", sa.Boolean(), nullable=False),
        sa.Column("production_environment", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
    )
    op.create_index("ix_deployment_requests_deployment", "deployment_requests", ["deployment_id"])
    op.create_index(
        "ix_deployment_requests_listed", "deployment_requests", ["organization", "repository_key"]
    )
    op.create_table(
        "deployment_statuses",
        *_numbered(),
        sa.Column("number", sa.BigInteger(), nullable=False, index=True),
        sa.Column("version_revision", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("log_url", sa.String(), nullable=False),
        sa.Column("environment_url", sa.String(), nullable=False),
    )
    op.create_index(
        "ix_deployments_of_repository",
        "deployments",
        ["organization", "repository_key", "first_revision"],
        sqlite_where=_CURRENT,
        postgresql_where=_CURRENT,
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False, index=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("disabled_reason", sa.String(), nullable=True),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("pending_since", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.JSON(), nullable=False),
        sa.UniqueConstraint("webhook_id", "place"),
    )
    for name, columns in (("pending", ["subject", "place"]), ("due", ["next_attempt_at", "place"])):
        op.create_index(
            f"ix_webhook_deliveries_{name}",
            "webhook_deliveries",
            ["webhook_id", *columns],
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_index("ix_deployments_of_repository", "deployments")
    for table in ("leases", "webhook_deliveries", "webhooks", "deployment_statuses", "deployment_requests"):
        op.drop_table(table)
