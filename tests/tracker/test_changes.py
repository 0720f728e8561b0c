"""Everything recorded since an instant, and the figures as of it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from tests.server import deployment

DEPLOYMENTS, CHANGES = "/api/v1/deployments", "/api/v1/changes"
RATE = "/api/v1/metrics/change_failure_rate?from=2026-03-01&to=2026-04-01"


def test_a_figure_as_of_an_instant_and_what_changed_it_since(client: httpx.Client) -> None:
    first = client.post(DEPLOYMENTS, json=deployment(finished_at="2026-03-02T10:00:00Z", version="v1")).json()
    repository = client.get("/api/v1/repositories").json()["items"][0]["id"]
    then = datetime.now(UTC).isoformat()
    told = client.get(RATE).json()
    hotfix = deployment(finished_at="2026-03-02T11:00:00Z", is_hotfix=True, commit_id="b" * 40)
    second = client.post(DEPLOYMENTS, json=hotfix).json()
    client.patch(f"{DEPLOYMENTS}/{first['id']}", json={"title": "Named later"})
    client.patch(f"/api/v1/repositories/{repository}", json={"team": "shop"})
    client.patch("/api/v1/settings", json={"attribution_gap_days": 5})
    incident = client.post("/api/v1/incidents", json={"started_at": "2026-03-02T10:30:00Z"}).json()
    client.delete(f"{DEPLOYMENTS}/{second['id']}")

    later = client.get(RATE, params=None).json()
    known_then = client.get(f"{RATE}&as_of={then.replace('+', '%2B')}").json()
    assert (later["denominator"], told["denominator"]) == (1, 1)
    assert datetime.fromisoformat(known_then.pop("as_of")) == datetime.fromisoformat(then)
    assert known_then == told

    items = client.get(CHANGES, params={"since": then}).json()["items"]
    assert [(item["kind"], item["action"], item["id"]) for item in items] == [
        ("deployment", "created", second["id"]),
        ("deployment", "changed", first["id"]),
        ("repository", "changed", repository),
        ("settings", "created", items[3]["id"]),
        ("incident", "created", incident["id"]),
        ("deployment", "deleted", second["id"]),
    ]
    assert items[1]["changes"] == [{"field": "title", "before": None, "after": "Named later"}]
    assert items[2]["changes"] == [{"field": "team", "before": None, "after": "shop"}]
    assert items[0]["recorded_by"] == "test"
    assert client.get(CHANGES, params={"since": "2100-01-01T00:00:00Z"}).json() == {"items": []}


def test_changes_come_in_pages_without_gap(client: httpx.Client) -> None:
    for minute in range(7):
        client.post(DEPLOYMENTS, json=deployment(finished_at=f"2026-03-02T10:0{minute}:00Z"))
    url, seen = f"{CHANGES}?since=2020-01-01T00:00:00Z&limit=3", []
    while url:
        answered = client.get(url)
        seen += [item["revision"] for item in answered.json()["items"]]
        link = re.match(r"<(.*)>; rel=\"next\"", answered.headers.get("Link", ""))
        url = link[1] if link else ""
    assert seen == sorted(set(seen))
    assert len(seen) == 8  # and the repository that the first one named


def test_changes_keep_to_what_the_token_may_see(client_with: Callable[..., httpx.Client]) -> None:
    client_with().post(DEPLOYMENTS, json=deployment(finished_at="2026-03-02T10:00:00Z"))
    client_with().patch("/api/v1/settings", json={"attribution_gap_days": 5})
    limited = client_with("deployments:read", "acme/other")
    assert limited.get(CHANGES, params={"since": "2020-01-01T00:00:00Z"}).json() == {"items": []}
    assert (
        client_with("metrics:read").get(CHANGES, params={"since": "2020-01-01T00:00:00Z"}).status_code == 403
    )


def test_a_record_that_moved_here_tells_nothing_of_where_it_was(
    client_with: Callable[..., httpx.Client],
) -> None:
    admin, since = client_with(), {"since": "2020-01-01T00:00:00Z"}
    secret = {
        "started_at": "2026-03-02T10:30:00Z",
        "repository_url": "https://github.com/acme/secret",
        "title": "Hush",
    }
    incident = admin.post("/api/v1/incidents", json=secret).json()["id"]
    moved = {"repository_url": "https://github.com/acme/shop", "title": "Moved"}
    admin.patch(f"/api/v1/incidents/{incident}", json=moved).raise_for_status()
    told = client_with("deployments:read", "acme/shop").get(CHANGES, params=since)
    assert [(item["kind"], item["changes"]) for item in told.json()["items"] if item["kind"] == "incident"] == [
        ("incident", []),
    ]  # fmt: skip
    assert "secret" not in told.text
    assert "Hush" not in told.text


@pytest.mark.parametrize(
    ("url", "wrong"),
    [(CHANGES, "since"), (f"{CHANGES}?since=yesterday", "since"), (f"{RATE}&as_of=2026-03-02", "as_of"),
     (f"{RATE}&as_of=then", "as_of"), (f"{CHANGES}?since=2026-03-02T10:00:00Z&cursor=x", "cursor")],
)  # fmt: skip
def test_what_is_wrong_is_named(client: httpx.Client, url: str, wrong: str) -> None:
    answered = client.get(url)
    assert (answered.status_code, answered.json()["errors"][0]["pointer"]) == (400, wrong)


def test_a_repository_is_shown_everywhere_by_a_name_that_is_taken_again(client: httpx.Client) -> None:
    """A path that begins like a host is shown with its host before it."""
    url = "https://git.acme.example/docs.acme.example/site"
    client.post(DEPLOYMENTS, json=deployment(repository_url=url, finished_at="2026-03-02T10:00:00Z"))
    client.post(DEPLOYMENTS, json=deployment(repository_url=url, finished_at="soon"))
    client.post("/api/v1/incidents", json={"repository_url": url, "started_at": "2026-03-02T11:00:00Z"})
    shown = "git.acme.example/docs.acme.example/site"
    window = {"from": "2026-03-01", "to": "2026-04-01", "repository": shown}
    quality = client.get("/api/v1/quality", params=window).json()
    answers = [
        *client.get(DEPLOYMENTS, params=window).json()["items"],
        *client.get("/api/v1/incidents", params=window).json()["items"],
        *client.get("/api/v1/repositories").json()["items"],
        *client.get(CHANGES, params={"since": "2020-01-01"}).json()["items"],
        *quality["repositories"],
        *quality["rejected"],
        *client.get(RATE, params=window | {"group_by": "repository"}).json()["groups"],
    ]
    assert len(answers) == 9
    assert {answer["repository"] for answer in answers} == {shown}
