"""Charts show the figures of an answer, with their intervals, and say whose they are; everything in them is text."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import metrics
from metrics.definitions.base import MetricName
from metrics.library.frames import Library
from metrics.output.chart_theme import DARK, LIGHT, STAND_INS
from metrics.output.drawing import inline_svg, png_picture, svg_picture

WINDOW = {"from_": "2026-03-04", "to": "2026-04-01", "tz": "Europe/Berlin"}
# By hand: two deployments in five days, three in a week, none in the next, one in a week that is an hour short as
# summer time begins in it, none. The shop's third release repairs its second, two days after that.
VALUES = {
    "deployment_frequency": ("a day", [2 / 5, 3 / 7, 0, 24 / 167, 0]),
    "lead_time_for_changes": ("hours", [6, 6, None, 6, None]),
    "change_failure_rate": ("%", [0, 100 / 3, None, 0, None]),
    "mean_time_to_recover": ("days", [None, 2, None, None, None]),
    "deployment_rework_rate": ("%", [0, 100 / 3, None, 0, None]),
}
PNG = b"\x89PNG\r\n"


def rows(count: int = 2) -> list[dict[str, Any]]:
    return [
        {
            "repository_url": f"https://github.com/acme/{'shop' if day % count else 'api'}",
            "version": f"v{day}",
            "finished_at": f"2026-03-{day:02}T10:00:00Z",
            "is_hotfix": day == 11,
            "commits": [{"sha": f"{day:07}", "committed_at": f"2026-03-{day:02}T04:00:00Z"}],
        }
        for day in (5, 6, 9, 10, 11, 25)
    ]


@pytest.fixture
def records() -> Iterator[Library]:
    with metrics.open(pl.DataFrame(rows())) as opened:
        yield opened


def datasets(chart: Any) -> list[list[dict[str, Any]]]:
    return list(chart.to_dict()["datasets"].values())


def points(chart: Any) -> list[dict[str, Any]]:
    """The buckets of a chart: the largest of its frames."""
    return max((rows for rows in datasets(chart) if "from" in rows[0]), key=len)


def tooltip(chart: Any) -> dict[str, str]:
    """What the value is called where one points at it."""
    layers = chart.to_dict()["layer"]
    found = next(layer["encoding"]["tooltip"] for layer in layers if "tooltip" in layer["encoding"])
    return {one["field"]: one.get("title", "") for one in found}


@pytest.mark.parametrize("name", list(MetricName))
def test_a_chart_of_each_metric_holds_its_series_and_can_be_drawn(
    records: Library, name: str, tmp_path: Path
) -> None:
    chart = records.chart(name, **WINDOW)
    series = getattr(records, name)(interval="week", **WINDOW)
    shown = points(chart)
    unit, values = VALUES[name]
    assert tooltip(chart)["value"] == unit
    assert [point["value"] for point in shown] == pytest.approx(values)
    # Of the last two weeks the one is cut; failures of all of them have had their time to show.
    assert [point["pale"] for point in shown] == series["partial"].to_list()
    assert [point["from"][:16] for point in shown] == [
        "2026-03-04T00:00", "2026-03-09T00:00", "2026-03-16T00:00", "2026-03-23T00:00", "2026-03-30T00:00",
    ]  # fmt: skip
    chart.save(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(PNG)


def test_ticks_stand_on_the_edges_of_buckets(records: Library) -> None:
    (axis,) = {
        str(layer["encoding"]["x"]["axis"]["values"])
        for layer in records.chart("change_failure_rate", **WINDOW).to_dict()["layer"]
        if "axis" in layer["encoding"].get("x", {})
    }
    assert re.findall(r"'date': (\d+)", axis) == ["9", "16", "23", "30"]


def test_the_title_says_whose_figures_these_are_and_what_they_are_limited_to() -> None:
    with metrics.open(pl.DataFrame(rows()), organization="acme") as opened:
        title = opened.chart(
            "mean_time_to_recover", repository="acme/shop", team=["a", "b"], **WINDOW
        ).to_dict()["title"]
    assert title["text"] == "Mean time to recover"
    assert title["subtitle"] == [
        "acme, 2026-03-04 to 2026-03-31, by week, Europe/Berlin",
        "repository acme/shop; team a, b",
    ]


def test_rates_times_and_groups_have_their_intervals() -> None:
    # In each repository a release in the morning with a commit of another age, and a hotfix at another hour.
    many = [
        {
            "repository_url": f"https://github.com/acme/{name}", "version": f"v{day}-{hour}", "is_hotfix": hour > 9,
            "finished_at": f"2026-03-{day:02}T{hour:02}:00:00Z",
            "commits": [{"sha": f"{day:04}{hour:04}", "committed_at": f"2026-03-{day:02}T0{day % 8}:00:00Z"}],
        }
        for name in ("shop", "api") for day in range(4, 32) for hour in (9, 12 + day % 5)
    ]  # fmt: skip
    with metrics.open(pl.DataFrame(many)) as opened:
        for name in ("change_failure_rate", "lead_time_for_changes", "mean_time_to_recover"):
            shown = points(opened.chart(name, **WINDOW))
            assert any(point["low"] is not None for point in shown), name
            assert all(
                point["low"] <= point["value"] <= point["high"] for point in shown if point["low"] is not None
            )
            (dots,) = [
                frame
                for frame in datasets(opened.chart(name, interval=None, group_by="repository", **WINDOW))
                if "name" in frame[0]
            ]
            assert {dot["name"] for dot in dots} == {"acme/shop", "acme/api"}
            assert all(dot["low"] <= dot["value"] <= dot["high"] for dot in dots)
            assert all(dot["label"] and dot["basis"] for dot in dots)


def test_groups_have_small_charts_of_their_own(records: Library) -> None:
    chart = records.chart("deployment_frequency", group_by="repository", **WINDOW).to_dict()
    assert chart["facet"]["field"] == "name"
    assert {point["name"] for point in chart["datasets"][chart["data"]["name"]]} == {"acme/shop", "acme/api"}


def test_of_forty_groups_the_largest_are_shown_and_the_others_counted() -> None:
    many = [
        {
            "repository_url": f"https://github.com/acme/r{number:02}", "version": f"v{number}-{time}",
            "finished_at": f"2026-03-{5 + time:02}T10:00:00Z",
        }
        for number in range(45) for time in range(1 + number // 3)
    ]  # fmt: skip
    with metrics.open(pl.DataFrame(many)) as opened:
        small = opened.chart("deployment_frequency", group_by="repository", **WINDOW).to_dict()
        names = {point["name"] for point in small["datasets"][small["data"]["name"]]}
        assert names == {f"acme/r{number:02}" for number in range(33, 45)}
        assert small["title"]["subtitle"][-1] == "the 12 with most deployments; 33 more are not shown"
        dots = opened.chart("deployment_frequency", interval=None, group_by="repository", **WINDOW).to_dict()
        assert dots["title"]["subtitle"][-1] == "the 40 with most deployments; 5 more are not shown"
        assert png_picture(opened.chart("deployment_frequency", group_by="repository", **WINDOW)).startswith(
            PNG
        )


def test_a_chart_needs_a_series_or_groups(records: Library) -> None:
    with pytest.raises(ValueError, match="interval"):
        records.chart("change_failure_rate", interval=None)
    with pytest.raises(ValueError, match="nothing was deployed"):
        records.chart("change_failure_rate", group_by="repository", from_="2020-01-01", to="2020-02-01")


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", "[/x]", "{{ 7 * 7 }}", "a & b 'c' \"d\"", "datum.value"]
)
def test_a_name_is_shown_as_it_is(evil: str) -> None:
    named = [row | {"team": evil, "service": evil} for row in rows()]
    with metrics.open(pl.DataFrame(named), organization="acme") as opened:
        for asked in ({"team": evil}, {"group_by": "team"}, {"group_by": "team", "interval": None}):
            drawn = svg_picture(opened.chart("deployment_frequency", **WINDOW, **asked))
            assert "<script" not in drawn
            shown = evil.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            assert shown in drawn or shown.replace('"', "&quot;") in drawn, asked


def test_a_drawing_for_a_page_has_its_colours_and_ids_and_no_style(records: Library) -> None:
    from metrics.output.charts import metric_chart

    answer = records._answer(MetricName.CHANGE_FAILURE_RATE, {"interval": "week", **WINDOW})
    first, second = (inline_svg(metric_chart(answer, STAND_INS, titled=False), "wide") for _ in range(2))
    assert not re.findall(r"#[0-9a-f]{6}|style=|font-family|role=", first)
    assert {"var(--accent)", "var(--band)", "var(--line)"} <= set(re.findall(r"var\(--\w+\)", first))
    # Two on a page do not clip each other.
    ids = [set(re.findall(r'id="([^"]+)"', drawn)) for drawn in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for drawn, own in zip((first, second), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", drawn)) <= own


def test_a_picture_is_the_same_for_the_same_figures_and_another_for_another_ground(records: Library) -> None:
    from metrics.output.charts import metric_chart

    answer = records._answer(MetricName.CHANGE_FAILURE_RATE, {"interval": "week", **WINDOW})
    light, again, dark = (svg_picture(metric_chart(answer, palette)) for palette in (LIGHT, LIGHT, DARK))
    assert light == again
    assert LIGHT["surface"] in light
    assert DARK["surface"] in dark


@pytest.mark.parametrize("interval", ["day", "week", "month", "quarter"])
@pytest.mark.parametrize("days", [1, 40, 400, 3_000])
def test_charts_of_any_length_can_be_drawn(records: Library, interval: str, days: int) -> None:
    start = f"{2026 - days // 366}-03-04"
    chart = records.chart("deployment_frequency", interval=interval, from_=start, to="2026-03-05")
    assert svg_picture(chart).startswith("<svg")
