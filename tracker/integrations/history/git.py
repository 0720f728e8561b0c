"""History out of a git repository: what was tagged or merged, taken for what was deployed.

It is an estimate: git knows when something was released, not whether it arrived, and no failure at all.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from metrics.domain.fix_patterns import Change, FixFlag, flags_of
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from metrics.domain.vocabulary import matches_any_name, name_key
from tracker.client.facts import without_credentials
from tracker.client.git import merged_branches, pull_request_in
from tracker.integrations.history.git_log import GitRepository, LoggedCommit, Tag, Walk, instant
from tracker.integrations.history.gitops import gitops_items
from tracker.integrations.history.options import HistoryOptions
from tracker.senders import keys
from tracker.transfer.imports.items import Found, Item, PassedOver, SourceError
from tracker.transfer.imports.known import ESTIMATED

_MOST_COMMITS = 10_000
_LONGEST_TITLE = 500
_MOST_TAGS_NAMED = 3
_VERSIONS = ("v[0-9]*", "[0-9]*")
"""The tags that are releases where nobody says which."""
_PRERELEASE = re.compile(
    r"[0-9][-._]?(a|alpha|b|beta|c|rc|pre|preview|dev|snapshot|nightly|canary|next)[-._]?[0-9]*([-._+].*)?$",
    re.IGNORECASE | re.ASCII,
)
# Where a pattern looks beyond what `metrics.domain.fix_patterns` knows of.
_OWN_PLACES = ("tag", "message")


@dataclass(frozen=True, slots=True)
class _Release:
    """A commit that is taken for deployed; `at` in seconds since 1970."""

    sha: str
    at: int
    place: str
    key: str
    version: str | None = None
    message: str = ""


@dataclass(slots=True)
class GitHistory:
    """The releases of a repository, one after the other."""

    repository: GitRepository
    options: HistoryOptions
    repository_url: str = field(init=False)
    host: str = field(init=False)

    def __post_init__(self) -> None:
        url = self.options.repository_url or self.repository.remote_url()
        if url is None:
            raise SourceError("there is no remote 'origin': say which repository it is, by --repository URL")
        self.repository_url = without_credentials(url)
        try:
            self.host = RepositoryIdentity.parse(self.repository_url).host
        except RepositoryUrlError as error:
            raise SourceError(f"{self.repository_url} {error}; or say it by --repository URL") from None

    def items(self) -> Iterator[Item]:
        """Raises `SourceError`."""
        if self.options.manifests:
            return gitops_items(self.repository, self.options, self.repository_url, self.host)
        return self._merges() if self.options.merges else self._tags()

    def _tags(self) -> Iterator[Item]:
        all_tags = self.repository.tags()
        by_service = {name: _matching(all_tags, patterns) for name, patterns in self._patterns().items()}
        if not any(by_service.values()):
            raise SourceError(_no_tags(all_tags))
        tips = sorted({tag.sha for tags in by_service.values() for tag in tags})
        commits = self.repository.commits(tips)
        for service, tags in by_service.items():
            releases = []
            for tag in sorted(tags, key=lambda one: (one.created, -len(one.name), one.name)):
                # A light tag has no time but its commit's.
                at = max(tag.created, commits[tag.sha].committed) if tag.is_annotated else tag.created
                key = keys.git_tag(self.host, tag.name)
                releases.append(_Release(tag.sha, at, f"tag {tag.name}", key, tag.name, tag.subject))
            if not self.options.tags and not self.options.prereleases:
                left_out = [one for one in releases if _PRERELEASE.search(one.version or "")]
                yield from (PassedOver("prereleases (--prereleases takes them)") for _ in left_out)
                releases = [one for one in releases if one not in left_out]
            yield from self._of_service(service, releases, commits, tips)

    def _patterns(self) -> Mapping[str, Sequence[str]]:
        """By service the patterns of its tags."""
        found: dict[str, list[str]] = {}
        for text in self.options.tags:
            service, equals, pattern = text.partition("=")
            name = service if equals else self.options.service or ""
            found.setdefault(name.strip(), []).append((pattern if equals else text).strip())
        return found or {self.options.service or "": _VERSIONS}

    def _merges(self) -> Iterator[Item]:
        """Every commit that the default branch has got, by its first parents."""
        tip = self.options.branch or self.repository.default_branch()
        tip = self.repository.ask("rev-parse", "--verify", f"{tip}^{{commit}}")
        commits = self.repository.commits([tip])
        line, sha = [], tip
        while sha in commits:
            line.append(commits[sha])
            sha = commits[sha].parents[0] if commits[sha].parents else ""
        releases = [
            _Release(
                one.sha, one.committed, f"commit {one.sha[:12]}", keys.git_commit(self.host, one.sha),
                message=one.subject,
            )
            for one in reversed(line)
        ]  # fmt: skip
        yield from self._of_service(self.options.service or "", releases, commits, [tip])

    def _of_service(
        self,
        service: str,
        releases: Sequence[_Release],
        commits: dict[str, LoggedCommit],
        tips: Sequence[str],
    ) -> Iterator[Item]:
        """The releases of one service, the earliest first, each with what it brings."""
        walk, released = Walk(commits), set[str]()
        paths = self._paths(service)
        own = self.repository.touching(tips, paths) if paths else None
        for number, release in enumerate(releases):
            if release.sha in released:
                yield PassedOver("tags of a commit that another tag has released")
                continue
            released.add(release.sha)
            changes, merges = walk.up_to(release.sha)
            if own is not None:
                changes = [one for one in changes if one.sha in own]
                if not changes and self.options.merges:
                    yield PassedOver("commits that change nothing below the paths")
                    continue
            # Before the first of them lies what was released nobody knows when.
            brought = None if number == 0 else changes
            yield Found(release.place, self._record(service, release, commits[release.sha], brought, merges))

    def _paths(self, service: str) -> Sequence[str]:
        found = []
        for text in self.options.paths:
            name, equals, path = text.partition("=")
            if not equals or name.strip() == service:
                found.append((path if equals else text).strip())
        return found

    def _record(
        self,
        service: str,
        release: _Release,
        commit: LoggedCommit,
        changes: Sequence[LoggedCommit] | None,
        merges: Sequence[LoggedCommit],
    ) -> dict[str, Any]:
        flags = self._flags(release, commit, changes or (), merges)
        title = release.message or (commit.subject if self.options.merges else "")
        record: dict[str, Any] = {
            "repository_url": self.repository_url,
            "commit_id": release.sha,
            "version": release.version,
            "service": service or None,
            "environment": self.options.environment,
            "team": self.options.team,
            "status": "success",
            "finished_at": instant(release.at),
            "title": title[:_LONGEST_TITLE] or None,
            "is_hotfix": FixFlag.HOTFIX in flags or None,
            "is_fix": FixFlag.FIX in flags or None,
            "pull_request_number": pull_request_in(commit.subject) if self.options.merges else None,
            "labels": {ESTIMATED: "git"},
            "deployment_node_id": release.key,
        }
        if changes is not None:
            dated = [(one.sha, at) for one in changes if (at := instant(one.authored)) is not None]
            record["commits"] = [{"sha": sha, "committed_at": at} for sha, at in dated[:_MOST_COMMITS]]
            record["commits_count"] = len(changes)
        return record

    def _flags(
        self,
        release: _Release,
        commit: LoggedCommit,
        changes: Sequence[LoggedCommit],
        merges: Sequence[LoggedCommit],
    ) -> frozenset[FixFlag]:
        own, others = [], []
        for text in self.options.fix_patterns:
            flag, place, pattern = text.split(":", 2)
            if place not in _OWN_PLACES:
                others.append(text)
                continue
            name = release.version if place == "tag" else release.message or commit.subject
            if matches_any_name(name_key(name or ""), [name_key(pattern)]):
                own.append(FixFlag(flag))
        change = Change(
            merged=merged_branches(one.subject for one in merges), subjects=[one.subject for one in changes]
        )
        return flags_of(change, others) | frozenset(own)


def _matching(tags: Sequence[Tag], patterns: Sequence[str]) -> Sequence[Tag]:
    return [tag for tag in tags if any(fnmatchcase(tag.name, pattern) for pattern in patterns)]


def _no_tags(tags: Sequence[Tag]) -> str:
    if not tags:
        return (
            "there are no tags: fetch them (git fetch --tags), or use --merges "
            "where every commit of the default branch is deployed"
        )
    latest = sorted(tags, key=lambda one: -one.created)[:_MOST_TAGS_NAMED]
    names = ", ".join(tag.name for tag in latest)
    return f"no tag is a release by its name: say which are, by --tags PATTERN; there are {names} …"


def git_items(path: str, options: HistoryOptions) -> Iterator[Item]:
    """What a repository's history tells. Raises `SourceError`."""
    return GitHistory(GitRepository.open(path), options).items()
