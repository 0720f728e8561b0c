"""The failures of the service's parts, as the command line says them: in one line."""

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from metrics.domain.errors import Refusal, wording
from tracker.auth.keys import KeyRingError
from tracker.records.engine import DatabaseUrlError
from tracker.records.migrations import SchemaError


def message_of(failure: Exception) -> str | None:
    """Return the line to print for a failure; None for an unexpected one, which is a fault."""
    match failure:
        case Refusal() | KeyRingError() | DatabaseUrlError() | SchemaError():
            return str(failure)
        case DBAPIError():
            return f"the record database cannot be used: {failure.orig}"
        case ValidationError():
            first = failure.errors(include_url=False)[0]
            return f"TRACKER_{str(first['loc'][0]).upper()}: {wording(first, 'setting')}"
    return None
