"""The only way to ask: who asks, of whose records and how many of them, on one state of the records."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import duckdb
import pyarrow as pa

from metrics.definitions.base import MetricName, Part, Profile
from metrics.definitions.catalog import CATALOG
from metrics.domain.instants import midnight
from metrics.domain.settings import DEFAULT_SETTINGS, OrganizationSettings, settings_from
from metrics.engine.pulled_tables import DETAILS
from metrics.engine.store import Readable, Store
from metrics.queries import settings_impact
from metrics.queries.execution import QueryExecution, executing, rows_of
from metrics.queries.explanation import Explanation, NewestRows, explain, newest_rows, window_end
from metrics.queries.incidents import incident_ids, of_all_times
from metrics.queries.names import KnownNames, known_names
from metrics.queries.notes import RecordedSpan
from metrics.queries.outcomes import Finished, Outcome, outcomes_of
from metrics.queries.parameters import MetricParameters
from metrics.queries.quality import RepositoryQuality, quality_of
from metrics.queries.question import Answer, Question
from metrics.queries.receipts import (
    DeploymentReceipt,
    IncidentReceipt,
    Mark,
    deployment_receipt,
    incident_marks,
    incident_receipt,
)
from metrics.queries.settings_impact import SettingChange, SettingImpact, last_changes
from metrics.queries.views import view
from metrics.sql import read_sql

T = TypeVar("T")


class Snapshot:
    """One state of the records, as long as it is held."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.cursor = cursor

    def settings(self, organization: str) -> OrganizationSettings:
        """What the organization has set; the defaults where that is nothing."""
        found = rows_of(self.cursor, read_sql("queries", "settings"), {"organization": organization})
        return settings_from(found[0]) if found else DEFAULT_SETTINGS

    def setting_changes(self, organization: str) -> Sequence[SettingChange]:
        """Return the last change of every setting that figures depend on and that was ever changed."""
        return last_changes(self.cursor, organization)

    def digests(self, tables: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return by table its number of rows and the sum of their hashes: equal where the content is."""
        counts = (
            self.cursor.execute(
                f"select count(*), coalesce(sum(hash(rows_of_it)), 0) from {table} as rows_of_it"
            ).fetchone()
            for table in tables
        )
        return {
            table: (count[0], int(count[1])) for table, count in zip(tables, counts, strict=True) if count
        }

    def revision(self) -> int:
        """The last revision of the records that is in it; 0 where nothing was recorded."""
        found = self.cursor.execute("select coalesce(max(revision), 0) from replication").fetchall()
        return int(found[0][0])

    def view(self, name: str, organization: str) -> pa.Table:
        """The rows of `metrics/sql/views/<name>.sql`."""
        return view(self.cursor, name, organization)

    def ask(
        self,
        question: Question,
        metrics: Iterable[str] = tuple(MetricName),
        *,
        supposing: bool = False,
    ) -> list[Answer]:
        """The answers to a question, in the order asked. Raises `ParameterError` where that is too much.

        `supposing` works out links and culprits anew, as they would be under the question's settings.
        """
        with ExitStack() as held:
            if supposing:
                held.enter_context(
                    settings_impact.supposing(self.cursor, question.organization, question.settings)
                )
            asked = held.enter_context(executing(self.cursor, question))
            return [asked.answer(CATALOG[name]) for name in metrics]

    def begun_with_records(self, question: Question) -> Question:
        """The question with a window that begins no earlier than the day of the first record asked for."""
        span = QueryExecution(self.cursor, replace(question, interval=None, group_by=None)).recorded_span()
        if span is None:
            return question
        first = midnight(span.first_at.astimezone(question.zone).date(), question.zone)
        if not question.from_at < first < question.to_at:
            return question
        return replace(question, from_at=first)

    def explain(
        self,
        question: Question,
        name: str,
        *,
        limit: int | None = None,
        after: str | None = None,
        only_left_out: bool = False,
    ) -> Explanation:
        """The answer with the rows that made it, a page of `limit` after a cursor; all without a limit.

        Raises `ParameterError`.
        """
        with executing(self.cursor, question) as asked:
            return explain(self.cursor, asked, name, limit=limit, after=after, only_left_out=only_left_out)

    def newest_rows(
        self, question: Question, name: str, part: Part, *, limit: int, passed_over: int = 0
    ) -> NewestRows:
        """The latest rows of a part of an explanation, after so many of them."""
        with executing(self.cursor, question) as asked:
            return newest_rows(self.cursor, asked, name, part, limit=limit, passed_over=passed_over)

    def names(self, question: Question) -> KnownNames:
        """What can be asked for: the names that records which may be seen have given."""
        return known_names(self.cursor, QueryExecution(self.cursor, question))

    def recorded_span(self, question: Question) -> RecordedSpan | None:
        """The span of all that a question is about, whatever its window."""
        return QueryExecution(self.cursor, question).recorded_span()

    def quality(self, question: Question) -> list[RepositoryQuality]:
        """What is missing in the records that a question is about, by repository."""
        return quality_of(self.cursor, QueryExecution(self.cursor, question))

    def deployment_receipt(
        self, question: Question, deployment_id: str, happened_at: datetime
    ) -> DeploymentReceipt:
        """What a deployment that finished, or began, at an instant does to the metrics."""
        return deployment_receipt(self.cursor, question, deployment_id, happened_at)

    def incident_receipt(self, question: Question, incident_id: str) -> IncidentReceipt:
        """What an incident does to the metrics."""
        return incident_receipt(self.cursor, question, incident_id)


@contextmanager
def open_snapshot(store: Store) -> Iterator[Snapshot]:
    """One state of the records, with every one that was acknowledged before the call."""
    with store.snapshot() as cursor:
        yield Snapshot(cursor)


@dataclass(frozen=True, slots=True)
class Views:
    """Views by their names, and the last revision of the records that they show."""

    revision: int
    tables: Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class Session:
    """An organization's figures, alike over HTTP, in a terminal and in a notebook.

    `visible` are the repository patterns that the one who asks is limited to; None where that is nothing.
    `asked_at` is the instant at which all is asked; None is now.
    """

    store: Readable
    organization: str
    visible: Sequence[str] | None = None
    asked_at: datetime | None = None

    def state(self) -> tuple[object, ...]:
        """What an answer depends on beside its question: equal where nothing was recorded in between.

        Raises `RecordsUnavailable`.
        """
        return self.organization, self.visible, self.store.head()

    def answers(self, parameters: MetricParameters, metrics: Sequence[str]) -> Sequence[Answer]:
        """What the parameters are answered now, or as of the instant that they name.

        Raises `ParameterError`, `RecordsUnavailable`.
        """
        return self._read(
            parameters,
            lambda snapshot: snapshot.ask(self._question(snapshot, parameters), metrics),
            with_details=_choose_rows(metrics),
        )

    def explanation(
        self,
        parameters: MetricParameters,
        metric: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        only_left_out: bool = False,
    ) -> Explanation:
        """What made the number: a page of `limit` rows after a cursor, all of them without a limit.

        Raises `ParameterError`, `RecordsUnavailable`.
        """
        # A window that ends now goes on being the first page's.
        now = self._now() if cursor is None else window_end(cursor)

        def act(snapshot: Snapshot) -> Explanation:
            question = self._question(snapshot, parameters, now)
            explained = snapshot.explain(
                question, metric, limit=limit, after=cursor, only_left_out=only_left_out
            )
            plain = parameters.model_copy(update={"interval": None, "group_by": None, "compare": False})
            impacts = [
                self._impact(snapshot, plain, explained.answer, change, now)
                for change in snapshot.setting_changes(self.organization)
            ]
            moved_by = [impact for impact in impacts if impact.row_before != explained.answer.row]
            return replace(explained, moved_by=moved_by)

        return self._read(parameters, act, with_details=_choose_rows([metric]))

    def profiles(self, parameters: MetricParameters, metric: str) -> Sequence[Answer]:
        """One metric under the rules of each profile, in their order, from one state of the records.

        Raises `ParameterError`, `RecordsUnavailable`.
        """

        def act(snapshot: Snapshot) -> Sequence[Answer]:
            question = self._question(snapshot, parameters)
            return [
                answer
                for profile in Profile
                for answer in snapshot.ask(replace(question, profile=profile), [metric])
            ]

        return self._read(parameters, act, with_details=_choose_rows([metric]))

    def newest_rows(
        self,
        parameters: MetricParameters,
        metric: str,
        part: Part,
        *,
        limit: int,
        passed_over: int = 0,
    ) -> NewestRows:
        """The latest rows of a part of an explanation. Raises `ParameterError`, `RecordsUnavailable`."""
        return self._read(
            parameters,
            lambda snapshot: snapshot.newest_rows(
                self._question(snapshot, parameters), metric, part, limit=limit, passed_over=passed_over
            ),
            with_details=_choose_rows([metric]),
        )

    def outcomes(self, asked: Sequence[Finished]) -> Mapping[str, Outcome]:
        """By id what became of finished deployments. Raises `RecordsUnavailable`."""
        plain = MetricParameters()
        return self._read(
            plain,
            lambda snapshot: outcomes_of(snapshot.cursor, self._question(snapshot, plain), asked),
        )

    def names(self) -> KnownNames:
        """What can be asked for. Raises `RecordsUnavailable`."""
        plain = MetricParameters()
        return self._read(plain, lambda snapshot: snapshot.names(self._question(snapshot, plain)))

    def question(self, parameters: MetricParameters) -> Question:
        """The question that parameters ask now, defaults resolved. Raises `ParameterError`."""
        return self._read(parameters, lambda snapshot: self._question(snapshot, parameters))

    def recorded_span(self, parameters: MetricParameters) -> RecordedSpan | None:
        """When the first and the last deployment asked for finished, whatever the window."""
        return self._read(
            parameters, lambda snapshot: snapshot.recorded_span(self._question(snapshot, parameters))
        )

    def quality(self, parameters: MetricParameters) -> Sequence[RepositoryQuality]:
        """What is missing in the records, by repository. Raises `ParameterError`, `RecordsUnavailable`."""
        return self._read(parameters, lambda snapshot: snapshot.quality(self._question(snapshot, parameters)))

    def deployment_receipt(self, deployment_id: str, happened_at: datetime | None) -> DeploymentReceipt:
        """What a recorded deployment does; `happened_at` is when it finished, else began, None where unknown.

        Raises `RecordsUnavailable`.
        """
        plain, at = MetricParameters(), happened_at or self._now()
        return self._read(
            plain,
            lambda snapshot: snapshot.deployment_receipt(self._question(snapshot, plain), deployment_id, at),
        )

    def incident_receipt(self, incident_id: str) -> IncidentReceipt:
        """What a recorded incident does. Raises `RecordsUnavailable`."""
        plain = MetricParameters()
        return self._read(
            plain, lambda snapshot: snapshot.incident_receipt(self._question(snapshot, plain), incident_id)
        )

    def incident_ids(
        self,
        parameters: MetricParameters,
        *,
        open: bool | None,
        limit: int,
        passed_over: int = 0,
        is_windowed: bool = False,
    ) -> Sequence[str]:
        """The ids of incidents asked for, the latest to begin first, whatever the window where it is not to
        limit. Raises `ParameterError`, `RecordsUnavailable`.
        """

        def act(snapshot: Snapshot) -> Sequence[str]:
            question = self._question(snapshot, parameters)
            if not is_windowed:
                question = of_all_times(question)
            return incident_ids(snapshot.cursor, question, open=open, limit=limit, passed_over=passed_over)

        return self._read(parameters, act)

    def incident_marks(self, incident_ids: Sequence[str]) -> Mapping[str, Mark]:
        """By incident what it marks as failed, or why it marks nothing. Raises `RecordsUnavailable`."""
        plain = MetricParameters()
        return self._read(
            plain,
            lambda snapshot: incident_marks(snapshot.cursor, self._question(snapshot, plain), incident_ids),
        )

    def views(self, names: Sequence[str]) -> "Views":
        """The rows of each `metrics/sql/views/<name>.sql`, of one moment: of every repository.

        Raises `RecordsUnavailable`.
        """

        def act(snapshot: Snapshot) -> Views:
            tables = {name: snapshot.view(name, self.organization) for name in names}
            return Views(snapshot.revision(), tables)

        return self._read(MetricParameters(), act, with_details=not DETAILS.keys().isdisjoint(names))

    def _read(
        self, parameters: MetricParameters, act: Callable[[Snapshot], T], *, with_details: bool = False
    ) -> T:
        """Run the act on the records as they are, or were at the instant that the parameters name."""
        read = lambda cursor: act(Snapshot(cursor))  # noqa: E731
        known_at = parameters.known_at()
        if known_at is None:
            return self.store.read(read, with_details=with_details)
        return self.store.read_as_of(self.organization, known_at, read, with_details=with_details)

    def _now(self) -> datetime:
        return self.asked_at or datetime.now(UTC)

    def _question(
        self, snapshot: Snapshot, parameters: MetricParameters, now: datetime | None = None
    ) -> Question:
        settings, now = snapshot.settings(self.organization), now or self._now()
        question = parameters.question(self.organization, settings, now=now, visible=self.visible)
        return snapshot.begun_with_records(question) if parameters.begins_by_default else question

    def _impact(
        self,
        snapshot: Snapshot,
        parameters: MetricParameters,
        answer: Answer,
        change: SettingChange,
        now: datetime,
    ) -> SettingImpact:
        """A change of a setting, with what is answered under the one before."""
        settings = change.undone(answer.question.settings)
        question = parameters.question(self.organization, settings, now=now, visible=self.visible)
        if parameters.begins_by_default:
            question = replace(question, from_at=answer.question.from_at)
        (before,) = snapshot.ask(question, [answer.metric], supposing=change.moves_facts)
        return SettingImpact(change, before.row)


def _choose_rows(metrics: Iterable[str]) -> bool:
    """Whether one of the metrics chooses its rows out of views."""
    return any(CATALOG[name].selection is not None for name in metrics)
