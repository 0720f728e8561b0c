"""Buildkite, whose tokens name a pipeline and no repository."""

import re
from collections.abc import Mapping

from tracker.auth.issuers.base import ClaimPatterns, IssuerKind, JobClaims, Option, Proof, required, said

_WHOLE_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


def _issuer_of(_: Mapping[str, str]) -> str:
    return "https://agent.buildkite.com"


def _claims_of(options: Mapping[str, str]) -> ClaimPatterns:
    return {"organization_slug": [options["organization"]]}


def _prove(claims: JobClaims, _: str) -> Proof:
    pipeline, branch = required(claims, "pipeline_slug"), said(claims, "build_branch")
    commit = said(claims, "build_commit") or ""
    return Proof(
        subject=f"{required(claims, 'organization_slug')}/{pipeline}",
        # Asked for by name, a build has a name for its commit.
        commit_id=commit if _WHOLE_COMMIT.fullmatch(commit) else None,
        branch=None if said(claims, "build_tag") else branch,
        node_ids=[f"buildkite:{required(claims, 'job_id')}"],
        # How Buildkite names the branch of a fork, where it is told to.
        is_outsiders=branch is not None and ":" in branch,
    )


BUILDKITE = IssuerKind(
    name="buildkite",
    title="Buildkite",
    options=[Option(name="organization", help="The organization's slug.", required=True)],
    issuer_of=_issuer_of,
    claims_of=_claims_of,
    owner_claims=["organization_slug"],
    prove=_prove,
    proves_repository=False,
    cannot_prove=["repository_url", "environment", "pull requests"],
)
