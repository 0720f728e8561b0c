"""An issuer of OIDC tokens: signs what a test tells it to, and serves its keys on a loopback port."""

import json
import time
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.answering import Answer, Answering, Asked

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
SHA = "b8962f4eaff8e14fc646cb22c596c81e67d71362"


class Key:
    """A key pair with an id."""

    def __init__(self, key_id: str, bits: int = 2048) -> None:
        self.key_id = key_id
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    @property
    def jwk(self) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.key_id, "use": "sig", "alg": "RS256"}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A token with these claims; one that is None is left out."""
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.private, algorithm="RS256", headers={"kid": self.key_id} | header)


class Issuer:
    """A service with a discovery document and a key set, either of which a test may exchange."""

    def __init__(self) -> None:
        self.key = Key("key-1")
        self.keys = Answer(200, {"keys": [self.key.jwk]})
        self.document: Answer | None = None
        self._server = Answering(self._answer)
        self.url = self._server.url

    def _answer(self, asked: Asked) -> Answer:
        if asked.path == "/.well-known/openid-configuration":
            return self.document or Answer(200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
        return self.keys

    @property
    def fetches(self) -> int:
        """How often its keys were asked for."""
        return sum(asked.path == "/keys" for asked in self._server.asked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()


def times(seconds: float = 300) -> dict[str, int]:
    """From now on, for so long."""
    now = int(time.time())
    return {"iat": now, "nbf": now - 300, "exp": now + int(seconds)}


def github_claims(**changes: Any) -> dict[str, Any]:
    """What GitHub says of a job that a push has set off."""
    return {
        "actor": "octocat", "aud": "tracker", "base_ref": "", "event_name": "push", "head_ref": "", "iss": GITHUB_ISSUER,
        "job_workflow_ref": "octo-org/shop/.github/workflows/deploy.yml@refs/heads/main", "jti": "1e410ab1-302e-4e33-8c5f-869a4bd12c3b",
        "ref": "refs/heads/main", "ref_protected": "true", "ref_type": "branch", "repository": "octo-org/shop", "repository_id": "74",
        "repository_owner": "octo-org", "repository_owner_id": "65", "repository_visibility": "private", "run_attempt": "1",
        "run_id": "32291736541", "run_number": "1", "runner_environment": "github-hosted", "sha": SHA,
        "sub": "repo:octo-org@65/shop@74:ref:refs/heads/main", **times(),
    } | changes  # fmt: skip


def gitlab_claims(issuer: str, **changes: Any) -> dict[str, Any]:
    """What GitLab says of a job of a pipeline for a branch."""
    return {
        "namespace_id": "72", "namespace_path": "octo-org", "project_id": "20", "project_path": "octo-org/shop", "job_project_id": "20",
        "user_login": "sample-user", "pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch",
        "ref_path": "refs/heads/main", "ref_protected": "true", "environment_protected": "false", "runner_id": 1, "sha": SHA,
        "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b", "iss": issuer, "sub": "project_path:octo-org/shop:ref_type:branch:ref:main",
        "aud": "tracker", **times(3600),
    } | changes  # fmt: skip


def circleci_claims(**changes: Any) -> dict[str, Any]:
    """What CircleCI says of a job of a push."""
    organization = "c9035eb6-6eb2-4c85-8a81-d9ed6a1d1d1e"
    said = {
        "context-ids": ["7b6a5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c5d"], "job-id": "1f2e3d4c-5b6a-4978-8695-a4b3c2d1e0f9", "org-id": organization,
        "project-id": "3a2f5b1c-7d4e-4f6a-9b8c-0d1e2f3a4b5c", "ssh-rerun": False, "vcs-origin": "github.com/octo-org/shop",
        "vcs-ref": "refs/heads/main", "workflow-id": "2b3c4d5e-6f7a-4b8c-9d0e-1f2a3b4c5d6e",
    } | changes  # fmt: skip
    return {
        "iss": f"https://oidc.circleci.com/org/{organization}", "aud": "tracker", "sub": f"org/{organization}/project/x/user/y", **times(3600),
        **{f"oidc.circleci.com/{name}": value for name, value in said.items()},
    }  # fmt: skip


def buildkite_claims(**changes: Any) -> dict[str, Any]:
    """What Buildkite says of a job."""
    return {
        "iss": "https://agent.buildkite.com", "sub": f"organization:octo-org:pipeline:shop:ref:refs/heads/main:commit:{SHA}:step:deploy",
        "aud": "tracker", "organization_slug": "octo-org", "pipeline_slug": "shop", "build_number": 1, "build_branch": "main", "build_commit": SHA,
        "step_key": "deploy", "job_id": "0184990a-477b-4fa8-9968-496074483cee", "build_source": "webhook", **times(),
    } | changes  # fmt: skip


def bitbucket_claims(**changes: Any) -> dict[str, Any]:
    """What Bitbucket says of a step."""
    return {
        "iss": "https://api.bitbucket.org/2.0/workspaces/octo-org/pipelines-config/identity/oidc", "aud": "tracker",
        "sub": "{1de489be-ce6a-42a0-a8c8-eadbf1174ac7}:{759de0c6-eaee-4eaa-b7a6-c507eec759a7}", "stepUuid": "{759de0c6-eaee-4eaa-b7a6-c507eec759a7}",
        "repositoryUuid": "{1de489be-ce6a-42a0-a8c8-eadbf1174ac7}", "branchName": "main", **times(3600),
    } | changes  # fmt: skip


def azure_claims(**changes: Any) -> dict[str, Any]:
    """What Azure says of a run of a pipeline over a repository at GitHub."""
    organization = "0ca3ddd9-f0b0-4635-a98c-5866526961b6"
    return {
        "jti": "90b75b0a-61b6-4b71-ba6f-11107d95f4c5", "sub": "p://octo-org/project/deploy", "aud": "api://AzureADTokenExchange",
        "org_id": organization, "prj_id": "271ef6f7-5998-4b0f-86fb-4b54d9129990", "def_id": "1", "rpo_id": "octo-org/shop",
        "rpo_uri": "https://github.com/octo-org/shop.git", "rpo_ver": SHA, "rpo_ref": "refs/heads/main", "run_id": "5",
        "iss": f"https://vstoken.dev.azure.com/{organization}", **times(),
    } | changes  # fmt: skip


def as_json(keys: list[Key]) -> str:
    return json.dumps({"keys": [key.jwk for key in keys]})
