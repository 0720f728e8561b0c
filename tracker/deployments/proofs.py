"""What a CI system's token proves of the deployment that its job records, and what is allowed to the job."""

from typing import Any

from sqlalchemy import select

from metrics.domain.deployments import DeploymentFacts, NewDeployment
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import matches_any_name, name_key
from tracker.auth.callers import Caller
from tracker.auth.issuers.base import Proof
from tracker.auth.tokens import Job
from tracker.auth.trusts import node_id_recorded_by, note_recorded
from tracker.errors import InsufficientScope, NotProved
from tracker.organizations.service import read_settings
from tracker.records.ledger import Ledger
from tracker.records.tables import DEPLOYMENTS, current


def as_proved(data: NewDeployment, job: Job, token_id: str) -> NewDeployment:
    """The record with what the job's token proves filled in. Raises `NotProved` where it says otherwise."""
    proof = job.proof
    _require_repository(data, proof)
    _require_commit(data, job)
    if proof.branch is not None and data.branch not in (None, proof.branch):
        raise NotProved.field("branch", f"is not the one that the token proves, {proof.branch}")
    _require_environment(data, job)
    _require_run(data, proof)
    named = data.commit_id is not None or data.version is not None
    proved: dict[str, Any] = {
        "commit_id": None if named else proof.commit_id,
        "branch": proof.branch,
        "environment": proof.environment,
        "deployment_node_id": next(iter(proof.node_ids), f"token:{token_id}"),
    }
    return data.model_copy(update={n: v for n, v in proved.items() if getattr(data, n) is None})


def require_allowed(ledger: Ledger, caller: Caller, facts: DeploymentFacts, *, records: bool = True) -> None:
    """Raises `InsufficientScope` where the job may not record this, and `NotProved` where its token was shown
    before, for another deployment. `records` is false where that is only tried.
    """
    job = caller.job
    if job is None:
        return
    environments = job.trust.environments
    if environments is not None and not matches_any_name(facts.environment_key, map(name_key, environments)):
        raise InsufficientScope(
            f"insufficient_scope: jobs that are trusted here do not record into {facts.environment}"
        )
    if (
        job.proof.is_outsiders
        and not job.trust.allow_pull_requests
        and _is_production(ledger, caller.organization, facts)
    ):
        raise InsufficientScope(
            "insufficient_scope: a job that a pull request or its like has set off does not record production"
        )
    if not job.proof.node_ids:
        _require_first_use(ledger, caller, facts, records)


def _require_repository(data: NewDeployment, proof: Proof) -> None:
    if proof.repository is not None and RepositoryIdentity.parse(data.repository_url) != proof.repository:
        detail = f"is not the one that the token proves, {proof.repository.key}"
        raise NotProved.field("repository_url", detail)


def _require_commit(data: NewDeployment, job: Job) -> None:
    proven = job.proof.commit_id
    if proven is None or data.commit_id is None or job.trust.allow_any_commit:
        return
    if not proven.lower().startswith(data.commit_id):
        raise NotProved.field("commit_id", f"is not the one that the token proves, {proven}")


def _require_environment(data: NewDeployment, job: Job) -> None:
    """Where the organization limits environments, a job is in the one that it records, if its system says."""
    proven = job.proof.environment
    if job.trust.environments is None or not job.trust.of_kind.proves_environment:
        return
    if proven is None:
        raise InsufficientScope(
            "insufficient_scope: the token names no environment: let the job say in which one it runs"
        )
    if data.environment is not None and name_key(data.environment) != name_key(proven):
        raise NotProved.field("environment", f"is not the one that the token proves, {proven}")


def _require_run(data: NewDeployment, proof: Proof) -> None:
    given = data.deployment_node_id
    if given is None or not proof.node_ids:
        return
    if not any(given == one or given.startswith(f"{one}:") for one in proof.node_ids):
        expected = " or ".join(proof.node_ids)
        raise NotProved.field("deployment_node_id", f"is not of the run that the token proves, {expected}")


def _is_production(ledger: Ledger, organization: str, facts: DeploymentFacts) -> bool:
    """Whether the environment is one of production: as the organization has set, or as a record has said."""
    settings = read_settings(ledger.connection, organization)
    if facts.production or matches_any_name(facts.environment_key, settings.production_environments):
        return True
    columns = DEPLOYMENTS.c
    declared = select(columns.id).where(
        current(columns, organization),
        columns.environment_key == facts.environment_key,
        columns.production.is_(True),
    )
    return ledger.connection.execute(declared.limit(1)).first() is not None


def _require_first_use(ledger: Ledger, caller: Caller, facts: DeploymentFacts, records: bool) -> None:
    """A token that names no run records one deployment: shown again, it is a repeat, or refused."""
    claims, organization = caller.claims, caller.organization
    named = "\n".join(facts.natural_key or ())
    before = node_id_recorded_by(ledger.connection, organization, claims.token_id)
    if before is None and records:
        note_recorded(ledger.connection, organization, claims.token_id, named, claims.expires_at)
    elif before not in (None, named):
        detail = "is not that of the one deployment that the token has recorded"
        raise NotProved.field("deployment_node_id", detail)
