"""What a record is, wherever it comes from: the record database, a file or a frame.

Shared by the side that writes records and the side that reads them, so that a repository, an
environment or an instant means the same on both.
"""

from dataclasses import dataclass
from enum import StrEnum

COMMIT_PATTERN = r"^[0-9a-fA-F]{7,64}$"

DEFAULT_ENVIRONMENT = "production"
DEFAULT_PRODUCTION_ENVIRONMENTS = ("production", "prod", "live")
DEFAULT_ATTRIBUTION_GAP_DAYS = 30
# The last report whose levels are monotone.
DEFAULT_BENCHMARK_YEAR = 2023


class Status(StrEnum):
    """How a deployment ended, or that it has not."""

    SUCCESS = "success"
    FAIL = "fail"
    IN_PROGRESS = "in_progress"

    @property
    def is_final(self) -> bool:
        return self is not Status.IN_PROGRESS


class FailureSignal(StrEnum):
    """What can say that a deployment failed. docs/metrics.md, section 2."""

    INCIDENT = "incident"
    ROLLBACK = "rollback"
    HOTFIX = "hotfix"
    FIX = "fix"
    STATUS = "status"


DEFAULT_FAILURE_SIGNALS = (
    FailureSignal.INCIDENT,
    FailureSignal.ROLLBACK,
    FailureSignal.HOTFIX,
    FailureSignal.FIX,
)


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """What an organization has set; a new one has the defaults."""

    timezone: str = "UTC"
    """IANA name; in it dates are local midnights where a question names no other."""
    production_environments: tuple[str, ...] = DEFAULT_PRODUCTION_ENVIRONMENTS
    """Case-folded: what metrics look at where a question names no environment."""
    failure_signals: tuple[FailureSignal, ...] = DEFAULT_FAILURE_SIGNALS
    attribution_gap_days: int = DEFAULT_ATTRIBUTION_GAP_DAYS
    """How far back a failure without a link may look for the deployment that caused it, in days."""
    benchmark: int = DEFAULT_BENCHMARK_YEAR
    """The year of the DORA report that levels are taken from."""


def environment_key(environment: str) -> str:
    """How two environment names are compared."""
    return environment.casefold()
