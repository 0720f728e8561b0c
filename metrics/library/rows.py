"""What a row of a file or a frame says, by the rules of every other way in: `metrics.domain`.

A deployment has the fields of `POST /api/v1/deployments`, or the columns of an export; an incident those
of `POST /api/v1/incidents`. Further columns are passed over.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from metrics.domain.deployments import DeploymentFacts, NewDeployment, SentDeployment
from metrics.domain.errors import InvalidInput
from metrics.domain.fields import Body, Name, RepositoryUrl, ServiceName
from metrics.domain.incidents import IncidentFacts, NewIncident, SentIncident
from metrics.domain.instants import in_zone
from metrics.domain.merging import merge_deployment, merge_incident
from metrics.domain.pushes import NewPush
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.settings import SettingsChange
from metrics.domain.vocabulary import name_key

Row = Mapping[str, Any]


class RowType(StrEnum):
    """What a line of an NDJSON export is; a row without a type is a deployment."""

    DEPLOYMENT = "deployment"
    INCIDENT = "incident"
    REPOSITORY = "repository"
    SETTINGS = "settings"
    PUSH = "push"


class DeploymentRow(NewDeployment):
    """A deployment. `id` is what an export gives: each row with one is the record's next version."""

    id: Name | None = None
    deleted: bool = False


class IncidentRow(NewIncident):
    """An incident; `id` as for a deployment."""

    id: Name | None = None
    deleted: bool = False


class RepositoryRow(Body):
    """The team of a repository, or of one of its services, and its other identities."""

    repository_url: RepositoryUrl
    service: ServiceName | None = None
    team: Name | None = None
    aliases: list[Name] | None = None


ROWS: Mapping[RowType, type[Body]] = {
    RowType.DEPLOYMENT: DeploymentRow,
    RowType.INCIDENT: IncidentRow,
    RowType.REPOSITORY: RepositoryRow,
    RowType.SETTINGS: SettingsChange,
    RowType.PUSH: NewPush,
}


def row_type(name: object) -> RowType:
    """The type that a row says it is of. Raises `InvalidInput`."""
    try:
        return RowType(str(name))
    except ValueError:
        raise InvalidInput.field("type", f"must be one of {', '.join(RowType)}") from None


def read_row(row: Row, kind: RowType) -> Body:
    """A row as what it is of; null says nothing. Raises `InvalidInput`."""
    model = ROWS[kind]
    known = {name: row[name] for name in model.model_fields if row.get(name) is not None}
    if "labels" in known:
        known["labels"] = _labels(known["labels"])
    return model.parse(msgspec.json.encode(known))


def with_zone(row: Row, zone: ZoneInfo) -> Row:
    """A row whose times that say no zone are those of this one; commits and the like keep what they say."""
    return {name: in_zone(value, zone) if name.endswith("_at") else value for name, value in row.items()}


def _labels(value: object) -> object:
    """A map of Arrow comes as a list of pairs."""
    if not isinstance(value, list):
        return value
    try:
        return {pair["key"]: pair["value"] for pair in value}
    except (TypeError, KeyError):
        raise InvalidInput.field("labels", "must be texts by name") from None


class DeploymentRows:
    """The deployments that rows have told of so far, each with the number of its first row."""

    def __init__(self, now: int) -> None:
        """`now` in microseconds."""
        self._now = now
        self.records: dict[object, tuple[int, str | None, DeploymentFacts]] = {}

    def take(self, number: int, row: DeploymentRow) -> SentDeployment:
        """A record, a repeat of one, or its next version. Raises `InvalidInput`, `Contradiction`."""
        sent = row.sent(triggered_by="import", now=self._now, finish_required=True)
        key = row.id or sent.facts.natural_key or number
        first, _, earlier = self.records.get(key, (number, None, None))
        if row.deleted:
            self.records.pop(key, None)
        elif earlier is None or row.id is not None:
            self.records[key] = (first, row.id, sent.facts)
        else:
            self.records[key] = (first, None, merge_deployment(earlier, sent, self._now).facts)
        return sent

    def columns(self) -> list[tuple[int, Row]]:
        """The columns that a record database would have, with the number of the first row."""
        return [
            (
                number,
                {
                    **facts.columns(),
                    "id": record_id,
                    "commits": _json(facts.commits),
                    "labels": _json(facts.labels),
                },
            )
            for number, record_id, facts in self.records.values()
        ]


class IncidentRows:
    """The incidents that rows have told of so far, each with the number of its first row."""

    def __init__(self, now: int) -> None:
        """`now` in microseconds."""
        self._now = now
        self.records: dict[object, tuple[int, str | None, IncidentFacts]] = {}

    def take(self, number: int, row: IncidentRow) -> SentIncident:
        """A record, a repeat of one, or its next version. Raises `InvalidInput`, `Contradiction`."""
        sent = row.sent(None if row.id is not None else self._now)
        key = row.id or (("key", sent.facts.key) if sent.facts.key is not None else number)
        first, _, earlier = self.records.get(key, (number, None, None))
        if row.deleted:
            self.records.pop(key, None)
        elif earlier is None or row.id is not None:
            sent.require_start()
            self.records[key] = (first, row.id, sent.facts)
        else:
            self.records[key] = (first, None, merge_incident(earlier, sent))
        return sent

    def columns(self) -> list[tuple[int, Row]]:
        """The columns that a record database would have, with the number of the first row."""
        return [
            (
                number,
                {
                    **facts.columns(),
                    "id": record_id,
                    "labels": _json(facts.labels),
                    "repository_key": None if facts.repository is None else facts.repository.key,
                    "repository_url": None if facts.repository is None else facts.repository.url,
                },
            )
            for number, record_id, facts in self.records.values()
        ]


def repository_columns(
    repository: RepositoryIdentity, service: str, team: str | None, aliases: Sequence[str]
) -> Row:
    """The columns of a repository, or of one of its services."""
    return {
        "repository_key": repository.key,
        "repository_host": repository.host,
        "repository_path": repository.path,
        "service": service,
        "service_key": name_key(service),
        "team": team,
        "team_key": None if team is None else name_key(team),
        "aliases": _json(aliases),
    }


def settings_row(settings: Mapping[str, Any]) -> Row:
    """The columns of an organization's settings."""
    lists = {name: _json(value) for name, value in settings.items() if isinstance(value, tuple)}
    return {**settings, **lists}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
