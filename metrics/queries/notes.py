"""What the records say of a question that its figures alone do not: what to know before reading them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from metrics.definitions.base import MetricName, Note
from metrics.domain.instants import from_microseconds
from metrics.domain.repositories import RepositoryIdentity, matches_any
from metrics.domain.vocabulary import matches_any_name, meant_instead, name_key
from metrics.queries.question import Question
from metrics.sql import read_sql

_SHORTEST_SILENCE = timedelta(days=7)
_FEWEST_LISTS = 5
_MOST_KNOWN_TO_SUGGEST = 10_000


@dataclass(frozen=True, slots=True)
class RecordedSpan:
    """When the deployments that are asked for were first and last recorded; the longest pause between two."""

    first_at: datetime
    last_at: datetime
    longest_pause: timedelta


def recorded_span(cursor: duckdb.DuckDBPyConnection, bound: Mapping[str, object]) -> RecordedSpan | None:
    """The span of all that a question is about, whatever its window; None where that is nothing."""
    ((first, last, pause),) = cursor.execute(read_sql("queries", "recorded_span"), bound).fetchall()
    if first is None:
        return None
    return RecordedSpan(from_microseconds(first), from_microseconds(last), timedelta(microseconds=pause or 0))


def notes_of_span(span: RecordedSpan | None, question: Question) -> Iterator[Note]:
    """That recording began within the window, or that nothing has come for longer than ever before."""
    if span is None:
        return
    if question.from_at + timedelta(days=1) < span.first_at:
        day = span.first_at.astimezone(question.zone).date()
        yield Note(
            "recording_began",
            f"The first deployment asked for is of {day}: what the window has before it is no zero.",
        )
    silence = min(question.to_at, question.asked_at) - span.last_at
    if question.from_at > span.last_at or silence > max(_SHORTEST_SILENCE, span.longest_pause):
        day = span.last_at.astimezone(question.zone).date()
        yield Note(
            "nothing_recorded_since", f"The last deployment asked for is of {day}: nothing has come after it."
        )


def notes_of_names(
    cursor: duckdb.DuckDBPyConnection,
    question: Question,
    repositories: Sequence[RepositoryIdentity],
    visible_keys: Sequence[str] | None,
) -> Iterator[Note]:
    """That no record has a name that is asked for, with the nearest one that is known.

    `repositories` are those that may be seen.
    """
    for pattern in question.repositories or ():
        if not any(matches_any([pattern], one) for one in repositories):
            yield _unknown("repository", pattern, [one.shown for one in repositories])
    asked = {
        "environment": question.environments,
        "service": question.services,
        "team": question.teams,
    }
    if not any(asked.values()):
        return
    known: dict[str, dict[str, str]] = {dimension: {} for dimension in asked}
    for dimension, key, name in cursor.execute(
        read_sql("queries", "known_names"),
        {"organization": question.organization, "visible_keys": visible_keys},
    ).fetchall():
        known[dimension][key] = name
    for dimension, names_asked in asked.items():
        for name in names_asked or ():
            if not any(matches_any_name(key, [name_key(name)]) for key in known[dimension]):
                yield _unknown(dimension, name, list(known[dimension].values()))


def _unknown(dimension: str, name: str, known: Sequence[str]) -> Note:
    nearest = meant_instead(name, known[:_MOST_KNOWN_TO_SUGGEST])
    hint = f" Is {nearest} meant?" if nearest else ""
    return Note("unknown_name", f"No record has the {dimension} {name}.{hint}")


def notes_of_commits(
    cursor: duckdb.DuckDBPyConnection, bound: Mapping[str, object], metric: MetricName
) -> Iterator[Note]:
    """That lists of commits hold a stream's whole history, or nothing but the commit deployed."""
    if metric is not MetricName.LEAD_TIME_FOR_CHANGES:
        return
    ((commits, with_history, lists, heads),) = cursor.execute(
        read_sql("queries", "commit_lists"), bound
    ).fetchall()
    if with_history:
        yield Note(
            "first_deployment_history",
            f"{with_history} of the {commits} commits came with the first deployment of their stream, some "
            "from long before it: it seems to bring its history, which is not how long a change takes.",
        )
    if lists >= _FEWEST_LISTS and heads == lists:
        yield Note(
            "only_deployed_commits",
            f"All {lists} lists of commits hold the deployed commit alone: the others that went out with it "
            "are not known, and the lead time is that of the last one.",
        )
