"""CircleCI."""

from collections.abc import Mapping

from tracker.auth.issuers.base import (
    ClaimPatterns,
    IssuerKind,
    JobClaims,
    Option,
    Proof,
    Unproven,
    branch_of,
    repository_at,
    required,
    said,
)

_CLAIM = "oidc.circleci.com/{}".format


def _issuer_of(options: Mapping[str, str]) -> str:
    return f"https://oidc.circleci.com/org/{options['organization']}"


def _claims_of(options: Mapping[str, str]) -> ClaimPatterns:
    return {_CLAIM("org-id"): [options["organization"]]}


def _prove(claims: JobClaims, _: str) -> Proof:
    if claims.get(_CLAIM("ssh-rerun")) is True:
        raise Unproven("the job was run again with SSH: a person may have typed anything into it")
    origin, ref = required(claims, _CLAIM("vcs-origin")), required(claims, _CLAIM("vcs-ref"))
    job = said(claims, _CLAIM("job-id")) or required(claims, _CLAIM("workflow-id"))
    repository = repository_at(origin if "://" in origin else f"https://{origin}")
    return Proof(
        subject=repository.path,
        repository=repository,
        commit_id=said(claims, _CLAIM("vcs-sha")),
        branch=branch_of(ref),
        node_ids=[f"circleci:{job}"],
        is_outsiders=not ref.startswith(("refs/heads/", "refs/tags/")),
    )


CIRCLECI = IssuerKind(
    name="circleci",
    title="CircleCI",
    options=[Option(name="organization", help="The organization's id, a UUID.", required=True)],
    issuer_of=_issuer_of,
    claims_of=_claims_of,
    owner_claims=[_CLAIM("org-id")],
    prove=_prove,
    cannot_prove=["commit_id", "environment"],
)
