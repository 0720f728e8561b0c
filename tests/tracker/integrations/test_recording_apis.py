"""LinearB's, Swarmia's and Sleuth's calls, as their documents and public clients have them."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.server import Server, deployment

SHA = "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d"
SHOP = "https://github.com/acme/shop"
LINEARB, SWARMIA = "/linearb/api/v1/deployments", "/swarmia/deployments"
SLEUTH = "/api/1/deployments/acme/{}/register_deploy"
AT = "2026-03-02T{:02}:00:00Z".format


def records(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/deployments").json()["items"]
    return found


def test_linearbs_clients_record_with_their_own_header(
    server: Server, organization: str, client: httpx.Client
) -> None:
    shown = {"x-api-key": server.token("deployments:write", organization)}
    sent = {
        "repo_url": f"{SHOP}.git",
        "ref_name": SHA,
        "timestamp": AT(10),
        "stage": "release",
        "services": [""],
    }
    for _ in range(2):
        answered = httpx.post(server.url + LINEARB, json=sent, headers=shown)
        assert (answered.status_code, answered.text) == (200, "")
    (found,) = records(client)
    assert (found["repository"], found["commit_id"], found["environment"], found["service"], found["finished_at"]) == (
        "acme/shop", SHA, "production", "", AT(10),
    )  # fmt: skip
    staged = {"repo_url": SHOP, "ref_name": "v1.2", "stage": "staging", "services": ["web", "api"]}
    httpx.post(server.url + LINEARB, json=staged, headers=shown).raise_for_status()
    branch = {"repo_url": SHOP, "ref_name": "feature/x", "stage": "dev"}
    httpx.post(server.url + LINEARB, json=branch, headers=shown).raise_for_status()
    assert sorted((one["environment"], one["service"], one["version"], one["branch"]) for one in records(client)[:3]) == [
        ("dev", "", "latest", "feature/x"), ("staging", "api", "v1.2", None), ("staging", "web", "v1.2", None),
    ]  # fmt: skip
    wrong = httpx.post(server.url + LINEARB, json={"repo_url": SHOP}, headers=shown)
    assert (wrong.status_code, wrong.json()["errors"]) == (
        400, [{"field": "ref_name", "message": "is required"}],
    )  # fmt: skip


def test_swarmias_action_records_with_a_bare_token(
    server: Server, organization: str, client: httpx.Client
) -> None:
    shown = {"Authorization": server.token("deployments:write", organization)}

    def send(**fields: Any) -> httpx.Response:
        return httpx.post(
            server.url + SWARMIA,
            json={"appName": "web", "environment": "production", **fields},
            headers=shown,
        )

    assert send(version="1").status_code == 400
    named = {"repositoryFullName": "acme/shop", "commitSha": SHA, "includedCommitShas": [SHA, "b" * 40]}
    assert send(version="1", deployedAt=AT(10), **named).status_code == 201
    # The app's repository is known by now.
    assert send(version="2", deployedAt=AT(12), fixesVersion="1").is_success
    repair, first = records(client)
    assert (first["repository"], first["service"], first["commit_id"], first["commits_count"]) == (
        "acme/shop", "web", SHA, 2,
    )  # fmt: skip
    assert (repair["version"], repair["remediates"]) == ("2", first["id"])
    window = {"from": "2026-03-01", "to": "2026-04-01"}
    rate = client.get("/api/v1/metrics/change_failure_rate", params=window).json()
    assert (rate["numerator"], rate["denominator"]) == (1, 2)


@pytest.mark.parametrize("form", [False, True])
def test_sleuths_registration_is_json_or_a_form(client: httpx.Client, form: bool) -> None:
    client.post("/api/v1/deployments", json=deployment(finished_at=AT(1))).raise_for_status()
    sent: dict[str, Any] = {
        "sha": SHA,
        "environment": "production",
        "date": "2026-03-02 10:00:00",
        "ignore_if_duplicate": "true",
    }
    for at in (sent["date"], "2026-03-02 11:00:00"):
        body = {"data": {**sent, "date": at}} if form else {"json": {**sent, "date": at}}
        answered = client.post(SLEUTH.format("shop"), **body)
        assert answered.status_code == 200, answered.text
    found, _ = records(client)
    assert (found["repository"], found["service"], found["commit_id"], found["finished_at"]) == (
        "acme/shop", "", SHA, AT(10),
    )  # fmt: skip


def test_sleuths_commits_are_the_lead_time_and_the_first_of_all_is_no_deploy(
    client: httpx.Client, client_with: Callable[..., httpx.Client]
) -> None:
    # The token says which repository a name that nobody knows is of.
    writer = client_with("deployments:write", "github.com/acme/shop")
    commits = [{"revision": SHA, "date": "2026-03-02T09:00:00Z", "author": "Mona"}]
    start = {"sha": "b" * 40, "commits": [{**commits[0], "revision": "b" * 40, "files": ["ignored"]}]}
    for body in (start, {"sha": SHA, "date": AT(10), "commits": commits}):
        assert writer.post(SLEUTH.format("unheard-of"), json=body).status_code == 200
    (found,) = records(client)
    assert (found["repository"], found["commits"]) == (
        "acme/shop", [{"sha": SHA, "committed_at": AT(9)}],
    )  # fmt: skip
    nowhere = client.post(SLEUTH.format("nowhere"), json={"sha": SHA})
    assert (nowhere.status_code, nowhere.json()["errors"][0]["field"]) == (400, "slug")
