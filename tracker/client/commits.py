"""What a deployment carries: the commits since the one before it, and what they say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metrics.domain.fix_patterns import Change, FixFlag, flags_of
from metrics.domain.instants import EPOCH, InstantError, read_instant
from tracker.client.facts import Record, Wanted
from tracker.client.git import Checkout, Commit, GitUnusable, Range
from tracker.client.run import Run
from tracker.client.service import Away, Baseline, Refused, Service

# What the service takes of one record.
_MOST_COMMITS = 10_000
_LONGEST_TITLE = 500


@dataclass(frozen=True, slots=True)
class Carried:
    """The commits of a deployment, or why there are none."""

    found: Range | None = None
    baseline: Baseline = field(default_factory=Baseline)
    note: str = ""
    is_unknown: bool = False
    """The service could not be asked, and may be later."""


def carried_by(record: Record, wanted: Wanted, service: Service, checkout: Checkout) -> Carried:
    """The commits since the last deployment of the record's stream. The service is asked which that was."""
    names = ("repository_url", "service", "environment", "deployment_node_id")
    try:
        baseline = service.last({name: record[name] for name in names if record.get(name)})
    except (Away, Refused) as failure:
        if wanted.since is None:
            return Carried(note=f"what was deployed last is not known ({failure})", is_unknown=True)
        baseline = Baseline()
    commit = record.get("commit_id")
    if not wanted.has_commits or commit is None:
        return Carried(baseline=baseline)
    bases: Sequence[str] = [wanted.since] if wanted.since else baseline.commits
    if not bases:
        return Carried(baseline=baseline, note="the first of its stream, which carries no commits")
    try:
        return Carried(checkout.changes_since(bases, commit, wanted.paths), baseline)
    except GitUnusable as failure:
        return Carried(baseline=baseline, note=f"no commits: {failure}")


def said_by(carried: Carried, record: Record, wanted: Wanted, run: Run, checkout: Checkout) -> Record:
    """What the commits say of a deployment: themselves, its title, its pull request, whether it is a fix."""
    found = carried.found
    change = Change(
        branches=[record["branch"]] if record["branch"] else [],
        merged=found.merged_branches if found else (),
        labels=run.labels,
        subjects=[one.subject for one in found.commits] if found else (),
    )
    flags = flags_of(change, carried.baseline.fix_patterns)
    title, pull_request = record["title"], run.pull_request_number
    try:
        if record["commit_id"] is not None:
            title = title or checkout.commit(record["commit_id"]).subject[:_LONGEST_TITLE]
            pull_request = pull_request or checkout.pull_request_of(record["commit_id"])
    except GitUnusable:
        pass  # It is not in the checkout, if there is one.
    return {
        "title": title,
        "pull_request_number": pull_request,
        "is_hotfix": (FixFlag.HOTFIX in flags or None) if wanted.is_hotfix is None else wanted.is_hotfix,
        "is_fix": (FixFlag.FIX in flags or None) if wanted.is_fix is None else wanted.is_fix,
        **(commit_fields(found, is_whole=not wanted.paths) if found else {}),
    }


def commit_fields(found: Range, *, is_whole: bool) -> Mapping[str, Any]:
    """The fields of a record that hold commits; `is_whole` where they are all of the repository's."""
    dated = [one for one in found.commits if _is_dated(one)]
    commits = [{"sha": one.sha, "committed_at": one.authored_at} for one in dated[:_MOST_COMMITS]]
    is_whole = is_whole and 0 < len(commits) == len(found.commits)
    return {
        "commits": commits,
        "commits_count": len(found.commits),
        "commits_since": found.base if is_whole else None,
    }


def _is_dated(commit: Commit) -> bool:
    """Whether its date is one that the service takes: git keeps any."""
    try:
        return read_instant(commit.authored_at) >= EPOCH
    except InstantError:
        return False
