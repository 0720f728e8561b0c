"""On real weeks in random order a comparison keeps what it promises. `python -m benchmarks.chance` prints more."""

import pytest

from benchmarks import chance
from metrics.definitions.base import MetricName

pytestmark = pytest.mark.skipif(not chance.REAL_RECORDS.exists(), reason="the real records are not here")


@pytest.mark.parametrize("weeks_each", [13, 4])
def test_chance_is_not_called_a_change(weeks_each: int) -> None:
    found = chance.shuffled(chance.real_weeks(), weeks_each, orders=36)
    assert {name: found.share_changed(name) <= 0.09 for name in MetricName} == dict.fromkeys(MetricName, True)
    assert found.share_held >= 0.9


def test_a_doubling_is_found() -> None:
    found = chance.doubled(chance.real_weeks(), 13, orders=6)
    assert found.share_changed(MetricName.DEPLOYMENT_FREQUENCY) >= 0.9
