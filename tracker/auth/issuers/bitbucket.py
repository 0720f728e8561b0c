"""Bitbucket Pipelines, whose tokens name a repository by its UUID alone."""

from collections.abc import Mapping

from tracker.auth.issuers.base import IssuerKind, JobClaims, Option, Proof, nothing, required, said


def _issuer_of(options: Mapping[str, str]) -> str:
    workspace = options["workspace"]
    return f"https://api.bitbucket.org/2.0/workspaces/{workspace}/pipelines-config/identity/oidc"


def _prove(claims: JobClaims, _: str) -> Proof:
    return Proof(
        subject=required(claims, "repositoryUuid"),
        branch=said(claims, "branchName"),
        node_ids=[f"bitbucket:{required(claims, 'stepUuid')}"],
    )


BITBUCKET = IssuerKind(
    name="bitbucket",
    title="Bitbucket Pipelines",
    options=[Option(name="workspace", help="The workspace.", required=True)],
    issuer_of=_issuer_of,
    # The issuer is the workspace's own.
    claims_of=nothing,
    prove=_prove,
    proves_repository=False,
    cannot_prove=["repository_url", "commit_id", "environment", "pull requests"],
)
