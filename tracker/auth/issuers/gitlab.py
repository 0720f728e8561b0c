"""GitLab CI, of gitlab.com and of instances of one's own."""

from collections.abc import Mapping

from tracker.auth.issuers.base import (
    ClaimPatterns,
    IssuerKind,
    JobClaims,
    Option,
    Proof,
    as_sent,
    repository_at,
    required,
    said,
)

# What members set off. A child pipeline does not say what its parent was.
_INSIDERS = frozenset({"push", "schedule", "web", "api", "trigger", "pipeline", "chat"})
_CHILD = "parent_pipeline"


def _issuer_of(options: Mapping[str, str]) -> str:
    return as_sent(options, "url", "https://gitlab.com")


def _claims_of(options: Mapping[str, str]) -> ClaimPatterns:
    group = options["group"].strip("/")
    return {"namespace_path": [group, f"{group}/*"]}


def _prove(claims: JobClaims, issuer: str) -> Proof:
    job, pipeline = required(claims, "job_id"), required(claims, "pipeline_id")
    source, project = required(claims, "pipeline_source"), required(claims, "project_id")
    is_protected = claims.get("ref_protected") == "true"
    # A merge request from a fork may run in the parent project: the token then names both.
    is_of_fork = claims.get("job_project_id", project) != project
    repository = repository_at(f"{issuer}/{required(claims, 'project_path')}")
    return Proof(
        subject=said(claims, "user_login") or repository.path,
        repository=repository,
        commit_id=required(claims, "sha"),
        branch=said(claims, "ref") if claims.get("ref_type") == "branch" else None,
        environment=said(claims, "environment"),
        node_ids=[f"gitlab:{job}", f"gitlab:{pipeline}"],
        is_outsiders=is_of_fork or not (source in _INSIDERS or (source == _CHILD and is_protected)),
    )


GITLAB = IssuerKind(
    name="gitlab",
    title="GitLab CI",
    options=[
        Option(name="group", help="The group, with its subgroups, or the user.", required=True),
        Option(name="url", help="The instance, where it is not https://gitlab.com."),
    ],
    issuer_of=_issuer_of,
    claims_of=_claims_of,
    owner_claims=["namespace_path"],
    prove=_prove,
    proves_environment=True,
)
