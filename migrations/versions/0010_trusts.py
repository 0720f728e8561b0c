"""Trusted issuers of OIDC tokens, and what their tokens have recorded."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trusts",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=True),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("repositories", sa.JSON(), nullable=True),
        sa.Column("environments", sa.JSON(), nullable=True),
        sa.Column("allow_pull_requests", sa.Boolean(), nullable=False),
        sa.Column("allow_any_commit", sa.Boolean(), nullable=False),
        sa.Column("jwks", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
    )
    op.create_index("ix_trusts_organization", "trusts", ["organization"])
    op.create_table(
        "job_tokens",
        sa.Column("organization", sa.String(), primary_key=True),
        sa.Column("token_id", sa.String(), primary_key=True),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("job_tokens")
    op.drop_table("trusts")
