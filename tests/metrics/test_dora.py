"""Levels by report year with their quirks, and the Quick Check's score, against DORA's own figures."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metrics.definitions.base import MetricName, MetricRow, Reason
from metrics.definitions.change_failure_rate import ChangeFailureRate
from metrics.definitions.deployment_frequency import DeploymentFrequency
from metrics.definitions.deployment_rework_rate import DeploymentReworkRate
from metrics.definitions.dora import level_of, overall_score, score_of
from metrics.definitions.lead_time_for_changes import LeadTimeForChanges
from metrics.definitions.mean_time_to_recover import MeanTimeToRecover
from metrics.domain.benchmarks import report_years
from tests.beside import find_beside

HOUR, DAY, WEEK, MONTH = 3_600.0, 86_400.0, 604_800.0, 2_629_800.0


def failing(value: float | None) -> ChangeFailureRate:
    reason = Reason.NO_DEPLOYMENTS if value is None else None
    return ChangeFailureRate(value, reason, 0, 0, None, {}, 0, 0)


def rework(value: float) -> DeploymentReworkRate:
    return DeploymentReworkRate(value, None, 0, 0, None, {})


def leading(value: float | None) -> LeadTimeForChanges:
    return LeadTimeForChanges(value, None if value else Reason.NO_COMMITS, None, None, None, 0, None, 0)


def recovering(median: float | None) -> MeanTimeToRecover:
    """A mean that would be judged otherwise: levels go by the median."""
    return MeanTimeToRecover(
        9 * MONTH, None if median else Reason.NO_FAILURES, median, None, None, 0, 0, 0, 0
    )


def deploying(
    weekly: float | None, monthly: float | None = None, interval: tuple[float, float] | None = None
) -> DeploymentFrequency:
    return DeploymentFrequency(1.0, None, 1, 0, 1, weekly, interval, monthly, None, None, 0)


NAMES = {
    ChangeFailureRate: MetricName.CHANGE_FAILURE_RATE,
    DeploymentReworkRate: MetricName.DEPLOYMENT_REWORK_RATE,
    LeadTimeForChanges: MetricName.LEAD_TIME_FOR_CHANGES,
    MeanTimeToRecover: MetricName.MEAN_TIME_TO_RECOVER,
    DeploymentFrequency: MetricName.DEPLOYMENT_FREQUENCY,
}


@pytest.mark.parametrize(
    ("year", "row", "level", "reason"),
    [
        (2023, failing(0.05), "elite", None),
        (2023, failing(0.0501), "high", None),
        (2023, failing(0.64), "low", None),
        (2023, failing(0.65), None, "beyond_all_tiers"),
        (2023, failing(None), None, "no_deployments"),
        (2018, failing(0.15), "elite", None),  # three tiers have one bound
        (2018, failing(0.3), "low", None),  # between 15 % and 46 % there is a gap
        (2024, failing(0.12), "high", None),  # the high tier's bound is above the medium one's
        (2024, failing(0.3), "low", None),
        (2022, failing(0.01), "high", None),  # no elite tier
        (2021, failing(0.2), "high", None),
        (2020, failing(0.01), None, "no_tiers"),
        (2025, failing(0.01), None, "no_tiers"),
        (2024, rework(0.01), None, "not_published"),
        (2023, leading(HOUR), "elite", None),
        (2021, leading(2 * HOUR), "high", None),
        (2021, leading(99 * MONTH), "low", None),
        (2023, leading(3 * WEEK), "medium", None),
        (2023, leading(None), None, "no_commits"),
        (2023, recovering(HOUR), "elite", None),
        (2023, recovering(3 * DAY), "medium", None),
        (2024, recovering(3 * DAY), "low", None),
        (2023, recovering(None), None, "no_failures"),
        (2023, deploying(5), "elite", None),
        (2023, deploying(4.5), "high", None),
        (2018, deploying(4.5), "medium", None),  # nothing between a day and a week in that year
        (2023, deploying(0, 1), "medium", None),
        (2023, deploying(0, 0), None, "beyond_all_tiers"),
        (2024, deploying(0, 0), "low", None),
        (2023, deploying(None, 2), "medium", None),
        (2023, deploying(None), None, "window_too_short"),
        (2024, deploying(0.5, None), None, "window_too_short"),  # rare, and no whole month to tell how rare
        (2026, failing(0.01), None, "no_tiers"),
    ],
)
def test_a_level_is_the_best_tier_whose_bound_is_not_exceeded(
    year: int, row: MetricRow, level: str | None, reason: str | None
) -> None:
    found = level_of(NAMES[type(row)], row, year)
    assert (found.year, found.level, found.reason) == (year, level, reason)


@pytest.mark.parametrize(
    ("row", "score"),
    [
        (failing(0.0), 10), (failing(1.0), 0), (failing(0.5), 5), (rework(0.22), 7.8), (failing(None), None),
        (leading(HOUR - 1), 10), (leading(HOUR), 8), (leading(DAY), 6), (leading(WEEK), 4), (leading(MONTH), 2),
        (leading(6 * MONTH), 0), (recovering(HOUR - 1), 10), (recovering(None), None),
        (deploying(5), 10), (deploying(1), 6), (deploying(0, 1), 4), (deploying(0, 0), 2), (deploying(None), None), (deploying(0.5, None), None),
    ],
)  # fmt: skip
def test_a_score_is_the_quick_checks(row: MetricRow, score: float | None) -> None:
    found = score_of(NAMES[type(row)], row)
    assert found.score == (None if score is None else pytest.approx(score))
    assert (found.reason is None) == (score is not None)


def test_the_overall_score_is_the_mean_of_those_there_are() -> None:
    best = [deploying(5), leading(60), recovering(60), failing(0.0), rework(0.0)]
    assert overall_score([score_of(NAMES[type(row)], row) for row in best]).score == 10
    some = [score_of(NAMES[type(row)], row) for row in (failing(0.5), leading(None))]
    assert overall_score(some).score == 5
    none = overall_score([score_of(MetricName.LEAD_TIME_FOR_CHANGES, leading(None))])
    assert (none.score, none.reason, none.benchmark) == (None, "no_scores", 6.72)


def test_the_figures_are_the_published_ones() -> None:
    published: dict[str, Any] = json.loads(find_beside("data/dora_performance_levels.json").read_text())[
        "years"
    ]
    ours = json.loads((Path(__file__).parents[2] / "metrics" / "domain" / "dora.json").read_text())
    assert [int(year) for year in published] == report_years()
    for year, one in published.items():
        tiers = {name: tier for name, tier in one.items() if name in ("elite", "high", "medium", "low")}
        assert list(ours["levels"][year]["tiers"]) == list(tiers)
        for name, tier in tiers.items():
            bounds = ours["levels"][year]["tiers"][name]
            assert bounds["change_failure_rate"] == float(tier["cfr"].rstrip("%").split("-")[-1]) / 100
            assert bounds["lead_time_for_changes"] == _upper(tier["lt"])
            assert bounds["mean_time_to_recover"] == _upper(tier.get("ttr", tier.get("fdrt")))
    quick_check = json.loads(find_beside("data/dora_quickcheck.json").read_text())
    means = quick_check["benchmarks"]["2025"]["industry_metrics"]["all"]
    benchmark = ours["quick_check"]["benchmark"]
    assert benchmark["lead_time_for_changes"] == means["leadtime"]["mean"]
    assert benchmark["deployment_frequency"] == means["deployfreq"]["mean"]
    assert benchmark["mean_time_to_recover"] == means["failurerecovery"]["mean"]
    assert benchmark["change_failure_rate"] == pytest.approx(10 - means["changefailure"]["mean"])
    assert benchmark["deployment_rework_rate"] == pytest.approx(10 - means["rework"]["mean"])
    assert benchmark["overall"] == 6.72


def _upper(published: str) -> float | None:
    """The upper end of a published span, in seconds: "1 day-1 week", "<1 hour", ">6 months"."""
    if published.startswith(">"):
        return None
    count, unit = published.lstrip("<").split("-")[-1].split()
    return int(count) * {"hour": HOUR, "day": DAY, "week": WEEK, "month": MONTH}[unit.rstrip("s")]


@pytest.mark.parametrize(
    ("row", "possible", "certain"),
    [
        (replace(failing(0.0), interval95=(0.0, 0.79)), ["elite", "high", "medium", "low"], False),
        (replace(failing(0.04), interval95=(0.01, 0.05)), ["elite"], True),
        (replace(failing(0.04), interval95=(0.01, 0.0501)), ["elite", "high"], False),
        (replace(failing(0.3), interval95=(0.2, 0.9)), ["low"], False),  # and beyond all tiers
        (replace(leading(20 * HOUR), median_interval95=(18 * HOUR, 30 * HOUR)), ["elite", "high"], False),
        (leading(20 * HOUR), ["elite", "high", "medium", "low"], False),
        (deploying(5, interval=(5, 5)), ["elite"], True),
        (deploying(5, interval=(3, 6)), ["elite", "high"], False),
        (deploying(0, 1, interval=(0, 2)), ["high", "medium"], False),
        (failing(None), [], False),
    ],
)
def test_a_level_is_told_with_what_its_interval_allows(
    row: MetricRow, possible: list[str], certain: bool
) -> None:
    found = level_of(NAMES[type(row)], row, 2023)
    assert (list(found.possible), found.certain) == (possible, certain)


def test_tiers_out_of_order_allow_what_they_say() -> None:
    """In 2024 the high tier goes up to 20 %, the medium one to 10 %: nothing is medium."""
    row = replace(failing(0.12), interval95=(0.04, 0.3))
    assert level_of(MetricName.CHANGE_FAILURE_RATE, row, 2024).possible == ["elite", "high", "low"]


def test_a_score_is_told_with_what_its_interval_allows() -> None:
    rate = score_of(MetricName.CHANGE_FAILURE_RATE, replace(failing(0.2), interval95=(0.1, 0.4)))
    assert (rate.score, rate.interval95) == (8, (6, 9))
    time = score_of(MetricName.LEAD_TIME_FOR_CHANGES, leading(2 * HOUR))
    assert (time.score, time.interval95) == (8, None)
