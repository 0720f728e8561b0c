"""What a sender has told of one thing, in whatever order and however often, as one record.

States stand in the order of the sender's own times, never in that of their arrival.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from metrics.domain.instants import from_microseconds
from tracker.intakes.events import Happened, Turn

Record = Mapping[str, Any]
"""A record as the interface takes it; instants as RFC 3339 text."""

_STARTED, _RESOLVED = "started_at", "resolved_at"
SET_ASIDE = "set_aside"
"""Among the fields of a turn that makes no incident by itself."""
RELEASE = "release"
"""Among the fields of a state of what is told over and over."""
_NO_FIELDS = (_STARTED, _RESOLVED, SET_ASIDE, RELEASE)


@dataclass(frozen=True, slots=True, order=True)
class State:
    """One state that was told, `at` microseconds since 1970; `name` is a `Happened` or a `Turn`."""

    at: int
    rank: int
    digest: str
    name: str
    fields: Mapping[str, Any]


def fold_deployment(states: Iterable[State]) -> Record | None:
    """The deployment that the states tell of; None while none of them says what became of it.

    It began with the earliest state in which it ran, and finished with the latest final one: final beats
    open. The last word describes it.
    """
    ordered = sorted(states, key=lambda one: (one.at, one.rank, one.digest))
    final = [one for one in ordered if Happened(one.name).is_final]
    known = [one for one in ordered if one.name != Happened.DESCRIBED]
    if not known:
        return None
    record = _described(ordered)
    started_at = _started(ordered)
    if final:
        record |= {"status": final[-1].name, "finished_at": _text(final[-1].at)}
        # A start that lies after the finish is of an attempt that was told under the same name.
        if started_at is not None and started_at > final[-1].at:
            started_at = None
    else:
        record["status"] = "in_progress"
    return record if started_at is None else {**record, _STARTED: _text(started_at)}


def _started(ordered: Sequence[State]) -> int | None:
    """The earliest time at which it ran, else that at which it was asked for."""
    running = [one.at for one in ordered if one.name == Happened.RUNNING]
    said = [at for one in ordered if (at := one.fields.get(_STARTED)) is not None]
    asked_for = [one.at for one in ordered if one.name == Happened.ASKED_FOR]
    return min([*running, *said], default=min(asked_for, default=None))


def runs_of(states: Iterable[State]) -> Mapping[str, Sequence[State]]:
    """The deployments that a place was told to run, each with its states: a run of one release.

    Named by the release and how many times it had its turn, `v2#1`: the same whatever comes late.
    """
    ordered = sorted(states, key=lambda one: (one.at, one.rank, one.digest))
    runs: dict[str, Sequence[State]] = {}
    turns: Counter[str] = Counter()
    for release, of_it in groupby(ordered, key=lambda one: str(one.fields.get(RELEASE))):
        turns[release] += 1
        runs[f"{release}#{turns[release]}"] = list(of_it)
    return runs


def fold_run(states: Sequence[State]) -> Record | None:
    """The deployment of a run: over with its first success, else its first failure, however often told."""
    final = [one for one in states if Happened(one.name).is_final]
    outcome = next((one for one in final if one.name == Happened.SUCCESS), final[0] if final else None)
    return fold_deployment(one for one in states if one is outcome or not Happened(one.name).is_final)


def needless(run: Sequence[State]) -> Sequence[State]:
    """The states of a run, in order, that lie between others alike: they say nothing for good or ill."""
    alike: dict[str, list[State]] = {}
    for one in run:
        alike.setdefault(one.name, []).append(one)
    return [one for of_name in alike.values() for one in of_name[1:-1]]


def fold_incident(states: Iterable[State]) -> Record | None:
    """The incident that the states tell of; None while none says when it began, or all are set aside."""
    states = list(states)
    if all(SET_ASIDE in one.fields for one in states):
        return None
    ordered = sorted(states, key=lambda one: (one.at, one.rank, one.digest))
    begun = [one.at for one in ordered if one.name == Turn.BEGUN]
    said = [at for one in ordered if (at := one.fields.get(_STARTED)) is not None]
    started_at = min([*begun, *said], default=None)
    if started_at is None:
        return None
    resolved_at, is_withdrawn = None, False
    for one in ordered:
        match Turn(one.name):
            case Turn.RESOLVED:
                resolved_at = max(one.fields.get(_RESOLVED, one.at), started_at)
            case Turn.REOPENED:
                resolved_at, is_withdrawn = None, False
            case Turn.WITHDRAWN:
                is_withdrawn = True
                resolved_at = resolved_at or max(one.at, started_at)
    record = _described(ordered) | {_STARTED: _text(started_at)}
    if resolved_at is not None:
        record["resolved_at"] = _text(resolved_at)
    return record | ({"change_related": False} if is_withdrawn else {})


def _described(ordered: Sequence[State]) -> dict[str, Any]:
    """All fields, each as it was said last."""
    said: dict[str, Any] = {}
    for one in ordered:
        said |= {name: value for name, value in one.fields.items() if value not in (None, "", [], {})}
    return {name: value for name, value in said.items() if name not in _NO_FIELDS}


def _text(microseconds: int) -> str:
    return from_microseconds(microseconds).isoformat()
