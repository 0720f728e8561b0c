"""Other people's rules, against a plain reading of them in Python."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.definitions.base import MetricName, Profile
from metrics.definitions.profiles import RULES, difference
from metrics.domain.errors import ParameterError
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session, open_snapshot
from tests.conftest import Book
from tests.metrics.changes import ROUNDS, START, Changes, changes

Row = Mapping[str, Any]
PRODUCTION = {"production", "prod", "live"}
MICROSECOND = timedelta(microseconds=1)


def recorded(book: Book, organization: str, table: str) -> list[Row]:
    with open_snapshot(book.store) as reading:
        found = reading.cursor.sql(f"from {table} where organization = $org", params={"org": organization})
        return list(found.to_arrow_table().to_pylist())


def last_before(deployments: Iterable[Row], incident: Row, *, strictly: bool) -> Row | None:
    until = incident["started_at"] - (MICROSECOND if strictly else timedelta())
    before = [one for one in deployments if one["finished_at"] <= until]
    return max(before, key=lambda one: (one["finished_at"], one["first_revision"]), default=None)


def devlake(deployments: Sequence[Row], incidents: Sequence[Row], start: datetime, end: datetime) -> Row:
    successes = [one for one in deployments if one["status"] == "success"]
    resolutions: dict[str, list[datetime | None]] = {}
    for incident in incidents:
        blamed = last_before(successes, incident, strictly=True) if incident["change_related"] else None
        if blamed is not None:
            resolutions.setdefault(blamed["id"], []).append(incident["resolved_at"])
    counted = [one for one in successes if start <= one["finished_at"] < end]
    failed = [one for one in counted if one["id"] in resolutions]
    seconds = sorted(
        (max(known) - one["finished_at"]).total_seconds()
        for one in failed
        if (known := [at for at in resolutions[one["id"]] if at is not None])
    )
    return {
        "change_failure_rate": (len(failed), len(counted)),
        "mean_time_to_recover.median": seconds[(len(seconds) - 1) // 2] if seconds else None,
        "mean_time_to_recover": sum(seconds) / len(seconds) if seconds else None,
        "deployment_frequency": len(counted) / ((end - start).total_seconds() / 86_400),
    }


def middleware(deployments: Sequence[Row], incidents: Sequence[Row], start: datetime, end: datetime) -> Row:
    blamed = {
        one["id"]
        for incident in incidents
        if incident["change_related"] and (one := last_before(deployments, incident, strictly=False))
    }
    counted = [one for one in deployments if start <= one["finished_at"] <= end]
    seconds = [
        (one["resolved_at"] - one["started_at"]).total_seconds()
        for one in incidents
        if one["resolved_at"] is not None and start <= one["resolved_at"] <= end
    ]
    days = [start + timedelta(hours=hour) for hour in range(int((end - start).total_seconds() // 3600))]
    touched = [len({one.date() for one in days}), len({one.isocalendar()[:2] for one in days})]
    touched.append(len({(one.year, one.month) for one in days}))
    shipped = sum(one["status"] == "success" for one in counted)
    daily, weekly, monthly = (shipped // many for many in touched)
    return {
        "change_failure_rate": (sum(one["id"] in blamed for one in counted), len(counted)),
        "mean_time_to_recover": sum(seconds) / len(seconds) if seconds else None,
        "deployment_frequency": daily,
        "per_week": max(weekly, 7 * daily),
        "per_month": max(monthly, 30 * daily),
    }


@ROUNDS
@given(
    made=st.lists(changes, min_size=6, max_size=40),
    hours=st.tuples(st.integers(0, 60 * 24), st.integers(1, 40 * 24)),
    repository=st.sampled_from([None, "acme/shop"]),
)
def test_a_profile_counts_as_its_rules_say(
    book: Book, made: list[tuple[str, Any]], hours: tuple[int, int], repository: str | None
) -> None:
    organization = Changes(book)
    for kind, what in made:
        if kind != "produce":
            organization.make(kind, what)
    start = START + timedelta(hours=hours[0])
    end = start + timedelta(hours=hours[1])
    every = recorded(book, organization.org, "deployments")
    places = {one["id"]: one["repository_key"] for one in every}
    links = {
        row["incident_id"]: places[row["deployment_id"]]
        for row in recorded(book, organization.org, "incident_links")
        if row["deployment_id"] is not None
    }
    production = PRODUCTION | {one["environment_key"] for one in every if one["production"]}
    mine = [None, "github.com/acme/shop"][repository is not None]
    deployments = [
        one
        for one in every
        if one["finished_at"]
        and one["environment_key"] in production
        and mine in (None, one["repository_key"])
    ]
    incidents = [
        one
        for one in recorded(book, organization.org, "incidents")
        if one["environment_key"] in {None, *production}
        and mine in (None, one["repository_key"] or links.get(one["id"]))
    ]
    asked = {"from_": start.isoformat(), "to": end.isoformat()}
    if repository is not None:
        asked["repository"] = repository
    for profile, reference in (("devlake", devlake), ("middleware", middleware)):
        answers = book.ask(org=organization.org, profile=profile, **asked)
        rows: Any = {name: answer.row for name, answer in answers.items()}
        rate, recovery = rows["change_failure_rate"], rows["mean_time_to_recover"]
        frequency = rows["deployment_frequency"]
        found = {
            "change_failure_rate": (rate.numerator, rate.denominator),
            "mean_time_to_recover.median": recovery.median,
            "mean_time_to_recover": recovery.value,
            "deployment_frequency": frequency.value,
            "per_week": getattr(frequency, "per_week", None),
            "per_month": getattr(frequency, "per_month", None),
        }
        expected = reference(deployments, incidents, start, end)
        assert {name: found[name] for name in expected} == {
            name: pytest.approx(value) if isinstance(value, float) else value
            for name, value in expected.items()
        }, profile


def test_all_profiles_answer_one_question_and_the_plain_one_follows_no_other_rules_after(book: Book) -> None:
    book.deploy(version="v1", finished_at="2026-03-02T10:00:00Z")
    book.deploy(version="v2", finished_at="2026-03-02T11:00:00Z", is_hotfix=True)
    parameters = MetricParameters.of({"from": "2026-03-02", "to": "2026-03-03", "group_by": "repository"})
    session, metric = Session(book.store, "acme"), MetricName.CHANGE_FAILURE_RATE
    before = session.answers(parameters, [metric])
    answers = session.profiles(parameters, metric)
    assert [answer.question.profile for answer in answers] == list(Profile)
    assert [answer.row.value for answer in answers] == [0.5, 0, 0]
    assert [len(answer.groups) for answer in answers] == [1, 1, 1]
    after = session.answers(parameters, [metric])
    assert [answer.row for answer in after] == [answer.row for answer in before]
    with pytest.raises(ParameterError, match="profile"):
        MetricParameters.of({"profile": "gitlab"})


def test_middleware_counts_incidents_of_the_service_and_team_and_in_the_group_of_their_resolution(
    book: Book,
) -> None:
    shop, api = "https://github.com/acme/shop", "https://github.com/acme/api"
    web = book.deploy(version="v1", finished_at="2026-03-02T10:00:00Z", service="web", team="blue").deployment
    book.report(started_at="2026-03-01T10:00:00Z", resolved_at="2026-03-02T10:00:00Z", repository_url=api)
    book.report(
        started_at="2026-03-02T11:00:00Z",
        resolved_at="2026-03-02T12:00:00Z",
        repository_url=shop,
        service="web",
    )
    book.report(
        started_at="2026-03-02T11:00:00Z", resolved_at="2026-03-02T13:00:00Z",
        deployment=web.version.id, change_related=False,
    )  # fmt: skip
    asked = {"from_": "2026-03-02", "to": "2026-03-03", "profile": "middleware"}

    def recovery(**more: Any) -> Any:
        return book.ask(**asked, **more)["mean_time_to_recover"]

    assert (recovery().row.recovered, recovery().row.value) == (3, (24 + 1 + 2) * 3_600 / 3)
    assert recovery(service="web").row.value == 3_600
    assert recovery(team="blue").row.recovered == 0
    assert recovery(repository="acme/shop").row.recovered == 2
    groups = {group.name: group.row.recovered for group in recovery(group_by="repository").groups}
    assert groups == {"acme/api": 1, "acme/shop": 2}


def test_a_series_of_a_closed_window_adds_up_to_it(book: Book) -> None:
    for hour in (-5 * 24, 0, 24, 48):
        book.deploy(version=f"v{hour}", finished_at=(START + timedelta(hours=hour)).isoformat())
    asked = {"from_": START.isoformat(), "to": (START + timedelta(days=2)).isoformat()}
    answer: Any = book.ask(profile="middleware", interval="day", compare="true", **asked)[
        "deployment_frequency"
    ]
    assert answer.row.deployments == 3
    assert [point.row.deployments for point in answer.series] == [1, 2]
    # The window before, of the same weekdays, closes as well.
    assert answer.previous.row.deployments == 1


def test_every_profile_says_what_differs_of_every_metric() -> None:
    assert RULES.keys() == set(Profile)
    assert all(difference(profile, metric) for profile in Profile for metric in MetricName)
