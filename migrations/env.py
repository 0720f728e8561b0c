"""Runs the migrations on the connection that `tracker.records.engine` hands over."""

from alembic import context
from sqlmodel import SQLModel

import tracker.records.tables  # noqa: F401  (fills the metadata that autogenerate compares with)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
