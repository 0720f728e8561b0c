"""The words that records are made of, and how names are compared, the same wherever a record comes from."""

from collections.abc import Mapping
from enum import StrEnum

COMMIT_PATTERN = r"^[0-9a-fA-F]{7,64}$"
# PostgreSQL keeps no NUL in text.
TEXT_PATTERN = r"^[^\x00]*$"

DEFAULT_ENVIRONMENT = "production"


class Status(StrEnum):
    """How a deployment ended, or that it has not."""

    SUCCESS = "success"
    FAIL = "fail"
    IN_PROGRESS = "in_progress"
    CANCELLED = "cancelled"
    """Superseded, skipped or aborted: it is over, and in no metric."""

    @property
    def is_final(self) -> bool:
        return self is not Status.IN_PROGRESS


STATUS_WORDS: Mapping[str, Status] = {
    word: status
    for status, words in {
        Status.SUCCESS: "succeeded succes passed ok",
        Status.FAIL: "failed failure error timed_out",
        Status.IN_PROGRESS: "running started pending queued",
        Status.CANCELLED: "canceled skipped superseded aborted",
    }.items()
    for word in (status.value, *words.split())
}
"""The words of CI systems for a status, in lower case."""


class FailureSignal(StrEnum):
    """What can say that a deployment failed. docs/metrics.md, section 2."""

    INCIDENT = "incident"
    ROLLBACK = "rollback"
    HOTFIX = "hotfix"
    FIX = "fix"
    STATUS = "status"


def environment_key(environment: str) -> str:
    """Return the form in which environment names are compared."""
    return environment.casefold()
