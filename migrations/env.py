"""Runs the migrations on the connection that `tracker.records.migrations` hands over."""

from alembic import context
from sqlmodel import SQLModel

# They fill the metadata that autogenerate compares with.
import tracker.auth.tables
import tracker.intakes.tables
import tracker.jobs.tables
import tracker.pages.tables
import tracker.records.tables
import tracker.transfer.imports.tables
import tracker.web.tables
import tracker.webhooks.tables  # noqa: F401

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
