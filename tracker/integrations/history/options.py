"""What whoever imports says of a source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOptions:
    """None, or nothing: as the source says."""

    repository_url: str | None = None
    service: str | None = None
    environment: str | None = None
    team: str | None = None
    tags: Sequence[str] = ()
    """PATTERN, or SERVICE=PATTERN."""
    paths: Sequence[str] = ()
    """PATH, or SERVICE=PATH: which changes are a service's own."""
    merges: bool = False
    branch: str | None = None
    manifests: Sequence[str] = ()
    """ENVIRONMENT=PATH, where the repository says what is deployed."""
    fix_patterns: Sequence[str] = ()
    workflows: Sequence[str] = ()
    prereleases: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    """By field of a record the column of a table."""
    zone: ZoneInfo | None = None
    """Of times that name none."""
