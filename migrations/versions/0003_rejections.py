"""Rejections: what was posted and not recorded, with the reason and without the content."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rejections",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("rejected_at", sa.BigInteger(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("repository_key", sa.String(), nullable=True),
        sa.Column("repository_host", sa.String(), nullable=True),
        sa.Column("repository_path", sa.String(), nullable=True),
        sa.Column("token_id", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
    )
    op.create_index("ix_rejections_listed", "rejections", ["organization", "rejected_at"])


def downgrade() -> None:
    op.drop_table("rejections")
