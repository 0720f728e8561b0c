"""The simulated year: the same for a seed, believable, and safe to ask for again."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

import metrics
from tests.server import run_tracker
from tracker.cli.demo_company import Day, simulate

NOW = datetime(2026, 11, 20, 13, 30, tzinfo=UTC)


def year(seed: int = 7, until: datetime = NOW) -> list[Day]:
    return list(simulate(seed, until))


def test_a_year_is_the_same_each_time_for_a_seed() -> None:
    assert year() == year()
    assert year() != year(seed=8)


def test_a_later_year_goes_on_where_an_earlier_one_ended() -> None:
    """All but the day on which the earlier one ended, of which it could not know the rest."""
    earlier, later = year(), year(until=NOW + timedelta(days=3))
    assert later[:-4] == earlier[3:-1]


def test_what_is_under_way_at_the_end_is_not_over() -> None:
    moments = (NOW.replace(hour=9) + timedelta(minutes=7 * step) for step in range(0, 60, 6))
    open_deployments = [
        one for until in moments for one in year(until=until)[-1].deployments if "finished_at" not in one
    ]
    assert open_deployments
    assert {one["status"] for one in open_deployments} == {"in_progress"}
    for day in year():
        assert all(
            datetime.fromisoformat(one["started_at"]) <= NOW for one in (*day.deployments, *day.incidents)
        )


def test_a_year_is_believable() -> None:
    days = year()
    production = [one for day in days for one in day.deployments if one["environment"] == "production"]
    weekdays = Counter(date.fromisoformat(one["started_at"][:10]).weekday() for one in production)
    assert max(weekdays[5], weekdays[6]) < min(weekdays[day] for day in range(5)) / 2
    assert len({one["repository_url"] for one in production}) == 5
    assert {one["status"] for one in production} == {"success", "fail"}
    for flag in ("is_hotfix", "is_fix", "is_forced"):
        assert any(one.get(flag) for one in production), flag
    incidents = [one for day in days for one in day.incidents]
    assert {one.get("change_related", True) for one in incidents} == {True, False}


def test_the_numbers_show_a_bad_fortnight_rollbacks_and_redeployments(tmp_path: Path) -> None:
    written = run_tracker(tmp_path, "demo", "-o", "demo.ndjson.gz")
    assert written.returncode == 0, written.stderr
    with metrics.open(tmp_path / "demo.ndjson.gz") as records:
        weeks = records.change_failure_rate(
            from_=NOW.date() - timedelta(days=360), to=NOW.date(), interval="week"
        )
        rates = weeks.filter(pl.col("denominator") > 0)["value"]
        assert 0.02 < rates.median() < 0.12  # type: ignore[operator]
        assert rates.max() > 3 * rates.median()  # type: ignore[operator]
        found = records.deployments()
        assert found["is_rollback"].any()
        assert found["is_redeployment"].any()
        assert (
            {"explicit", "rollback", "incident", "predecessor", "nearest"}
            > set(records.links()["method"].drop_nulls())
            > {"rollback", "nearest"}
        )
        teams = records.deployment_frequency(group_by="team")
        assert teams.drop_nulls("team").height == 5


def test_the_demo_can_be_asked_for_again_and_leaves_other_records_alone(tmp_path: Path) -> None:
    first = run_tracker(tmp_path, "demo")
    assert (first.returncode, ", 0 known already" in first.stdout) == (0, True), first.stderr
    again = run_tracker(tmp_path, "demo")
    assert (again.returncode, " 0 simulated deployments recorded" in again.stdout) == (0, True), again.stderr
    shown = run_tracker(tmp_path, "metrics", "--org", "demo", "--json")
    numbers = json.loads(shown.stdout)["metrics"]
    assert numbers["deployment_frequency"]["deployments"] > 100
    assert numbers["change_failure_rate"]["tz"] == "Europe/Berlin"
    line = json.dumps(
        {"repository_url": "https://github.com/a/b", "version": "1", "finished_at": "2026-03-02T10:00:00Z"}
    )
    assert run_tracker(tmp_path, "import", "-", "--org", "acme", stdin=line).returncode == 0
    refused = run_tracker(tmp_path, "demo", "--org", "acme")
    assert (refused.returncode, "acme has records of its own" in refused.stderr) == (1, True)
