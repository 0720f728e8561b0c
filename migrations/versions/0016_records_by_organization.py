"""What one organization has recorded is found without what others have."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TABLES = ("repositories", "deployments", "incidents", "pushes", "organization_settings")


def upgrade() -> None:
    for table in _TABLES:
        op.create_index(f"ix_{table}_organization", table, ["organization", "revision"])


def downgrade() -> None:
    for table in _TABLES:
        op.drop_index(f"ix_{table}_organization", table)
