"""The commits that were pushed, for deployments that tell none."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pushes",
        sa.Column(
            "revision",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("superseded_revision", sa.BigInteger(), nullable=True),
        sa.Column("first_revision", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("token_id", sa.String(), nullable=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("repository_url", sa.String(), nullable=False),
        sa.Column("repository_host", sa.String(), nullable=False),
        sa.Column("repository_path", sa.String(), nullable=False),
        sa.Column("repository_key", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("commits", sa.JSON(), nullable=False),
    )
    op.create_index(
        "uq_pushes_after",
        "pushes",
        ["organization", "repository_key", "after", sa.text("coalesce(before, '')")],
        unique=True,
    )


def downgrade() -> None:
    op.drop_table("pushes")
