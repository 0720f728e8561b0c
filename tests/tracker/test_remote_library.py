"""The library over a service answers what the one over its database does."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import polars as pl
import pytest

import metrics
from metrics.definitions.base import MetricName
from metrics.definitions.catalog import VIEWS
from metrics.domain.errors import ParameterError, RecordsUnavailable
from metrics.library import remote
from metrics.library.frames import Library
from tests.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.on_one_database

SHOP = "https://github.com/acme/shop"
MARCH = {"from_": "2026-03-01", "to": "2026-04-01"}
ASKED: list[dict[str, Any]] = [
    {},
    {"tz": "Europe/Berlin", "interval": "week", "compare": False},
    {"group_by": "repository", "compare": True},
    {"failure_signals": ["hotfix", "incident"], "label": ["size:1"]},
    {"profile": "devlake", "repository": ["acme/shop", "acme/shelf"], "team": "a"},
    {"interval": "month", "group_by": "service", "environment": "production"},
]


@pytest.fixture
def client(server: Server, organization: str) -> Iterator[httpx.Client]:
    with server.client(server.token(org=organization)) as client:
        for day in range(2, 12):
            record = {
                "repository_url": SHOP if day % 3 else "https://github.com/acme/shelf",
                "version": f"v{day}",
                "service": "web" if day % 2 else "",
                "team": "a" if day % 4 else "b",
                "finished_at": f"2026-03-{day:02}T10:00:00Z",
                "is_hotfix": day % 5 == 0,
                "labels": {"size": str(day % 2)},
                "commits": [{"sha": f"{day:x}" * 40, "committed_at": "2026-03-01T10:00:00Z"}],
            }
            client.post("/api/v1/deployments", json=record).raise_for_status()
        incident = {
            "started_at": "2026-03-04T11:00:00Z",
            "resolved_at": "2026-03-04T12:00:00Z",
            "repository_url": SHOP,
        }
        client.post("/api/v1/incidents", json=incident).raise_for_status()
        yield client


@pytest.fixture
def stored(server: Server, organization: str, client: httpx.Client) -> Iterator[Library]:  # noqa: ARG001 - it has recorded
    url = server.environment.get("TRACKER_DATABASE_URL", server.folder / "data" / "tracker.db")
    with metrics.open(url, organization=organization) as library:
        yield library


@pytest.fixture
def asked(server: Server, organization: str, client: httpx.Client) -> Iterator[Library]:  # noqa: ARG001 - it has recorded
    with metrics.open(server.url, token=server.token("metrics:read", organization)) as library:
        yield library


@pytest.mark.long
def test_it_answers_what_the_database_answers(
    stored: Library, asked: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_ROWS_A_PAGE", 3)
    for number, name in enumerate(MetricName):
        # Each is asked in two ways, and all of these are asked for by one or the other.
        for given in (ASKED[number], ASKED[-1 - number]):
            mine, theirs = (getattr(library, name)(**MARCH, **given) for library in (asked, stored))
            assert mine.equals(theirs, null_equal=True), (name, given)
            assert mine.schema == theirs.schema
        assert asked.profiles(name, **MARCH).equals(stored.profiles(name, **MARCH))
        # Over several pages.
        by_rows = [library.explain(name, **MARCH).to_dicts() for library in (asked, stored)]
        assert by_rows[0] == by_rows[1]
        charts = [library.chart(name, **MARCH).to_dict() for library in (asked, stored)]
        assert charts[0] == charts[1]
    for kind, name in (
        ("calendar", "deployment_rework_rate"),
        ("funnel", "change_failure_rate"),
        ("slope", "deployment_frequency"),
    ):
        grouped = {"group_by": "repository"} if kind == "slope" else {}
        charts = [library.chart(name, kind, **MARCH, **grouped).to_dict() for library in (asked, stored)]
        assert charts[0] == charts[1], kind


def test_its_views_are_those_of_the_database(stored: Library, asked: Library) -> None:
    for view in VIEWS:
        mine, theirs = (getattr(library, view)() for library in (asked, stored))
        assert mine.height > 0
        assert mine.equals(theirs), view
    sizes = pl.DataFrame({"release": ["v2", "v5"], "lines": [1, 2]})
    query = "select sum(lines) as n from deployments join sizes using (release) where team = $team"
    for library in (asked, stored):
        assert library.sql(query, {"team": "a"}, sizes=sizes)["n"].to_list() == [3]


def test_nothing_of_another_organization_is_in_a_view(
    server: Server, asked: Library, organization: str
) -> None:
    with metrics.open(server.url, token=server.token("metrics:read", f"{organization}-other")) as stranger:
        for view in VIEWS:
            assert asked.sql(f"select * from {view}").height > 0
            assert stranger.sql(f"select * from {view}").height == 0


def test_what_is_new_is_read_and_what_is_not_is_kept(
    server: Server, client: httpx.Client, asked: Library, organization: str
) -> None:
    def statuses() -> list[int]:
        events = [line for line in server.output if f'"organization":"{organization}"' in line]
        return [int(line.split('"status":')[1][:3]) for line in events if '"path":"/api/v1/facts/' in line]

    wait_for_a_minute_to_begin()
    first = asked.deployments()
    assert asked.deployments().equals(first)
    client.post("/api/v1/deployments", json={"repository_url": SHOP, "version": "new"}).raise_for_status()
    assert asked.deployments()["release"].to_list() == [*first["release"], "new"]
    wait_until(lambda: len(statuses()) == 3)
    assert statuses() == [200, 304, 200]


def test_only_the_rows_that_are_other_are_sent_again(
    client: httpx.Client, stored: Library, asked: Library
) -> None:
    answers: list[httpx.Response] = []
    assert isinstance(asked, remote.RemoteLibrary)
    asked._client.event_hooks["response"].append(answers.append)

    def kept_of(view: str) -> tuple[int, int]:
        mine, theirs = (getattr(library, view)() for library in (asked, stored))
        assert mine.equals(theirs), view
        return int(answers[-1].headers["Tracker-Rows-Kept"]), mine.height

    assert kept_of("deployments") == (0, 10)
    new = {"repository_url": SHOP, "version": "new", "service": "other"}
    made = client.post("/api/v1/deployments", json=new).raise_for_status().json()["id"]
    assert kept_of("deployments") == (10, 11)
    client.patch(f"/api/v1/deployments/{made}", json={"title": "Said later"}).raise_for_status()
    assert kept_of("deployments") == (10, 11)
    client.delete(f"/api/v1/deployments/{made}").raise_for_status()
    assert kept_of("deployments") == (10, 10)
    early = {**new, "version": "early", "finished_at": "2026-03-01T10:00:00Z"}
    client.post("/api/v1/deployments", json=early).raise_for_status()
    assert kept_of("deployments") == (0, 11)
    for view in VIEWS:
        getattr(asked, view)()
    client.post("/api/v1/deployments", json=new).raise_for_status()
    assert all(mine == theirs for mine, theirs in map(kept_of, ("incidents", "teams", "failures")))


def wait_for_a_minute_to_begin() -> None:
    """An answer holds for a minute of the clock: where the next one is near, until it has begun."""
    if (left := 60 - time.time() % 60) < 20:
        time.sleep(left)


def test_what_is_wrong_is_said(
    server: Server, asked: Library, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ParameterError, match="interval: should be"):
        asked.deployment_frequency(interval="year")
    with pytest.raises(ValueError, match="velocity"):
        asked.explain("velocity")
    limited = server.token("metrics:read", organization, ("acme/shop",))
    with metrics.open(server.url, token=limited) as library:
        assert library.deployment_frequency(**MARCH)["deployments"].to_list() == [7]
        with pytest.raises(RecordsUnavailable, match=r"403: .*facts are of all"):
            library.deployments()
    with (
        metrics.open(server.url, token="nonsense") as library,
        pytest.raises(RecordsUnavailable, match="401"),
    ):
        library.deployments()
    with (
        metrics.open("http://127.0.0.1:9", token="x") as library,
        pytest.raises(RecordsUnavailable, match=r"127\.0\.0\.1:9"),
    ):
        library.deployments()
    monkeypatch.delenv("TRACKER_TOKEN", raising=False)
    with pytest.raises(RecordsUnavailable, match="TRACKER_TOKEN"):
        metrics.open(server.url)
    with pytest.raises(TypeError, match="organization of the token"):
        metrics.open(server.url, organization=organization, token="x")
    monkeypatch.setenv("TRACKER_TOKEN", limited)
    with metrics.open(server.url) as library:
        assert library.change_failure_rate(**MARCH).height == 1
