"""Charts show the figures of an answer, and can be drawn."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import metrics
from metrics.definitions.base import MetricName
from metrics.library.frames import Library

WINDOW = {"from_": "2026-03-04", "to": "2026-04-01", "tz": "Europe/Berlin"}
# By hand: two deployments in five days, three in a week, none in the next, one in a week that is an hour short as
# summer time begins in it, none. The shop's third release repairs its second, two days after that.
VALUES = {
    "deployment_frequency": ("a day", [2 / 5, 3 / 7, 0, 24 / 167, 0]),
    "lead_time_for_changes": ("hours", [6, 6, None, 6, None]),
    "change_failure_rate": ("share", [0, 1 / 3, None, 0, None]),
    "mean_time_to_recover": ("days", [None, 2, None, None, None]),
    "deployment_rework_rate": ("share", [0, 1 / 3, None, 0, None]),
}
ONE_IN = {"a day": 1, "share": 1, "hours": 3_600, "days": 86_400}
PNG = b"\x89PNG\r\n"


@pytest.fixture
def records() -> Iterator[Library]:
    rows = [
        {
            "repository_url": f"https://github.com/acme/{'shop' if day % 2 else 'api'}",
            "version": f"v{day}",
            "finished_at": f"2026-03-{day:02}T10:00:00Z",
            "is_hotfix": day == 11,
            "commits": [{"sha": f"{day:07}", "committed_at": f"2026-03-{day:02}T04:00:00Z"}],
        }
        for day in (5, 6, 9, 10, 11, 25)
    ]
    with metrics.open(pl.DataFrame(rows)) as opened:
        yield opened


def points(chart: Any) -> list[dict[str, Any]]:
    return next(iter(chart.to_dict()["datasets"].values()))  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", list(MetricName))
def test_a_chart_of_each_metric_holds_its_series_and_can_be_drawn(
    records: Library, name: str, tmp_path: Path
) -> None:
    chart = records.chart(name, **WINDOW)
    series = getattr(records, name)(interval="week", **WINDOW)
    shown = points(chart)
    assert [point["partial"] for point in shown] == series["partial"].to_list()
    unit = chart.to_dict()["layer"][0]["encoding"]["y"]["title"]
    assert (unit, [point["value"] for point in shown]) == VALUES[name]
    assert [None if value is None else value * ONE_IN[unit] for value in VALUES[name][1]] == series[
        "value"
    ].to_list()
    assert [point["from"][:16] for point in shown] == [
        "2026-03-04T00:00", "2026-03-09T00:00", "2026-03-16T00:00", "2026-03-23T00:00", "2026-03-30T00:00",
    ]  # fmt: skip
    chart.save(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(PNG)


def test_groups_are_lines_of_their_own(records: Library) -> None:
    chart = records.chart("deployment_frequency", group_by="repository", **WINDOW)
    assert {point["repository"] for point in points(chart)} == {"acme/shop", "acme/api"}
    assert chart.to_dict()["layer"][0]["encoding"]["color"]["field"] == "repository"


def test_times_are_shown_in_a_unit_that_fits(records: Library) -> None:
    chart = records.chart("lead_time_for_changes", **WINDOW)
    assert chart.to_dict()["layer"][0]["encoding"]["y"]["title"] == "hours"
    assert [point["value"] for point in points(chart) if point["value"] is not None] == [6, 6, 6]


def test_a_chart_needs_a_series(records: Library) -> None:
    with pytest.raises(ValueError, match="interval"):
        records.chart("change_failure_rate", interval=None)
