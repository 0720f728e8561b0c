"""A CI system's own token in place of a secret: whom it lets in, what it proves, and everything that is refused."""

import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.answering import Answer
from tests.conftest import Postgres
from tests.issuer import (
    GITHUB_ISSUER,
    SHA,
    Issuer,
    Key,
    as_json,
    azure_claims,
    bitbucket_claims,
    buildkite_claims,
    circleci_claims,
    github_claims,
    gitlab_claims,
    times,
)
from tests.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.on_one_database

TRUSTS, DEPLOYMENTS, INCIDENTS = "/api/v1/trusts", "/api/v1/deployments", "/api/v1/incidents"
PUBLIC_URL = "https://tracker.example/dora"
KEY, ANOTHER = Key("key-1"), Key("key-1")
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {
        "TRACKER_PUBLIC_URL": PUBLIC_URL,
        "TRACKER_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "TRACKER_LOG_FORMAT": "json",
    }
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        environment["TRACKER_DATABASE_URL"] = postgres.database()
    with Server(tmp_path_factory.mktemp("service"), **environment) as running:
        yield running


@pytest.fixture
def owner() -> str:
    """Of the repositories: each test's own, for issuers are the service's, whatever the organization."""
    return f"octo-{next(_numbers)}"


@pytest.fixture
def organization(owner: str) -> str:
    return f"trusting-{owner}"


def github(owner: str, **changes: Any) -> str:
    """The token of a job of the owner's repository shop."""
    claims = github_claims(repository_owner=owner, repository=f"{owner}/shop", **changes)
    return KEY.sign(claims)


def trust_github(client: httpx.Client, owner: str, **fields: Any) -> dict[str, Any]:
    body = {"kind": "github", "owner": owner, "jwks": {"keys": [KEY.jwk]}} | fields
    return trust(client, body)


def trust(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    answered = client.post(TRUSTS, json=body)
    assert answered.status_code == 201, answered.text
    found: dict[str, Any] = answered.json()
    return found


def record(
    server: Server, token: str, body: dict[str, Any] | None = None, path: str = DEPLOYMENTS, **query: str
) -> httpx.Response:
    """What is answered once every process has taken the trusts up."""
    with server.client(token) as job:
        return job.post(path, json=body or {}, params=query)


def recorded(server: Server, token: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A record, as soon as the trust is in force."""
    answered: list[httpx.Response] = []

    def let_in() -> bool:
        answered.append(record(server, token, body))
        return answered[-1].status_code != 401

    wait_until(let_in)
    assert answered[-1].is_success, answered[-1].text
    found: dict[str, Any] = answered[-1].json()
    return found


def in_force(server: Server, token: str) -> None:
    """Wait until the token is let in: to where it then has no business."""
    with server.client(token) as job:
        wait_until(lambda: job.get(TRUSTS).status_code == 403)


def test_a_job_records_with_nothing_but_its_own_token(
    server: Server, client: httpx.Client, organization: str, owner: str
) -> None:
    trust_github(client, owner)
    record = recorded(server, github(owner))
    expected = {
        "organization": organization, "repository": f"{owner}/shop", "repository_url": f"https://github.com/{owner}/shop", "commit_id": SHA,
        "branch": "main", "deployment_node_id": "github:32291736541:1", "environment": "production", "status": "success",
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected
    (entry,) = client.get(f"{DEPLOYMENTS}/{record['id']}/history").json()["items"]
    assert (entry["recorded_by"], entry["token_id"]) == ("octocat", "1e410ab1-302e-4e33-8c5f-869a4bd12c3b")


def test_it_reads_nothing_and_changes_nothing(server: Server, client: httpx.Client, owner: str) -> None:
    trust_github(client, owner)
    token = github(owner)
    one = recorded(server, token)
    with server.client(token) as job:
        for path in (
            DEPLOYMENTS,
            f"{DEPLOYMENTS}/{one['id']}",
            INCIDENTS,
            "/api/v1/metrics",
            "/api/v1/repositories",
            "/api/v1/settings",
            "/api/v1/tokens",
            TRUSTS,
        ):
            assert job.get(path).status_code == 403, path
        assert job.patch(f"{DEPLOYMENTS}/{one['id']}", json={"status": "fail"}).status_code == 403
        assert job.delete(f"{DEPLOYMENTS}/{one['id']}").status_code == 403
        assert job.post(f"{DEPLOYMENTS}/batch", content=b"{}").status_code == 403
        assert job.post(TRUSTS, json={}).status_code == 403
        assert job.post(f"/repos/{owner}/shop/deployments", json={"ref": "main"}).status_code == 403
        # But for what was deployed last of its own, which tells it which commits are new.
        asked = {"repository_url": f"https://github.com/{owner}/shop"}
        assert job.get(f"{DEPLOYMENTS}/last", params=asked).status_code == 200
        assert (
            job.get(
                f"{DEPLOYMENTS}/last", params={"repository_url": f"https://github.com/{owner}/other"}
            ).status_code
            == 403
        )


def test_the_same_token_again_is_a_repeat(server: Server, client: httpx.Client, owner: str) -> None:
    trust_github(client, owner)
    token = github(owner)
    first = recorded(server, token, {"status": "in_progress"})
    assert record(server, token, {"status": "success"}).json()["id"] == first["id"]
    assert record(server, github(owner, jti="another"), {"status": "success"}).json()["id"] == first["id"]
    # Another thing of the same run, and another attempt of it, are others.
    assert record(server, token, {"service": "web"}).json()["id"] != first["id"]
    assert record(server, github(owner, run_attempt="2"), {}).json()["id"] != first["id"]


CONTRADICTIONS = {
    "repository_url": {"repository_url": "https://github.com/octo-org/other"},
    "commit_id": {"commit_id": "a" * 40},
    "branch": {"branch": "release"},
    "deployment_node_id": {"deployment_node_id": "github:32291736541:11"},
}


@pytest.mark.parametrize("field", CONTRADICTIONS)
def test_a_record_that_says_otherwise_than_the_token_is_refused(
    server: Server, client: httpx.Client, owner: str, field: str
) -> None:
    trust_github(client, owner)
    token = github(owner)
    in_force(server, token)
    answered = record(server, token, CONTRADICTIONS[field])
    assert answered.status_code == 409
    assert answered.json()["type"] == "urn:tracker:problem:not-proved"
    assert [error["pointer"] for error in answered.json()["errors"]] == [f"/{field}"]
    assert client.get(DEPLOYMENTS).json()["items"] == []


def test_what_the_token_says_may_be_said_in_other_words(
    server: Server, client: httpx.Client, owner: str
) -> None:
    trust_github(client, owner)
    body = {
        "repository_url": f"git@GitHub.com:{owner.upper()}/Shop.git", "commit_id": SHA[:8].upper(), "branch": "main",
        "deployment_node_id": "github:32291736541:1:eu",
    }  # fmt: skip
    assert recorded(server, github(owner), body)["deployment_node_id"] == "github:32291736541:1:eu"


def test_who_may_deploy_other_commits_says_so(server: Server, client: httpx.Client, owner: str) -> None:
    trust_github(client, owner, allow_any_commit=True)
    assert recorded(server, github(owner), {"commit_id": "a" * 40})["commit_id"] == "a" * 40


def test_a_tag_has_no_branch_to_contradict(server: Server, client: httpx.Client, owner: str) -> None:
    trust_github(client, owner)
    token = github(owner, ref="refs/tags/v1.2.3", ref_type="tag")
    one = recorded(server, token, {"version": "v1.2.3"})
    assert (one["version"], one["commit_id"], one["branch"]) == ("v1.2.3", None, None)


def test_only_repositories_and_environments_that_are_named(
    server: Server, client: httpx.Client, owner: str
) -> None:
    trust_github(client, owner, repositories=[f"{owner}/shop"], environments=["production", "staging*"])
    for environment in ("production", "staging-2"):
        token = github(owner, environment=environment, run_id=environment)
        assert recorded(server, token)["environment"] == environment
    other = KEY.sign(
        github_claims(repository_owner=owner, repository=f"{owner}/other", environment="production")
    )
    assert record(server, other).status_code == 401
    assert record(server, github(owner, environment="dev")).status_code == 403
    # The job has to be in the environment: its protection is what stands behind the record.
    assert record(server, github(owner)).status_code == 403
    answered = record(server, github(owner, environment="staging-2"), {"environment": "production"})
    assert (answered.status_code, answered.json()["errors"][0]["pointer"]) == (409, "/environment")


OUTSIDERS = {
    "pull request": {"event_name": "pull_request", "ref": "refs/pull/4/merge", "head_ref": "feature", "base_ref": "main"},
    # It runs for the default branch, with all rights, whoever has opened it.
    "pull request that runs on the target": {"event_name": "pull_request_target"},
    "workflow after another": {"event_name": "workflow_run"},
    "comment": {"event_name": "issue_comment"},
    "something new": {"event_name": "teleportation"},
}  # fmt: skip


@pytest.mark.parametrize("changes", OUTSIDERS.values(), ids=OUTSIDERS)
def test_pull_requests_do_not_record_production_unless_they_may(
    server: Server, client: httpx.Client, owner: str, changes: dict[str, str]
) -> None:
    one = trust_github(client, owner)
    token = github(owner, **changes)
    in_force(server, token)
    for body in ({}, {"environment": "LIVE"}, {"environment": "preview", "production": True}):
        answered = record(server, token, body)
        assert (answered.status_code, "does not record production" in answered.text) == (403, True)
    assert record(server, token, {"environment": "preview"}).status_code == 201
    assert record(server, token, {"started_at": "2026-03-02T10:00:00Z"}, INCIDENTS).status_code == 403
    client.delete(f"{TRUSTS}/{one['id']}")
    trust_github(client, owner, allow_pull_requests=True)
    wait_until(lambda: record(server, token).status_code == 201)
    assert client.get(DEPLOYMENTS).json()["items"][0]["environment"] == "production"


def test_an_environment_that_a_record_has_declared_production_is_production(
    server: Server, client: httpx.Client, owner: str
) -> None:
    trust_github(client, owner)
    recorded(server, github(owner), {"environment": "blue", "production": True})
    assert (
        record(server, github(owner, event_name="pull_request"), {"environment": "Blue"}).status_code == 403
    )


def test_a_reusable_workflow_can_be_required(server: Server, client: httpx.Client, owner: str) -> None:
    """Whatever a repository's own workflow says: only what the platform team has written records."""
    trust_github(
        client, owner, claims={"job_workflow_ref": "octo-org/ci/.github/workflows/deploy.yml@refs/heads/main"}
    )
    called = github(owner, job_workflow_ref="octo-org/ci/.github/workflows/deploy.yml@refs/heads/main")
    assert recorded(server, called)["repository"] == f"{owner}/shop"
    answered = record(server, github(owner))
    assert (answered.status_code, "job_workflow_ref" in answered.json()["detail"]) == (401, True)


def test_an_incident_is_of_the_jobs_own_repository(server: Server, client: httpx.Client, owner: str) -> None:
    trust_github(client, owner)
    token = github(owner)
    in_force(server, token)
    assert (
        record(server, token, {"started_at": "2026-03-02T10:00:00Z"}, INCIDENTS).json()["repository"]
        == f"{owner}/shop"
    )
    other = {"started_at": "2026-03-02T10:00:00Z", "repository_url": f"https://github.com/{owner}/other"}
    assert record(server, token, other, INCIDENTS).status_code == 403


Kind = tuple[dict[str, Any], Callable[..., dict[str, Any]], dict[str, Any]]
GITLAB = "https://gitlab.example"
KINDS: dict[str, Kind] = {
    "gitlab": ({"kind": "gitlab", "url": GITLAB, "group": "octo-org"}, lambda **c: gitlab_claims(GITLAB, **c), {
        "repository_url": f"{GITLAB}/octo-org/shop", "commit_id": SHA, "branch": "main", "deployment_node_id": "gitlab:302",
    }),
    "circleci": ({"kind": "circleci", "organization": "c9035eb6-6eb2-4c85-8a81-d9ed6a1d1d1e"}, circleci_claims, {
        "repository_url": "https://github.com/octo-org/shop", "commit_id": "a" * 40, "branch": "main",
        "deployment_node_id": "circleci:1f2e3d4c-5b6a-4978-8695-a4b3c2d1e0f9",
    }),
    "buildkite": ({"kind": "buildkite", "organization": "octo-org", "repositories": ["github.com/octo-org/shop"]}, buildkite_claims, {
        "repository_url": "https://github.com/octo-org/shop", "commit_id": SHA, "branch": "main",
        "deployment_node_id": "buildkite:0184990a-477b-4fa8-9968-496074483cee",
    }),
    "bitbucket": (
        {"kind": "bitbucket", "workspace": "octo-org", "repositories": ["bitbucket.org/octo-org/shop"],
         "claims": {"repositoryUuid": "{1de489be-ce6a-42a0-a8c8-eadbf1174ac7}"}},
        bitbucket_claims,
        {"repository_url": "https://bitbucket.org/octo-org/shop", "commit_id": "a" * 40, "branch": "main",
         "deployment_node_id": "bitbucket:{759de0c6-eaee-4eaa-b7a6-c507eec759a7}:1"},
    ),
    "azure": ({"kind": "azure", "organization": "0ca3ddd9-f0b0-4635-a98c-5866526961b6"}, azure_claims, {
        "repository_url": "https://github.com/octo-org/shop", "commit_id": SHA, "branch": "main", "deployment_node_id": "azure:5:1",
    }),
    "oidc": (
        {"kind": "oidc", "issuer": "https://jenkins.example/oidc", "claims": {"sub": "https://jenkins.example/job/*"}, "repositories": ["github.com/octo-org/shop"]},
        lambda **c: {"iss": "https://jenkins.example/oidc", "sub": "https://jenkins.example/job/deploy/", "aud": "tracker", "jti": "j-1", **times()} | c,
        {"repository_url": "https://github.com/octo-org/shop", "commit_id": "a" * 40, "deployment_node_id": "jenkins:jenkins-deploy-1"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def kinds(server: Server) -> Iterator[httpx.Client]:
    """An organization that trusts one issuer of each kind."""
    with server.client(server.token(org="of-all-kinds")) as client:
        for body, claims, _ in KINDS.values():
            trust(client, body | {"jwks": {"keys": [KEY.jwk]}})
            in_force(server, KEY.sign(claims()))
        yield client


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.usefixtures("kinds")
def test_each_kind_of_issuer_proves_what_it_can(server: Server, name: str) -> None:
    _, claims, expected = KINDS[name]
    answered = record(server, KEY.sign(claims()), expected, dry_run="true")
    assert answered.status_code == 200, answered.text
    assert {field: answered.json()[field] for field in expected} == expected


PROVED = {
    "gitlab": ["repository_url", "commit_id", "branch", "deployment_node_id"], "circleci": ["repository_url", "branch", "deployment_node_id"],
    "buildkite": ["commit_id", "branch", "deployment_node_id"], "bitbucket": ["branch", "deployment_node_id"],
    "azure": ["repository_url", "commit_id", "branch", "deployment_node_id"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, fields in PROVED.items() for field in fields]
)
@pytest.mark.usefixtures("kinds")
def test_each_kind_holds_the_record_to_what_it_proves(server: Server, name: str, field: str) -> None:
    _, claims, right = KINDS[name]
    wrong = {
        "repository_url": "https://github.com/octo-org/other",
        "commit_id": "b" * 40,
        "branch": "other",
        "deployment_node_id": "other:1",
    }
    answered = record(server, KEY.sign(claims()), right | {field: wrong[field]}, dry_run="true")
    assert answered.status_code == 409
    assert [error["pointer"] for error in answered.json()["errors"]] == [f"/{field}"]


@pytest.mark.parametrize("name", ["buildkite", "bitbucket", "oidc"])
@pytest.mark.usefixtures("kinds")
def test_where_the_token_names_no_repository_the_organization_does(server: Server, name: str) -> None:
    _, claims, right = KINDS[name]
    for url in ("https://github.com/octo-org/other", "https://evil.example/octo-org/shop"):
        assert record(server, KEY.sign(claims()), right | {"repository_url": url}).status_code == 403
    missing = {field: value for field, value in right.items() if field != "repository_url"}
    assert record(server, KEY.sign(claims()), missing).json()["errors"][0]["pointer"] == "/repository_url"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gitlab", {"pipeline_source": "merge_request_event"}),
        # From a fork, run in the parent project: the token names both.
        ("gitlab", {"job_project_id": "21"}),
        ("gitlab", {"pipeline_source": "parent_pipeline", "ref_protected": "false"}),
        ("circleci", {"vcs-ref": "refs/pull/7/head"}),
        ("buildkite", {"build_branch": "contributor:main"}),
        ("azure", {"rpo_ref": "refs/pull/17/merge"}),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("kinds")
def test_pull_requests_of_each_kind_do_not_record_production(
    server: Server, name: str, changes: dict[str, Any]
) -> None:
    _, claims, right = KINDS[name]
    body = {field: value for field, value in right.items() if field != "branch"}
    token = KEY.sign(claims(**changes))
    assert record(server, token, body).status_code == 403
    assert record(server, token, body | {"environment": "preview"}, dry_run="true").status_code == 200


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("circleci", {"ssh-rerun": True}, "SSH"),
        ("circleci", {"vcs-origin": None}, "vcs-origin"),
        ("circleci", {"org-id": "another"}, "org-id"),
        ("azure", {"sub": "sc://octo-org/project/connection"}, "service connection"),
        ("gitlab", {"namespace_path": "octo-org-evil"}, "namespace_path"),
        ("gitlab", {"job_id": None}, "job_id"),
        ("buildkite", {"organization_slug": "evil"}, "organization_slug"),
        ("bitbucket", {"repositoryUuid": "{another}"}, "repositoryUuid"),
        ("oidc", {"sub": "https://jenkins.example/view/job/x"}, "sub"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("kinds")
def test_jobs_that_are_not_meant_are_refused(
    server: Server, name: str, changes: dict[str, Any], reason: str
) -> None:
    answered = record(server, KEY.sign(KINDS[name][1](**changes)), KINDS[name][2])
    assert (answered.status_code, reason in answered.json()["detail"]) == (401, True), answered.text


@pytest.mark.usefixtures("kinds")
def test_a_token_that_names_no_run_records_one_deployment(
    server: Server,
) -> None:
    _, claims, body = KINDS["oidc"]
    token = KEY.sign(claims(jti="once"))
    first = record(server, token, body)
    assert first.status_code == 201
    assert record(server, token, body).json()["id"] == first.json()["id"]
    answered = record(server, token, body | {"deployment_node_id": "jenkins:jenkins-deploy-2"})
    assert (answered.status_code, answered.json()["errors"][0]["pointer"]) == (409, "/deployment_node_id")
    assert (
        record(
            server, KEY.sign(claims(jti="twice")), body | {"deployment_node_id": "jenkins:jenkins-deploy-2"}
        ).status_code
        == 201
    )


def with_part(token: str, part: int, **changes: Any) -> str:
    """A token whose header or payload was changed after it was signed."""
    parts = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    parts[part] = base64.urlsafe_b64encode(json.dumps(said | changes).encode()).decode().rstrip("=")
    return ".".join(parts)


def signed_with_the_public_key(owner: str) -> str:
    """HS256 with the text of the public key for a secret: what a verifier who asks the token would accept."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    secret = KEY.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = github_claims(repository_owner=owner, repository=f"{owner}/shop")
    parts = [
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=")
        for one in ({"alg": "HS256", "kid": "key-1"}, claims)
    ]
    return b".".join(
        [*parts, base64.urlsafe_b64encode(hmac.digest(secret, b".".join(parts), hashlib.sha256)).rstrip(b"=")]
    ).decode()


def own(owner: str, **changes: Any) -> dict[str, Any]:
    return github_claims(repository_owner=owner, repository=f"{owner}/shop") | changes


FORGED: dict[str, tuple[Callable[[str], str], str]] = {
    "another issuer": (lambda o: KEY.sign(own(o, iss="https://token.actions.githubusercontent.com.evil.example")), "key that is not known"),
    "the issuer with a slash": (lambda o: KEY.sign(own(o, iss=f"{GITHUB_ISSUER}/")), "key that is not known"),
    "none": (lambda o: jwt.encode(own(o), None, algorithm="none", headers={"kid": "key-1"}), "not signed with a private key"),
    "NoNe": (lambda o: with_part(github(o), 0, alg="NoNe"), "not signed with a private key"),
    "hs256 with the public key": (signed_with_the_public_key, "not signed with a private key"),
    "another key of the same id": (lambda o: ANOTHER.sign(own(o)), "signature is wrong"),
    "another algorithm than the key's": (lambda o: with_part(github(o), 0, alg="ES256"), "signature is wrong"),
    "an unknown kid": (lambda o: KEY.sign(own(o), kid="unknown"), "no key 'unknown'"),
    "a kid that is no text": (lambda o: with_part(github(o), 0, kid=7), "malformed"),
    "a key that it brings along": (lambda o: ANOTHER.sign(own(o), kid="mine", jwk=ANOTHER.jwk, jku="https://evil.example/keys"), "no key 'mine'"),
    "changed afterwards": (lambda o: with_part(github("octo-org"), 1, repository_owner=o, repository=f"{o}/shop"), "signature is wrong"),
    "another audience": (lambda o: KEY.sign(own(o, aud="https://github.com/octo-org")), "audience tracker or https://tracker.example/dora"),
    "no audience": (lambda o: KEY.sign(own(o, aud=None)), "lacks the claim aud"),
    "expired": (lambda o: KEY.sign(own(o, exp=int(time.time()) - 60)), "expired"),
    "no end": (lambda o: KEY.sign(own(o, exp=None)), "exp"),
    "no beginning": (lambda o: KEY.sign(own(o, iat=None)), "iat"),
    "begun in the future": (lambda o: KEY.sign(own(o, iat=int(time.time()) + 600, exp=int(time.time()) + 900)), "not valid yet"),
    "an end that is text": (lambda o: KEY.sign(own(o, exp="soon")), "malformed"),
    "an end beyond all numbers": (lambda o: KEY.sign(own(o, exp=1e400)), "malformed"),
    "valid for a week": (lambda o: KEY.sign(own(o, exp=int(time.time()) + 7 * 86_400)), "longer than a day"),
    "another owner": (lambda o: KEY.sign(own(o, repository_owner="evil")), "repository_owner"),
    "an owner that begins so": (lambda o: KEY.sign(own(o, repository_owner=f"{o}-evil")), "repository_owner"),
    "an owner that is a list": (lambda o: KEY.sign(own(o, repository_owner=[o])), "repository_owner"),
    "no owner": (lambda o: KEY.sign(own(o, repository_owner=None)), "repository_owner"),
    # K, the sign for kelvin, is a k once cases are folded.
    "an owner that looks alike": (lambda o: KEY.sign(own(o, repository_owner=o.replace("o", "\u043e"))), "repository_owner"),
    "a repository that looks alike": (lambda o: KEY.sign(own(o, repository=f"{o}/\u017fhop")), "could be taken for another"),
    "no repository": (lambda o: KEY.sign(own(o, repository=None)), "repository"),
    "no run": (lambda o: KEY.sign(own(o, run_id=None)), "run_id"),
    "nothing at all": (lambda _: KEY.sign({"iss": GITHUB_ISSUER}), "lacks the claim"),
    "no object": (lambda _: jwt.api_jws.encode(b"[]", KEY.private, algorithm="RS256", headers={"kid": "key-1"}), "key that is not known"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused_and_the_log_says_why(
    server: Server, client: httpx.Client, owner: str, name: str
) -> None:
    trust_github(client, owner)
    in_force(server, github(owner))
    make, reason = FORGED[name]
    answered = record(server, make(owner))
    assert answered.status_code == 401
    assert answered.headers["WWW-Authenticate"].startswith("Bearer ")
    assert reason in answered.json()["detail"]
    wait_until(
        lambda: any(
            '"status":401' in line and reason in json.loads(line).get("refusal", "")
            for line in server.output
            if line.startswith("{")
        )
    )
    assert client.get(DEPLOYMENTS).json()["items"] == []


@pytest.mark.parametrize("audience", ["tracker", PUBLIC_URL, f"{PUBLIC_URL}/", ["other", PUBLIC_URL]])
def test_the_audience_is_the_service(server: Server, client: httpx.Client, owner: str, audience: Any) -> None:
    trust_github(client, owner)
    assert recorded(server, github(owner, aud=audience))["repository"] == f"{owner}/shop"


def test_a_further_audience_can_be_taken(server: Server, client: httpx.Client, owner: str) -> None:
    trust_github(client, owner, audience="ari:cloud:bitbucket::workspace/1")
    assert (
        recorded(server, github(owner, aud="ari:cloud:bitbucket::workspace/1"))["repository"]
        == f"{owner}/shop"
    )


def test_a_trust_that_is_withdrawn_lets_nobody_in(server: Server, client: httpx.Client, owner: str) -> None:
    one = trust_github(client, owner)
    recorded(server, github(owner))
    assert client.delete(f"{TRUSTS}/{one['id']}").status_code == 204
    wait_until(lambda: record(server, github(owner)).status_code == 401)
    assert client.delete(f"{TRUSTS}/{one['id']}").status_code == 404
    assert client.get(TRUSTS).json()["items"] == []


def test_the_list_tells_when_a_trust_was_used_last(server: Server, client: httpx.Client, owner: str) -> None:
    one = trust_github(client, owner, environments=["production"], claims={"ref_protected": "true"})
    assert one["last_used_at"] is None
    assert one["claims"] == {"repository_owner": [owner], "ref_protected": ["true"]}
    assert one["keys_given"] is True
    recorded(server, github(owner, environment="production"))
    wait_until(lambda: client.get(TRUSTS).json()["items"][0]["last_used_at"])
    # The tokens of jobs are gone in minutes, and fill no register.
    assert all(token["subject"] != "octocat" for token in client.get("/api/v1/tokens").json()["items"])


def test_a_token_that_two_trust_is_of_the_one_that_trusted_first(
    server: Server, client: httpx.Client, owner: str
) -> None:
    trust_github(client, owner)
    with server.client(server.token(org=f"another-{owner}")) as other:
        answered = other.post(TRUSTS, json={"kind": "github", "owner": owner, "jwks": {"keys": [KEY.jwk]}})
        assert answered.status_code == 409
        # Each with repositories of its own is understood, and nobody takes over what another trusted before.
        client.delete(f"{TRUSTS}/{client.get(TRUSTS).json()['items'][0]['id']}")
        trust_github(client, owner, repositories=[f"{owner}/shop", f"{owner}/both"])
        trust_github(other, owner, repositories=[f"{owner}/other", f"{owner}/both"])
    tokens = {
        name: KEY.sign(github_claims(repository_owner=owner, repository=f"{owner}/{name}"))
        for name in ("shop", "other", "both")
    }
    assert recorded(server, tokens["shop"])["organization"] == f"trusting-{owner}"
    assert recorded(server, tokens["other"])["organization"] == f"another-{owner}"
    assert recorded(server, tokens["both"])["organization"] == f"trusting-{owner}"


WRONG = {
    "/kind": {"kind": "svn"},
    "/owner": {"kind": "github"},
    "/group": {"kind": "github", "owner": "acme", "group": "acme"},
    "/organization": {"kind": "circleci", "organization": "*"},
    "/repositories": {"kind": "buildkite", "organization": "acme"},
    "/repositories/0": {"kind": "github", "owner": "acme", "repositories": ["https://github.com/a"]},
    "/claims": {"kind": "oidc", "issuer": "https://jenkins.example", "repositories": ["a/b"], "claims": {"sub": "*"}},
    "/claims/repository_owner": {"kind": "github", "owner": "acme", "claims": {"repository_owner": "*"}},
    "/url": {"kind": "gitlab", "group": "acme", "url": "file:///etc/passwd"},
    "/issuer": {"kind": "oidc", "issuer": "https://user@jenkins.example", "repositories": ["a/b"], "claims": {"sub": "x"}},
    "/jwks": {"kind": "github", "owner": "acme", "jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}]}},
    "/environments": {"kind": "github", "owner": "acme", "environments": []},
    "/workspace": {"kind": "bitbucket", "workspace": "../../evil?x", "repositories": ["a/b"]},
}  # fmt: skip


@pytest.mark.parametrize("pointer", WRONG)
def test_what_is_wrong_with_a_trust_is_named(client: httpx.Client, pointer: str) -> None:
    answered = client.post(TRUSTS, json=WRONG[pointer])
    assert answered.status_code == 400
    assert [error["pointer"] for error in answered.json()["errors"]] == [pointer]
    assert client.get(TRUSTS).json()["items"] == []


def test_trusts_need_admin_and_the_whole_organization(client_with: Callable[..., httpx.Client]) -> None:
    for client in (
        client_with("deployments:write deployments:read metrics:read"),
        client_with("admin", "acme/shop"),
    ):
        assert client.get(TRUSTS).status_code == 403
        assert client.post(TRUSTS, json={"kind": "github", "owner": "acme"}).status_code == 403
        assert client.delete(f"{TRUSTS}/1").status_code == 403


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def trust_fetched(client: httpx.Client, issuer: Issuer) -> None:
    trust(client, {"kind": "gitlab", "url": issuer.url, "group": "octo-org"})


def test_keys_are_fetched_once_and_a_new_one_is_found(
    server: Server, client: httpx.Client, issuer: Issuer
) -> None:
    trust_fetched(client, issuer)
    for job in range(5):
        recorded(server, issuer.key.sign(gitlab_claims(issuer.url, job_id=str(job))))
    assert issuer.fetches == 1


def test_a_flood_of_unknown_keys_asks_once_a_minute(
    server: Server, client: httpx.Client, issuer: Issuer
) -> None:
    trust_fetched(client, issuer)
    recorded(server, issuer.key.sign(gitlab_claims(issuer.url)))
    for number in range(50):
        token = issuer.key.sign(gitlab_claims(issuer.url), kid=f"unknown-{number}")
        assert record(server, token).status_code == 401
    assert issuer.fetches <= 2
    assert record(server, issuer.key.sign(gitlab_claims(issuer.url))).status_code == 200


BROKEN = {
    "not there": (Answer(500, b""), "answers 500"),
    "no JSON": (Answer(200, b"<html>"), "is no JSON"),
    "no object": (Answer(200, []), "is no JSON object"),
    "no keys": (Answer(200, {"keys": []}), "did not contain any keys"),
    "no usable keys": (Answer(200, {"keys": [{"kty": "?"}]}), "any usable keys"),
    "huge": (Answer(200, b" " * 3_000_000), "is larger than"),
    "endless nesting": (Answer(200, b"[" * 200_000), "is no JSON"),
    "elsewhere": (Answer(302, b"", {"Location": "http://127.0.0.1/"}), "answers 302"),
    "slow": (Answer(200, {"keys": []}, seconds=7), "ReadTimeout"),
    "a secret for a key": (Answer(200, {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "key-1"}]}), "no public key"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_keys_that_cannot_be_had_let_nobody_in(
    server: Server, client: httpx.Client, issuer: Issuer, name: str
) -> None:
    issuer.keys, reason = BROKEN[name]
    trust_fetched(client, issuer)
    token = issuer.key.sign(gitlab_claims(issuer.url))
    wait_until(lambda: "not known" not in record(server, token).text)
    began = time.monotonic()
    answered = record(server, token)
    assert (answered.status_code, reason in answered.text or "timed out" in answered.text) == (401, True), (
        answered.text
    )
    # It is not asked again at once.
    assert time.monotonic() - began < 2
    assert issuer.fetches == 1
    with server.client() as nobody:
        assert nobody.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"issuer": "https://another.example", "jwks_uri": "{url}/keys"}, "another issuer's"),
        ({"issuer": "{url}"}, "names no jwks_uri"),
        ({"issuer": "{url}", "jwks_uri": "file:///etc/passwd"}, "is no http or https address"),
        ({"issuer": "{url}", "jwks_uri": "http://169.254.169.254/keys"}, "private network"),
    ],
)  # fmt: skip
def test_a_discovery_document_that_misleads_is_not_followed(
    server: Server, client: httpx.Client, issuer: Issuer, document: dict[str, str], reason: str
) -> None:
    issuer.document = Answer(
        200, {name: text.replace("{url}", issuer.url) for name, text in document.items()}
    )
    trust_fetched(client, issuer)
    token = issuer.key.sign(gitlab_claims(issuer.url))
    wait_until(lambda: "not known" not in record(server, token).text)
    assert reason in record(server, token).json()["detail"]
    assert issuer.fetches == 0


def test_a_short_key_is_no_key(server: Server, client: httpx.Client, owner: str) -> None:
    short = Key("short", bits=1024)
    trust_github(client, owner, jwks={"keys": [short.jwk, KEY.jwk]})
    in_force(server, github(owner))
    claims = github_claims(repository_owner=owner, repository=f"{owner}/shop")
    assert record(server, short.sign(claims)).status_code == 401


def test_the_command_line_trusts_lists_and_withdraws(
    server: Server, client: httpx.Client, organization: str, owner: str, tmp_path: Path
) -> None:
    client.patch("/api/v1/settings", json={"benchmark": 2022})
    client.post(DEPLOYMENTS, json={"repository_url": "https://github.com/a/b", "version": "1"})
    (tmp_path / "keys.json").write_text(as_json([KEY]))
    done = server.run(
        "trust", "add", "--org", organization, "github", "--owner", owner, "--environments", "production,staging",
        "--claim", "ref_protected=true", "--jwks", str(tmp_path / "keys.json"),
    )  # fmt: skip
    assert (done.returncode, done.stdout[:9]) == (0, "Trusted: "), done.stderr
    assert recorded(server, github(owner, environment="staging"))["environment"] == "staging"
    (one,) = client.get(TRUSTS).json()["items"]
    assert one["created_by"] == "cli"
    listed = server.run("trust", "list", "--org", organization)
    assert f"jobs with repository_owner={owner}, ref_protected=true" in listed.stdout
    assert "into production, staging" in listed.stdout
    assert server.run("trust", "remove", one["id"], "--org", organization).returncode == 0
    assert client.get(TRUSTS).json()["items"] == []
    assert server.run("trust", "remove", one["id"], "--org", organization).returncode == 1


def test_the_command_line_names_what_is_wrong(
    server: Server, client: httpx.Client, organization: str
) -> None:
    client.post(DEPLOYMENTS, json={"repository_url": "https://github.com/a/b", "version": "1"})
    assert server.run("token", "--org", organization, "--scope", "admin", "--create").returncode == 0
    done = server.run("trust", "add", "--org", organization, "buildkite", "--organization", "acme")
    assert (done.returncode, "--repositories is required" in done.stderr) == (2, True)
    done = server.run("trust", "add", "--org", "nobody-there", "github", "--owner", "acme")
    assert (done.returncode, "there is no organization nobody-there" in done.stderr) == (1, True)


def test_the_page_of_tokens_shows_who_is_trusted(server: Server, client: httpx.Client, owner: str) -> None:
    trust_github(client, owner)
    with server.client() as browser:
        signed_in = browser.post("/sign-in", data={"token": server.token(org=f"trusting-{owner}")})
        # Behind https a browser would send it back by itself.
        cookie = signed_in.headers["Set-Cookie"].partition(";")[0]
        page = browser.get("/tokens", headers={"Cookie": cookie}).text
    assert "GitHub Actions" in page
    assert f"repository_owner {owner}" in page
