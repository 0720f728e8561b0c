"""A repository's whole history out of one `git log`: commits, what each release brings, tags."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from tracker.transfer.imports.items import SourceError

_COMMIT_FIELDS = "%H%x00%P%x00%at%x00%ct%x00%s"
_TAG_FIELDS = (
    "%(refname:strip=2)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)"
    "%00%(creatordate:unix)%00%(contents:subject)"
)


@dataclass(frozen=True, slots=True)
class LoggedCommit:
    """A commit; times in seconds since 1970, as git keeps them."""

    sha: str
    parents: Sequence[str]
    authored: int
    committed: int
    subject: str

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag and the commit that it names. `created` is the tagger's time; of a light tag the commit's."""

    name: str
    sha: str
    created: int
    is_annotated: bool
    subject: str


@dataclass(frozen=True, slots=True)
class GitRepository:
    """A repository on this machine, bare or with a working copy."""

    folder: Path

    @classmethod
    def open(cls, text: str) -> "GitRepository":
        """Raises `SourceError` where there is none, or not the whole of one."""
        opened = cls(Path(text))
        if not opened.folder.is_dir():
            raise SourceError(f"{text} is no folder: name a clone of the repository")
        if opened.ask("rev-parse", "--is-shallow-repository") == "true":
            raise SourceError("the clone is shallow: fetch the whole history first, by git fetch --unshallow")
        return opened

    def remote_url(self) -> str | None:
        """Where it was cloned from."""
        try:
            return self.ask("remote", "get-url", "origin") or None
        except SourceError:
            return None

    def default_branch(self) -> str:
        """The remote's, else the one that is checked out."""
        for name in ("origin/HEAD", "HEAD"):
            try:
                return self.ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
            except SourceError:
                continue
        raise SourceError("there is no commit: name the branch with --branch")

    def tags(self) -> Sequence[Tag]:
        """All tags of commits."""
        found = []
        for line in self.ask("for-each-ref", f"--format={_TAG_FIELDS}", "refs/tags").split("\n"):
            parts = line.split("\x00")
            if len(parts) < 7:
                continue
            name, kind, sha, kind_within, sha_within, created, subject = parts[:7]
            if kind == "tag" and kind_within == "commit" and created:
                found.append(Tag(name, sha_within, int(created), True, subject))
            elif kind == "commit" and created:
                found.append(Tag(name, sha, int(created), False, ""))
        return found

    def commits(self, tips: Iterable[str]) -> dict[str, LoggedCommit]:
        """All commits that the tips have behind them, by their hash."""
        found = {}
        with self._lines(["log", "--stdin", f"--format={_COMMIT_FIELDS}"], tips) as lines:
            for line in lines:
                sha, parents, authored, committed, subject = line.split("\x00", 4)
                found[sha] = LoggedCommit(sha, parents.split(), _int(authored), _int(committed), subject)
        return found

    def touching(self, tips: Iterable[str], paths: Sequence[str]) -> frozenset[str]:
        """The hashes of the commits that change something below the paths."""
        # Options after --stdin belong to the revisions; paths come by it too.
        given = [*tips, "--", *paths]
        with self._lines(["log", "--stdin", "--full-history", "--format=%H"], given) as lines:
            return frozenset(lines)

    def ask(self, *arguments: str) -> str:
        """What git prints. Raises `SourceError`."""
        done = self._run(arguments)
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = said[-1].removeprefix("fatal: ") if said else f"git {arguments[0]} failed"
            raise SourceError(f"git cannot read {self.folder}: {reason}")
        return done.stdout.decode("utf-8", "replace").strip("\n")

    def patches(self, tip: str, paths: Sequence[str]) -> Iterator[str]:
        """The lines of `git log -p` of the changes below the paths, the oldest first, by first parents."""
        arguments = ["log", "--first-parent", "--diff-merges=first-parent", "--reverse", "-p", "-U0"]
        with self._lines([*arguments, f"--format=%x00{_COMMIT_FIELDS}", tip, "--", *paths], ()) as lines:
            yield from lines

    def _run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                _command(arguments),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as failure:
            raise SourceError(f"git cannot be run: {failure}") from None

    @contextmanager
    def _lines(self, arguments: Sequence[str], given: Iterable[str]) -> Iterator[Iterator[str]]:
        """The lines that git prints, as they come; `given` it reads first. Raises `SourceError`."""
        with subprocess.Popen(
            _command(arguments),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("".join(f"{one}\n" for one in given).encode())
            process.stdin.close()
            yield _decoded(process.stdout)
        if process.returncode != 0:
            raise SourceError(f"git {arguments[0]} failed in {self.folder}")


def _decoded(stream: IO[bytes]) -> Iterator[str]:
    # Not as text, which would take a carriage return in a subject for the end of a line.
    for line in stream:
        yield line.decode("utf-8", "replace").removesuffix("\n")


def _command(arguments: Sequence[str]) -> list[str]:
    # A clone's owner is often somebody else, and so is the encoding that is set for logs.
    settings = (
        "safe.directory=*",
        "core.quotePath=false",
        "i18n.logOutputEncoding=UTF-8",
        "log.showSignature=false",
    )
    return ["git", *(part for one in settings for part in ("-c", one)), *arguments]


def _int(text: str) -> int:
    return int(text) if text.lstrip("-").isdecimal() else -1


@dataclass(slots=True)
class Walk:
    """What each release brings that none before it has brought."""

    commits: dict[str, LoggedCommit]
    _seen: set[str] = field(default_factory=set)

    def up_to(self, tip: str) -> tuple[list[LoggedCommit], list[LoggedCommit]]:
        """The changes behind the tip that no earlier tip had, the latest first, and the merges among them."""
        changes: list[LoggedCommit] = []
        merges: list[LoggedCommit] = []
        waiting = [tip]
        while waiting:
            sha = waiting.pop()
            if sha in self._seen or sha not in self.commits:
                continue
            self._seen.add(sha)
            commit = self.commits[sha]
            (merges if commit.is_merge else changes).append(commit)
            waiting.extend(commit.parents)
        changes.sort(key=lambda one: (-one.authored, one.sha))
        return changes, merges


def instant(seconds: int) -> str | None:
    """RFC 3339 text of a time as git keeps it; None where it is one that no commit can have."""
    if not 0 <= seconds < 253_000_000_000:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat()
