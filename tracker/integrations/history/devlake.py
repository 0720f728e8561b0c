"""History out of Apache DevLake: the tables of its domain layer, from its database or as CSV files."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from tracker.intakes.sources import UnreadableEvent
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.history.gitlab import repository_of
from tracker.integrations.history.options import HistoryOptions
from tracker.senders import keys
from tracker.senders.states import DEVLAKE
from tracker.transfer.imports.items import Found, Item, PassedOver, SourceError, Unreadable

_DEPLOYMENTS = "cicd_deployment_commits"
_INCIDENTS = "incidents"
_LINKS = "project_incident_deployment_relationships"
_PULL_REQUESTS = "project_pr_metrics"
_COMMITS = "pull_request_commits"
_MOST_COMMITS = 10_000
_ROWS_AT_ONCE = 5_000

Row = Mapping[str, Any]


class _Tables(Protocol):
    def rows(self, table: str) -> Iterator[Row]:
        """The rows of a table; none where it is not there."""
        ...

    def has(self, table: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class _CsvTables:
    folder: Path

    def has(self, table: str) -> bool:
        return (self.folder / f"{table}.csv").is_file()

    def rows(self, table: str) -> Iterator[Row]:
        if self.has(table):
            with (self.folder / f"{table}.csv").open(encoding="utf-8-sig", newline="") as stream:
                # What an export writes for null.
                for row in csv.DictReader(stream):
                    yield {name: None if cell in ("NULL", "\\N", "") else cell for name, cell in row.items()}


@dataclass(frozen=True, slots=True)
class _DatabaseTables:
    connection: Connection

    def has(self, table: str) -> bool:
        return inspect(self.connection).has_table(table)

    def rows(self, table: str) -> Iterator[Row]:
        if self.has(table):
            query = text(f"select * from {table}").execution_options(yield_per=_ROWS_AT_ONCE)
            for row in self.connection.execute(query):
                yield dict(row._mapping)


@contextmanager
def _opened(name: str) -> Iterator[_Tables]:
    """A folder of CSV files, or a database by its URL. Raises `SourceError`."""
    if "://" not in name:
        if not Path(name).is_dir():
            raise SourceError(
                f"{name} is no folder: name DevLake's database, or a folder with its tables as CSV"
            )
        yield _CsvTables(Path(name))
        return
    try:
        engine = create_engine(name)
        with engine.connect() as connection:
            yield _DatabaseTables(connection)
        engine.dispose()
    except ModuleNotFoundError as failure:
        raise SourceError(
            f"reading this database needs {failure.name}: pip install 'shiptally[devlake]'"
        ) from None
    except SQLAlchemyError as failure:
        raise SourceError(f"DevLake's database cannot be read: {str(failure).splitlines()[0]}") from None


@dataclass(slots=True)
class _Reader:
    options: HistoryOptions
    tables: _Tables
    commits: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """By the id of a deployed commit the hashes that it brought, with the dates of their authors."""
    keys_of: dict[str, str] = field(default_factory=dict)
    """By DevLake's id of a deployment, and of its commit, what the record is called here."""

    def items(self) -> Iterator[Item]:
        """Raises `SourceError`."""
        if not self.tables.has(_DEPLOYMENTS):
            raise SourceError(f"there is no table {_DEPLOYMENTS}: is this DevLake's database?")
        self._read_commits()
        yield from self._each(_DEPLOYMENTS, self._deployment)
        links = {str(row["id"]): str(row["deployment_id"]) for row in self.tables.rows(_LINKS)}
        yield from self._each(_INCIDENTS, lambda place, row: self._incident(place, row, links))

    def _each(self, table: str, read: Any) -> Iterator[Item]:
        for number, row in enumerate(self.tables.rows(table), 1):
            place = f"{table}, row {number}"
            try:
                yield read(place, Fields(row))
            except UnreadableEvent as error:
                yield Unreadable(place, str(error))

    def _read_commits(self) -> None:
        deployed = {
            str(row["id"]): str(row["deployment_commit_id"])
            for row in self.tables.rows(_PULL_REQUESTS)
            if row.get("deployment_commit_id")
        }
        for row in self.tables.rows(_COMMITS):
            commit = deployed.get(str(row["pull_request_id"]))
            fields = Fields(row)
            sha = fields.commit("commit_sha")
            written = fields.instant("commit_authored_date")
            if commit is not None and sha is not None and written is not None:
                self.commits[commit][sha] = written.isoformat()

    def _deployment(self, place: str, row: Fields) -> Item:
        if (row.text("status") or "DONE").upper() != "DONE":
            return PassedOver("not over, as far as DevLake says")
        result = (row.text("result") or "").upper()
        if result not in DEVLAKE:
            return PassedOver("without a result")
        environment = (row.text("environment") or "").lower() or self.options.environment
        if environment is None:
            return PassedOver("of no environment that DevLake knows (--environment names it)")
        url = row.text("repo_url") or self.options.repository_url
        if url is None:
            raise UnreadableEvent("repo_url is missing: say it by --repository URL")
        own_id, sha = row.need("cicd_deployment_id"), row.need("commit_sha").lower()
        key = keys.devlake_deployment(own_id, sha)
        self.keys_of.setdefault(own_id, key)
        if (commit := row.text("id")) is not None:
            self.keys_of[commit] = key
        finished_at = row.need_instant("finished_date")
        started_at = row.instant("started_date")
        brought = self.commits.get(commit or "", {})
        commits = [{"sha": one, "committed_at": at} for one, at in list(brought.items())[:_MOST_COMMITS]]
        record = said(
            repository_url=repository_of(url, "repo_url").url,
            commit_id=sha,
            branch=row.text("ref_name"),
            service=self.options.service,
            environment=environment,
            team=self.options.team,
            status=DEVLAKE[result],
            title=row.text("name"),
            started_at=None if started_at is None or started_at > finished_at else started_at.isoformat(),
            finished_at=finished_at.isoformat(),
            commits=commits,
            commits_count=len(brought) or None,
            deployment_node_id=key,
        )
        return Found(place, record)

    def _incident(self, place: str, row: Fields, links: Mapping[str, str]) -> Item:
        own_id = row.need("id")
        record = said(
            key=keys.devlake_incident(row.text("incident_key") or own_id),
            title=row.text("title"),
            started_at=row.need_instant("created_date").isoformat(),
            resolved_at=_after(row, "created_date", "resolution_date"),
            severity=row.text("severity"),
            url=row.url("url"),
            deployment=self.keys_of.get(links.get(own_id, "")),
            repository_url=self.options.repository_url,
            service=self.options.service,
        )
        return Found(place, record, is_incident=True)


def _after(row: Fields, start: str, end: str) -> str | None:
    """The end, where it does not lie before the start."""
    began, ended = row.instant(start), row.instant(end)
    return None if began is None or ended is None or ended < began else ended.isoformat()


def devlake_items(name: str, options: HistoryOptions) -> Iterator[Item]:
    """What DevLake's tables tell, in a database or a folder of CSV files. Raises `SourceError`."""
    with _opened(name) as tables:
        yield from _Reader(options, tables).items()
