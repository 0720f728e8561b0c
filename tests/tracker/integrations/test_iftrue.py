"""iftrue's deployment tracking: every field, default and word of its document, and the story that follows."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.beside import find_beside
from tests.server import Server

SEED = "seeds/004_0e1eb46663681002.txt"
PATH = "/v1/organization/deployment"
COMMIT = "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d"
MEMBER = "3f0e6a8e-8a2b-4c0d-9f55-0c6a2f7f6a11"
REQUIRED: dict[str, Any] = {
    "title": "Release 7",
    "branch": "main",
    "commit_id": COMMIT,
    "repository_url": "https://github.com/acme/shop",
    "member_id": MEMBER,
    "pull_request_number": 7,
}
ANSWERED = {
    "id", "organization_id", "repository_id", "pusher_id", "triggered_by", "title", "changelog", "url", "branch",
    "commit_id", "node_id", "status", "is_fix", "is_hotfix", "is_forced", "commits_count", "deployment_duration",
    "created_at", "updated_at",
}  # fmt: skip


def record(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answered = client.post(PATH, json=REQUIRED | fields)
    assert answered.status_code == 201, answered.text
    found: dict[str, Any] = answered.json()
    return found


def records(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/deployments").json()["items"]
    return found


def test_what_is_required_alone_has_the_documents_defaults(client: httpx.Client) -> None:
    answer = record(client)
    assert answer.keys() >= ANSWERED
    assert answer | {
        "title": "Release 7", "branch": "main", "commit_id": COMMIT, "status": "succes", "triggered_by": "webhook",
        "is_fix": False, "is_hotfix": False, "is_forced": False, "commits_count": 0, "pusher_id": MEMBER,
        "changelog": None, "url": None, "node_id": None, "deployment_duration": None,
    } == answer  # fmt: skip
    assert all(UUID(answer[name]) for name in ("id", "organization_id", "repository_id", "pusher_id"))
    (recorded,) = records(client)
    assert (recorded["id"], recorded["triggered_by"], recorded["pull_request_number"]) == (
        answer["id"],
        "webhook",
        7,
    )
    assert (recorded["status"], recorded["environment"]) == ("success", "production")
    again = record(client, commit_id="b" * 40)
    assert (again["organization_id"], again["repository_id"]) == (
        answer["organization_id"],
        answer["repository_id"],
    )


def test_the_answer_has_every_field_that_the_document_names(client: httpx.Client) -> None:
    text = find_beside(SEED).read_text()
    lines = text.splitlines()
    first = lines.index("id")
    kinds = {"uuid", "enum", "string", "boolean", "number", "timestamp"}
    named = {name for name, kind in zip(lines[first:], lines[first + 1 :], strict=False) if kind in kinds}
    assert named == ANSWERED
    assert named <= record(client).keys()


def test_everything_that_is_sent_is_recorded_and_answered(client: httpx.Client) -> None:
    answer = record(
        client,
        url="<https://ci.example/7>", repository_url="<git@github.com:acme/shop.git>", changelog="all of it",
        deployment_node_id="run-7", deployment_duration=20.5, is_fix=True, is_hotfix=True, is_forced=True,
        commits_count=3, status="fail", whatever="else",
    )  # fmt: skip
    assert answer | {
        "url": "https://ci.example/7", "changelog": "all of it", "node_id": "run-7", "is_fix": True,
        "is_hotfix": True, "is_forced": True, "commits_count": 3, "status": "fail", "deployment_duration": 1230,
    } == answer  # fmt: skip
    (recorded,) = records(client)
    assert (recorded["duration_seconds"], recorded["repository"]) == (1230, "acme/shop")
    assert (recorded["deployment_node_id"], recorded["status"]) == ("run-7", "fail")


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("succes", "succes"),
        ("success", "succes"),
        ("fail", "fail"),
        ("failed", "fail"),
        ("failure", "fail"),
        ("in_progress", "in_progress"),
    ],
)
def test_every_word_for_an_outcome_is_understood(client: httpx.Client, sent: str, answered: str) -> None:
    assert record(client, status=sent)["status"] == answered


def test_posting_again_finishes_what_is_in_progress(client: httpx.Client) -> None:
    begun = record(client, status="in_progress", deployment_duration=3)
    assert record(client, status="in_progress", title="Release 8")["id"] == begun["id"]
    other = record(client, branch="topic", status="in_progress")
    finished = record(client, title="Release 9", deployment_duration=2, is_hotfix=True)
    assert (finished["id"], finished["title"], finished["status"]) == (begun["id"], "Release 9", "succes")
    assert (finished["deployment_duration"], finished["is_hotfix"]) == (120, True)
    assert {one["id"]: one["status"] for one in records(client)} == {
        begun["id"]: "success", other["id"]: "in_progress",
    }  # fmt: skip
    assert record(client)["id"] != begun["id"]


def test_of_two_in_progress_the_latest_is_finished(client: httpx.Client) -> None:
    body = {name: REQUIRED[name] for name in ("branch", "commit_id", "repository_url")}
    first, second = (
        client.post("/api/v1/deployments", json={**body, "status": "in_progress"}).json()["id"]
        for _ in range(2)
    )
    assert record(client)["id"] == second
    statuses = {one["id"]: one["status"] for one in records(client)}
    assert statuses == {first: "in_progress", second: "success"}


def test_a_node_id_finishes_only_its_own(client: httpx.Client) -> None:
    plain = record(client, status="in_progress")
    begun = record(client, status="in_progress", deployment_node_id="1")
    assert record(client, deployment_node_id="2")["id"] not in (plain["id"], begun["id"])
    finished = record(client, deployment_node_id="1", commits_count=2)
    assert (finished["id"], finished["commits_count"]) == (begun["id"], 2)
    assert record(client, deployment_node_id="1")["id"] == begun["id"]
    assert record(client, deployment_node_id="1", title="other")["id"] == begun["id"]
    other = client.post(PATH, json=REQUIRED | {"deployment_node_id": "1", "commit_id": "b" * 40})
    assert other.status_code == 409


def test_a_member_that_is_no_uuid_is_always_the_same_one(client: httpx.Client) -> None:
    first, second, other = (
        record(client, member_id=name)["pusher_id"] for name in ("octocat", "octocat", "hubot")
    )
    assert first == second != other
    assert UUID(first)


def test_the_story_of_a_failure_and_its_hotfix(client: httpx.Client) -> None:
    record(client)
    record(client, commit_id="b" * 40, status="fail")
    hotfix = record(client, commit_id="c" * 40, is_hotfix=True)
    metrics = client.get("/api/v1/metrics").json()["metrics"]
    rate, recovery = metrics["change_failure_rate"], metrics["mean_time_to_recover"]
    assert (rate["numerator"], rate["denominator"], rate["by_signal"]["hotfix"]) == (1, 2, 1)
    assert (rate["did_not_reach_production"], recovery["recovered"]) == (1, 1)
    rework = client.get("/api/v1/metrics/deployment_rework_rate/explain").json()
    assert [row["id"] for row in rework["counted"] if row["in_numerator"]] == [hotfix["id"]]


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_missing_is_named_and_nothing_is_recorded(client: httpx.Client, name: str) -> None:
    body = {key: value for key, value in REQUIRED.items() if key != name}
    for sent in (body, REQUIRED | {name: None}, REQUIRED | {name: []}):
        refused = client.post(PATH, json=sent)
        assert refused.status_code == 400
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["errors"][0]["pointer"] == f"/{name}"
    assert records(client) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "done"),
        ("is_fix", "yes"),
        ("commits_count", -1),
        ("deployment_duration", -1),
        ("deployment_duration", 3e7),
        ("deployment_duration", 1e300),
        ("deployment_node_id", " "),
        ("pull_request_number", 1.5),
        ("commit_id", "main"),
        ("repository_url", "shop"),
    ],
)
def test_what_is_wrong_is_named(client: httpx.Client, name: str, value: object) -> None:
    refused = client.post(PATH, json=REQUIRED | {name: value})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, f"/{name}")


def test_scopes_hold(client_with: Callable[..., httpx.Client]) -> None:
    assert client_with("deployments:write").post(PATH, json=REQUIRED).status_code == 201
    assert client_with("metrics:read").post(PATH, json=REQUIRED).status_code == 403
    assert client_with("deployments:write", "acme/api").post(PATH, json=REQUIRED).status_code == 403
    anonymous = httpx.post(f"{client_with().base_url}{PATH}", json=REQUIRED)
    assert (anonymous.status_code, "WWW-Authenticate" in anonymous.headers) == (401, True)


def test_the_duration_may_be_sent_in_seconds(tmp_path: Path) -> None:
    with (
        Server(tmp_path, TRACKER_IFTRUE_DURATION_UNIT="seconds") as server,
        server.client(server.token()) as client,
    ):
        assert record(client, deployment_duration=1220)["deployment_duration"] == 1220


def test_how_long_it_has_been_under_way_says_when_it_began(client: httpx.Client) -> None:
    record(client, status="in_progress", deployment_duration=20)
    (begun,) = client.get("/api/v1/deployments").json()["items"]
    took = datetime.fromisoformat(begun["created_at"]) - datetime.fromisoformat(begun["started_at"])
    assert timedelta(minutes=20) <= took + timedelta(seconds=1) < timedelta(minutes=21)
    record(client, status="succes")
    (ended,) = client.get("/api/v1/deployments").json()["items"]
    assert (ended["status"], ended["started_at"]) == ("success", begun["started_at"])
