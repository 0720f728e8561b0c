"""What the records say of a question that its figures alone do not: what to know before reading them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from metrics.definitions.base import Note
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
    """When the deployments that are asked for were first and last recorded as finished."""

    first_at: datetime
    last_at: datetime


def recorded_span(cursor: duckdb.DuckDBPyConnection, bound: Mapping[str, object]) -> RecordedSpan | None:
    """The span of all that a question is about, whatever its window; None where that is nothing."""
    ((first, last),) = cursor.execute(read_sql("queries", "recorded_span"), bound).fetchall()
    if first is None:
        return None
    return RecordedSpan(from_microseconds(first), from_microseconds(last))


def longest_pause(cursor: duckdb.DuckDBPyConnection, bound: Mapping[str, object]) -> timedelta:
    """The longest time between two deployments of all that a question is about, whatever its window."""
    ((pause,),) = cursor.execute(read_sql("queries", "longest_pause"), bound).fetchall()
    return timedelta(microseconds=pause or 0)


def notes_of_span(
    span: RecordedSpan | None, question: Question, longest_pause: Callable[[], timedelta]
) -> Iterator[Note]:
    """That recording began within the window, or that nothing has come for longer than ever before.

    The pause is asked for where it matters: to find it all records are read.
    """
    if span is None:
        return
    if question.from_at + timedelta(days=1) < span.first_at:
        day = span.first_at.astimezone(question.zone).date()
        yield Note(
            "recording_began",
            f"The first deployment asked for is of {day}: what the window has before it is no zero.",
        )
    silence = min(question.to_at, question.asked_at) - span.last_at
    if question.from_at > span.last_at or (silence > _SHORTEST_SILENCE and silence > longest_pause()):
        day = span.last_at.astimezone(question.zone).date()
        yield Note(
            "nothing_recorded_since", f"The last deployment asked for is of {day}: nothing has come after it."
        )


def notes_of_names(
    cursor: duckdb.DuckDBPyConnection,
    question: Question,
    repositories: Callable[[], Sequence[RepositoryIdentity]],
    visible_keys: Sequence[str] | None,
) -> Iterator[Note]:
    """That no record has a name that is asked for, with the nearest one that is known.

    `repositories` are those that may be seen.
    """
    for pattern in question.repositories or ():
        known_ones = repositories()
        if not any(matches_any([pattern], one) for one in known_ones):
            yield _unknown("repository", pattern, [one.shown for one in known_ones])
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


def notes_of_commits(commits: int, with_history: int, derived: int, lists: int, heads: int) -> Iterator[Note]:
    """That lists of commits hold a stream's whole history, or nothing but the commit deployed.

    The counts are those of `metrics/sql/queries/commit_lists.sql`.
    """
    if with_history:
        yield Note(
            "first_deployment_history",
            f"{with_history} of the {commits} commits came with the first deployment of their stream, some "
            "from long before it: it seems to bring its history, which is not how long a change takes.",
        )
    if derived:
        yield Note(
            "derived_commits",
            f"{derived} of the {commits} commits are known from pushes: their deployments told none, and "
            "carry what came between the release before them and their own.",
        )
    if lists >= _FEWEST_LISTS and heads == lists:
        yield Note(
            "only_deployed_commits",
            f"All {lists} lists of commits hold the deployed commit alone: the others that went out with it "
            "are not known, and the lead time is that of the last one.",
        )


def note_of_estimates(estimated: int, deployments: int) -> Sequence[Note]:
    """That a repository's history does not say what failed."""
    if not estimated:
        return ()
    detail = (
        f"{estimated} of the {deployments} deployments are estimates out of a repository's history, which "
        "does not say what failed: of these only repairs are seen, and a rate of 0 says little."
    )
    return (Note("estimated", detail),)


def note_of_groups(shown: int, left: int) -> Sequence[Note]:
    """That there are more groups than an answer shows."""
    if not left:
        return ()
    which = (
        "that with the most deployments is" if shown == 1 else f"the {shown} with the most deployments are"
    )
    detail = (
        f"Of {shown + left} groups {which} shown; a repository, service, team or longer interval gives fewer."
    )
    return (Note("groups_cut", detail),)
