"""What git knows of the checkout: its commits since the last deployment, of a shallow clone too."""

import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_FETCH_SECONDS = 90.0
_ASK_SECONDS = 30.0
_DEEPEN_BY = (100, 1_000, 10_000)
_FIELDS = "%H%x00%aI%x00%s"
# How the branch that was merged is named: by GitHub, by git itself and GitLab, by Bitbucket.
_MERGED = (
    re.compile(r"Merge pull request #(?P<number>\d+) from [^/\s]+/(?P<branch>\S+)"),
    re.compile(r"Merge (?:remote-tracking )?branch '(?:origin/)?(?P<branch>[^']+)'"),
    re.compile(r"Merged in (?P<branch>\S+) \(pull request #(?P<number>\d+)\)"),
)
# What GitHub, GitLab, Azure and Gitea put into the subject of a squashed pull request.
_SQUASHED = re.compile(r".*\((?:#|!)(?P<number>\d+)\)|Merged PR (?P<merged>\d+): .*")


class GitUnusable(Exception):
    """The commits cannot be told; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A change: its author's date, RFC 3339, and the first line of its message."""

    sha: str
    authored_at: str
    subject: str


@dataclass(frozen=True, slots=True)
class Range:
    """The changes between two commits, the latest first, without merges; and what was merged."""

    base: str
    commits: Sequence[Commit]
    merged_branches: Sequence[str] = ()


def merged_branches(subjects: Iterable[str]) -> list[str]:
    """The branches that merges have brought, as the merges' subjects name them."""
    return [found["branch"] for one in subjects for p in _MERGED if (found := p.match(one))]


def pull_request_in(subject: str) -> int | None:
    """The pull request that the subject of a merge or a squash names."""
    for pattern in (*_MERGED, _SQUASHED):
        named = (found := pattern.fullmatch(subject)) and found.groupdict()
        if named and (number := named.get("number") or named.get("merged")):
            return int(number)
    return None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A working copy of a repository."""

    folder: Path
    deadline: float = field(default_factory=lambda: time.monotonic() + _FETCH_SECONDS)

    def head(self) -> str:
        """The commit that is checked out. Raises `GitUnusable`."""
        return self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    def remote_url(self) -> str | None:
        """Where it was cloned from."""
        try:
            return self._ask("remote", "get-url", "origin") or None
        except GitUnusable:
            return None

    def commit(self, revision: str) -> Commit:
        """A commit by any of its names. Raises `GitUnusable`."""
        return self._log("--max-count=1", revision)[0]

    def pull_request_of(self, revision: str) -> int | None:
        """The pull request that the subject of a commit names, as its merge or its squash."""
        return pull_request_in(self.commit(revision).subject)

    def changes_since(self, bases: Sequence[str], head: str, paths: Sequence[str] = ()) -> Range:
        """What lies between the first of the bases that the history has and the head, within the paths.

        A shallow clone is deepened as far as that needs. Raises `GitUnusable`.
        """
        if not self._has(head):
            raise GitUnusable(f"{head[:12]} is not in this checkout: check it out before recording it")
        base = self._first_known(bases, head)
        while self._is_cut(base, head):
            self._deepen(head)
        span = (f"{base}..{head}", "--", *paths)
        merges = self._log("--merges", f"{base}..{head}")
        return Range(base, self._log("--no-merges", *span), merged_branches(one.subject for one in merges))

    def _first_known(self, bases: Sequence[str], head: str) -> str:
        """The first of the bases that the history has. Raises `GitUnusable`."""
        while True:
            for base in bases:
                if self._has(base):
                    return base
            if not self._is_shallow():
                deployed = ", ".join(base[:12] for base in bases[:3])
                raise GitUnusable(
                    f"the last deployed commit ({deployed}) is not in the history: was it rewritten?"
                )
            self._deepen(head)

    def _has(self, revision: str) -> bool:
        return self._run("cat-file", "-e", f"{revision}^{{commit}}").returncode == 0

    def _is_shallow(self) -> bool:
        return self._ask("rev-parse", "--is-shallow-repository") == "true"

    def _is_cut(self, base: str, head: str) -> bool:
        """Whether the range holds a commit whose parents a shallow clone has left out."""
        if not self._is_shallow():
            return False
        ends = self.folder / self._ask("rev-parse", "--git-path", "shallow")
        cut = set(ends.read_text().split()) if ends.is_file() else set()
        return not cut.isdisjoint(self._ask("rev-list", f"{base}..{head}").split())

    def _deepen(self, head: str) -> None:
        """Fetch more of the history: some at first, all of it at last. Raises `GitUnusable`."""
        before = self._ask("rev-list", "--count", head)
        for depth in (
            f"--deepen={_DEEPEN_BY[0]}",
            *(f"--deepen={by}" for by in _DEEPEN_BY[1:]),
            "--unshallow",
        ):
            # By the commit, to leave other branches alone; a server that does not let it be named gets all.
            for refs in ((head,), ()):
                left = self.deadline - time.monotonic()
                if left <= 0:
                    break
                fetched = self._run("fetch", "--quiet", "--no-tags", depth, "origin", *refs, seconds=left)
                if fetched.returncode == 0:
                    break
            if self._ask("rev-list", "--count", head) != before or not self._is_shallow():
                return
        raise GitUnusable(
            "the clone is shallow and could not be deepened: check out with the whole history "
            "(fetch-depth: 0, GIT_DEPTH: 0, clone: depth: full)"
        )

    def _log(self, *arguments: str) -> list[Commit]:
        printed = self._ask("log", f"--format={_FIELDS}", *arguments)
        return [Commit(*line.split("\x00", 2)) for line in printed.split("\n")] if printed else []

    def _ask(self, *arguments: str) -> str:
        """What git prints. Raises `GitUnusable`."""
        done = self._run(*arguments)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise GitUnusable(f"git {arguments[0]} failed" + (f": {said[-1]}" if said else ""))
        return done.stdout.strip("\n")

    def _run(self, *arguments: str, seconds: float = _ASK_SECONDS) -> subprocess.CompletedProcess[str]:
        """The command's result; one that cannot be run, or takes too long, has failed."""
        try:
            done = subprocess.run(
                # A container's user is often not the owner of the checkout.
                ["git", "-c", "safe.directory=*", "-c", "core.quotePath=false", *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as failure:
            return subprocess.CompletedProcess(arguments, 127, "", str(failure))
        # Not as text, which would take a carriage return in a subject for the end of a line.
        said, failed = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(arguments, done.returncode, said, failed)
