"""What is recorded already, so that history comes in beside it and never twice."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from metrics.domain.deployments import DeploymentFacts, NaturalKey
from metrics.domain.vocabulary import Status
from tracker.records.aliases import keys_of_one
from tracker.records.ledger import Ledger
from tracker.records.tables import DEPLOYMENTS, current
from tracker.senders.keys import series_of
from tracker.transfer.imports.tables import IMPORTED_RECORDS, IMPORTS

ESTIMATED = "estimated"
"""The label of what no system has recorded: its value names what it was worked out from."""
UNDO_SUBJECT = "import undo"
"""Who has deleted what an undone import had made."""

Stream = tuple[str, str, str]
"""Repository, service and environment, as names are compared."""
# A commit may be told by its first digits.
_FEWEST_DIGITS = 7


@dataclass(frozen=True, slots=True)
class KnownDeployment:
    """A recorded deployment; `at` is its finish in microseconds, while in progress its creation."""

    id: str
    at: int
    status: Status
    commit_id: str | None
    version: str | None
    node_id: str | None
    is_estimated: bool
    source: str | None
    """Of the import that made it."""
    import_id: str | None


@dataclass(slots=True)
class KnownRecords:
    """The deployments of the repositories that an import of one `source` has met so far."""

    organization: str
    source: str
    revision: int = 0
    """Up to which the repositories that are known have been read."""
    _repositories: set[str] = field(default_factory=set)
    _by_key: dict[NaturalKey, KnownDeployment] = field(default_factory=dict)
    _by_release: dict[tuple[Stream, str], dict[str, KnownDeployment]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _deleted: set[NaturalKey] = field(default_factory=set)
    _first_real: dict[Stream, int] = field(default_factory=dict)
    _last_estimated: dict[Stream, tuple[int, str]] = field(default_factory=dict)
    _own_of: dict[str, str] = field(default_factory=dict)
    _matched: set[str] = field(default_factory=set)

    def refresh(self, ledger: Ledger, repository_keys: Iterable[str]) -> None:
        """Read what is recorded of repositories that are new here, and what has come since of the others."""
        head = ledger.connection.scalar(
            select(DEPLOYMENTS.c.revision).order_by(DEPLOYMENTS.c.revision.desc()).limit(1)
        )
        aliases = ledger.aliases(self.organization)
        if self._repositories and (head or 0) > self.revision:
            self._read(ledger, self._repositories, self.revision)
        new: set[str] = set()
        for key in set(repository_keys) - self._repositories:
            group = keys_of_one(aliases, key)
            self._own_of.update(dict.fromkeys(group, aliases.get(key, key)))
            new |= group
        if new:
            self._read(ledger, new, 0)
            self._read_deleted(ledger, new)
            self._repositories |= new
        self.revision = head or 0

    def by_key(self, key: NaturalKey | None) -> KnownDeployment | None:
        """The deployment that is recorded under the sender's own key."""
        return None if key is None else self._by_key.get(self._own(key))

    def is_deleted(self, key: NaturalKey | None) -> bool:
        """Whether somebody has deleted the deployment of that key, and nobody has posted it anew."""
        return key is not None and self._own(key) in self._deleted and self.by_key(key) is None

    def first_real_at(self, facts: DeploymentFacts) -> int | None:
        """When the stream's records begin that are not estimated."""
        return self._first_real.get(self._stream(facts))

    def estimated_from(self, facts: DeploymentFacts, at: int) -> str | None:
        """The import whose estimates of the same stream reach to the instant or beyond it."""
        last_at, import_id = self._last_estimated.get(self._stream(facts), (0, ""))
        return import_id if import_id and last_at >= at else None

    def match(self, facts: DeploymentFacts, at: int, within: int) -> KnownDeployment | None:
        """The nearest deployment of the same release, stream and outcome that another system recorded.

        `within` microseconds. Each is the match of one deployment only.
        """
        series = series_of(facts.deployment_node_id)
        is_estimate = ESTIMATED in facts.labels
        stream = self._stream(facts)
        fitting = [
            one
            for name in _releases(facts.commit_id, facts.version)
            for one in self._by_release.get((stream, name), {}).values()
            if one.id not in self._matched
            and abs(one.at - at) <= within
            and (one.status is facts.status or not one.status.is_final)
            and (is_estimate or not one.is_estimated)
            and (one.source != self.source if series is None else series_of(one.node_id) != series)
            and _is_same_release(one, facts)
        ]
        if not fitting:
            return None
        nearest = min(fitting, key=lambda one: (abs(one.at - at), one.id))
        self._matched.add(nearest.id)
        return nearest

    def _read(self, ledger: Ledger, repository_keys: Iterable[str], since: int) -> None:
        columns, made = DEPLOYMENTS.c, IMPORTED_RECORDS.c
        rows = ledger.connection.execute(
            select(
                columns.id, columns.listed_at, columns.status, columns.commit_id, columns.version,
                columns.repository_key, columns.service_key, columns.environment_key,
                columns.deployment_node_id, columns.labels, IMPORTS.c.source, made.import_id,
            )
            .join_from(DEPLOYMENTS, IMPORTED_RECORDS, made.record_id == columns.id, isouter=True)
            .join(IMPORTS, IMPORTS.c.id == made.import_id, isouter=True)
            .where(
                current(columns, self.organization),
                ledger.in_values(columns.repository_key, repository_keys),
                columns.revision > since,
            )
        )  # fmt: skip
        for row in rows:
            self._add(row)

    def _add(self, row: Any) -> None:
        one = KnownDeployment(
            id=row.id,
            at=row.listed_at,
            status=Status(row.status),
            commit_id=row.commit_id,
            version=row.version,
            node_id=row.deployment_node_id,
            is_estimated=ESTIMATED in row.labels,
            source=row.source,
            import_id=row.import_id,
        )
        own = self._own_of.get(row.repository_key, row.repository_key)
        stream = (own, row.service_key, row.environment_key)
        if one.node_id is not None:
            self._by_key[NaturalKey(*stream, one.node_id)] = one
        for name in _releases(one.commit_id, one.version):
            self._by_release[stream, name][one.id] = one
        if not one.is_estimated:
            self._first_real[stream] = min(one.at, self._first_real.get(stream, one.at))
        elif one.import_id is not None:
            latest = self._last_estimated.get(stream, (0, ""))
            self._last_estimated[stream] = max(latest, (one.at, one.import_id))

    def _read_deleted(self, ledger: Ledger, repository_keys: Iterable[str]) -> None:
        columns = DEPLOYMENTS.c
        rows = ledger.connection.execute(
            select(
                columns.repository_key,
                columns.service_key,
                columns.environment_key,
                columns.deployment_node_id,
            ).where(
                columns.organization == self.organization,
                ledger.in_values(columns.repository_key, repository_keys),
                columns.superseded_revision == columns.revision,
                columns.deployment_node_id.is_not(None),
                columns.recorded_by != UNDO_SUBJECT,
            )
        )
        self._deleted |= {self._own(NaturalKey(*row)) for row in rows}

    def _own(self, key: NaturalKey) -> NaturalKey:
        return key._replace(repository_key=self._own_of.get(key.repository_key, key.repository_key))

    def _stream(self, facts: DeploymentFacts) -> Stream:
        own = self._own_of.get(facts.repository_key, facts.repository_key)
        return own, facts.service_key, facts.environment_key


def _releases(commit_id: str | None, version: str | None) -> Iterator[str]:
    """What a release is looked up by: the beginning of its commit, its version without the v before it."""
    if commit_id is not None:
        yield commit_id[:_FEWEST_DIGITS]
    if version is not None:
        yield f"version {_plain(version)}"


def _is_same_release(known: KnownDeployment, facts: DeploymentFacts) -> bool:
    if known.commit_id is not None and facts.commit_id is not None:
        return known.commit_id.startswith(facts.commit_id) or facts.commit_id.startswith(known.commit_id)
    return (
        known.version is not None
        and facts.version is not None
        and _plain(known.version) == _plain(facts.version)
    )


def _plain(version: str) -> str:
    return version.lower().removeprefix("v")
