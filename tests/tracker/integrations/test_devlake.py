"""DevLake's incoming webhooks: what scripts post there is recorded here as it is."""

from typing import Any

import httpx
import pytest

from tests.server import Server

BASE = "/api/rest/plugins/webhook"
SHOP, WEB = "https://github.com/acme/shop", "https://github.com/acme/web"
SHA = "015e3d3b480e417aede5a1293bd61de9b0fd051d"
AT = "2026-03-02T{:02}:00:00+00:00".format
PATHS = [f"{BASE}/7", f"{BASE}/connections/7", f"{BASE}/connections/by-name/7"]


def deployment(**fields: Any) -> dict[str, Any]:
    """As DevLake's page shows it: the commits have no times of their own here."""
    commit = {"repoUrl": SHOP, "refName": "main", "commitSha": SHA, "displayTitle": "Release"}
    return {
        "id": "deploy-1",
        "createdDate": AT(8),
        "startedDate": AT(9),
        "finishedDate": AT(10),
        "environment": "PRODUCTION",
        "result": "SUCCESS",
        "deploymentCommits": [commit],
        **fields,
    }


def posted(client: httpx.Client, path: str, body: Any = None) -> None:
    answered = client.post(path, json=body)
    assert (answered.status_code, answered.text) == (200, "")


def items(client: httpx.Client, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/v1/{kind}").json()["items"]
    return found


@pytest.mark.parametrize("base", PATHS)
def test_a_deployment_is_recorded_once_wherever_it_is_posted(client: httpx.Client, base: str) -> None:
    for _ in range(2):
        posted(client, f"{base}/deployments", deployment())
    (found,) = items(client, "deployments")
    expected = {
        "repository": "acme/shop", "commit_id": SHA, "branch": "main", "title": "Release", "status": "success",
        "environment": "PRODUCTION", "started_at": "2026-03-02T09:00:00Z", "finished_at": "2026-03-02T10:00:00Z",
        "deployment_node_id": f"devlake:deployment:deploy-1:{SHA}",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    counted = client.get(
        "/api/v1/metrics/deployment_frequency", params={"from": "2026-03-01", "to": "2026-04-01"}
    )
    assert counted.json()["deployments"] == 1


def test_each_commit_is_a_record_with_its_own_outcome(client: httpx.Client) -> None:
    commits = [
        {"repoUrl": SHOP, "commitSha": SHA, "startedDate": AT(9), "finishedDate": "2026-03-02 09:30:00"},
        {"repoUrl": WEB, "commitSha": "b" * 40, "result": "failure", "refName": "refs/tags/v2"},
    ]
    posted(client, f"{BASE}/1/deployments", deployment(deploymentCommits=commits))
    found = [
        (one["repository"], one["status"], one["version"], one["finished_at"])
        for one in items(client, "deployments")
    ]
    assert sorted(found) == [
        ("acme/shop", "success", None, "2026-03-02T09:30:00Z"), ("acme/web", "fail", "v2", "2026-03-02T10:00:00Z"),
    ]  # fmt: skip


def test_one_wrong_commit_records_nothing(client: httpx.Client) -> None:
    commits = [{"repoUrl": SHOP, "commitSha": SHA}, {"repoUrl": WEB, "commitSha": SHA, "finishedDate": AT(8)}]
    answered = client.post(f"{BASE}/1/deployments", json=deployment(deploymentCommits=commits))
    assert (answered.status_code, answered.json()["success"], answered.json()["causes"]) == (
        400, False, ["deploymentCommits/1/finishedDate must not be before started_at"],
    )  # fmt: skip
    assert items(client, "deployments") == []


def test_an_incident_goes_where_the_same_webhook_deploys(client: httpx.Client) -> None:
    posted(client, f"{BASE}/1/deployments", deployment())
    issue = {
        "issueKey": "OPS-1",
        "title": "Down",
        "type": "INCIDENT",
        "status": "TODO",
        "createdDate": AT(11),
        "severity": "P1",
    }
    posted(client, f"{BASE}/1/issues", {**issue, "type": "BUG", "issueKey": "OPS-2"})
    posted(client, f"{BASE}/1/issues", issue)
    (found,) = items(client, "incidents")
    assert (found["repository"], found["key"], found["severity"], found["resolved_at"]) == (
        "acme/shop", "devlake:incident:OPS-1", "P1", None,
    )  # fmt: skip
    posted(client, f"{BASE}/1/issues", {**issue, "title": "Was down", "resolutionDate": AT(12)})
    (found,) = items(client, "incidents")
    assert (found["title"], found["resolved_at"]) == ("Was down", "2026-03-02T12:00:00Z")
    # It is over: closing it moves nothing.
    posted(client, f"{BASE}/1/issue/OPS-1/close")
    assert items(client, "incidents")[0]["resolved_at"] == "2026-03-02T12:00:00Z"
    rate = client.get(
        "/api/v1/metrics/change_failure_rate", params={"from": "2026-03-01", "to": "2026-04-01"}
    ).json()
    assert (rate["numerator"], rate["denominator"]) == (1, 1)


def test_closing_resolves_what_is_open_and_known(client: httpx.Client) -> None:
    posted(client, f"{BASE}/1/issues", {"issueKey": "OPS/3", "type": "INCIDENT", "createdDate": AT(11)})
    posted(client, f"{BASE}/1/issue/OPS%2F3/close")
    assert items(client, "incidents")[0]["resolved_at"] is not None
    assert client.post(f"{BASE}/1/issue/OPS-4/close").json() == {
        "success": False, "message": "There is no incident OPS-4.", "causes": [], "data": None,
    }  # fmt: skip


def test_refusals_have_devlakes_form(server: Server, organization: str) -> None:
    with server.client("nonsense") as nobody:
        answered = nobody.post(f"{BASE}/1/deployments", json=deployment())
        assert (answered.status_code, answered.json()["success"]) == (401, False)
    with server.client(server.token("deployments:write", organization, ("acme/web",))) as limited:
        assert limited.post(f"{BASE}/1/deployments", json=deployment()).status_code == 403
        issue = {"issueKey": "1", "type": "INCIDENT", "createdDate": AT(11)}
        assert limited.post(f"{BASE}/1/issues", json=issue).status_code == 403
