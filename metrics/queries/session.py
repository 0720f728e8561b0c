"""Who asks, of whose records and how many of them: alike over HTTP, in a terminal and in a notebook."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from metrics.definitions.catalog import MetricName
from metrics.definitions.profiles import Profile
from metrics.engine.store import Store
from metrics.queries.explanation import Explanation, window_end
from metrics.queries.parameters import MetricParameters
from metrics.queries.quality import RepositoryQuality
from metrics.queries.question import Answer, Question
from metrics.queries.receipts import DeploymentReceipt, IncidentReceipt
from metrics.queries.settings_impact import Move, SettingChange
from metrics.queries.snapshot import Reading


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose figures are asked for; `visible` are the repository patterns that the reader is limited to."""

    organization: str
    visible: Sequence[str] | None = None

    def answers(
        self, store: Store, parameters: MetricParameters, metrics: Sequence[MetricName]
    ) -> Sequence[Answer]:
        """What the parameters are answered now, or as of the instant that they name.

        Raises `ParameterError`, `RecordsUnavailable`.
        """
        known = self._known_then(store, parameters)
        return known.read(lambda reading: reading.ask(self._question(reading, parameters), metrics))

    def explanation(
        self,
        store: Store,
        parameters: MetricParameters,
        metric: MetricName,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        only_left_out: bool = False,
    ) -> Explanation:
        """What made the number: a page of `limit` rows after a cursor, all of them without a limit.

        Raises `ParameterError`, `RecordsUnavailable`.
        """
        # A window that ends now goes on being the first page's.
        now = datetime.now(UTC) if cursor is None else window_end(cursor)
        known = self._known_then(store, parameters)

        def act(reading: Reading) -> Explanation:
            question = self._question(reading, parameters, now)
            explained = reading.explain(
                question, metric, limit=limit, after=cursor, only_left_out=only_left_out
            )
            plain = parameters.model_copy(update={"interval": None, "group_by": None, "compare": False})
            moves = [
                self._move(reading, plain, explained.answer, change, now)
                for change in reading.setting_changes(self.organization)
            ]
            moved_by = [move for move in moves if move.row_before != explained.answer.row]
            return replace(explained, moved_by=moved_by)

        return known.read(act)

    def _move(
        self,
        reading: Reading,
        parameters: MetricParameters,
        answer: Answer,
        change: SettingChange,
        now: datetime,
    ) -> Move:
        """A change of a setting, with what is answered under the one before."""
        settings = change.undone(answer.question.settings)
        question = parameters.question(self.organization, settings, now=now, visible=self.visible)
        (before,) = reading.ask(question, [answer.metric], supposing=change.moves_facts)
        return Move(change, before.row)

    def profiles(self, store: Store, parameters: MetricParameters, metric: MetricName) -> Sequence[Answer]:
        """One metric under the rules of each profile, in their order, from one state of the records.

        Raises `ParameterError`, `RecordsUnavailable`.
        """

        def act(reading: Reading) -> Sequence[Answer]:
            question = self._question(reading, parameters)
            return [
                answer
                for profile in Profile
                for answer in reading.ask(replace(question, profile=profile), [metric])
            ]

        return self._known_then(store, parameters).read(act)

    def quality(self, store: Store, parameters: MetricParameters) -> Sequence[RepositoryQuality]:
        """What is missing in the records, by repository. Raises `ParameterError`, `RecordsUnavailable`."""
        return store.read(lambda reading: reading.quality(self._question(reading, parameters)))

    def deployment_receipt(
        self, store: Store, deployment_id: str, happened_at: datetime | None
    ) -> DeploymentReceipt:
        """What a recorded deployment does; `happened_at` is when it finished, else began, None where unknown.

        Raises `RecordsUnavailable`.
        """
        at = happened_at or datetime.now(UTC)
        return store.read(
            lambda reading: reading.deployment_receipt(self._plain_question(reading), deployment_id, at)
        )

    def incident_receipt(self, store: Store, incident_id: str) -> IncidentReceipt:
        """What a recorded incident does. Raises `RecordsUnavailable`."""
        return store.read(
            lambda reading: reading.incident_receipt(self._plain_question(reading), incident_id)
        )

    def _plain_question(self, reading: Reading) -> Question:
        return self._question(reading, MetricParameters())

    def _known_then(self, store: Store, parameters: MetricParameters) -> Store:
        known_at = parameters.known_at()
        return store if known_at is None else store.at(self.organization, known_at)

    def _question(
        self, reading: Reading, parameters: MetricParameters, now: datetime | None = None
    ) -> Question:
        settings, now = reading.settings(self.organization), now or datetime.now(UTC)
        return parameters.question(self.organization, settings, now=now, visible=self.visible)
