"""Matatika's and Meltano Cloud's workspaces and jobs: the documents' requests, pushes of GitHub's, and refusals."""

import hmac
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.beside import find_beside
from tests.node import FOLDER, require_package
from tests.server import Server, run_tracker
from tests.site import Site

SEEDS = ["seeds/000_069f87a682ead848.txt", "seeds/001_c788e80337d18c04.txt"]
NONE = "00000000-0000-0000-0000-000000000000"
Client = Callable[..., httpx.Client]


@pytest.fixture
def workspace(server: Server, organization: str) -> dict[str, str]:
    """A workspace: its id and secret."""
    made = server.workspace(organization, "shop", "https://github.com/Codertocat/Hello-World", "master")
    return {"id": made.id, "secret": made.secret, "path": f"/api/workspaces/{made.id}"}


def sign(secret: str, body: bytes, algorithm: str = "sha256") -> dict[str, str]:
    name = "X-Hub-Signature-256" if algorithm == "sha256" else "X-Hub-Signature"
    return {name: f"{algorithm}={hmac.new(secret.encode(), body, algorithm).hexdigest()}"}


def push(
    server: Server, workspace: dict[str, str], body: object, event: str | None = "push"
) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = sign(workspace["secret"], raw) | ({} if event is None else {"X-GitHub-Event": event})
    return httpx.post(
        f"{server.url}{workspace['path']}/deployments/github-webhook", content=raw, headers=headers
    )


def pushed(branch: str = "master", **fields: Any) -> dict[str, Any]:
    return {
        "ref": f"refs/heads/{branch}",
        "after": "b" * 40,
        "repository": {"clone_url": "https://github.com/Codertocat/Hello-World.git"},
        "sender": {"login": "octocat"},
        **fields,
    }


def has_keys_of(answer: Any, documented: Any) -> None:
    """Every key of the example, at its depth."""
    if isinstance(documented, dict):
        assert documented.keys() <= answer.keys(), documented.keys() - answer.keys()
        for name, value in documented.items():
            if name != "profile":
                has_keys_of(answer[name], value)


@pytest.mark.parametrize("seed", SEEDS, ids=["matatika", "meltano"])
def test_the_documents_requests_get_every_field_of_its_answers(
    seed: str, server: Server, workspace: dict[str, str], organization: str
) -> None:
    text = find_beside(seed).read_text()
    decode = json.JSONDecoder().raw_decode
    found = [decode(text, match.start())[0] for match in re.finditer(r'\{\s*"id"', text)]
    examples = [one for one in found if "_links" in one]
    assert len(examples) == 2
    curls = re.findall(r"^curl .*?(?=\n\n|\n[A-Z]|\nimport)", text, re.DOTALL | re.MULTILINE)
    assert len(curls) == 2
    token = server.token(org=organization)
    for curl, example in zip(curls, examples, strict=True):
        headers = dict(re.findall(r"-H '([\w-]+): ([^']+)'", curl))
        data = re.findall(r"-d '([^']*)'", curl)
        path = re.findall(r"https://[^/]+(/api/[^']+)'", curl)[0]
        path = re.sub(r"(?<=/workspaces/)[\w-]+", workspace["id"], path)
        if data:
            headers |= sign(workspace["secret"], data[0].encode(), "sha1")
        answered = httpx.post(
            f"{server.url}{path}",
            content=data[0] if data else None,
            headers=headers | {"Authorization": f"Bearer {token}"},
        )
        assert answered.status_code == 202, answered.text
        has_keys_of(answered.json(), example)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", answered.json()["created"])
        assert (
            answered.json() | {"type": "WORKSPACE_DEPLOY", "maxAttempts": 0, "attempt": 0, "status": "QUEUED"}
            == answered.json()
        )
    # The Python examples send the token with no scheme before it, and no body.
    bare = httpx.post(f"{server.url}{workspace['path']}/deployments", headers={"Authorization": token})
    assert bare.status_code == 202


def test_the_profile_is_who_asks(client: httpx.Client, workspace: dict[str, str], organization: str) -> None:
    job = client.post(f"{workspace['path']}/deployments").json()
    account = {"company": organization, "id": organization}
    assert job["_embedded"]["profile"] == {"id": "test", "workingAccount": account}


def test_links_lead_where_they_say_while_they_can_be_followed(
    client: httpx.Client, workspace: dict[str, str]
) -> None:
    job = client.post(f"{workspace['path']}/deployments").json()
    links = job["_links"]
    assert client.get(links["self"]["href"]).json() == job
    assert client.get(links["logs"]["href"]).status_code == 204
    stopped = client.put(links["withdraw job"]["href"])
    assert (stopped.status_code, stopped.json()["status"]) == (202, "STOPPED")
    assert "withdraw job" not in stopped.json()["_links"]
    assert (stopped.json()["exitCode"], "endTime" in stopped.json()) == (None, True)
    refused = client.put(links["withdraw job"]["href"])
    assert (refused.status_code, refused.json()["error"]) == (409, "Conflict")
    assert client.delete(links["delete job"]["href"]).status_code == 204
    assert (
        client.get(links["self"]["href"]).status_code
        == client.delete(links["self"]["href"]).status_code
        == 404
    )
    assert client.get("/api/v1/deployments").json()["items"] == []


def test_jobs_are_listed_in_pages(client: httpx.Client, workspace: dict[str, str]) -> None:
    ids = [client.post(f"{workspace['path']}/deployments").json()["id"] for _ in range(5)]
    page = client.get(f"{workspace['path']}/jobs?size=2").json()
    assert [job["id"] for job in page["_embedded"]["jobs"]] == ids[:2:-1]
    assert page["page"] == {"size": 2, "totalElements": 5, "totalPages": 3, "number": 0}
    assert {"self", "first", "next", "last"} == page["_links"].keys()
    following = client.get(page["_links"]["next"]["href"]).json()
    assert [job["id"] for job in following["_embedded"]["jobs"]] == ids[2:0:-1]
    assert {"self", "first", "prev", "next", "last"} == following["_links"].keys()
    oldest = client.get(f"{workspace['path']}/jobs?sort=created,asc&page=2&size=2").json()
    assert [job["id"] for job in oldest["_embedded"]["jobs"]] == ids[4:]
    assert client.get(f"{workspace['path']}/jobs?page=9").json()["_embedded"]["jobs"] == []
    first = client.get(f"{workspace['path']}/jobs?sort=created,asc&size=2").json()
    after = client.get(first["_links"]["next"]["href"]).json()
    assert [job["id"] for job in after["_embedded"]["jobs"]] == ids[2:4]
    for wrong in ("size=0", "page=x", "sort=name", "page=" + "9" * 5_000):
        assert client.get(f"{workspace['path']}/jobs?{wrong}").status_code == 400


def test_a_push_to_the_branch_deploys_its_commit(
    server: Server, client: httpx.Client, workspace: dict[str, str]
) -> None:
    answered = push(server, workspace, pushed())
    assert answered.status_code == 202
    job = answered.json()
    assert (job["commitId"], job["status"]) == ("b" * 40, "QUEUED")
    assert job["_embedded"]["profile"]["id"] == "octocat"
    assert client.get(job["_links"]["self"]["href"]).json() == job
    assert push(server, workspace, pushed(), event=None).status_code == 202
    assert push(server, workspace, b"", event=None).status_code == 202
    assert push(server, workspace, b"{ }", event=None).json().get("commitId") is None


@pytest.mark.parametrize(
    ("body", "event", "said"),
    [
        (pushed("topic"), "push", "refs/heads/topic"),
        (pushed(ref="refs/tags/v1"), "push", "refs/tags/v1"),
        (pushed(deleted=True, after="0" * 40), "push", "deleted"),
        (pushed(after="0" * 40), "push", "deleted"),
        (pushed(repository={"clone_url": "https://github.com/acme/other"}), "push", "acme/other"),
        ({"zen": "Keep it logically awesome."}, "ping", "ping"),
        ({"action": "opened"}, "issues", "issues"),
        (pushed(repository={"full_name": "acme/other"}), "push", "acme/other"),
        (
            pushed(repository={"html_url": "https://ghe.example/Codertocat/Hello-World"}),
            "push",
            "ghe.example",
        ),
        ({"something": "else"}, None, "no push"),
    ],
)
def test_what_is_no_push_to_the_branch_starts_no_job_and_says_so(
    server: Server, client: httpx.Client, workspace: dict[str, str], body: Any, event: str | None, said: str
) -> None:
    answered = push(server, workspace, body, event)
    assert (answered.status_code, said in answered.json()["message"]) == (200, True)
    assert client.get(f"{workspace['path']}/jobs").json()["page"]["totalElements"] == 0


def test_githubs_own_examples_of_pushes_get_sensible_answers(
    server: Server, client: httpx.Client, workspace: dict[str, str]
) -> None:
    require_package("@octokit/webhooks-examples")
    pushes = [
        example
        for version in sorted(
            (FOLDER / "node_modules" / "@octokit" / "webhooks-examples").glob("*/index.json")
        )
        for event in json.loads(version.read_text())
        if event["name"] == "push"
        for example in event["examples"]
    ]
    assert len(pushes) >= 7
    started = 0
    for example in pushes:
        answered = push(server, workspace, example)
        branch = example["ref"].startswith("refs/heads/") and not example["deleted"]
        own = (
            "/Codertocat/Hello-World" in example["repository"]["clone_url"]
            and "github.com" in example["repository"]["clone_url"]
        )
        if branch and own:
            started += 1
            assert (answered.status_code, answered.json()["commitId"]) == (202, example["after"])
        else:
            assert (answered.status_code, list(answered.json())) == (200, ["message"])
    assert started >= 2
    assert client.get(f"{workspace['path']}/jobs").json()["page"]["totalElements"] == started


def test_what_github_delivers_again_starts_no_second_job(
    server: Server, client: httpx.Client, workspace: dict[str, str]
) -> None:
    raw = json.dumps(pushed()).encode()
    headers = sign(workspace["secret"], raw) | {"X-GitHub-Event": "push", "X-GitHub-Delivery": "72d3162e"}
    hook = f"{server.url}{workspace['path']}/deployments/github-webhook"
    first, again = (httpx.post(hook, content=raw, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert client.get(f"{workspace['path']}/jobs").json()["page"]["totalElements"] == 1


def test_a_form_is_refused_with_what_to_set(server: Server, workspace: dict[str, str]) -> None:
    refused = push(server, workspace, b"payload=%7B%7D")
    assert (refused.status_code, "application/json" in refused.json()["message"]) == (400, True)


def test_only_a_right_signature_starts_a_job(
    server: Server, client: httpx.Client, workspace: dict[str, str]
) -> None:
    body, secret = b'{"ref": 1}', workspace["secret"]
    path = f"{server.url}{workspace['path']}/deployments/github-webhook"
    right, right_sha1 = sign(secret, body), sign(secret, body, "sha1")
    wrong, wrong_sha1 = sign("other", body), sign("other", body, "sha1")
    admin = {"Authorization": str(client.headers["Authorization"])}
    for headers in (
        {},
        wrong,
        wrong_sha1,
        wrong | right_sha1,
        admin,
        admin | wrong,
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature": "md5=0"},
        sign(secret, body + b" "),
    ):
        refused = httpx.post(path, content=body, headers=headers)
        assert refused.status_code == 401, headers
        assert {"timestamp", "status", "error", "errors", "message", "path"} == refused.json().keys()
    for headers in (right, right_sha1, right | wrong_sha1, right | {"Authorization": "Bearer nonsense"}):
        assert httpx.post(path, content=body, headers=headers).status_code == 200
    unknown = httpx.post(
        f"{server.url}/api/workspaces/{NONE}/deployments/github-webhook", content=body, headers=right
    )
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b'{"ref": "refs/heads/master", "after": "zz"}', b"[" * 100_000]
)
def test_a_signed_body_that_makes_no_sense_is_refused(
    server: Server, workspace: dict[str, str], body: bytes
) -> None:
    assert push(server, workspace, body).status_code == 400


def test_who_may_do_what(
    client: httpx.Client, client_with: Client, server: Server, organization: str, workspace: dict[str, str]
) -> None:
    job = client.post(f"{workspace['path']}/deployments").json()
    own = f"/api/jobs/{job['id']}"
    reader, metrics = client_with("deployments:read"), client_with("metrics:read")
    assert reader.get(own).status_code == reader.get(f"{workspace['path']}/jobs").status_code == 200
    for answered in (
        reader.post(f"{workspace['path']}/deployments"),
        reader.put(f"{own}/stopped"),
        reader.delete(own),
        metrics.get(own),
    ):
        assert (answered.status_code, answered.json()["error"]) == (403, "Forbidden")
    limited = client_with("admin", "acme/other")
    with server.client(server.token(org=f"{organization}-2")) as stranger:
        for other in (limited, stranger):
            for answered in (
                other.get(own), other.get(f"{own}/logs"), other.put(f"{own}/stopped"), other.delete(own),
                other.get(f"{workspace['path']}/jobs"), other.post(f"{workspace['path']}/deployments"),
            ):  # fmt: skip
                assert (answered.status_code, answered.json()["message"][:8]) == (404, "There is")
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "a.b.c"}):
        assert httpx.get(f"{server.url}{own}", headers=headers).status_code == 401
    for wrong in ("-1", "x", "99999999999"):
        assert client.get(f"{own}/logs?sequence={wrong}").status_code == 400


def test_the_story_of_a_push_that_fails_and_its_repair(tmp_path: Path) -> None:
    """From a push to the metrics: a job, a runner, a log, a deployment; then one that fails, and the next."""
    site = Site(tmp_path / "site")
    site.commit("echo hello from $COMMIT_ID")
    with Server(tmp_path) as server, server.client(server.token()) as client:
        made = server.run(
            "workspace",
            "create",
            "shop",
            "--org",
            "acme",
            "--repository",
            str(site.bare),
            "--command",
            "sh deploy.sh",
        )
        found = dict(line.split(": ") for line in made.stdout.splitlines())
        workspace = {"secret": found["secret"], "path": f"/api/workspaces/{found['workspace']}"}
        jobs = []
        for script in ("echo hello from $COMMIT_ID", "echo broken; exit 3", "echo repaired"):
            commit = site.commit(script)
            jobs.append(push(server, workspace, {"ref": "refs/heads/main", "after": commit}).json())
            done = run_tracker(tmp_path, "runner", "--once")
            assert done.returncode == 0, done.stderr
        read = [client.get(job["_links"]["self"]["href"]).json() for job in jobs]
        assert [(job["status"], job["exitCode"]) for job in read] == [
            ("COMPLETE", 0),
            ("ERROR", 3),
            ("COMPLETE", 0),
        ]
        logs = client.get(read[0]["_links"]["logs"]["href"])
        assert logs.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert logs.text.splitlines()[-1] == f"hello from {read[0]['commitId']}"
        lines = client.get(
            f"/api/jobs/{read[1]['id']}/logs?sequence=2", headers={"Accept": "application/x-ndjson"}
        )
        assert [json.loads(line)["line"] for line in lines.text.splitlines()] == ["broken"]
        records = {one["commit_id"]: one for one in client.get("/api/v1/deployments").json()["items"]}
        hotfix = records[read[2]["commitId"]]["id"]
        client.patch(f"/api/v1/deployments/{hotfix}", json={"is_hotfix": True})
        metrics = client.get("/api/v1/metrics").json()["metrics"]
        rate = metrics["change_failure_rate"]
        assert (rate["numerator"], rate["denominator"], rate["did_not_reach_production"]) == (1, 2, 1)
        assert metrics["deployment_frequency"]["durations"] == 2
        assert {one["triggered_by"] for one in records.values()} == {"job"}


def test_a_log_of_a_hundred_thousand_lines_is_read_while_the_service_answers(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.commit("seq 1 100000")
    with Server(tmp_path) as server, server.client(server.token()) as client:
        made = server.run(
            "workspace",
            "create",
            "shop",
            "--org",
            "acme",
            "--repository",
            str(site.bare),
            "--command",
            "sh deploy.sh",
        )
        workspace = made.stdout.splitlines()[0].removeprefix("workspace: ")
        job = client.post(f"/api/workspaces/{workspace}/deployments").json()
        working = threading.Thread(target=run_tracker, args=(tmp_path, "runner", "--once"))
        working.start()
        sequence, read = 0, []
        while (
            working.is_alive()
            or client.get(f"/api/jobs/{job['id']}/logs?sequence={sequence}").status_code == 200
        ):
            answered = client.get(f"/api/jobs/{job['id']}/logs?sequence={sequence}")
            if answered.status_code == 200:
                lines = answered.text.splitlines()
                read += lines
                sequence += len(lines)
            assert client.get("/healthz").status_code == 200
        working.join()
    assert read[2:] == [str(number) for number in range(1, 100_001)]


def test_workspaces_are_listed_and_removed(tmp_path: Path) -> None:
    run_tracker(tmp_path, "migrate")
    create = (
        "workspace",
        "create",
        "shop",
        "--org",
        "acme",
        "--repository",
        "https://github.com/acme/shop",
        "--command",
        "true",
    )
    made = run_tracker(tmp_path, *create)
    secret = made.stdout.splitlines()[1].removeprefix("secret: ")
    assert "github-webhook" in made.stderr
    assert run_tracker(tmp_path, *create).returncode == 1
    listed = run_tracker(tmp_path, "workspace", "list", "--org", "acme", COLUMNS="300")
    assert "acme/shop" in listed.stdout
    assert secret not in listed.stdout
    assert (
        secret
        in run_tracker(tmp_path, "workspace", "list", "--org", "acme", "--secrets", COLUMNS="300").stdout
    )
    assert (
        run_tracker(tmp_path, "workspace", "remove", "shop", "--org", "acme", stdin="n\n").returncode == 130
    )
    assert (
        run_tracker(tmp_path, "workspace", "remove", "shop", "--org", "acme", "--yes").stdout
        == "Removed shop.\n"
    )
    assert run_tracker(tmp_path, "workspace", "remove", "shop", "--org", "acme", "--yes").returncode == 1
    wrong = run_tracker(tmp_path, *create[:5], "--repository", "ext::sh", "--command", "true")
    assert (wrong.returncode, "--repository" in wrong.stderr) == (2, True)
    hidden = run_tracker(tmp_path, "runner", "--once", "--env", "TRACKER_KEYS")
    assert (hidden.returncode, "--env" in hidden.stderr) == (2, True)
