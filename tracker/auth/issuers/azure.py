"""Azure Pipelines: the token of a pipeline, not that of a service connection."""

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
)

_OF_A_PIPELINE = "p://"


def _issuer_of(options: Mapping[str, str]) -> str:
    return f"https://vstoken.dev.azure.com/{options['organization']}"


def _claims_of(options: Mapping[str, str]) -> ClaimPatterns:
    return {"org_id": [options["organization"]]}


def _prove(claims: JobClaims, _: str) -> Proof:
    subject = required(claims, "sub")
    if not subject.startswith(_OF_A_PIPELINE):
        raise Unproven("the token is not a pipeline's: ask for it without a service connection")
    ref = required(claims, "rpo_ref")
    return Proof(
        subject=subject.removeprefix(_OF_A_PIPELINE),
        repository=repository_at(required(claims, "rpo_uri")),
        commit_id=required(claims, "rpo_ver"),
        branch=branch_of(ref),
        node_ids=[f"azure:{required(claims, 'run_id')}"],
        is_outsiders=not ref.startswith(("refs/heads/", "refs/tags/")),
    )


AZURE = IssuerKind(
    name="azure",
    title="Azure Pipelines",
    options=[
        Option(name="organization", help="The organization's id, a UUID: System.CollectionId.", required=True)
    ],
    issuer_of=_issuer_of,
    claims_of=_claims_of,
    owner_claims=["org_id"],
    prove=_prove,
    audience="api://AzureADTokenExchange",
    cannot_prove=["environment"],
)
