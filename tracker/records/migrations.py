"""The schema of the record database: brought to head, taken back, and asked about."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, inspect, select

from tracker.records.engine import write_transaction
from tracker.records.tables import SCHEMA_PROMISE


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

    A later one that this program can work with is left alone. Raises `SchemaError` where it is one that
    this program does not know.
    """
    if revision == "head" and is_workable(engine):
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
        after = MigrationContext.configure(connection).get_current_revision()
        if after != before:
            _promise(connection, after)
        return after != before


def _promise(connection: Connection, revision: str | None) -> None:
    """Write down which earlier programs can work with the schema: a program knows none that came after it."""
    if revision is None or not _has_promise(connection):
        return
    script = ScriptDirectory.from_config(_alembic(connection)).get_revision(revision)
    connection.execute(SCHEMA_PROMISE.delete())
    connection.execute(SCHEMA_PROMISE.insert().values(works_with=script.module.works_with))


def is_workable(engine: Engine) -> bool:
    """Whether the schema is the one this program was written for, or a later one that it can work with."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        scripts = ScriptDirectory.from_config(_alembic(connection))
        head = scripts.get_current_head()
        if current == head:
            return True
        known = {script.revision for script in scripts.walk_revisions()}
        if current is None or head is None or current in known or not _has_promise(connection):
            return False
        promised = connection.execute(select(SCHEMA_PROMISE.c.works_with)).scalars().first()
        # Revisions are numbers of four digits.
        return promised is not None and promised <= head


def _has_promise(connection: Connection) -> bool:
    """Whether the schema is one that says what it works with: those before 0017 do not."""
    return inspect(connection).has_table(SCHEMA_PROMISE.name)


def require_workable(engine: Engine) -> None:
    """Raises `SchemaError` where the schema is none that this program can work with."""
    if not is_workable(engine):
        raise SchemaError("the database's schema is not at head: run 'tracker migrate'")
