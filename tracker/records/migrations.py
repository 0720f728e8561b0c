"""The schema of the record database: brought to head, taken back, and asked about."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine

from tracker.records.engine import write_transaction


def migrations_folder() -> Path:
    """The migrations: inside the wheel, or beside the packages in a checkout."""
    inside = Path(str(files("tracker"))) / "migrations"
    return inside if inside.is_dir() else Path(str(files("tracker"))).parent / "migrations"


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.attributes["connection"] = connection
    return config


class SchemaError(Exception):
    """The schema cannot be used or changed by this program; the message says what to do."""


def migrate(engine: Engine, revision: str = "head") -> bool:
    """Bring the schema up to `head`, safe to call at every start. Returns whether it changed.

    Raises `SchemaError` where the schema is one that this program does not know.
    """
    if revision == "head" and is_at_head(engine):
        return False
    return _move(engine, command.upgrade, revision)


def migrate_down(engine: Engine, revision: str) -> bool:
    """Take the schema back to an earlier revision, or `base`; what it has no place for is lost.

    Returns whether it changed. Raises `SchemaError`.
    """
    return _move(engine, command.downgrade, revision)


def _move(engine: Engine, move: Callable[[Config, str], None], revision: str) -> bool:
    with write_transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            # A change of a table with millions of rows takes its time, and so may what works its values out.
            connection.exec_driver_sql("set local statement_timeout = 0")
            connection.exec_driver_sql("set local idle_in_transaction_session_timeout = '10min'")
        before = MigrationContext.configure(connection).get_current_revision()
        try:
            move(_alembic(connection), revision)
        except CommandError as error:
            raise SchemaError(
                f"the schema is at {before or 'nothing'} and cannot be brought to {revision}: {error}"
            ) from error
        return MigrationContext.configure(connection).get_current_revision() != before


def is_at_head(engine: Engine) -> bool:
    """Whether the schema is the one this program was written for."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        return current == ScriptDirectory.from_config(_alembic(connection)).get_current_head()


def require_head(engine: Engine) -> None:
    """Raises `SchemaError` where the schema is not the one this program was written for."""
    if not is_at_head(engine):
        raise SchemaError("the database's schema is not at head: run 'tracker migrate'")
