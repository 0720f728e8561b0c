"""Who asks, of whose records and how many of them: alike over HTTP, in a terminal and in a notebook."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from metrics.catalog import MetricName
from metrics.explanation import Explanation
from metrics.parameters import MetricParameters
from metrics.question import Answer, Question
from metrics.reading import Reading
from metrics.store import Store


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
        return self._known_then(store, parameters).read(
            lambda reading: reading.explain(
                self._question(reading, parameters),
                metric,
                limit=limit,
                after=cursor,
                only_left_out=only_left_out,
            )
        )

    def _known_then(self, store: Store, parameters: MetricParameters) -> Store:
        known_at = parameters.known_at()
        return store if known_at is None else store.at(self.organization, known_at)

    def _question(self, reading: Reading, parameters: MetricParameters) -> Question:
        settings = reading.settings(self.organization)
        return parameters.question(self.organization, settings, now=datetime.now(UTC), visible=self.visible)
