"""GitHub Actions: of github.com, of GitHub Enterprise Server and of GHE.com."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from tracker.auth.issuers.base import (
    ClaimPatterns,
    IssuerKind,
    JobClaims,
    Option,
    Proof,
    as_sent,
    branch_of,
    repository_at,
    required,
    said,
)

_ISSUER = "https://token.actions.githubusercontent.com"
_HOSTED = "token.actions."
# What only those who may write to the repository set off. A pull request, a comment or a workflow that
# follows another one may be anybody's, whatever branch it says that it runs for.
_INSIDERS = frozenset(
    [
        "push",
        "schedule",
        "workflow_dispatch",
        "repository_dispatch",
        "release",
        "create",
        "deployment",
        "merge_group",
    ]
)


def _issuer_of(options: Mapping[str, str]) -> str:
    return as_sent(options, "url", _ISSUER)


def _claims_of(options: Mapping[str, str]) -> ClaimPatterns:
    return {"repository_owner": [options["owner"]]}


def _host_of(issuer: str) -> str:
    """Where the repositories of the issuer's tokens are."""
    host = urlsplit(issuer).netloc
    if host == urlsplit(_ISSUER).netloc:
        return "github.com"
    return host.removeprefix(_HOSTED)


def _prove(claims: JobClaims, issuer: str) -> Proof:
    run, attempt = required(claims, "run_id"), required(claims, "run_attempt")
    event, ref = required(claims, "event_name"), said(claims, "ref")
    repository = repository_at(f"https://{_host_of(issuer)}/{required(claims, 'repository')}")
    return Proof(
        subject=said(claims, "actor") or repository.path,
        repository=repository,
        commit_id=required(claims, "sha"),
        branch=said(claims, "head_ref") or branch_of(ref),
        environment=said(claims, "environment"),
        node_ids=[f"github:{run}:{attempt}"],
        is_outsiders=event not in _INSIDERS or (ref or "").startswith("refs/pull/"),
    )


GITHUB = IssuerKind(
    name="github",
    title="GitHub Actions",
    options=[
        Option(name="owner", help="The organization or user that owns the repositories.", required=True),
        Option(name="url", help=f"The issuer, where it is not {_ISSUER}: https://HOST/_services/token, say."),
    ],
    issuer_of=_issuer_of,
    claims_of=_claims_of,
    owner_claims=["repository_owner"],
    prove=_prove,
    proves_environment=True,
)
