"""Instants and spans: how they are read, kept and held against each other.

There is one reader of times: for bodies, query parameters, files and the command line.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_MICROSECONDS = 86_400 * 1_000_000
# How far a duration may be from finished_at - started_at: senders round to whole seconds.
AGREEMENT_MICROSECONDS = 1_000_000
FURTHEST_AHEAD_MICROSECONDS = DAY_MICROSECONDS
LONGEST_DURATION_SECONDS = 366 * 86_400

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
_AN_INSTANT = "a time with a zone, as in 2026-03-02T10:00:00Z"


class InstantError(ValueError):
    """The text is no instant; the message says what would be one."""


def read_instant(text: object) -> datetime:
    """An instant in UTC out of RFC 3339 text, to the microsecond. Raises `InstantError`.

    A space may stand for the T, and the zone may come without its colon. A time without a zone is refused,
    and so is a number, which might be seconds, milliseconds or days.
    """
    found = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise InstantError(f"must be {_AN_INSTANT}")
    if found["zone"] is None:
        raise InstantError("must carry a time zone, as in 2026-03-02T10:00:00Z")
    try:
        instant = datetime.fromisoformat(found[0].upper())
    except ValueError:
        raise InstantError("is no date and time of the calendar") from None
    # Years at the ends of the calendar overflow when they are moved to another zone.
    if not 1970 <= instant.year < 9999 or instant < EPOCH:
        raise InstantError("must be a time from 1970 on")
    return instant.astimezone(UTC)


def read_date_or_instant(text: object, zone: ZoneInfo) -> datetime:
    """Read as `read_instant` does; a date means its midnight in the zone. Raises `InstantError`."""
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        try:
            return read_instant(text)
        except InstantError as error:
            raise InstantError(str(error).replace(_AN_INSTANT, f"a date, or {_AN_INSTANT}")) from None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InstantError("is no date of the calendar") from None
    if not 1970 <= day.year < 9999 or (begins_at := midnight(day, zone)) < EPOCH:
        raise InstantError("must be a date from 1970 on")
    return begins_at


def read_zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises `InstantError`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InstantError("must be an IANA time zone, as in Europe/Berlin") from None


def in_zone(value: object, zone: ZoneInfo) -> object:
    """A local time, as text or not, with the zone in which it is meant; whatever else as it is."""
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=zone)
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is None or found["zone"] is not None:
        return value
    try:
        return datetime.fromisoformat(found[0].upper()).replace(tzinfo=zone)
    except ValueError:
        return value


def is_date(text: str) -> bool:
    """Whether the text has the form of a date, without a time."""
    return _DATE.fullmatch(text) is not None


@lru_cache(maxsize=20_000)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a local day begins, in UTC.

    Where clocks go back over midnight, the first of the two counts. Where they leap over it, the day
    begins with the leap.
    """
    local = datetime.combine(day, time(), zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    return _end_of_leap(local)


def _end_of_leap(skipped: datetime) -> datetime:
    """The instant at which the clocks leapt over a local time that never was, to the second."""
    # Read with the offset from after the leap a skipped time lies before it, and the other way round.
    before = skipped.replace(fold=1).astimezone(UTC)
    after = skipped.replace(fold=0).astimezone(UTC)
    zone = skipped.tzinfo
    offset_before = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        if middle.astimezone(zone).utcoffset() == offset_before:
            before = middle
        else:
            after = middle
    return after


def to_microseconds(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z of an aware datetime, exact."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970-01-01T00:00:00Z."""
    return EPOCH + timedelta(microseconds=microseconds)


def now_microseconds() -> int:
    """The present, in microseconds since 1970-01-01T00:00:00Z."""
    return to_microseconds(datetime.now(UTC))


def microseconds_of(instant: datetime | None) -> int | None:
    """Convert as `to_microseconds` does; None stays None."""
    return None if instant is None else to_microseconds(instant)


def instant_of(microseconds: int | None) -> datetime | None:
    """Convert as `from_microseconds` does; None stays None."""
    return None if microseconds is None else from_microseconds(microseconds)


def span_of(seconds: float | None) -> int | None:
    """Convert seconds to whole microseconds; None stays None."""
    return None if seconds is None else round(seconds * 1_000_000)


def agree(started_at: int, finished_at: int, duration: int) -> bool:
    """Whether a duration is that from the start to the finish, to the second. All in microseconds."""
    return abs(finished_at - started_at - duration) <= AGREEMENT_MICROSECONDS


def is_too_far_ahead(instant: int, now: int) -> bool:
    """Whether an instant is more than a day after now: a clock error. Both in microseconds."""
    return instant - now > FURTHEST_AHEAD_MICROSECONDS
