"""Pushes to a repository's default branch, as GitHub and GitLab alike tell them."""

import re

from tracker.intakes.events import CommitTold, Ignored, PushTold, Told
from tracker.integrations.events.reading import Fields

_MERGE = re.compile(r"Merge (pull request #|branch |remote-tracking branch |tag |commit |(branches|tags) )")


def read_push(event: Fields, url: str, branch: str, *, most_listed: int) -> Told:
    """What came onto the branch, of which an event lists at most so many commits, the newest.

    Raises `UnreadableEvent`.
    """
    if event.text("ref") != f"refs/heads/{branch}":
        return [Ignored("other_branch", event.text("ref") or "")]
    commits = [
        CommitTold(
            one.need("id").lower(),
            one.object("author").instant("date") or one.need_instant("timestamp"),
            _says_it_merges(one.text("message") or ""),
        )
        for one in event.objects("commits")
    ]
    if not commits:
        return [Ignored("no_commits")]
    before = event.commit("before")
    count = event.text("total_commits_count")
    is_whole = len(commits) < most_listed or count == str(len(commits))
    # What is built anew is built on something else; a branch that is new comes after a hash of zeros.
    is_built_on_it = before is not None and before.strip("0") != "" and not event.flag("forced")
    return [
        PushTold(repository_url=url, before=before if is_whole and is_built_on_it else None, commits=commits)
    ]


def _says_it_merges(message: str) -> bool:
    """Whether a commit says that it merges, as git and the forges word it: a push tells no parents."""
    return _MERGE.match(message) is not None
