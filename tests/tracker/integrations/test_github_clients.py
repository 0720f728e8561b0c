"""More of GitHub's clients as they are: what each asks first, creates, follows from page to page, and is refused."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import github3
import githubkit
import httpx
import pytest
import trustme
from fasttransport.errors import APIError
from ghapi.all import GhApi, paged
from github3.exceptions import AuthenticationFailed, NotFoundError, UnprocessableEntity

from tests.answering import Answer, Answering, Asked, hand_on
from tests.node import require_package, run_script
from tests.server import Server

pytestmark = pytest.mark.on_one_database

ENTERPRISE = "/api/v3"


def test_github3_works(server: Server, organization: str) -> None:
    client = github3.enterprise_login(url=server.url, token=server.token(org=organization))
    assert client.me().login == "test"
    assert client.ratelimit_remaining > 0
    repository = client.repository("acme", "github3")
    asked = repository.create_deployment("main", payload='{"room": 7}', description="Release")
    assert (asked.ref, asked.payload, asked.description, asked.creator.login) == (
        "main", {"room": 7}, "Release", "test",
    )  # fmt: skip
    told = asked.create_status("success", target_url="https://ci.example/1", description="done")
    assert (told.state, told.target_url) == ("success", "https://ci.example/1")
    assert [one.state for one in asked.statuses()] == ["success"]
    # More than a page of them.
    for number in range(31):
        repository.create_deployment(f"topic-{number}")
    listed = repository.deployments()
    assert [one.ref for one in listed] == [*(f"topic-{number}" for number in range(30, -1, -1)), "main"]
    again = repository.deployment(asked.id)
    assert again.refresh(conditional=True).id == asked.id
    # What has not changed since is not sent again.
    assert list(repository.deployments(etag=listed.etag)) == []
    with pytest.raises(NotFoundError):
        repository.deployment(987654321)
    with pytest.raises(UnprocessableEntity, match="Validation Failed"):
        asked.create_status("success", description="x" * 141)
    with pytest.raises(AuthenticationFailed, match="Bad credentials"):
        github3.enterprise_login(url=server.url, token="no.such.token").me()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_ghapi_works(server: Server, organization: str, anyio_backend: str) -> None:
    assert anyio_backend == "asyncio"
    client = GhApi("acme", "ghapi", token=server.token(org=organization), gh_host=server.url + ENTERPRISE)
    assert (await client.users.get_authenticated()).login == "test"
    assert (await client.rate_limit.get()).rate.remaining > 0
    asked = await client.repos.create_deployment(ref="main", payload={"room": 7})
    for number in range(3):
        await client.repos.create_deployment(ref=f"topic-{number}")
    told = await client.repos.create_deployment_status(deployment_id=asked.id, state="success")
    assert (asked.payload, told.state) == ({"room": 7}, "success")
    listed = [one.ref async for page in paged(client.repos.list_deployments, per_page=2) for one in page]
    assert listed == ["topic-2", "topic-1", "topic-0", "main"]
    for status, call in (
        (404, client.repos.get_deployment(deployment_id=987654321)),
        (422, client.repos.create_deployment_status(deployment_id=asked.id, state="finished")),
        (401, GhApi("acme", "ghapi", token="no.such.token", gh_host=server.url).repos.list_deployments()),
    ):
        with pytest.raises(APIError) as refused:
            await call
        assert refused.value.status_code == status


def test_githubkit_reads_every_key_of_the_user(server: Server, organization: str) -> None:
    token = githubkit.TokenAuthStrategy(server.token(org=organization, subject="mona"))
    client = githubkit.GitHub(token, base_url=f"{server.url}{ENTERPRISE}/")
    assert client.rest.users.get_authenticated().parsed_data.login == "mona"
    assert client.rest.rate_limit.get().parsed_data.resources.core.remaining > 0
    assert client.graphql("{viewer {login}}") == {"viewer": {"login": "mona"}}


@pytest.mark.parametrize("prefix", ["", ENTERPRISE])
def test_octokit_works_with_its_plugins(server: Server, organization: str, prefix: str) -> None:
    require_package("@octokit/plugin-throttling")
    (said,) = run_script(
        "octokit_plugins.js", TOKEN=server.token(org=organization), BASE_URL=server.url + prefix
    )
    assert (said["me"], said["limit"] > 0) == ("test", True)
    assert said["graphql"] == {"viewer": {"login": "test"}, "rateLimit": {"remaining": 5000}}
    assert said["unknown"]["name"] == "GraphqlResponseError"
    assert said["pages"] == [["topic"], ["main"]]
    assert [said[name]["status"] for name in ("again", "wrong", "missing")] == [304, 422, 404]
    assert "state" in said["wrong"]["message"]
    assert said["limited"] == []
    # Its log names requests by ids that the service's log has too.
    assert len(said["log"]) > 10
    assert not [line for line in said["log"] if "UNKNOWN" in line]


def test_octokit_tries_again_what_may_be_tried_again(server: Server, organization: str) -> None:
    require_package("@octokit/plugin-retry")

    def unavailable_at_first(asked: Asked) -> Answer:
        before = [one for one in proxy.asked if (one.method, one.path) == (asked.method, asked.path)]
        if asked.path.endswith("/rate_limit") and len(before) == 1:
            return Answer(503, {"message": "The record database does not answer."}, {"Retry-After": "1"})
        return hand_on(asked, server.url)

    with Answering(unavailable_at_first) as proxy:
        (said,) = run_script("octokit_plugins.js", TOKEN=server.token(org=organization), BASE_URL=proxy.url)
    assert said["limit"] > 0
    asked = [one.path for one in proxy.asked]
    assert asked.count("/rate_limit") == 2
    # What is refused for good is not.
    assert asked.count("/repos/acme/plugins/deployments/987654321") == 1


# GitHub's own command line, which asks by https alone.


class GitHubCli:
    """Runs `gh` against a proxy that ends TLS before a service."""

    def __init__(self, proxy: Answering, token: str, authority: Path, folder: Path) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "GH_HOST": proxy.url.removeprefix("https://"),
            "GH_ENTERPRISE_TOKEN": token,
            "GH_CONFIG_DIR": str(folder / "gh"),
            "SSL_CERT_FILE": str(authority),
        }
        self.folder = folder

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["gh", *arguments],
            cwd=self.folder, env=self.environment | environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def api(self, *arguments: str) -> str:
        done = self.run("api", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Answering, Path]]:
    """A service that trusts the proxy before it, the proxy, and the certificate of who vouches for that."""
    if shutil.which("gh") is None:
        pytest.skip("gh: GitHub's command line is not installed; `apt-get install gh` has it")
    folder = tmp_path_factory.mktemp("tls")
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    authority.issue_cert("localhost").configure_cert(tls)
    with Server(folder, TRACKER_TRUSTED_PROXIES="127.0.0.1") as server:
        forwarded = {"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
        with Answering(lambda asked: hand_on(asked, server.url, **forwarded), "localhost", tls) as proxy:
            yield server, proxy, folder / "authority.pem"


@pytest.fixture
def gh(behind_tls: tuple[Server, Answering, Path], organization: str, tmp_path: Path) -> GitHubCli:
    server, proxy, authority = behind_tls
    return GitHubCli(proxy, server.token(org=organization), authority, tmp_path)


def test_gh_knows_whose_token_it_has(gh: GitHubCli) -> None:
    known = gh.run("auth", "status")
    assert known.returncode == 0, known.stderr
    assert "as test (GH_ENTERPRISE_TOKEN)" in known.stdout + known.stderr
    assert gh.api("user", "--jq", ".login") == "test"
    assert gh.api("graphql", "-f", "query={viewer{login}}", "--jq", ".data.viewer.login") == "test"
    assert int(gh.api("rate_limit", "--jq", ".rate.remaining")) > 0
    strange = gh.run("auth", "status", GH_ENTERPRISE_TOKEN="no.such.token")
    assert strange.returncode != 0


def test_gh_deploys_and_follows_the_pages(gh: GitHubCli) -> None:
    deployments = "repos/{owner}/{repo}/deployments"
    where = {"GH_REPO": "acme/gh"}
    gh.environment |= where
    for ref in ("main", "topic", "last"):
        number = gh.api(deployments, "-f", f"ref={ref}", "-F", "auto_merge=false", "--jq", ".id")
    # Links lead through the proxy: they are https, as it was asked.
    assert gh.api("--paginate", f"{deployments}?per_page=1", "--jq", ".[].ref").split() == [
        "last",
        "topic",
        "main",
    ]
    told = gh.api(
        f"{deployments}/{number}/statuses",
        "-f",
        "state=success",
        "-f",
        "log_url=https://ci.example/1",
        "--jq",
        ".state",
    )
    assert told == "success"
    assert (
        gh.api(f"{deployments}/{number}/statuses", "--cache", "1h", "--jq", ".[].log_url")
        == "https://ci.example/1"
    )
    missing = gh.run("api", f"{deployments}/987654321")
    assert (missing.returncode, missing.stderr.strip()) == (1, "gh: Not Found (HTTP 404)")
    wrong = gh.run("api", f"{deployments}/{number}/statuses", "-f", "state=finished")
    assert "Validation Failed (HTTP 422)" in wrong.stderr
    active = gh.run("api", "-X", "DELETE", f"{deployments}/{number}")
    assert "HTTP 422" in active.stderr
    gh.api(f"{deployments}/{number}/statuses", "-f", "state=inactive")
    assert gh.api("-X", "DELETE", f"{deployments}/{number}") == ""


def test_what_graphql_does_not_have_is_said_as_an_error_of_its_own(server: Server, organization: str) -> None:
    def ask(body: object, path: str = "/graphql") -> httpx.Response:
        return client.post(path, json=body)

    with server.client(server.token("deployments:write", organization, subject="mona")) as client:
        named = {"query": "query A {viewer {login}} query B {viewer {email}}", "operationName": "A"}
        assert ask(named).json() == {"data": {"viewer": {"login": "mona"}}}
        included = {"query": "query($x: Boolean!) {viewer {login @skip(if: $x)}}", "variables": {"x": True}}
        assert ask(included, "/api/graphql").json() == {"data": {"viewer": {}}}
        for query in ('{repository(owner: "a", name: "b") {id}}', "mutation {addStar}", "{", "", "{" * 5_000):
            answered = ask({"query": query})
            assert (answered.status_code, list(answered.json())) == (200, ["errors"])
        assert ask({}).json()["errors"][0]["field"] == "query"
    with server.client() as nobody:
        answered = nobody.post("/api/graphql", json={"query": "{viewer {login}}"})
        assert (answered.status_code, answered.json()["message"]) == (401, "Bad credentials")
