"""Local days, against what zoneinfo says of each instant."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from metrics.domain.instants import midnight
from metrics.queries.calendar import local_days

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
    "America/Havana", "Africa/Casablanca", "Pacific/Apia", "America/Sao_Paulo", "Africa/Cairo",
]  # fmt: skip


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("year", [2011, 2018, 2026])
def test_a_day_begins_at_the_first_instant_that_has_its_date(name: str, year: int) -> None:
    zone = ZoneInfo(name)
    from_at, to_at = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    days = list(local_days(from_at, to_at, zone))
    assert days[0].day.weekday() == 0
    assert days[-1].day.weekday() == 6
    assert days[0].starts_at <= from_at < to_at < days[-1].ends_at
    for day, following in pairwise(days):
        assert day.ends_at == following.starts_at
        assert following.day - day.day == timedelta(days=1)
        if day.starts_at < day.ends_at:
            assert day.starts_at.astimezone(zone).date() == day.day
            assert (day.ends_at - timedelta(microseconds=1)).astimezone(zone).date() >= day.day
            before = (day.starts_at - timedelta(microseconds=1)).astimezone(zone)
            assert before.replace(tzinfo=None) < datetime.combine(
                day.day + timedelta(days=1), datetime.min.time()
            )
            assert before.date() <= day.day


def test_the_day_that_apia_left_out_has_no_length() -> None:
    days = {day.day: day for day in local_days(
        datetime(2011, 12, 26, tzinfo=UTC), datetime(2012, 1, 1, tzinfo=UTC), ZoneInfo("Pacific/Apia")
    )}  # fmt: skip
    skipped = days[date(2011, 12, 30)]
    assert skipped.starts_at == skipped.ends_at == datetime(2011, 12, 30, 10, tzinfo=UTC)


def test_berlin_loses_and_gains_an_hour() -> None:
    zone = ZoneInfo("Europe/Berlin")

    def hours(day: date) -> float:
        return (midnight(day + timedelta(days=1), zone) - midnight(day, zone)) / timedelta(hours=1)

    assert [hours(date(2026, 3, 29)), hours(date(2026, 10, 25)), hours(date(2026, 6, 1))] == [23, 25, 24]


def test_a_leap_over_midnight_begins_the_day() -> None:
    # Toronto, 1919: at 23:30 on March 30 the clocks leapt to 00:30.
    assert midnight(date(1919, 3, 31), ZoneInfo("America/Toronto")) == datetime(
        1919, 3, 31, 4, 30, tzinfo=UTC
    )


def test_the_first_of_two_midnights_counts() -> None:
    # Havana, 2026-11-01: at 01:00 the clocks went back to 00:00.
    assert midnight(date(2026, 11, 1), ZoneInfo("America/Havana")) == datetime(2026, 11, 1, 4, tzinfo=UTC)
