"""The words that records are made of, and how names are compared, the same wherever a record comes from."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from unicodedata import normalize

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


# The same few names come again and again.
@lru_cache(maxsize=4_096)
def name_key(name: str) -> str:
    """Return the form in which names are compared: case-folded, in Unicode's composed form.

    The Unicode Standard, section 3.13, canonical caseless matching, composed.
    """
    return normalize("NFC", normalize("NFD", name).casefold())


def meant_instead(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is nearest to one that is not; None where none is near."""
    by_key = {name_key(one): one for one in known}
    close = get_close_matches(name_key(name), by_key, n=1)
    return by_key[close[0]] if close else None


def matches_any_name(key: str, patterns: Iterable[str]) -> bool:
    """Whether a name is one of those given, in which a * stands for any characters. All are keys."""
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), key, re.DOTALL) for pattern in patterns
    )


def is_short_commit(commit_id: str) -> bool:
    """Return whether a commit id has fewer digits than a whole one, of SHA-1 or of SHA-256."""
    return len(commit_id) not in (40, 64)
