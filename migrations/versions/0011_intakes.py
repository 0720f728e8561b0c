"""Intakes of other systems' events, their deliveries, and what senders have told of one thing."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "intakes",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("repositories", sa.JSON(), nullable=True),
        sa.Column("defaults", sa.JSON(), nullable=False),
        sa.Column("production", sa.JSON(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
    )
    op.create_index("ix_intakes_organization", "intakes", ["organization"])
    op.create_table(
        "event_deliveries",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("intake_id", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("delivery_id", sa.String(), nullable=True),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("records", sa.JSON(), nullable=False),
    )
    op.create_index("ix_event_deliveries_organization", "event_deliveries", ["organization", "id"])
    op.create_index("ix_event_deliveries_received", "event_deliveries", ["received_at"])
    op.create_table(
        "sender_events",
        sa.Column("organization", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_sender_events_received", "sender_events", ["received_at"])


def downgrade() -> None:
    op.drop_table("sender_events")
    op.drop_table("event_deliveries")
    op.drop_table("intakes")
