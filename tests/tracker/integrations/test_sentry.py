"""Sentry's releases and deploys, told by `sentry-cli` as it is out of a real repository, and recorded."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.git_repository import Repository
from tests.node import FOLDER, require_package
from tests.server import Server, deployment

BASE = "/api/0/organizations/acme"
AT = "2026-03-02T{:02}:00:00Z".format
Cli = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def cli(server: Server, organization: str, repository: Repository) -> Cli:
    """Runs `sentry-cli` in the repository; what it prints."""
    require_package("@sentry/cli")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(repository.folder),
        "SENTRY_URL": server.url,
        "SENTRY_AUTH_TOKEN": server.token("deployments:write", organization),
        "SENTRY_ORG": "acme",
        "SENTRY_PROJECT": "shop",
        "SENTRY_DISABLE_UPDATE_CHECK": "1",
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["node", FOLDER / "node_modules" / "@sentry" / "cli" / "bin" / "sentry-cli", *arguments],
            cwd=repository.folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def records(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/deployments").json()["items"]
    return found


def test_sentry_cli_tells_of_a_release_its_commits_and_its_deploys(
    cli: Cli, client: httpx.Client, repository: Repository
) -> None:
    # The repository is known by what was recorded of it before.
    client.post("/api/v1/deployments", json=deployment(finished_at=AT(1), service="shop")).raise_for_status()
    assert "acme/shop" in cli("repos", "list")
    first = repository.commit("one", 0)
    cli("releases", "new", "shop@1.0+7")
    cli("releases", "set-commits", "shop@1.0+7", "--auto")
    cli("releases", "finalize", "shop@1.0+7")
    times = ("--started", "1772445600", "--finished", "1772449200")
    for _ in range(2):
        cli(
            "deploys",
            "new",
            "-r",
            "shop@1.0+7",
            "-e",
            "production",
            "-n",
            "Monday",
            "-u",
            "https://ci.example/1",
            *times,
        )
    assert "Monday" in cli("deploys", "list", "-r", "shop@1.0+7")
    assert "shop@1.0+7" in cli("releases", "info", "shop@1.0+7")
    (found, _) = records(client)
    expected = {
        "repository": "acme/shop", "service": "shop", "environment": "production", "status": "success",
        "version": "shop@1.0+7", "commit_id": first, "title": "Monday", "url": "https://ci.example/1",
        "started_at": AT(10), "finished_at": AT(11),
        "deployment_node_id": "sentry:deploy:shop@1.0+7:production:1772449200000000",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected

    second = repository.commit("two", 1, committed_hour=5)
    cli("releases", "set-commits", "shop@1.1", "--local")
    cli("deploys", "new", "-r", "shop@1.1", "-e", "production", "-t", "30")
    last = next(one for one in records(client) if one["version"] == "shop@1.1")
    # What was deployed before is known: only what is new goes out, with the author's date.
    assert last["commits"] == [{"sha": second, "committed_at": AT(10)}]
    assert (last["commit_id"], last["duration_seconds"]) == (second, 30)


def test_a_deploy_is_a_record_for_each_project(client: httpx.Client) -> None:
    release = {
        "version": "7/1", "projects": ["web", "api"],
        "refs": [{"repository": "acme/web", "commit": "a" * 40}, {"repository": "https://gitlab.com/acme/api", "commit": "b" * 40}],
    }  # fmt: skip
    assert client.post(f"{BASE}/releases/", json=release).status_code == 201
    body = {"environment": "live", "dateFinished": "2026-03-02T10:00:00.123456789Z", "name": None}
    made = client.post(f"{BASE}/releases/7%2F1/deploys/", json=body)
    assert (made.status_code, made.json()["environment"], made.json()["dateStarted"]) == (201, "live", None)
    assert sorted((one["repository_url"], one["service"], one["commit_id"]) for one in records(client)) == [
        ("https://github.com/acme/web", "web", "a" * 40), ("https://gitlab.com/acme/api", "api", "b" * 40),
    ]  # fmt: skip
    assert len(client.get(f"{BASE}/releases/7%2F1/deploys/").json()) == 2


def test_refusals_have_sentrys_form(server: Server, organization: str) -> None:
    with server.client(server.token("deployments:write", organization, ("acme/web",))) as limited:
        nowhere = limited.post(f"{BASE}/releases/v1/deploys/", json={"environment": "live"})
        assert (nowhere.status_code, list(nowhere.json())) == (400, ["detail"])
        assert "set-commits" in nowhere.json()["detail"]
        assert limited.get(f"{BASE}/releases/v1/").status_code == 404
        for repository, status in (("acme/shop", 403), ("acme/web", 201)):
            said = {"refs": [{"repository": repository, "commit": "HEAD"}]}
            assert limited.put(f"{BASE}/releases/v1/", json=said).status_code == 200
            answered = limited.post(f"{BASE}/releases/v1/deploys/", json={"environment": "live"})
            assert answered.status_code == status
    # What a limited token has said of a release is for it alone.
    with server.client(server.token("deployments:write", organization)) as other:
        assert other.get(f"{BASE}/releases/v1/").status_code == 404
        assert len(other.get(f"{BASE}/releases/v1/deploys/").json()) == 1
    with server.client("nonsense") as nobody:
        assert list(nobody.get("/api/0/").json()) == ["detail"]
