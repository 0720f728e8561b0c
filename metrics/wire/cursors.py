"""Cursors: where the next page of something ordered begins, as a text that says nothing to its bearer."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from metrics.domain.errors import ParameterError

_WRONG_CURSOR = [("cursor", "must be one that the page before has given")]


def write_cursor(position: Sequence[int | str]) -> str:
    """A cursor for what comes after this position."""
    return urlsafe_b64encode(json.dumps(list(position)).encode()).decode()


def read_cursor(cursor: str, *kinds: type[int] | type[str]) -> Sequence[int | str]:
    """The position in a cursor: values of these kinds, in this order. Raises `ParameterError`."""
    try:
        position = json.loads(urlsafe_b64decode(cursor.encode()))
        values = zip(position, kinds, strict=True)
        if not all(type(value) is kind and _is_bearable(value) for value, kind in values):
            raise ParameterError(_WRONG_CURSOR)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise ParameterError(_WRONG_CURSOR) from None
    return list(position)


def _is_bearable(value: int | str) -> bool:
    """Whether every database can compare with the value."""
    return value.isascii() if isinstance(value, str) else abs(value) < 2**63
