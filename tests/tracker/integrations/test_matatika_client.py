"""Matatika's own Python client and command line, as they are."""

import json
from pathlib import Path

import httpx
import pytest

from tests.apart_environment import FOLDER, run_apart
from tests.server import Server

pytestmark = pytest.mark.on_one_database

NONE = "00000000-0000-0000-0000-000000000000"
Answer = dict[str, object]


@pytest.fixture
def workspace(server: Server, organization: str) -> str:
    """The id of a workspace."""
    return server.workspace(organization, "shop", "https://github.com/acme/shop").id


def test_the_client_lists_reads_deploys_and_stops(server: Server, organization: str, workspace: str) -> None:
    done = run_apart(
        "python", FOLDER / "matatika_client.py",
        TOKEN=server.token(org=organization, subject="repo:acme/shop"), ENDPOINT=f"{server.url}/api",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    account = {"company": organization, "id": organization}
    assert (said["profile"]["id"], said["profile"]["workingAccount"]) == ("repo:acme/shop", account)
    assert said["own_profile"] == said["profile"]
    assert said["workspaces"] == [said["workspace"]]
    assert said["workspace"] | {"id": workspace, "name": "shop", "repositoryUrl": "https://github.com/acme/shop"} == said["workspace"]  # fmt: skip
    assert (said["job"]["status"], said["read"]["id"]) == ("QUEUED", said["job"]["id"])
    assert [job["id"] for job in said["jobs"]["_embedded"]["jobs"]] == [said["job"]["id"]]
    assert (said["logs"], said["stopped"], said["deleted"]) == (204, "STOPPED", 204)
    assert said["stopped_again"]["error"] == "HTTPError"
    assert said["gone"] == {"error": "MatatikaException", "message": f"There is no job {said['job']['id']}."}
    # What it does beside that is not here, and it says so.
    assert {said[name]["error"] for name in ("datasets", "dataset")} == {"MatatikaException"}
    assert said["deleting"]["error"] == "HTTPError"


def test_the_command_line_lists_and_says_what_is_not_there(
    server: Server, organization: str, workspace: str, tmp_path: Path
) -> None:
    environment = {
        "AUTH_TOKEN": server.token("deployments:read", organization, subject="mona"),
        "ENDPOINT_URL": f"{server.url}/api",
        "MATATIKA_CONTEXT_HOME": str(tmp_path),
        "HOME": str(tmp_path),
    }
    listed = run_apart("matatika", "list", "workspaces", **environment)
    assert listed.returncode == 0, listed.stderr
    assert (f"{workspace}" in listed.stdout, "Total workspaces: 1" in listed.stdout) == (True, True)
    profile = run_apart("matatika", "profile", **environment)
    assert profile.stdout.split() == ["ID", "-->", "mona", "NAME", "-->", "mona"]
    missing = run_apart("matatika", "list", "datasets", "--workspace-id", NONE, **environment)
    assert (missing.returncode, missing.stdout.startswith("There is nothing at ")) == (1, True)


def test_workspaces_are_those_that_the_token_reaches(
    server: Server, organization: str, workspace: str
) -> None:
    def listed(*repositories: str) -> list[Answer]:
        token = server.token("deployments:read", organization, repositories)
        with server.client(token) as client:
            found: list[Answer] = client.get("/api/workspaces").json()["_embedded"]["workspaces"]
        return found

    assert [one["id"] for one in listed("acme/shop")] == [workspace]
    assert listed("acme/other") == []
    with server.client(server.token("deployments:read", organization, ("acme/other",))) as limited:
        assert (
            limited.get(f"/api/workspaces/{workspace}").json()["message"].startswith("There is no workspace")
        )
    with server.client(server.token("metrics:read", organization)) as reader:
        assert reader.get("/api/workspaces").status_code == 403
        assert reader.get("/api/profiles").status_code == 200


def test_workspaces_come_in_pages(
    server: Server, organization: str, client: httpx.Client, workspace: str
) -> None:
    server.workspace(organization, "other", "https://github.com/acme/other")
    first = client.get("/api/workspaces", params={"size": 1}).json()
    assert [one["name"] for one in first["_embedded"]["workspaces"]] == ["other"]
    assert first["page"] == {"size": 1, "totalElements": 2, "totalPages": 2, "number": 0}
    following = client.get(first["_links"]["next"]["href"]).json()
    assert [one["id"] for one in following["_embedded"]["workspaces"]] == [workspace]
    own = following["_embedded"]["workspaces"][0]["_links"]
    assert client.get(own["self"]["href"]).json()["id"] == workspace
    assert client.get(own["jobs"]["href"]).json()["page"]["totalElements"] == 0


@pytest.mark.parametrize(
    "path", ["/api/jobs", "/api/profiles/nobody", "/api/datasets", f"/api/workspaces/{NONE}"]
)
def test_what_is_not_there_is_said_in_the_shape_that_clients_read(client: httpx.Client, path: str) -> None:
    answered = client.get(path)
    assert answered.status_code == 404
    assert list(answered.json()) == ["timestamp", "status", "error", "errors", "message", "path"]
    assert answered.json()["path"] == path
