"""One state of the records, and what can be asked of it."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime

import duckdb
import pyarrow as pa

from metrics.definitions.catalog import CATALOG, MetricName, read_sql
from metrics.domain.settings import OrganizationSettings
from metrics.domain.vocabulary import FailureSignal
from metrics.queries import settings_impact as moved
from metrics.queries.execution import Asking, asking
from metrics.queries.explanation import Explanation, explain
from metrics.queries.quality import RepositoryQuality, quality_of
from metrics.queries.question import Answer, Question
from metrics.queries.receipts import DeploymentReceipt, IncidentReceipt, deployment_receipt, incident_receipt
from metrics.queries.settings_impact import SettingChange, last_changes


class Reading:
    """One state of the records, as long as it is held."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def settings(self, organization: str) -> OrganizationSettings:
        """What the organization has set; the defaults where that is nothing."""
        # All rows of the one: a result that is not fetched to its end is in the way of the next question.
        found = self._cursor.execute(_SETTINGS, {"organization": organization}).fetchall()
        if not found:
            return OrganizationSettings()
        ((timezone, production_environments, failure_signals, gap_days, benchmark),) = found
        return OrganizationSettings(
            timezone=timezone,
            production_environments=tuple(production_environments),
            failure_signals=tuple(FailureSignal(name) for name in failure_signals),
            attribution_gap_days=gap_days,
            benchmark=benchmark,
        )

    def setting_changes(self, organization: str) -> Sequence[SettingChange]:
        """Of every setting that figures depend on and that was ever changed, the last change."""
        return last_changes(self._cursor, organization)

    def digests(self, tables: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Of each table the number of rows and a sum over their hashes: equal where the content is."""
        counts = (
            self._cursor.execute(
                f"select count(*), coalesce(sum(hash(rows_of_it)), 0) from {table} as rows_of_it"
            ).fetchone()
            for table in tables
        )
        return {
            table: (count[0], int(count[1])) for table, count in zip(tables, counts, strict=True) if count
        }

    def view(self, name: str, organization: str) -> pa.Table:
        """The rows of `metrics/sql/views/<name>.sql`."""
        relation = self._cursor.sql(read_sql("views", name), params={"organization": organization})
        return relation.to_arrow_table()

    def ask(
        self,
        question: Question,
        metrics: Iterable[MetricName] = tuple(MetricName),
        *,
        supposing: bool = False,
    ) -> list[Answer]:
        """The answers to a question, in the order asked. Raises `ParameterError` where that is too much.

        `supposing` works out links and culprits anew, as they would be under the question's settings.
        """
        with ExitStack() as held:
            if supposing:
                held.enter_context(moved.supposing(self._cursor, question.organization, question.settings))
            asked = held.enter_context(asking(self._cursor, question))
            return [asked.answer(CATALOG[name]) for name in metrics]

    def explain(
        self,
        question: Question,
        name: MetricName,
        *,
        limit: int | None = None,
        after: str | None = None,
        only_left_out: bool = False,
    ) -> Explanation:
        """The answer with the rows that made it, a page of `limit` after a cursor; all without a limit.

        Raises `ParameterError`.
        """
        with asking(self._cursor, question) as asked:
            return explain(self._cursor, asked, name, limit=limit, after=after, only_left_out=only_left_out)

    def quality(self, question: Question) -> list[RepositoryQuality]:
        """What is missing in the records that a question is about, by repository."""
        return quality_of(self._cursor, Asking(self._cursor, question))

    def deployment_receipt(
        self, question: Question, deployment_id: str, happened_at: datetime
    ) -> DeploymentReceipt:
        """What a deployment that finished, or began, at an instant does to the metrics."""
        return deployment_receipt(self._cursor, question, deployment_id, happened_at)

    def incident_receipt(self, question: Question, incident_id: str) -> IncidentReceipt:
        """What an incident does to the metrics."""
        return incident_receipt(self._cursor, question, incident_id)


_SETTINGS = """
    select timezone, production_environments, failure_signals, attribution_gap_days, benchmark
    from organization_settings
    where organization = $organization
"""
