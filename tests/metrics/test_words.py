"""Figures are said as a person would say them."""

import pytest

from metrics.definitions.base import Unit
from metrics.definitions.words import coarse_span, count, frequency, percent, say, say_interval, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"), (0, "0 s"), (0.4, "0.4 s"), (1, "1 s"), (21, "21 s"), (59.4, "59 s"), (59.5, "1 min"), (60, "1 min"),
        (372, "6 min 12 s"), (599.4, "9 min 59 s"), (599.5, "10 min"), (601, "10 min"), (2_400, "40 min"),
        (3_569, "59 min"), (3_571, "1 h"), (7_380, "2 h 3 min"), (87_360, "24 h 16 min"), (172_769, "47 h 59 min"),
        (172_771, "2 d"), (327_600, "3 d 19 h"), (-300, "-5 min"),
    ],
)  # fmt: skip
def test_a_time_is_said_in_its_two_largest_units(seconds: float | None, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (7 * 3_600 + 1_620, "7 h 27 min"),
        (35_999, "10 h"),
        (36_000, "10 h"),
        (93_600, "26 h"),
        (864_000, "10 d"),
    ],
)
def test_a_bound_has_one_unit_from_ten_of_it(seconds: float, said: str) -> None:
    assert coarse_span(seconds) == said


def test_shares_frequencies_and_counts() -> None:
    assert [percent(share) for share in (None, 0, 0.1044, 1)] == [
        "–",
        "0.0\u202f%",
        "10.4\u202f%",
        "100.0\u202f%",
    ]
    assert [frequency(one) for one in (None, 0, 0.04, 0.994, 1, 8.26)] == [
        "–",
        "0",
        "0.04",
        "0.99",
        "1.0",
        "8.3",
    ]
    assert [count(number) for number in (0, 999, 1_446, 1_234_567)] == [
        "0",
        "999",
        "1\u202f446",
        "1\u202f234\u202f567",
    ]
    assert say(Unit.RATIO, 0.5) == "50.0\u202f%"
    assert say_interval(Unit.SECONDS, (79_200, 93_600)) == "22 h to 26 h"
    assert say_interval(Unit.RATIO, (0.084, 0.128)) == "8.4\u202f% to 12.8\u202f%"
