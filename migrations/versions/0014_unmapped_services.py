"""Which of a sender's names of services came in with no repository."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event_deliveries", sa.Column("unmapped", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("event_deliveries", "unmapped")
