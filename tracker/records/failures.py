"""What a failure of the record database means: judged by its cause, not by its Python type."""

from typing import Any

import psycopg
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    TimeoutError,
)

# What SQLAlchemy raises where the database is away, full, read-only or too busy, and not the statement wrong.
UNAVAILABLE = (OperationalError, InterfaceError, InternalError, TimeoutError)

# Of PostgreSQL's SQLSTATEs those that pass: a connection that fails, resources that are short, an operator
# who intervenes, read-only, a lock that is held elsewhere, a transaction in which nothing was said for too
# long. PostgreSQL, appendix A, error codes.
_AWAY = ("08", "53", "57", "25006", "25P03", "25P04", "55P03")


def judge(context: ExceptionContext) -> None:
    """Raise what a failure really is, where the driver calls it operational and it is the statement's own.

    An index entry that is too large, say, is one record's fault, and does not mean that the database is away.
    """
    failure, cause = context.sqlalchemy_exception, context.original_exception
    is_one = isinstance(failure, (OperationalError, InternalError)) and isinstance(cause, psycopg.Error)
    if is_one and not _is_away(cause):
        raise DatabaseError(context.statement, None, cause) from cause


def of_driver(failure: psycopg.Error, statement: str) -> Exception:
    """What PostgreSQL's driver raises past SQLAlchemy, as SQLAlchemy would have raised it."""
    if isinstance(failure, (psycopg.OperationalError, psycopg.InternalError)) and not _is_away(failure):
        return DatabaseError(statement, None, failure)
    made: Any = DBAPIError.instance(statement, None, failure, psycopg.Error)
    assert isinstance(made, Exception)
    return made


def _is_away(failure: BaseException) -> bool:
    # Without a state no server has answered.
    state = getattr(failure, "sqlstate", None)
    return state is None or state.startswith(_AWAY)
