"""Qovery's jobs: deploy and status, by its own client too."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.beside import find_beside
from tests.node import require_package, run_script
from tests.server import Server, run_tracker
from tests.site import Site

SEED = "seeds/003_df777aa2522e7e35.txt"
COMMIT = "a" * 40
FIELDS = {
    "id", "state", "service_deployment_status", "is_part_last_deployment", "status_details", "deployment_request_id",
    "deployment_requests_count", "last_deployment_date", "steps", "execution_id",
}  # fmt: skip


@pytest.fixture
def job(server: Server, organization: str) -> str:
    return server.workspace(organization, "job", "https://github.com/acme/job").id


def deploy(client: httpx.Client, job: str, query: str = "", **body: Any) -> httpx.Response:
    return client.post(f"/job/{job}/deploy{query}", json=body)


def status(client: httpx.Client, job: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/job/{job}/status").json()
    return found


def test_a_deployment_is_answered_with_every_field_of_the_document(client: httpx.Client, job: str) -> None:
    first = status(client, job)
    assert (
        first
        | {"state": "READY", "service_deployment_status": "NEVER_DEPLOYED", "is_part_last_deployment": False}
        == first
    )
    answered = deploy(client, job, image_tag="1.0")
    assert answered.status_code == 202
    assert answered.json().keys() == FIELDS == first.keys()
    assert answered.json() == status(client, job)
    assert answered.json()["status_details"] == {"action": "DEPLOY", "status": "QUEUED", "sub_action": "NONE"}
    assert (answered.json()["state"], answered.json()["deployment_requests_count"]) == (
        "DEPLOYMENT_QUEUED",
        1,
    )


def test_the_fields_of_the_document_are_those_that_are_answered() -> None:
    text = find_beside(SEED).read_text()
    names = set(re.findall(r'^"(\w+)":', text, re.MULTILINE))
    shown = FIELDS | {
        "total_duration_sec",
        "total_computing_duration_sec",
        "details",
        "action",
        "status",
        "sub_action",
    }
    assert names >= FIELDS
    assert names - {"image_tag", "git_commit_id", "step_name", "duration_sec"} <= shown


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"image_tag": "1.0", "git_commit_id": COMMIT},
        {"git_commit_id": "main"},
        {"image_tag": 1},
        {"image_tag": ""},
    ],
)
def test_one_of_the_two_fields_is_needed_and_not_both(
    client: httpx.Client, job: str, body: dict[str, Any]
) -> None:
    refused = deploy(client, job, **body)
    assert (refused.status_code, refused.json()["status"]) == (400, 400)
    assert status(client, job)["deployment_requests_count"] == 0


def test_while_one_is_in_progress_another_is_refused(client: httpx.Client, job: str) -> None:
    assert deploy(client, job, git_commit_id=COMMIT).status_code == 202
    refused = deploy(client, job, image_tag="1.0")
    assert (refused.status_code, refused.json()["message"]) == (409, "Operation is in progress")
    stopped = deploy(client, job, "?forceEvent=STOP")
    assert (stopped.status_code, stopped.json()["state"]) == (202, "STOPPED")
    assert stopped.json()["status_details"] == {"action": "STOP", "status": "SUCCESS", "sub_action": "NONE"}
    assert deploy(client, job, "?forceEvent=CRON", image_tag="1.0").json()["state"] == "DEPLOYMENT_QUEUED"
    assert client.post(f"/job/{job}/deploy?forceEvent=DELETE").json()["state"] == "DELETED"
    assert client.get("/api/v1/deployments").json()["items"] == []
    assert deploy(client, job, "?forceEvent=RESTART", image_tag="1.0").status_code == 400


def test_who_may_do_what(
    client_with: Callable[..., httpx.Client],
    server: Server,
    organization: str,
    job: str,
) -> None:
    reader = client_with("deployments:read")
    assert reader.get(f"/job/{job}/status").status_code == 200
    assert deploy(reader, job, image_tag="1").status_code == 403
    with server.client(server.token(org=f"{organization}-2")) as stranger:
        for other in (stranger, client_with("admin", "acme/other")):
            assert (
                other.get(f"/job/{job}/status").status_code
                == deploy(other, job, image_tag="1").status_code
                == 404
            )
    anonymous = httpx.get(f"{server.url}/job/{job}/status")
    assert (anonymous.status_code, anonymous.json()["status"]) == (401, 401)
    token = server.token(org=organization)
    for scheme in ("Token", "Bearer"):
        headers = {"Authorization": f"{scheme} {token}"}
        assert httpx.get(f"{server.url}/job/{job}/status", headers=headers).status_code == 200


def test_qoverys_own_client_works(server: Server, organization: str, job: str) -> None:
    require_package("qovery-typescript-axios")
    (said,) = run_script("qovery.js", TOKEN=server.token(org=organization), BASE_URL=server.url, JOB=job)
    status = said.pop("status")
    assert said == {"both": 400, "deployed": 202, "state": "DEPLOYMENT_QUEUED", "again": 409, "unknown": 404}
    assert status.keys() == FIELDS


def test_the_story_of_an_image_from_the_queue_to_the_metrics(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.commit('sleep 0.6; [ "$IMAGE_TAG" != broken ]')
    with Server(tmp_path) as server, server.client(server.token()) as client:
        made = server.run(
            "workspace",
            "create",
            "job",
            "--org",
            "acme",
            "--repository",
            str(site.bare),
            "--command",
            "sh deploy.sh",
        )
        job = made.stdout.splitlines()[0].removeprefix("workspace: ")
        seen = []
        for tag in ("1.0", "broken"):
            deploy(client, job, image_tag=tag).raise_for_status()
            run_tracker(tmp_path, "runner", "--once")
            seen.append(status(client, job))
        assert [(one["state"], one["service_deployment_status"]) for one in seen] == [
            ("DEPLOYED", "UP_TO_DATE"), ("DEPLOYMENT_ERROR", "OUT_OF_DATE"),
        ]  # fmt: skip
        assert seen[0]["last_deployment_date"] == seen[1]["last_deployment_date"] is not None
        steps = seen[0]["steps"]
        assert [one["step_name"] for one in steps["details"]] == [
            "DEPLOYMENT_QUEUEING",
            "GIT_CLONE",
            "DEPLOYMENT",
        ]
        assert steps["total_computing_duration_sec"] <= steps["total_duration_sec"]
        assert [one["status"] for one in seen[1]["steps"]["details"]] == ["SUCCESS", "SUCCESS", "ERROR"]
        records = client.get("/api/v1/deployments").json()["items"]
        assert {one["version"]: one["status"] for one in records} == {"1.0": "success", "broken": "fail"}
        own = f"/api/v1/deployments/{records[0]['id']}/steps"
        assert len(client.get(own).json()["steps"]) == 3
        reported = {
            "steps": [
                {"step_name": "BUILD_QUEUEING", "status": "SUCCESS", "duration_sec": 40},
                {"step_name": "BUILD", "status": "SUCCESS", "duration_sec": 20.4},
            ]
        }
        assert client.put(own, json=reported).json() == reported
        told = status(client, job)["steps"]
        assert (told["total_duration_sec"], told["total_computing_duration_sec"]) == (60, 20)
        wrong = client.put(own, json={"steps": [{"step_name": "BUILD", "status": "DONE", "duration_sec": 1}]})
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/steps/0/status")
        assert client.put(f"/api/v1/deployments/{job}/steps", json=reported).status_code == 404
