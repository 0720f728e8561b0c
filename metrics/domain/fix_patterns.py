"""What an organization takes for a sign that a deployment is a fix or a hotfix: `fix_patterns`.

A pattern is FLAG:PLACE:PATTERN, as in `hotfix:branch:hotfix/*`, `hotfix:label:urgent` or `fix:commit:fix`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from metrics.domain.vocabulary import matches_any_name, name_key


class FixFlag(StrEnum):
    """What a pattern says of a deployment."""

    FIX = "fix"
    HOTFIX = "hotfix"


class FixPlace(StrEnum):
    """Where a pattern looks: the branch, the pull request's labels, or the types of all commits."""

    BRANCH = "branch"
    LABEL = "label"
    COMMIT = "commit"


class FixPattern(NamedTuple):
    """One sign. In `pattern`, case-folded, a * stands for any characters."""

    flag: FixFlag
    place: FixPlace
    pattern: str


@dataclass(frozen=True, slots=True)
class Change:
    """What is looked at: where a deployment comes from and what it carries."""

    branches: Sequence[str] = ()
    """The branch that is deployed."""
    merged: Sequence[str] = ()
    """The branches that were merged into it since the last deployment."""
    labels: Sequence[str] = ()
    subjects: Sequence[str] = ()
    """The first lines of its commits' messages."""


# Conventional Commits 1.0.0: type, scope in brackets, ! for a breaking change, colon, space.
_CONVENTIONAL = re.compile(r"(?P<type>[A-Za-z][\w-]*)(\([^()]*\))?!?: ")


@lru_cache
def parse_fix_pattern(text: str) -> FixPattern:
    """Read FLAG:PLACE:PATTERN. Raises `ValueError`."""
    flag, _, rest = text.strip().partition(":")
    place, _, pattern = rest.partition(":")
    if flag not in set(FixFlag) or place not in set(FixPlace) or not pattern.strip():
        raise ValueError(
            "must be fix or hotfix, then branch, label or commit, then a pattern: hotfix:branch:hotfix/*, say"
        )
    return FixPattern(FixFlag(flag), FixPlace(place), name_key(pattern.strip()))


def flags_of(change: Change, patterns: Iterable[str]) -> frozenset[FixFlag]:
    """The flags that the patterns give a deployment.

    The branch that is deployed or a label is enough. Of what was merged into it, and of the commits, all must
    be: a deployment that carries a feature beside a fix is no fix.
    """
    found = set()
    for flag, place, pattern in map(parse_fix_pattern, patterns):
        match place:
            case FixPlace.BRANCH:
                holds = any(_matches(name, pattern) for name in change.branches) or _all_match(
                    change.merged, pattern
                )
            case FixPlace.LABEL:
                holds = any(_matches(name, pattern) for name in change.labels)
            case FixPlace.COMMIT:
                holds = _all_match([_type_of(subject) for subject in change.subjects], pattern)
        if holds:
            found.add(flag)
    return frozenset(found)


def _matches(name: str, pattern: str) -> bool:
    return matches_any_name(name_key(name), [pattern])


def _all_match(names: Sequence[str], pattern: str) -> bool:
    """Whether there are names, and the pattern means each of them."""
    return bool(names) and all(_matches(name, pattern) for name in names)


def _type_of(subject: str) -> str:
    """The type of a conventional commit; empty where it is none."""
    found = _CONVENTIONAL.match(subject)
    return found["type"] if found else ""
