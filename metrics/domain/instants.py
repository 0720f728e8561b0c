"""Instants and spans: how they are read, kept and held against each other."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_MICROSECONDS = 86_400 * 1_000_000
# How far a duration may be from finished_at - started_at: senders round to whole seconds.
AGREEMENT_MICROSECONDS = 1_000_000
FURTHEST_AHEAD_MICROSECONDS = DAY_MICROSECONDS


def to_microseconds(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z of an aware datetime, exact."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970-01-01T00:00:00Z."""
    return EPOCH + timedelta(microseconds=microseconds)


class TimesError(ValueError):
    """Start, finish and duration that do not agree; `name` is the field, `detail` what would be right."""

    def __init__(self, name: str, detail: str) -> None:
        self.name, self.detail = name, detail
        super().__init__(f"{name}: {detail}")


def agreed_times(started_at: int | None, finished_at: int, duration: int | None) -> tuple[int | None, int]:
    """Start and finish of what has finished, the start out of the duration where only that is known.

    All in microseconds. Raises `TimesError` where they do not agree.
    """
    if started_at is None:
        return (None if duration is None else finished_at - duration), finished_at
    if finished_at < started_at:
        raise TimesError("finished_at", "must not be before started_at")
    if duration is not None and abs(finished_at - started_at - duration) > AGREEMENT_MICROSECONDS:
        raise TimesError("duration_seconds", "must agree with started_at and finished_at")
    return started_at, finished_at
