"""Fixtures over real parts: a migrated database, a recorder that commits, a store that follows it."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from metrics.parameters import MetricParameters
from metrics.query import Answer
from metrics.replicate import SqliteRecords
from metrics.store import Store
from tracker.database import connect, migrate
from tracker.deployments import Recording, record_deployment
from tracker.incidents import RecordedIncident, report_incident, revise_incident
from tracker.ledger import Author
from tracker.recording import Recorder
from tracker.schemas.deployments import NewDeployment
from tracker.schemas.incidents import IncidentChange, NewIncident

REPOSITORY = "https://github.com/acme/shop"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Book:
    """A migrated database with a store behind it: records as the interface does, answers as it does."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "tracker.db"
        self.engine: Engine = connect(f"sqlite:///{self.file}")
        migrate(self.engine)
        self.recorder = Recorder(self.engine)
        self.store = Store(SqliteRecords(self.file), folder / "stores")

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()

    def deploy(self, *, org: str = "acme", **fields: Any) -> Recording:
        body = {"repository_url": REPOSITORY, **fields}
        if "commit_id" not in body and "version" not in body:
            body["commit_id"] = "aaaaaaa"
        sent = NewDeployment.parse(json.dumps(body).encode()).sent(triggered_by="api", now=NOW)
        return self.recorder.record_now(lambda ledger: record_deployment(ledger, Author(org, "test"), sent))

    def report(self, *, org: str = "acme", **fields: Any) -> RecordedIncident:
        body = NewIncident.parse(json.dumps(fields).encode())
        act = lambda ledger: report_incident(  # noqa: E731
            ledger, Author(org, "test"), body.facts(), body.carried_facts()
        )
        return self.recorder.record_now(act).incident

    def revise(self, incident_id: str, *, org: str = "acme", **fields: Any) -> RecordedIncident:
        changes = IncidentChange.parse(json.dumps(fields).encode()).changes()
        return self.recorder.record_now(
            lambda ledger: revise_incident(ledger, Author(org, "test"), incident_id, changes)
        )

    def ask(self, *, org: str = "acme", **parameters: Any) -> Mapping[str, Answer]:
        given = {name.removesuffix("_"): value for name, value in parameters.items()}
        question = MetricParameters.of(given).question(org, now=NOW)
        return {answer.metric: answer for answer in self.store.ask(question)}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    opened = Book(tmp_path)
    yield opened
    opened.close()
