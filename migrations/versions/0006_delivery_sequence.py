"""Call the order of deliveries what it is: a sequence."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rename("place", "sequence")


def downgrade() -> None:
    _rename("sequence", "place")


def _rename(old: str, new: str) -> None:
    op.execute(f"alter table webhook_deliveries rename column {old} to {new}")
    if op.get_context().dialect.name == "postgresql":
        key = "webhook_deliveries_webhook_id_{}_key"
        op.execute(f"alter table webhook_deliveries rename constraint {key.format(old)} to {key.format(new)}")
