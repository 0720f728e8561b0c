"""An import: what a source gives is validated, held against what is recorded, and recorded in parts."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from sqlalchemy import insert, select, update
from uuid_utils import uuid7

from metrics.domain.deployments import NaturalKey, NewDeployment, SentDeployment
from metrics.domain.errors import Refusal
from metrics.domain.incidents import NewIncident, SentIncident
from metrics.domain.instants import now_microseconds, to_microseconds
from tracker.deployments.service import Recording, record_deployments
from tracker.incidents.service import record_incidents
from tracker.records.ledger import Act, Author, Ledger
from tracker.records.tables import INCIDENTS, current
from tracker.transfer.imports.items import Found, Item, PassedOver, Remark, Unreadable
from tracker.transfer.imports.known import ESTIMATED, KnownDeployment, KnownRecords
from tracker.transfer.imports.tables import IMPORTED_RECORDS, IMPORTS

T = TypeVar("T")
Commit = Callable[[Act[T]], T]
"""Runs an act and commits it; or, where nothing is to be recorded, takes it back."""

AT_ONCE = 1_000
_SUBJECT = "import"
_SECOND = 1_000_000
_MOST_SHOWN = 20
DELETED = "deleted here"


class Outcome(StrEnum):
    """What became of something that a source gave."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    """Recorded already, by this source."""
    RECOGNISED = "recognised"
    """Recorded already by another system."""
    ENDED = "after recording began"
    """An estimate of a time for which there are records."""
    DELETED = DELETED
    """Somebody has deleted it, and it stays so."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one thing; the detail says why, where that is not plain."""

    place: str
    outcome: Outcome
    record: Mapping[str, Any]
    detail: str = ""


@dataclass(slots=True)
class Summary:
    """What became of all; `shown` are the first of each outcome."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    shown: dict[Outcome, list[Settled]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    beside_estimates: Counter[str] = field(default_factory=Counter)
    """Records of times for which an import, by its id, has estimates."""

    def add(self, settled: Settled) -> None:
        self.counts[settled.outcome] += 1
        shown = self.shown.setdefault(settled.outcome, [])
        if len(shown) < _MOST_SHOWN:
            shown.append(settled)


@dataclass(frozen=True, slots=True)
class _Read:
    """Something that can be recorded."""

    found: Found
    sent: SentDeployment | SentIncident


@dataclass(slots=True)
class Importer:
    """One run. `within_seconds`: how far apart two systems may tell of one deployment."""

    organization: str
    source: str
    name: str
    commit: Commit[Any]
    within_seconds: int = 3_600
    since: datetime | None = None
    id: str = field(default_factory=lambda: str(uuid7()))
    summary: Summary = field(default_factory=Summary)
    _known: KnownRecords = field(init=False)
    _has_begun: bool = False

    def __post_init__(self) -> None:
        self._known = KnownRecords(self.organization, self.source)

    def take(self, items: Sequence[Item]) -> None:
        """Record what can be, in one commit; what cannot is counted. Raises one of `UNAVAILABLE`."""
        readable: list[_Read] = []
        for item in items:
            match item:
                case PassedOver(reason):
                    self.summary.passed_over[reason] += 1
                case Remark(text):
                    self.summary.remarks.append(text)
                case Unreadable(place, detail):
                    self.summary.add(Settled(place, Outcome.FAILED, {}, detail))
                case Found():
                    try:
                        read = _read(item)
                    except Refusal as refusal:
                        self.summary.add(Settled(item.place, Outcome.FAILED, item.record, refusal.detail))
                        continue
                    if self.since is not None and _at(read.sent) < to_microseconds(self.since):
                        self.summary.passed_over["earlier than --since"] += 1
                    else:
                        readable.append(read)
        if readable:
            for one in self.commit(lambda ledger: self._act(ledger, readable)):
                self.summary.add(one)

    def finish(self) -> None:
        """Note that the whole source was read."""
        if self._has_begun:
            finished = update(IMPORTS).where(IMPORTS.c.id == self.id).values(finished_at=now_microseconds())
            self.commit(lambda ledger: ledger.connection.execute(finished))

    def _act(self, ledger: Ledger, readable: Sequence[_Read]) -> list[Settled]:
        author = Author(self.organization, _SUBJECT)
        settled, made = self._deployments(ledger, author, readable)
        reported, more = _incidents(ledger, author, readable)
        self._note(ledger, [*made, *more])
        return [*settled, *reported]

    def _deployments(
        self, ledger: Ledger, author: Author, found: Sequence[_Read]
    ) -> tuple[list[Settled], list[dict[str, Any]]]:
        """What became of them, and the rows of those that are new."""
        sent = [(one.found, one.sent) for one in found if isinstance(one.sent, SentDeployment)]
        self._known.refresh(ledger, {one.facts.repository_key for _, one in sent})
        settled, made, wanted, own = [], [], [], set[NaturalKey]()
        for item, one in sorted(sent, key=lambda pair: _at(pair[1])):
            known_already = self._judge(item, one, own)
            if known_already is None:
                wanted.append((item, one))
            else:
                settled.append(known_already)
        recorded = record_deployments(ledger, author, [one for _, one in wanted])
        for (item, one), outcome in zip(wanted, recorded, strict=True):
            settled.append(_settled(item, outcome))
            if isinstance(outcome, Recording):
                # Nobody else writes meanwhile, and what this import has made is no other's.
                self._known.revision = max(self._known.revision, outcome.deployment.version.revision)
                if not outcome.repeated:
                    made.append(_row("deployment", outcome.deployment.version))
                    self._note_estimates(one)
        return settled, made

    def _note_estimates(self, one: SentDeployment) -> None:
        """Count a record of a time for which an import has estimates."""
        if ESTIMATED not in one.facts.labels:
            import_id = self._known.estimated_from(one.facts, _at(one))
            if import_id is not None:
                self.summary.beside_estimates[import_id] += 1

    def _judge(self, item: Found, one: SentDeployment, own: set[NaturalKey]) -> Settled | None:
        """What is known of it already; None where it is to be recorded, or says something new."""
        key, at = one.facts.natural_key, _at(one)
        if key is not None:
            known = self._known.by_key(key)
            if known is not None:
                # What somebody has corrected stays so, unless the sender says something newer.
                is_other = at > known.at and one.facts.status is not known.status
                if one.facts.status.is_final and (is_other or not known.status.is_final):
                    return None
                return Settled(item.place, Outcome.REPEATED, item.record)
            if self._known.is_deleted(key):
                return Settled(item.place, Outcome.DELETED, item.record)
            if key in own:
                return None
            own.add(key)
        match = self._known.match(one.facts, at, self.within_seconds * _SECOND)
        if match is not None:
            return Settled(item.place, Outcome.RECOGNISED, item.record, _recognised(match, one, at))
        first = self._known.first_real_at(one.facts)
        if ESTIMATED in one.facts.labels and first is not None and at >= first:
            return Settled(item.place, Outcome.ENDED, item.record)
        return None

    def _note(self, ledger: Ledger, made: Sequence[Mapping[str, Any]]) -> None:
        """Keep what this import has made, in the commit in which it makes it."""
        if not self._has_begun:
            ledger.ensure_organization(self.organization)
            ledger.connection.execute(
                insert(IMPORTS).values(
                    id=self.id, organization=self.organization, source=self.source, name=self.name,
                    started_at=ledger.now, recorded=0,
                )
            )  # fmt: skip
            self._has_begun = True
        if made:
            connection = ledger.connection
            connection.execute(insert(IMPORTED_RECORDS), [{"import_id": self.id, **row} for row in made])
            of_it = IMPORTS.c.id == self.id
            connection.execute(update(IMPORTS).where(of_it).values(recorded=IMPORTS.c.recorded + len(made)))


def _read(item: Found) -> _Read:
    """Validate what was found. Raises `Refusal`."""
    raw, now = msgspec.json.encode(item.record), now_microseconds()
    if item.is_incident:
        return _Read(item, NewIncident.parse(raw).sent(now))
    sent = NewDeployment.parse(raw).sent(triggered_by="import", now=now, finish_required=True)
    return _Read(item, sent)


def _at(sent: SentDeployment | SentIncident) -> int:
    if isinstance(sent, SentIncident):
        return sent.facts.started_at
    facts = sent.facts
    return facts.finished_at or facts.started_at or now_microseconds()


def _settled(item: Found, outcome: Recording | Refusal) -> Settled:
    if isinstance(outcome, Refusal):
        return Settled(item.place, Outcome.FAILED, item.record, outcome.detail)
    return Settled(item.place, Outcome.REPEATED if outcome.repeated else Outcome.RECORDED, item.record)


def _row(kind: str, version: Any) -> dict[str, Any]:
    return {"kind": kind, "record_id": version.id, "revision": version.revision}


def _recognised(known: KnownDeployment, sent: SentDeployment, at: int) -> str:
    """By what a deployment was recognised."""
    both = known.commit_id is not None and sent.facts.commit_id is not None
    apart = abs(known.at - at) // _SECOND
    span = f"{apart // 60} min" if apart >= 60 else f"{apart} s"
    name = known.node_id or known.id
    return f"recorded already as {name}: the same {'commit' if both else 'version'}, {span} apart"


def _incidents(
    ledger: Ledger, author: Author, found: Iterable[_Read]
) -> tuple[list[Settled], list[dict[str, Any]]]:
    """What became of the incidents, and the rows of those that are new."""
    sent = {one.sent.facts.key: one for one in found if isinstance(one.sent, SentIncident)}
    columns = INCIDENTS.c
    keys = [key for key in sent if key is not None]
    rows = ledger.connection.execute(
        select(columns.key, columns.resolved_at).where(
            current(columns, author.organization), ledger.in_values(columns.key, keys)
        )
    )
    resolved = {row.key: row.resolved_at for row in rows}
    settled, made, wanted = [], [], []
    for key, one in sent.items():
        assert isinstance(one.sent, SentIncident)
        report = one.sent
        if key in resolved:
            if resolved[key] is not None or report.facts.resolved_at is None:
                settled.append(Settled(one.found.place, Outcome.REPEATED, one.found.record))
                continue
            # What somebody has corrected stays so: its end alone is new.
            report = replace(report, fields_set=frozenset({"resolved_at"}))
        wanted.append((one.found, report))
    for (item, _), outcome in zip(
        wanted, record_incidents(ledger, author, [report for _, report in wanted]), strict=True
    ):
        if isinstance(outcome, Refusal):
            settled.append(Settled(item.place, Outcome.FAILED, item.record, outcome.detail))
            continue
        is_repeat = outcome.repeated
        settled.append(Settled(item.place, Outcome.REPEATED if is_repeat else Outcome.RECORDED, item.record))
        if not is_repeat:
            made.append(_row("incident", outcome.incident.version))
    return settled, made
