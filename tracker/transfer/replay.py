"""Records an export again: each line as the version of its record that it is, with the id that it had."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Table, select

from metrics.domain.deployments import NaturalKey
from metrics.domain.errors import Contradiction, FieldError, InvalidInput, Refusal
from metrics.domain.instants import now_microseconds, to_microseconds
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.settings import DEFAULT_SETTINGS, settings_columns
from metrics.domain.vocabulary import name_key
from tracker.deployments.pushes import is_push
from tracker.deployments.service import RecordedDeployment
from tracker.incidents.service import RecordedIncident
from tracker.records.ledger import Author, Ledger, Version, repository_columns, service_columns
from tracker.records.tables import (
    DEPLOYMENTS,
    INCIDENTS,
    ORGANIZATION_SETTINGS,
    PUSHES,
    REPOSITORIES,
    current,
)
from tracker.transfer.ndjson import Tally
from tracker.transfer.schemas import (
    EXPORTED,
    ExportedDeployment,
    ExportedIncident,
    ExportedLine,
    ExportedPush,
    ExportedRepository,
    ExportedSettings,
    LineType,
)

_VERSION_COLUMNS = frozenset(Version.__annotations__)


class _Type(msgspec.Struct):
    type: str | None = None
    id: object = None


def is_exported(line: bytes) -> bool:
    """Whether a line is of an export, and not the body of a deployment or an incident."""
    try:
        told = msgspec.json.decode(line, type=_Type)
        return told.type is not None and told.id is not None
    except msgspec.DecodeError:
        return False


ReadLine = tuple[int, ExportedLine | Refusal]
"""The number of a line, and what it says or what is wrong with it."""


def read_exported(lines: Iterable[tuple[int, bytes]]) -> list[ReadLine]:
    """Validate numbered lines of an export; empty ones are passed over."""
    return [(number, _read_or_refuse(line)) for number, line in lines if line.strip()]


def _read_or_refuse(line: bytes) -> ExportedLine | Refusal:
    try:
        return read_line(line)
    except Refusal as refusal:
        return refusal


def read_line(line: bytes) -> ExportedLine:
    """Validate a line of an export. Raises `InvalidInput`."""
    try:
        kind = LineType(str(msgspec.json.decode(line, type=_Type).type))
    except (msgspec.DecodeError, ValueError):
        detail = f"must be one of {', '.join(LineType)}, as tracker export writes them"
        raise InvalidInput.of([FieldError("/type", detail)]) from None
    return EXPORTED[kind].parse(line)


@dataclass(frozen=True, slots=True)
class _Content:
    """What a line says about its record, and how the record is found."""

    table: Table
    columns: Mapping[str, Any]
    identity: ColumnElement[bool]
    """The record's own: repositories, settings and pushes go by their key, the others by their id."""
    name: str
    repository: tuple[RepositoryIdentity, str] | None


@dataclass(slots=True)
class Replay:
    """Records the lines of one export into an organization."""

    organization: str
    tally: Tally = field(default_factory=Tally)
    _lines_of: Counter[str] = field(default_factory=Counter)
    _keeps_times: bool | None = None

    @property
    def has_begun(self) -> bool:
        return self._keeps_times is not None

    def record(self, ledger: Ledger, lines: Iterable[ReadLine]) -> None:
        """Record a part of the lines. One that cannot be recorded is counted, and changes nothing."""
        if self._keeps_times is None:
            # Into an empty database history moves as it was; elsewhere it becomes known just now.
            self._keeps_times = ledger.is_empty
        for number, line in lines:
            try:
                if isinstance(line, Refusal):
                    raise line
                self._record_line(ledger, line)
            except Refusal as refusal:
                self.tally.fail(number, refusal.detail)

    def _record_line(self, ledger: Ledger, line: ExportedLine) -> None:
        content = _content(line, self.organization)
        versions = _versions(ledger, content)
        self._lines_of[content.name] += 1
        position = self._lines_of[content.name]
        if len(versions) >= position:
            if versions[0].organization != self.organization:
                raise Contradiction(f"{line.type} {content.name}: another organization has recorded it")
            if not any(_says_the_same(version, content, line.deleted) for version in versions):
                raise Contradiction(f"{line.type} {content.name}: another content is recorded under this id")
            self.tally.repeated += 1
            return
        if content.repository is not None:
            ledger.ensure_repositories(Author(self.organization, "import"), [content.repository])
        self._append(ledger, line, content, versions)
        self.tally.recorded += 1

    def _append(
        self, ledger: Ledger, line: ExportedLine, content: _Content, versions: Sequence[Row[Any]]
    ) -> None:
        author = Author(self.organization, line.recorded_by or "import", line.token_id)
        if not versions:
            _require_free(ledger, content, line, self.organization)
            version = replace(ledger.first_version(author), created_at=to_microseconds(line.created_at))
            # A push has a name of its own that nobody is shown.
            if content.table is not PUSHES:
                own = self.organization if content.table is ORGANIZATION_SETTINGS else line.id
                version = replace(version, id=own)
        else:
            _require_same_place(content, versions[-1])
            version = ledger.next_version(author, Version.from_columns(versions[-1]._mapping))
        if self._keeps_times and line.recorded_at is not None:
            version = replace(version, recorded_at=to_microseconds(line.recorded_at))
        if line.deleted:
            version = version.as_deletion()
        row = {**vars(version), **content.columns}
        if content.table is INCIDENTS:
            row["key_space"] = versions[-1].key_space if versions else _key_space(ledger, row)
        if versions:
            ledger.supersede(content.table, Version.from_columns(versions[-1]._mapping), row)
        else:
            ledger.insert(content.table, row)


def _require_same_place(content: _Content, before: Row[Any]) -> None:
    """A deployment stays what it is one of. Raises `Contradiction`."""
    if content.table is not DEPLOYMENTS:
        return
    for name in ("repository", "service", "environment"):
        if content.columns[f"{name}_key"] != before._mapping[f"{name}_key"]:
            raise Contradiction(f"deployment {content.name}: its {name} is another than before")


def _content(line: ExportedLine, organization: str) -> _Content:
    """Raises `InvalidInput`."""
    match line:
        case ExportedDeployment():
            facts = line.sent(
                triggered_by=line.triggered_by, now=now_microseconds(), finish_required=True
            ).facts
            blank = _blank_version(organization, line)
            columns = RecordedDeployment(blank, facts).to_row()
            return _of_id(DEPLOYMENTS, columns, line.id, (facts.repository, facts.service))
        case ExportedIncident():
            incident = line.sent(None).facts
            columns = RecordedIncident(_blank_version(organization, line), incident).to_row()
            # Not in the export: whether the key is taken says which it is.
            del columns["key_space"]
            named = None if incident.repository is None else (incident.repository, incident.service)
            return _of_id(INCIDENTS, columns, line.id, named)
        case ExportedRepository():
            repository = RepositoryIdentity.parse(line.repository_url)
            found = REPOSITORIES.c
            return _Content(
                REPOSITORIES,
                {
                    **repository_columns(repository),
                    **service_columns(line.service, line.team),
                    "aliases": line.aliases,
                },
                (found.organization == organization)
                & (found.repository_key == repository.key)
                & (found.service_key == name_key(line.service)),
                f"{repository.path} {line.service}".strip(),
                None,
            )
        case ExportedPush():
            pushed = line.sent()
            push_columns = {**repository_columns(pushed.repository), **pushed.columns()}
            return _Content(
                PUSHES, push_columns, is_push(organization, pushed), f"of {pushed.after[:10]}", None
            )
        case ExportedSettings():
            return _Content(
                ORGANIZATION_SETTINGS,
                settings_columns(replace(DEFAULT_SETTINGS, **line.changes())),
                ORGANIZATION_SETTINGS.c.organization == organization,
                "settings",
                None,
            )


def _of_id(
    table: Table,
    columns: Mapping[str, Any],
    record_id: str,
    repository: tuple[RepositoryIdentity, str] | None,
) -> _Content:
    own = {name: value for name, value in columns.items() if name not in _VERSION_COLUMNS}
    return _Content(table, own, table.c.id == record_id, record_id, repository)


def _blank_version(organization: str, line: ExportedLine) -> Version:
    """Only what a row works out from its version: the time of creation."""
    return Version(0, 0, 0, "", None, organization, line.id, to_microseconds(line.created_at))


def _versions(ledger: Ledger, content: _Content) -> Sequence[Row[Any]]:
    return ledger.connection.execute(
        select(content.table).where(content.identity).order_by(content.table.c.revision)
    ).all()


def _says_the_same(version: Row[Any], content: _Content, deleted: bool) -> bool:
    columns = version._mapping
    was_deleted = columns["superseded_revision"] == columns["revision"]
    return was_deleted == deleted and all(columns[name] == value for name, value in content.columns.items())


def _key_space(ledger: Ledger, row: Mapping[str, Any]) -> str:
    """Where the key of a new incident is its own: its id where another incident has the key, else nothing."""
    columns = INCIDENTS.c
    with_key = select(columns.id).where(current(columns, row["organization"]), columns.key == row["key"])
    return "" if ledger.connection.execute(with_key).first() is None else str(row["id"])


def _require_free(ledger: Ledger, content: _Content, line: ExportedLine, organization: str) -> None:
    """Raises `Contradiction` where the record's id or natural key is taken by another record."""
    columns = content.table.c
    if isinstance(line, ExportedRepository):
        if ledger.connection.execute(select(columns.id).where(columns.id == line.id)).first() is not None:
            raise Contradiction(
                f"repository {content.name}: its id is another repository's or organization's"
            )
        return
    names: tuple[str, ...]
    if isinstance(line, ExportedDeployment) and line.deployment_node_id is not None:
        names = NaturalKey._fields
    elif isinstance(line, ExportedIncident) and line.key is not None:
        # Incidents of two repositories may have one key, reported by who knew of their own alone.
        names = ("repository_key", "key")
    else:
        return
    taken = ledger.connection.execute(
        select(columns.id).where(
            current(columns, organization),
            *(columns[name] == content.columns[name] for name in names),
        )
    ).first()
    if taken is not None:
        raise Contradiction(f"{line.type} {line.id}: its {names[-1]} is recorded as {taken.id} already")
