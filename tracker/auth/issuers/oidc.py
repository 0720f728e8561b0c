"""Any issuer of OIDC tokens: Jenkins, a Kubernetes cluster, one of one's own."""

from collections.abc import Mapping

from tracker.auth.issuers.base import IssuerKind, JobClaims, Option, Proof, nothing, required


def _issuer_of(options: Mapping[str, str]) -> str:
    return options["issuer"]


def _prove(claims: JobClaims, _: str) -> Proof:
    return Proof(subject=required(claims, "sub"))


OIDC = IssuerKind(
    name="oidc",
    title="another issuer",
    options=[Option(name="issuer", help="Its URL, as the claim iss has it.", required=True)],
    issuer_of=_issuer_of,
    claims_of=nothing,
    prove=_prove,
    proves_repository=False,
    cannot_prove=["repository_url", "commit_id", "branch", "environment", "pull requests"],
)
