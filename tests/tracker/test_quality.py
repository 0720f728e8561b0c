"""What is missing in the records, repository by repository, and what was posted and refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from tests.conftest import Book, sqlite_url
from tests.server import Server, deployment, ndjson
from tracker.records.engine import connect
from tracker.web.rejections import Rejection, Rejections, find_rejections

QUALITY, DEPLOYMENTS = "/api/v1/quality?from=2026-03-01&to=2026-04-01", "/api/v1/deployments"
AT = "2026-03-02T{:02}:00:00Z".format
CLEAN = {
    "deployments": 0, "without_commits": 0, "unattributed_remediations": 0, "unattributed_incidents": 0,
    "in_progress_over_a_day": 0, "clock_errors": 0, "rejected": 0,
}  # fmt: skip


def entries(client: httpx.Client) -> dict[str | None, dict[str, Any]]:
    return {one.pop("repository"): one for one in client.get(QUALITY).json()["repositories"]}


def test_each_repository_says_what_its_records_lack(client: httpx.Client) -> None:
    old = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    late = [{"sha": "a" * 7, "committed_at": AT(23)}]
    for fields in (
        {"finished_at": AT(9), "is_hotfix": True},
        {"finished_at": AT(10), "commits": late, "commit_id": "b" * 40},
        {"status": "in_progress", "started_at": old},
        {"status": "in_progress"},
        {"status": "in_progress", "started_at": datetime.now(UTC).isoformat()},
        {"finished_at": AT(10), "environment": "staging"},
    ):
        before_last = datetime.now(UTC)
        client.post(DEPLOYMENTS, json=deployment(**fields)).raise_for_status()
    client.post("/api/v1/incidents", json={"started_at": AT(1)})
    client.post(
        "/api/v1/incidents", json={"started_at": AT(1), "repository_url": "https://github.com/acme/lost"}
    )
    found = entries(client)
    answered_at = datetime.now(UTC)
    recorded_at = datetime.fromisoformat(found["acme/shop"].pop("last_recorded_at"))
    assert before_last <= recorded_at <= answered_at
    assert found["acme/shop"] == CLEAN | {
        "deployments": 2, "without_commits": 1, "unattributed_remediations": 1, "clock_errors": 1,
        "in_progress_over_a_day": 2,
    }  # fmt: skip
    alone = CLEAN | {"unattributed_incidents": 1, "last_recorded_at": None}
    assert found["acme/lost"] == found[None] == alone


def test_what_is_in_progress_for_a_day_is_told_and_not_before(client: httpx.Client) -> None:
    for hours in (23, 25):
        started_at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        body = deployment(status="in_progress", started_at=started_at)
        client.post(DEPLOYMENTS, json=body).raise_for_status()
    assert entries(client)["acme/shop"]["in_progress_over_a_day"] == 1


def test_what_happens_at_the_end_of_the_window_is_not_in_it(client: httpx.Client) -> None:
    late = [{"sha": "a" * 7, "committed_at": "2026-04-02T00:00:00Z"}]
    for place, at in (("before", "2026-03-31T23:59:59.999999Z"), ("after", "2026-04-01T00:00:00Z")):
        repository = f"https://github.com/acme/{place}"
        body = deployment(repository_url=repository, finished_at=at, is_hotfix=True, commits=late)
        client.post(DEPLOYMENTS, json=body).raise_for_status()
        incident = {"started_at": at, "repository_url": f"{repository}-incident"}
        client.post("/api/v1/incidents", json=incident).raise_for_status()
    assert entries(client).keys() == {"acme/before", "acme/before-incident"}


def test_what_was_refused_is_listed_with_the_reason_and_nothing_of_its_content(client: httpx.Client) -> None:
    secret = {"title": 7, "changelog": "token ghp_secret"}
    client.post(DEPLOYMENTS, json=deployment(**secret))
    client.post(DEPLOYMENTS, content='{"\\u0000\\ud800": 1}')
    attempt = {"deployment_node_id": "1", "finished_at": AT(9)}
    client.post(DEPLOYMENTS, json=deployment(**attempt))
    client.post(DEPLOYMENTS, json=deployment(**attempt, commit_id="b" * 40))
    client.post(f"{DEPLOYMENTS}/batch", content=ndjson(deployment(), {"repository_url": "x"}))
    answered = client.get(QUALITY)
    listed = [(one["route"], one["repository"], one["code"]) for one in answered.json()["rejected"]]
    assert listed[2:] == [
        (DEPLOYMENTS, "acme/shop", "contradicts-record"),
        (DEPLOYMENTS, None, "invalid-request"),
        (DEPLOYMENTS, "acme/shop", "invalid-request"),
    ]
    assert [route for route, _, _ in listed[:2]] == [f"{DEPLOYMENTS}/batch"] * 2
    assert "/title" in answered.json()["rejected"][-1]["detail"]
    assert "ghp_secret" not in answered.text
    assert entries(client)["acme/shop"]["rejected"] == 2


def test_a_repository_that_is_asked_for_is_all_that_is_told(client: httpx.Client) -> None:
    client.post(DEPLOYMENTS, json=deployment(finished_at=AT(9)))
    for url in ("https://github.com/acme/other", "https://github.com/acme/" + "x" * 5_000):
        client.post(DEPLOYMENTS, json=deployment(title=7, repository_url=url))
    told = client.get(f"{QUALITY}&repository=acme/shop").json()
    assert ([one["repository"] for one in told["repositories"]], told["rejected"]) == (["acme/shop"], [])
    everything = client.get(QUALITY)
    assert [one["repository"] for one in everything.json()["rejected"]] == [None, "acme/other"]
    assert len(everything.text) < 5_000


def test_a_limited_token_sees_its_repositories_alone(client_with: Callable[..., httpx.Client]) -> None:
    client_with().post(DEPLOYMENTS, json=deployment(finished_at=AT(9)))
    client_with().post(DEPLOYMENTS, json=deployment(title=7))
    limited = client_with("metrics:read", "acme/other").get(QUALITY).json()
    assert limited == {"repositories": [], "rejected": []}
    assert client_with("deployments:write").get(QUALITY).status_code == 403


def test_what_was_refused_is_kept_over_a_restart(tmp_path: Any) -> None:
    with Server(tmp_path) as server, server.client(server.token()) as client:
        client.post(DEPLOYMENTS, json=deployment(title=7))
    with Server(tmp_path) as server, server.client(server.token()) as client:
        assert [one["repository"] for one in client.get(QUALITY).json()["rejected"]] == ["acme/shop"]


def test_what_cannot_be_written_down_waits_in_its_order(book: Book, tmp_path: Path) -> None:
    refusals = [
        Rejection("acme", number, DEPLOYMENTS, None, "invalid-request", f"/field-{number} is wrong", None)
        for number in range(3)
    ]
    waiting = Rejections()
    for refusal in refusals[:2]:
        waiting.add(refusal)
    unmade = connect(sqlite_url(tmp_path / "unmade"))
    with pytest.raises(OperationalError):
        waiting.flush(unmade)
    unmade.dispose()
    waiting.add(refusals[2])
    waiting.flush(book.engine)
    waiting.flush(book.engine)
    kept = find_rejections(book.engine, "acme", (), since=0, limit=10)
    assert [row.rejected_at for row in kept] == [2, 1, 0]
