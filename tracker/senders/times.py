"""Times as other systems write them, beside the form that the service itself reads."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from metrics.domain.instants import EPOCH, InstantError, read_instant

_NO_TIME = "0001-01-01"
"""Go's zero time, which stands for none."""
_SPACED_ZONE = re.compile(r"(.*\d) ([+-]\d\d:?\d\d|Z|UTC|GMT)", re.ASCII)
_NAIVE = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)", re.ASCII)
_INTEGER = re.compile(r"-?\d+", re.ASCII)
# Each is larger than any time from 1973 to 5138 in the unit before it.
_UNITS = ((10**11, 1_000_000), (10**14, 1_000), (10**17, 1))
_NANOSECONDS = 1_000


def read_foreign_instant(value: object, zone: ZoneInfo | None = None) -> datetime | None:
    """An instant in UTC out of text or an integer; None where it says none. Raises `InstantError`.

    An integer counts seconds, milliseconds, microseconds or nanoseconds since 1970, by its size. A time
    without a zone is one of `zone`, and refused where that is None.
    """
    if value is None or value == "" or (isinstance(value, str) and value.startswith(_NO_TIME)):
        return None
    if isinstance(value, datetime):
        return _of_zone(value, zone)
    if isinstance(value, int) and not isinstance(value, bool):
        return _since_epoch(value)
    if not isinstance(value, str):
        raise InstantError("must be a time, as text or as an integer")
    text = value.strip()
    if _INTEGER.fullmatch(text):
        return _since_epoch(int(text))
    if (spaced := _SPACED_ZONE.fullmatch(text)) is not None:
        text = spaced[1] + ("Z" if spaced[2].isalpha() else spaced[2])
    if zone is not None and (naive := _NAIVE.fullmatch(text)) is not None:
        return _of_zone(_naive(f"{naive[1]}T{naive[2]}"), zone)
    return read_instant(text)


def _naive(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InstantError("is no date and time of the calendar") from None


def _of_zone(instant: datetime, zone: ZoneInfo | None) -> datetime:
    if instant.tzinfo is None:
        if zone is None:
            raise InstantError("must carry a time zone, as in 2026-03-02T10:00:00Z")
        instant = instant.replace(tzinfo=zone)
    return read_instant(instant.isoformat())


def _since_epoch(number: int) -> datetime:
    if number < 0:
        raise InstantError("must be a time from 1970 on")
    for limit, microseconds in _UNITS:
        if number < limit:
            return EPOCH + timedelta(microseconds=number * microseconds)
    try:
        return (EPOCH + timedelta(microseconds=number // _NANOSECONDS)).astimezone(UTC)
    except OverflowError:
        raise InstantError("is no time: it lies beyond the calendar") from None
