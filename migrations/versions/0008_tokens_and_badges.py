"""The register of tokens, and badges behind public links."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("repositories", sa.JSON(), nullable=True),
        sa.Column("minted_by", sa.String(), nullable=True),
        sa.Column("minted_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("is_session", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_tokens_organization", "tokens", ["organization"])
    op.add_column("revoked_tokens", sa.Column("needed_until", sa.BigInteger(), nullable=True))
    op.create_table(
        "badges",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("repositories", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
    )
    op.create_index("ix_badges_organization", "badges", ["organization"])


def downgrade() -> None:
    op.drop_table("badges")
    op.drop_column("revoked_tokens", "needed_until")
    op.drop_table("tokens")
