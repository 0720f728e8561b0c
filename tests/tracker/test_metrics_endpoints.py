"""The metrics over HTTP: their shape, their parameters, and the promised figures over real records."""

import gzip
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from metrics.queries.session import Session
from tests.beside import find_beside
from tests.conftest import Book, now
from tests.server import Server, deployment
from tracker.app import create_app
from tracker.auth.keys import load_keys
from tracker.auth.tokens import Scope, mint
from tracker.settings import Settings

METRICS = "/api/v1/metrics"
COMMON = {"metric", "unit", "from", "to", "tz", "value", "reason", "level", "score", "notes"}
FIELDS = {
    "deployment_frequency": COMMON
    | {
        "deployments", "redeployments", "deployment_days", "median_days_per_week", "median_days_per_week_interval95",
        "median_days_per_month",
        "median_duration_seconds", "p90_duration_seconds", "durations",
    },
    "lead_time_for_changes": COMMON | {"median_interval95", "mean", "p90", "commits", "coverage", "negative_lead_times"},
    "change_failure_rate": COMMON
    | {"numerator", "denominator", "interval95", "by_signal", "unattributed", "did_not_reach_production"},
    "mean_time_to_recover": COMMON
    | {"median", "median_interval95", "p90", "recovered", "open", "incidents", "unattributed_incidents"},
    "deployment_rework_rate": COMMON | {"numerator", "denominator", "interval95", "by_signal"},
}  # fmt: skip


@pytest.fixture(scope="module")
def server(sqlite_server: Server) -> Server:
    return sqlite_server


def test_the_summary_holds_each_metric_with_every_promised_field(client: httpx.Client) -> None:
    summary = client.get(METRICS).json()["metrics"]
    assert {name: set(answer) for name, answer in summary.items()} == FIELDS


@pytest.mark.parametrize("name", FIELDS)
def test_a_metric_alone_is_as_in_the_summary(client: httpx.Client, name: str) -> None:
    window = "?from=2026-01-01&to=2026-04-01&tz=Europe/Berlin"
    client.post("/api/v1/deployments", json=deployment(finished_at="2026-03-02T10:00:00Z"))
    alone = client.get(f"{METRICS}/{name}{window}").json()
    assert alone == client.get(METRICS + window).json()["metrics"][name]
    assert (alone["from"], alone["to"], alone["tz"]) == (
        "2025-12-31T23:00:00Z", "2026-03-31T22:00:00Z", "Europe/Berlin",
    )  # fmt: skip


HELD = [
    METRICS,
    f"{METRICS}/deployment_frequency",
    f"{METRICS}/deployment_frequency?format=csv",
    f"{METRICS}/change_failure_rate/explain",
    f"{METRICS}/change_failure_rate/profiles",
    "/api/v1/charts/deployment_frequency.svg",
]


def asked_again(client: httpx.Client, path: str, act: Callable[[], object] = lambda: None) -> httpx.Response:
    """The answer to a question whose answer is held, after an act; within one minute, as tags are of one."""
    for _ in range(2):
        minute = time.time() // 60
        held = client.get(path).headers["ETag"]
        act()
        again = client.get(path, headers={"If-None-Match": f'"other", {held}'})
        if time.time() // 60 == minute:
            break
    return again


@pytest.mark.parametrize("path", HELD)
def test_an_answer_that_is_held_is_not_sent_again(client: httpx.Client, path: str) -> None:
    client.post("/api/v1/deployments", json=deployment()).raise_for_status()
    again = asked_again(client, path)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"].startswith('W/"')
    number = itertools.count()
    record = lambda: client.post("/api/v1/deployments", json=deployment(deployment_node_id=str(next(number))))  # noqa: E731
    assert asked_again(client, path, record).status_code == 200
    settle = lambda: client.patch("/api/v1/settings", json={"attribution_gap_days": 3 + next(number)})  # noqa: E731
    assert asked_again(client, path, settle).status_code == 200


def test_the_same_answer_is_given_again_until_something_is_recorded(client: httpx.Client) -> None:
    path = f"{METRICS}/deployment_frequency?from=2026-03-01&to=2026-03-08"
    at = {"finished_at": "2026-03-02T10:00:00Z"}
    client.post("/api/v1/deployments", json=deployment(**at)).raise_for_status()
    first, again = client.get(path), client.get(path)
    assert (again.content, again.headers["Content-Type"]) == (first.content, first.headers["Content-Type"])
    assert first.json()["deployments"] == 1
    client.post("/api/v1/deployments", json=deployment(deployment_node_id="2", **at)).raise_for_status()
    assert client.get(path).json()["deployments"] == 2


@pytest.mark.filterwarnings("ignore:.*Inferred dependency field")
def test_what_another_of_the_same_reach_has_asked_is_worked_out_once(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.deploy(org="acme", finished_at="2026-03-02T10:00:00Z")
    worked_out: list[object] = []
    answers = Session.answers

    def counted(session: Session, *asked: Any) -> Any:
        worked_out.append(session.visible)
        return answers(session, *asked)

    monkeypatch.setattr(Session, "answers", counted)
    settings = Settings(data_dir=tmp_path, database_url=book.url)
    app, reach = create_app(settings), ("acme/shop",)
    tokens = [
        mint(
            load_keys(settings), organization="acme", subject=subject, scopes=[Scope.METRICS_READ],
            repositories=repositories, lifetime=timedelta(hours=1), now=now(),
        )
        for subject, repositories in (("one", None), ("another", None), ("limited", reach), ("limited too", reach))
    ]  # fmt: skip
    with TestClient(app) as client:
        # An answer is one of its minute.
        for day in (8, 9):
            worked_out.clear()
            minute = time.time() // 60
            asked = [
                client.get(
                    f"{METRICS}/deployment_frequency?from=2026-03-01&to=2026-03-0{day}",
                    headers={"Authorization": f"Bearer {token}"},
                )
                for token in tokens
            ]
            if time.time() // 60 == minute:
                break
    assert [answered.json()["deployments"] for answered in asked] == [1, 1, 1, 1]
    assert worked_out == [None, reach]


def test_a_held_answer_is_of_its_question_and_of_whoever_asked(
    client: httpx.Client, server: Server, organization: str
) -> None:
    path = f"{METRICS}/deployment_frequency"
    tags = {
        client.get(path).headers["ETag"],
        client.get(path, headers={"Accept": "text/csv"}).headers["ETag"],
        client.get(f"{path}?tz=Europe/Berlin").headers["ETag"],
        client.get(f"{METRICS}/change_failure_rate").headers["ETag"],
    }
    for org, repositories in ((organization, ("acme/shop",)), (f"{organization}-other", ())):
        with server.client(server.token("metrics:read", org, repositories)) as other:
            tags.add(other.get(path).headers["ETag"])
    assert len(tags) == 6


def test_what_others_record_leaves_a_held_answer_as_it_is(
    client: httpx.Client, server: Server, organization: str
) -> None:
    with server.client(server.token(org=f"{organization}-other")) as other:
        record = lambda: other.post("/api/v1/deployments", json=deployment()).raise_for_status()  # noqa: E731
        assert asked_again(client, METRICS, record).status_code == 304


def test_the_default_window_is_the_last_thirteen_weeks(client: httpx.Client) -> None:
    client.post("/api/v1/deployments", json=deployment())
    answer = client.get(f"{METRICS}/deployment_frequency").json()
    assert answer["deployments"] == 1
    assert answer["from"].endswith("T00:00:00Z")
    old = deployment(finished_at="2025-01-01T00:00:00Z")
    client.post("/api/v1/deployments", json=old).raise_for_status()
    assert client.get(f"{METRICS}/deployment_frequency").json()["value"] == pytest.approx(1 / 91)
    assert (
        client.get(f"{METRICS}/deployment_frequency?to=2026-04-02").json()["from"] == "2026-01-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-04-01&to=2026-01-01",
        "from=2026-01-01&to=2026-01-01",
        "from=yesterday",
        "from=2026-01-01T00:00:00",
        "from=2026-13-01",
        "from=20260101",
        "from=1066-10-14",
        "from=1970-01-01&to=9000-01-01",
        "to=now",
        "tz=Mars/Base",
        "tz=../../etc/passwd",
        "tz=",
        "failure_signals=",
        "failure_signals=incident,gossip",
        "colour=red",
        "repository=acme//shop",
        "repository=acme/*/shop",
        "repository=https://github.com/acme/shop",
        "environment=",
        "team=",
        "label=:x",
        "tz=UTC&tz=Europe/Berlin",
    ],
)
def test_a_parameter_that_is_wrong_is_named(client: httpx.Client, query: str) -> None:
    answered = client.get(f"{METRICS}?{query}")
    assert answered.status_code == 400
    assert answered.json()["errors"][0]["pointer"] == query.partition("=")[0]


def test_a_plus_in_an_instant_need_not_be_escaped(client: httpx.Client) -> None:
    answered = client.get(f"{METRICS}/deployment_frequency?from=2026-01-01T01:00:00+01:00&to=2026-02-01")
    assert answered.json()["from"] == "2026-01-01T00:00:00Z"


def test_levels_are_of_the_year_that_is_asked_for(client: httpx.Client) -> None:
    client.post("/api/v1/deployments", json=deployment(finished_at="2026-03-02T10:00:00Z"))
    window = f"{METRICS}?from=2026-03-01&to=2026-04-01&group_by=repository"
    summary = client.get(f"{window}&benchmark=2024").json()
    rate = summary["metrics"]["change_failure_rate"]
    assert rate["level"] == {
        "year": 2024, "level": "elite", "reason": None, "possible": ["elite", "high", "low"], "certain": False,
    }  # fmt: skip
    assert rate["groups"][0]["level"] == rate["level"]
    assert rate["score"] == {
        "version": 2025, "score": 10, "benchmark": 8.1, "reason": None,
        "interval95": [pytest.approx(2.06, abs=0.01), 10],
    }  # fmt: skip
    assert (summary["score"]["version"], "DORA" in summary["attribution"]) == (2025, True)
    wrong = client.get(f"{window}&benchmark=2017")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "benchmark")
    client.patch("/api/v1/settings", json={"benchmark": 2018})
    assert client.get(window).json()["metrics"]["change_failure_rate"]["level"]["year"] == 2018


def test_what_has_to_be_known_beside_a_number_is_said(client: httpx.Client) -> None:
    now = datetime.now(UTC)
    client.post("/api/v1/deployments", json=deployment(finished_at=(now - timedelta(days=20)).isoformat()))

    def codes(name: str, days_ago: float) -> list[str]:
        asked = {
            "from": (now - timedelta(days=30)).isoformat(),
            "to": (now - timedelta(days=days_ago)).isoformat(),
        }
        notes = client.get(f"{METRICS}/{name}", params=asked).json()["notes"]
        return [
            note["code"]
            for note in notes
            if note["code"] not in ("recording_began", "nothing_recorded_since")
        ]

    assert codes("change_failure_rate", 6.9) == ["settling"]
    assert codes("change_failure_rate", 7.1) == codes("deployment_frequency", 0) == []
    assert codes("mean_time_to_recover", 8) == ["no_incidents"]
    client.post("/api/v1/incidents", json={"started_at": (now - timedelta(days=19)).isoformat()})
    assert codes("mean_time_to_recover", 8) == []
    asked_at = datetime.now(UTC)
    series = client.get(f"{METRICS}/change_failure_rate?interval=day").json()["series"]
    ends = [datetime.fromisoformat(point["to"]) for point in series]
    # Days end at midnight UTC, and the last one now.
    ends = [end if end.tzinfo else end.replace(tzinfo=UTC) for end in ends]
    settling = [
        [end > instant - timedelta(days=7) for end in ends] for instant in (asked_at, datetime.now(UTC))
    ]
    # A midnight may have passed in between.
    assert [point["settling"] for point in series] in settling
    assert {True, False} == set(settling[0])


def test_all_profiles_are_shown_side_by_side_with_what_differs(client: httpx.Client) -> None:
    client.post("/api/v1/deployments", json=deployment(finished_at="2026-03-02T10:00:00Z"))
    client.post(
        "/api/v1/deployments",
        json=deployment(finished_at="2026-03-02T11:00:00Z", version="2", commit_id=None, is_hotfix=True),
    )
    window = "from=2026-03-02&to=2026-03-03"
    shown = client.get(f"{METRICS}/change_failure_rate/profiles?{window}").json()
    assert (shown["metric"], shown["unit"]) == ("change_failure_rate", "ratio")
    values = {
        one["profile"]: (one["value"], one["numerator"], one["denominator"]) for one in shown["profiles"]
    }
    assert values == {"default": (0.5, 1, 2), "devlake": (0, 0, 2), "middleware": (0, 0, 2)}
    assert "Only incidents make failures" in shown["profiles"][1]["difference"]
    alone = client.get(f"{METRICS}/change_failure_rate?{window}&profile=devlake").json()
    assert (alone["profile"], alone["value"], alone["by_signal"]) == ("devlake", 0, {"incident": 0})
    explained = client.get(f"{METRICS}/change_failure_rate/explain?{window}&profile=devlake").json()
    plain = client.get(f"{METRICS}/change_failure_rate/explain?{window}").json()
    assert explained["answer"] == alone
    assert "lambda" not in explained["sql"]["macros"]["may_be_blamed"]
    assert explained["sql"]["version"] != plain["sql"]["version"]
    table = client.get(f"{METRICS}/deployment_frequency/profiles?{window}&format=csv").text.splitlines()
    assert [line.split(",")[0] for line in table] == ["profile", "default", "devlake", "middleware"]
    for query in ("profile=gitlab", "profile="):
        wrong = client.get(f"{METRICS}?{query}")
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "profile")
    assert client.get(f"{METRICS}/change_failure_rate/profiles?profile=devlake").status_code == 400


def test_an_explanation_names_the_setting_that_moved_the_number(client: httpx.Client) -> None:
    client.post("/api/v1/deployments", json=deployment(finished_at="2026-03-02T10:00:00Z", environment="eu"))
    client.patch("/api/v1/settings", json={"production_environments": ["eu"]})
    asked = f"{METRICS}/deployment_frequency/explain?from=2026-03-02&to=2026-03-03"
    (move,) = client.get(asked).json()["moved_by"]
    assert (move["setting"], move["value"], move["by"]) == ("production_environments", ["eu"], "test")
    assert (move["before"], move["answer_before"]["value"]) == (["production", "prod", "live"], 0)
    assert client.get(f"{asked}&environment=eu").json()["moved_by"] == []


def test_an_unknown_metric_is_not_found(client: httpx.Client) -> None:
    answered = client.get(f"{METRICS}/velocity")
    assert answered.status_code == 404
    assert answered.headers["Content-Type"] == "application/problem+json"


def test_a_rate_travels_with_its_counts_and_interval(client: httpx.Client) -> None:
    for minute in range(10):
        fields = {"finished_at": f"2026-03-02T10:0{minute}:00Z", "is_hotfix": minute == 5}
        client.post("/api/v1/deployments", json=deployment(commit_id=f"{minute}" * 7, **fields))
    rate = client.get(f"{METRICS}/change_failure_rate?from=2026-03-02&to=2026-03-03").json()
    assert (rate["value"], rate["numerator"], rate["denominator"]) == (0.1, 1, 10)
    # The Wilson interval of 1 in 10, as published tables have it.
    assert rate["interval95"] == pytest.approx([0.0179, 0.4042], abs=1e-4)


def test_the_real_records_give_the_promised_figures(server: Server) -> None:
    content = find_beside("data/govuk-deployments.ndjson.gz").read_bytes()
    with server.client(server.token("admin", "govuk")) as client:
        batch = {"content": content, "headers": {"Content-Encoding": "gzip"}}
        lines = gzip.decompress(content).count(b"\n")
        assert lines == 8800
        first = client.post("/api/v1/deployments/batch", **batch)
        assert first.json() == {"recorded": lines, "repeated": 0, "failed": 0, "errors": []}
        answers = client.get(f"{METRICS}?from=2026-01-01&to=2026-07-01&tz=Europe/London").json()["metrics"]
        again = client.post("/api/v1/deployments/batch", **batch)
        assert again.json() == {"recorded": 0, "repeated": lines, "failed": 0, "errors": []}
        repeated = client.get(f"{METRICS}?from=2026-01-01&to=2026-07-01&tz=Europe/London").json()["metrics"]
    assert repeated == answers
    frequency = answers["deployment_frequency"]
    assert (frequency["deployments"], frequency["deployment_days"]) == (1557, 124)
    assert frequency["value"] == pytest.approx(8.60419, abs=5e-6)
    assert frequency["median_days_per_week"] == 5
    rate = answers["change_failure_rate"]
    assert (rate["numerator"], rate["denominator"]) == (69, 1557)
    assert (rate["by_signal"]["fix"], rate["by_signal"]["hotfix"]) == (53, 16)
    recovery = answers["mean_time_to_recover"]
    assert recovery["value"] == pytest.approx(50_626.0, abs=0.05)
    assert recovery["median"] == 9_468
    lead_time = answers["lead_time_for_changes"]
    assert (lead_time["value"], lead_time["commits"]) == (54_854, 2_733)
    assert lead_time["coverage"] == pytest.approx(0.94348, abs=5e-6)
    rework = answers["deployment_rework_rate"]
    assert (rework["numerator"], rework["denominator"]) == (69, 1557)
