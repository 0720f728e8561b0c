"""What needs attention: what is open, what stands out, what was refused, and what is missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist

from metrics.definitions.base import MetricName
from metrics.definitions.catalog import CATALOG
from metrics.definitions.statistics import wilson95
from metrics.definitions.words import count, say
from metrics.output.chart_frames import is_pale
from metrics.output.notes import notes_on
from metrics.queries.question import Answer
from tracker.audit.quality import QualityAnswer
from tracker.auth.register import list_tokens
from tracker.auth.tokens import Scope
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.shell import is_admin
from tracker.pages.frame.words import all_of, counted
from tracker.pages.parts.groups import GroupTable
from tracker.pages.parts.naming import names_of

_MOST_INCIDENTS = 4
_MOST_MOVED = 4
_TOLD_ELSEWHERE = frozenset({"settling", "unknown_name", "derived_commits"})
_TITLES = {
    "nothing_recorded_since": "Silence",
    "recording_began": "Recording began within the window",
    "no_incidents": "No incidents are reported",
    "first_deployment_history": "A first deployment brought its history",
    "estimated": "Failures of imported history are not seen",
    "only_deployed_commits": "Only deployed commits are told",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that needs attention; `tone` is bad, warn or good."""

    tone: str
    title: str
    detail: str
    url: str | None = None


def attention(
    asked: Asked, answers: Sequence[Answer], groups: GroupTable | None, quality: QualityAnswer
) -> Sequence[Item]:
    """What needs attention, the gravest first."""
    return [
        *_open_incidents(asked),
        *_weeks_that_stand_out(asked, answers),
        *_moved(asked, groups),
        *_refused(asked, quality),
        *_missing(asked, quality),
        *_notes(answers),
        *_expiring(asked),
    ]


def _open_incidents(asked: Asked) -> Iterator[Item]:
    if not asked.caller.may(Scope.DEPLOYMENTS_READ):
        return
    ids = asked.session.incident_ids(asked.parameters(), open=True, limit=_MOST_INCIDENTS + 1)
    named = names_of(asked.service.engine, asked.caller.organization, (), ids).incidents
    found = [named[one] for one in ids if one in named]
    for incident in found[:_MOST_INCIDENTS]:
        severity = f"{incident.severity}, open" if incident.severity else "Open"
        where = f" in {incident.about}" if incident.about else ""
        since = asked.clock.ago(incident.started_at)
        yield Item("bad", f"{incident.title}{where}", f"{severity} for {since}.", incident.url)
    if len(found) > _MOST_INCIDENTS:
        yield Item("bad", "More incidents are open", "", str(asked.address.at("/incidents", open="true")))


def _weeks_that_stand_out(asked: Asked, answers: Sequence[Answer]) -> Iterator[Item]:
    """Buckets whose interval does not hold the window's rate, widened for how many are looked at."""
    answer = next(one for one in answers if one.metric is MetricName.CHANGE_FAILURE_RATE)
    definition, whole = CATALOG[answer.metric], answer.row.value
    firm = [
        point
        for point in answer.series
        if not is_pale(point.window, definition, answer.question) and point.row.denominator  # type: ignore[attr-defined]
    ]
    if whole is None or len(firm) < 2:
        return
    quantile = NormalDist().inv_cdf(1 - 0.025 / len(firm))
    out = []
    for point in firm:
        interval = wilson95(point.row.numerator, point.row.denominator, quantile)  # type: ignore[attr-defined]
        if interval is not None and not interval[0] <= whole <= interval[1]:
            out.append(point)
    if not out:
        return
    interval_name = answer.question.interval or "week"
    named = all_of(
        [
            f"{asked.clock.day(asked.clock.local(point.window.from_at).date())} "
            f"({say(definition.unit, point.row.value)})"
            for point in out
        ]
    )
    is_worse = any((point.row.value or 0) > whole for point in out)
    several = len(out) > 1
    yield Item(
        "bad" if is_worse else "good",
        f"{counted(len(out), interval_name)} stand{'' if several else 's'} out",
        f"The change failure rate from {named}, against {say(definition.unit, whole)} in the whole window. "
        f"By chance alone one would expect any in 1 of 20 such windows.",
        str(asked.address.at("/metric/change_failure_rate")),
    )


def _moved(asked: Asked, groups: GroupTable | None) -> Iterator[Item]:
    """Groups that changed by more than chance, and how many of them chance alone would bring."""
    if groups is None:
        return
    moved = [(row, title, shift) for row in groups.rows for title, shift in row.moved]
    for row, title, shift in moved[:_MOST_MOVED]:
        name = row.name or f"no {groups.dimension}"
        detail = f"It was {shift.before} in the window before."
        yield Item(shift.tone, f"{name}: {title} {shift.words.split(',')[0]}", detail, row.url)
    if len(moved) > _MOST_MOVED:
        expected = 0.05 * groups.total * len(MetricName)
        yield Item(
            "warn",
            f"{len(moved) - _MOST_MOVED} more figures changed beyond chance",
            f"Of {groups.total * len(MetricName)} figures some {expected:.0f} would by chance alone.",
            str(asked.address.having(groups="all")),
        )


def _refused(asked: Asked, quality: QualityAnswer) -> Iterator[Item]:
    if not quality.rejected:
        return
    latest = quality.rejected[0]
    count = sum(entry.rejected for entry in quality.repositories)
    source = f", from {latest.repository}" if latest.repository else ""
    yield Item(
        "warn",
        f"{counted(count, 'record')} {'was' if count == 1 else 'were'} refused",
        f"In 14 days; the latest {asked.clock.text(latest.rejected_at)}{source}: {latest.detail[:160]}",
        str(asked.address.at("/quality")) + "#refused",
    )


def _missing(asked: Asked, quality: QualityAnswer) -> Iterator[Item]:
    url = str(asked.address.at("/quality"))

    def total(field: str) -> int:
        return sum(getattr(entry, field) for entry in quality.repositories)

    deployments = total("deployments")
    for field, what, meaning in _MISSING:
        number = total(field)
        if number:
            verb = what[0] if number == 1 else what[1]
            of_all = f" of {count(deployments)}" if field == "without_commits" else ""
            yield Item("warn", f"{counted(number, what[2])}{of_all} {verb}", meaning, url)


_MISSING = (
    (
        "without_commits",
        ("tells no commits", "tell no commits", "deployment"),
        "They add nothing to the lead time.",
    ),
    (
        "unattributed_incidents",
        ("marks no deployment", "mark no deployment", "incident"),
        "Nobody knows which deployment failed: name a repository, a service or a deployment in them.",
    ),
    (
        "unattributed_remediations",
        ("repaired something unknown", "repaired something unknown", "deployment"),
        "They count in the rework rate, and make no deployment a failed one.",
    ),
    (
        "in_progress_over_a_day",
        ("has been under way for over a day", "have been under way for over a day", "deployment"),
        "Their end was not told, and no metric counts them.",
    ),
    (
        "clock_errors",
        ("is newer than its deployment", "are newer than their deployment", "commit"),
        "They are left out of the lead time.",
    ),
)


def _notes(answers: Sequence[Answer]) -> Iterator[Item]:
    seen = set[str]()
    for answer in answers:
        for note in notes_on(answer):
            if note.code not in seen | _TOLD_ELSEWHERE:
                seen.add(note.code)
                yield Item("warn", _TITLES.get(note.code, CATALOG[answer.metric].title), note.detail)


def _expiring(asked: Asked) -> Iterator[Item]:
    if not is_admin(asked.caller):
        return
    soon = [
        token
        for token in list_tokens(asked.service.engine, asked.caller.organization)
        if token.is_honoured and token.expires_soon
    ]
    if soon:
        first = min(soon, key=lambda token: token.expires_at)
        left = max(first.expires_at - asked.clock.now, timedelta(0)).days
        yield Item(
            "warn",
            f"{counted(len(soon), 'token')} {'expires' if len(soon) == 1 else 'expire'} soon",
            f"{first.subject} in {counted(left, 'day')}: what posts with it will be refused then.",
            "/tokens",
        )
