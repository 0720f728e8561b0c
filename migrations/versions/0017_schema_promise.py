"""The schema says which earlier programs can work with it, so that they serve on while it is upgraded."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
# The earliest schema whose program works with this one: an index and a table are nothing to it.
works_with = "0015"


def upgrade() -> None:
    op.create_table("schema_promise", sa.Column("works_with", sa.String(), primary_key=True))


def downgrade() -> None:
    op.drop_table("schema_promise")
