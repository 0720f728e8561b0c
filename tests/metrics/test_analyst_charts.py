"""Charts for analysts show what the metric's rows say: each number in them can be counted by hand."""

from collections.abc import Iterator
from typing import Any

import pytest

import metrics
from metrics.library.frames import Library
from tests.conftest import Book

SHELF = "https://github.com/acme/shelf"
# Friday the 13th ends the second of these weeks.
MARCH: dict[str, Any] = {"from_": "2026-03-02", "to": "2026-03-16", "tz": "Europe/Berlin"}


@pytest.fixture
def library(book: Book) -> Iterator[Library]:
    """Ten days with a deployment each at 10 in Berlin; the 4th, a Wednesday, and the 6th were repaired."""
    for day in (2, 3, 4, 5, 6, 9, 10, 11, 12, 13):
        book.deploy(
            version=f"v{day}",
            finished_at=f"2026-03-{day:02}T09:00:00Z",
            is_hotfix=day in (5, 9),
            commits=[{"sha": f"{day:02x}" * 20, "committed_at": f"2026-03-{day - 1:02}T{day:02}:00:00Z"}],
        )
    book.deploy(repository_url=SHELF, version="s1", finished_at="2026-03-03T22:30:00Z")
    book.report(started_at="2026-03-04T10:00:00Z", repository_url=SHELF, change_related=False)
    book.report(started_at="2026-03-05T10:00:00Z", repository_url="https://github.com/acme/other")
    book.report(started_at="2026-03-13T10:00:00Z", resolved_at="2026-03-13T12:00:00Z", repository_url=SHELF)
    with metrics.open(book.url, organization="acme") as opened:
        yield opened


def drawn(chart: Any) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
    """A chart's specification, and the rows of each of its data sets, the longest first."""
    spec = chart.to_dict()
    return spec, sorted(spec["datasets"].values(), key=lambda rows: -len(rows))


def said(spec: dict[str, Any]) -> str:
    return " | ".join([spec["title"]["text"], *spec["title"]["subtitle"]])


def test_a_distribution_rises_from_the_shortest_time_to_the_longest(library: Library) -> None:
    spec, (steps, quantiles) = drawn(library.chart("lead_time_for_changes", "distribution", **MARCH))
    # Written the day before at as many o'clock as the day is: 31 hours on the 2nd, 20 on the 13th.
    hours = sorted(24 + 9 - day for day in (2, 3, 4, 5, 6, 9, 10, 11, 12, 13))
    assert [step["seconds"] for step in steps] == [3_600 * hour for hour in hours]
    assert [step["share"] for step in steps] == pytest.approx([rank / 10 for rank in range(1, 11)])
    assert quantiles[0]["label"] == "half within 25 h 30 min"
    assert said(spec) == (
        "Lead time: which share is below which time | 2026-03-02 to 2026-03-15, Europe/Berlin | 10 in all"
    )


def test_a_distribution_of_groups_has_a_line_each(library: Library) -> None:
    _, (steps,) = drawn(library.chart("mean_time_to_recover", "distribution", group_by="repository", **MARCH))
    assert {step["group"] for step in steps} == {"acme/shop", "acme/shelf"}


def test_a_calendar_has_every_day_by_local_time(library: Library) -> None:
    spec, (days,) = drawn(library.chart("deployment_frequency", "calendar", **MARCH))
    counts = {day["date"]: day["counted"] for day in days}
    assert len(days) == 14
    assert [counts[f"{day} 2026-03-{date}"] for day, date in (("Tue", "03"), ("Sat", "07"))] == [2, 0]
    assert sum(counts.values()) == 11
    assert said(spec).endswith("11 in all; most on Tue 2026-03-03, 2")


def test_a_heat_map_shows_the_share_of_each_hour(library: Library) -> None:
    spec, (hours,) = drawn(library.chart("change_failure_rate", "heatmap", **MARCH))
    cells = {(cell["day"], cell["hour"]): (cell["in_numerator"], cell["counted"]) for cell in hours}
    assert len(cells) == 7 * 24
    # The hotfixes repair the 4th and the 6th; the incident on the 13th is of shelf, which was deployed at 23:30.
    assert (cells["Wed", 10], cells["Fri", 10], cells["Mon", 10]) == ((1, 2), (1, 2), (0, 2))
    assert (cells["Tue", 23], cells["Sun", 3]) == ((1, 1), (0, 0))
    assert "pale where it is of fewer than 10" in said(spec)


def test_a_heat_map_of_what_is_no_share_counts(library: Library) -> None:
    spec, (hours,) = drawn(library.chart("deployment_frequency", "heatmap", **MARCH))
    assert sum(cell["counted"] for cell in hours) == 11
    assert spec["encoding"]["color"]["field"] == "counted"


def test_a_slope_has_each_group_before_and_now(library: Library, book: Book) -> None:
    book.deploy(version="old", finished_at="2026-02-18T09:00:00Z")
    spec, (lines, _) = drawn(library.chart("deployment_frequency", "slope", group_by="repository", **MARCH))
    found = {(line["group"], line["window"]): line["value"] for line in lines}
    now, before = "now, from 2026-03-02", "before, from 2026-02-16"
    assert found["acme/shop", before] == pytest.approx(1 / 14)
    assert found["acme/shop", now] == pytest.approx(10 / 14)
    assert found["acme/shelf", before] == 0
    assert said(spec).startswith("Deployment frequency before and now | 2026-03-02 to 2026-03-15")


def test_a_funnel_loses_causes_step_by_step(library: Library) -> None:
    spec, (steps, totals) = drawn(library.chart("change_failure_rate", "funnel", **MARCH))
    counts = [(step["kind"], step["causes"]) for step in steps]
    # Three incidents: no change's fault, of a repository without deployments, of shelf. Two hotfixes.
    assert counts[0::2] == [("incidents", 3), ("incidents", 2), ("incidents", 1), ("incidents", 1)]
    assert counts[1::2] == [("repairs", 2)] * 4
    assert [total["causes"] for total in totals] == [5, 4, 3, 3]
    assert "not_change_related 1" in said(spec)


@pytest.mark.parametrize(
    ("metric", "kind", "message"),
    [
        ("deployment_frequency", "distribution", "has no times in the window"),
        ("deployment_frequency", "slope", "ask with group_by"),
        ("deployment_frequency", "funnel", "names no causes"),
        ("deployment_frequency", "pie", "pie"),
    ],
)
def test_what_a_metric_cannot_show_is_said(library: Library, metric: str, kind: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        library.chart(metric, kind, **MARCH)


@pytest.mark.parametrize("kind", ["distribution", "calendar", "heatmap", "slope", "funnel"])
def test_each_is_a_picture(library: Library, kind: str, tmp_path: Any) -> None:
    metric = "lead_time_for_changes" if kind == "distribution" else "change_failure_rate"
    grouped = {"group_by": "environment"} if kind == "slope" else {}
    window = {**MARCH, "from_": "2026-03-09"} if kind == "slope" else MARCH
    chart = library.chart(metric, kind, **window, **grouped)
    for ending, beginning in (("svg", b"<svg"), ("png", b"\x89PNG"), ("html", b"<!DOCTYPE html>")):
        file = tmp_path / f"chart.{ending}"
        chart.save(file)
        assert file.read_bytes().startswith(beginning)
