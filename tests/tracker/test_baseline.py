"""What was deployed last in a stream, as pipelines ask for it."""

from collections.abc import Callable

import httpx
import pytest

from tests.server import deployment

PATH, DEPLOYMENTS = "/api/v1/deployments/last", "/api/v1/deployments"
SHOP = "https://github.com/acme/shop"
AT = "2026-03-02T{:02}:00:00Z".format


def post(client: httpx.Client, commit: str | None, hour: int, **fields: object) -> None:
    body = deployment(finished_at=AT(hour), **fields)
    if commit is not None:
        body["commit_id"] = commit * 40
    assert client.post(DEPLOYMENTS, json=body).status_code == 201


def last(client: httpx.Client, **stream: str) -> list[str]:
    answered = client.get(PATH, params={"repository_url": SHOP} | stream)
    assert answered.status_code == 200, answered.text
    return ["".join(sorted(set(one["commit_id"]))) for one in answered.json()["deployed"]]


def test_successful_deployments_of_the_stream_the_latest_first_each_commit_once(client: httpx.Client) -> None:
    for commit, hour in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        post(client, commit, hour)
    post(client, "d", 5, status="fail")
    post(client, "e", 6, status="cancelled")
    post(client, "f", 7, service="web")
    post(client, "1", 7, environment="staging")
    post(client, "2", 7, repository_url="https://github.com/acme/other")
    client.post(DEPLOYMENTS, json=deployment(commit_id="3" * 40, status="in_progress"))
    client.post(DEPLOYMENTS, json={"repository_url": SHOP, "version": "1.0", "finished_at": AT(8)})
    assert last(client) == ["c", "a", "b"]
    assert last(client, repository_url="git@github.com:Acme/Shop.git", environment="Production") == [
        "c",
        "a",
        "b",
    ]
    assert last(client, service="WEB") == ["f"]
    assert last(client, environment="staging") == ["1"]
    assert last(client, service="nobody") == []


def test_the_attempt_that_asks_is_left_out(client: httpx.Client) -> None:
    post(client, "a", 1)
    post(client, "b", 2, deployment_node_id="run-2")
    assert last(client, deployment_node_id="run-2") == ["a"]
    assert last(client, deployment_node_id="run-3") == ["b", "a"]


def test_no_more_than_ten_are_told(client: httpx.Client) -> None:
    for number in range(12):
        body = deployment(commit_id=f"{number:x}" * 40, finished_at=AT(number))
        client.post(DEPLOYMENTS, json=body)
    assert last(client) == list("ba98765432")


def test_other_identities_of_the_repository_are_looked_at(client: httpx.Client) -> None:
    post(client, "a", 1, repository_url="https://github.com/acme/old-name")
    post(client, "b", 2)
    known = client.get("/api/v1/repositories").json()["items"]
    (shop,) = [one["id"] for one in known if one["repository"] == "acme/shop"]
    client.patch(f"/api/v1/repositories/{shop}", json={"aliases": ["github.com/acme/old-name"]})
    assert last(client) == last(client, repository_url="https://github.com/acme/old-name") == ["b", "a"]


def test_who_may_record_may_ask_and_of_no_more_than_that(client_with: Callable[..., httpx.Client]) -> None:
    asked = {"repository_url": SHOP}
    for scope in ("deployments:write", "deployments:read", "admin"):
        assert client_with(scope).get(PATH, params=asked).status_code == 200
    assert client_with("metrics:read").get(PATH, params=asked).status_code == 403
    assert client_with("deployments:write", "acme/shop").get(PATH, params=asked).status_code == 200
    assert client_with("deployments:write", "acme/other").get(PATH, params=asked).status_code == 403


def test_it_tells_what_the_organization_takes_for_a_fix(client: httpx.Client) -> None:
    assert client.get(PATH, params={"repository_url": SHOP}).json() == {
        "repository": "acme/shop", "service": "", "environment": "production", "deployed": [], "fix_patterns": [],
    }  # fmt: skip
    client.patch("/api/v1/settings", json={"fix_patterns": ["hotfix:branch:hotfix/*"]})
    assert client.get(PATH, params={"repository_url": SHOP}).json()["fix_patterns"] == [
        "hotfix:branch:hotfix/*"
    ]


@pytest.mark.parametrize(
    ("stream", "name"),
    [({}, "repository_url"), ({"repository_url": "nonsense"}, "repository_url"), ({"repository_url": SHOP, "environment": ""}, "environment"), ({"repository_url": SHOP, "branch": "main"}, "branch")],
)  # fmt: skip
def test_what_is_wrong_is_named(client: httpx.Client, stream: dict[str, str], name: str) -> None:
    answered = client.get(PATH, params=stream)
    assert answered.status_code == 400
    assert [error["pointer"] for error in answered.json()["errors"]] == [name]
