"""What a deployment's time went into: steps, as a runner or a CI system reports them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select

from tracker.records.ledger import Author, Ledger
from tracker.records.tables import DEPLOYMENT_STEPS

# Time in which nothing was done for the deployment.
QUEUEING = ("BUILD_QUEUEING", "DEPLOYMENT_QUEUEING")


class StepStatus(StrEnum):
    """How a step ended."""

    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    CANCEL = "CANCEL"
    SKIP = "SKIP"


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a deployment, and how many seconds it took."""

    step_name: str
    status: StepStatus
    duration_sec: float


def report_steps(ledger: Ledger, author: Author, deployment_id: str, steps: Sequence[Step]) -> None:
    """Keep the steps of a deployment, in place of those that were reported before."""
    columns = DEPLOYMENT_STEPS.c
    ledger.connection.execute(delete(DEPLOYMENT_STEPS).where(columns.deployment_id == deployment_id))
    row = {
        "deployment_id": deployment_id,
        "organization": author.organization,
        "reported_at": ledger.now,
        "steps": [asdict(step) for step in steps],
    }
    ledger.connection.execute(insert(DEPLOYMENT_STEPS).values(**row))


def steps_of(connection: Connection, deployment_id: str | None) -> list[Step]:
    """The steps that were reported of a deployment; none where nobody did."""
    if deployment_id is None:
        return []
    columns = DEPLOYMENT_STEPS.c
    found = connection.scalar(select(columns.steps).where(columns.deployment_id == deployment_id))
    return [Step(one["step_name"], StepStatus(one["status"]), one["duration_sec"]) for one in found or []]
