"""The failures of the service's parts, as the command line says them: in one line."""

import sqlite3

import duckdb
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from metrics.domain.errors import DefinitionError, RecordsUnavailable, Refusal, wording
from tracker.auth.keys import KeyRingError
from tracker.records.engine import DatabaseUrlError
from tracker.records.migrations import SchemaError
from tracker.web.workers import WorkersFailed


def message_of(failure: Exception) -> str | None:
    """Return the line to print for a failure; None for an unexpected one, which is a fault."""
    match failure:
        case Refusal() | KeyRingError() | DatabaseUrlError() | SchemaError() | RecordsUnavailable():
            return str(failure)
        case WorkersFailed() | DefinitionError():
            return str(failure)
        case duckdb.Error():
            # Its next lines are of DuckDB's own insides.
            return f"the store of the figures cannot be kept: {str(failure).partition(chr(10))[0]}"
        case sqlite3.Error():
            return f"the record database cannot be used: {failure}"
        case DBAPIError():
            return f"the record database cannot be used: {failure.orig}"
        case ValidationError():
            first = failure.errors(include_url=False)[0]
            return f"TRACKER_{str(first['loc'][0]).upper()}: {wording(first, 'setting')}"
    return None
