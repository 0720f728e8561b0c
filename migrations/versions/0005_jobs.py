"""Workspaces, the jobs that deploy them, their logs, and the steps of deployments."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TO_DO = sa.text("ended_at is null")


def upgrade() -> None:
    op.create_table(
        "workspaces",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("repository_url", sa.String(), nullable=False),
        sa.Column("repository_host", sa.String(), nullable=False),
        sa.Column("repository_path", sa.String(), nullable=False),
        sa.Column("repository_key", sa.String(), nullable=False),
        sa.Column("clone_url", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("command", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("time_limit_seconds", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=True),
        sa.Column("event_at", sa.BigInteger(), nullable=True),
        sa.UniqueConstraint("organization", "name"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.Column("commit_id", sa.String(), nullable=True),
        sa.Column("image_tag", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("runner", sa.String(), nullable=True),
        sa.Column("lease_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("stop_requested_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("deployment_id", sa.String(), nullable=True),
        sa.Column("lines", sa.Integer(), nullable=False),
    )
    op.create_index("ix_jobs_listed", "jobs", ["workspace_id", "created_at", "id"])
    op.create_index(
        "ix_jobs_to_do", "jobs", ["workspace_id", "id"], sqlite_where=_TO_DO, postgresql_where=_TO_DO
    )
    op.create_table(
        "job_lines",
        sa.Column("job_id", sa.String(), primary_key=True),
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("written_at", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
    )
    op.create_table(
        "deployment_steps",
        sa.Column("deployment_id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    for table in ("deployment_steps", "job_lines", "jobs", "workspaces"):
        op.drop_table(table)
