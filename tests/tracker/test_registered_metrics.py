"""A metric that another package registers is the service's: over HTTP, as a page, in a terminal, from afar."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import metrics
from metrics.domain.errors import ParameterError
from tests.plugins import install_metrics
from tests.server import Server, clean_environment, deployment

MODULE = """
import metrics

metrics.register(
    "hotfixes", "select id, is_hotfix as in_numerator from deployments", "share",
    title="Hotfix share", means="How many deployments are hotfixes.",
)
metrics.register("broken", "select 1 as one", "share", title="Broken")
"""
MARCH = {"from": "2026-03-01", "to": "2026-04-01"}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed package that registers metrics."""
    return install_metrics(tmp_path_factory.mktemp("plugins"), MODULE)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Iterator[Server]:
    # Of its own, and not forked: what is installed is read when a process starts.
    with Server(tmp_path_factory.mktemp("registered"), ["env"], PYTHONPATH=str(plugins)) as server:
        with server.client(server.token()) as client:
            for day in range(1, 11):
                record = deployment(
                    version=f"v{day}",
                    commit_id=None,
                    finished_at=f"2026-03-{day:02}T10:00:00Z",
                    is_hotfix=day in (4, 8),
                )
                client.post("/api/v1/deployments", json=record).raise_for_status()
        yield server


@pytest.fixture
def asking(running: Server) -> Iterator[httpx.Client]:
    with running.client(running.token()) as client:
        yield client


def test_it_is_answered_like_the_five(asking: httpx.Client) -> None:
    answer = asking.get(
        "/api/v1/metrics/hotfixes", params={**MARCH, "compare": "true", "interval": "week"}
    ).json()
    assert (answer["metric"], answer["numerator"], answer["denominator"]) == ("hotfixes", 2, 10)
    assert answer["level"]["reason"] == answer["score"]["reason"] == "not_published"
    assert sum(point["denominator"] for point in answer["series"]) == 10
    table = asking.get("/api/v1/metrics/hotfixes", params={**MARCH, "format": "csv"}).text
    assert table.splitlines()[0].startswith("from,to,tz,partial,settling,value,")
    explained = asking.get("/api/v1/metrics/hotfixes/explain", params={**MARCH, "limit": 3}).json()
    assert [row["in_numerator"] for row in explained["counted"]] == [False] * 3
    rest = {**MARCH, "limit": 10, "cursor": explained["next_cursor"]}
    assert len(asking.get("/api/v1/metrics/hotfixes/explain", params=rest).json()["counted"]) == 7
    assert asking.get("/api/v1/charts/hotfixes.svg", params=MARCH).text.startswith("<svg")
    assert len(asking.get("/api/v1/metrics/hotfixes/profiles", params=MARCH).json()["profiles"]) == 3


def test_the_summary_stays_of_the_five(asking: httpx.Client) -> None:
    summary = asking.get("/api/v1/metrics", params=MARCH).json()
    assert len(summary["metrics"]) == 5
    assert "hotfixes" not in summary["metrics"]


def test_one_that_does_not_work_says_what_is_wrong(asking: httpx.Client) -> None:
    refused = asking.get("/api/v1/metrics/broken", params=MARCH)
    assert (refused.status_code, refused.json()["type"]) == (500, "urn:tracker:problem:metric-definition")
    assert (
        "broken: its rows must give the columns id and in_numerator: they have one"
        in refused.json()["detail"]
    )


def test_it_has_a_page_to_which_the_overview_leads(running: Server) -> None:
    with running.client() as client:
        token = running.token()
        client.post(
            "/sign-in",
            data={"token": token},
            headers={"Origin": running.url, "Sec-Fetch-Site": "same-origin"},
        )
        window = {"from": "2026-03-01", "to": "2026-04-01"}
        overview = client.get("/", params=window).text
        assert 'href="/metric/hotfixes' in overview
        page = client.get("/metric/hotfixes", params=window)
        assert page.status_code == 200
        assert "How many deployments are hotfixes." in page.text
        assert "20" in page.text
        assert client.get("/metric/broken", params=window).status_code == 500


def test_it_is_asked_for_in_a_terminal_and_from_afar(running: Server, plugins: Path) -> None:
    tracker = Path(running.process.args[1])  # type: ignore[index, arg-type]
    command = [
        tracker,
        "metrics",
        "hotfixes",
        "--org",
        "acme",
        "--from",
        "2026-03-01",
        "--to",
        "2026-04-01",
        "--json",
    ]
    asked = subprocess.run(
        command,
        cwd=running.folder,
        env=clean_environment() | {"PYTHONPATH": str(plugins)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert '"numerator":2' in asked.stdout.replace(" ", "")
    with metrics.open(running.url, token=running.token("metrics:read")) as library:
        assert library.metric("hotfixes", from_="2026-03-01", to="2026-04-01")["numerator"].to_list() == [2]
        with pytest.raises(ParameterError, match="it has no 'unknown'"):
            library.metric("unknown")
