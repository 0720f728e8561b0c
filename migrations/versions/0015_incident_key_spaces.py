"""Keys of incidents that a limited token cannot find out about."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_CURRENT = sa.text("superseded_revision is null and key is not null")


def upgrade() -> None:
    op.add_column("incidents", sa.Column("key_space", sa.String(), nullable=False, server_default=""))
    _make_index("organization", "key", "key_space")


def downgrade() -> None:
    # Of two incidents with one key the program before knows one by it.
    op.execute("update incidents set key = null where key_space <> ''")
    _make_index("organization", "key")
    op.drop_column("incidents", "key_space")


def _make_index(*columns: str) -> None:
    op.drop_index("uq_incidents_key", "incidents")
    op.create_index(
        "uq_incidents_key",
        "incidents",
        list(columns),
        unique=True,
        sqlite_where=_CURRENT,
        postgresql_where=_CURRENT,
    )
