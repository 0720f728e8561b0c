"""History out of a GitOps repository: a commit that changes what is wanted below an environment's path.

Its time is the wish, not the arrival.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from tracker.integrations.history.git_log import GitRepository, instant
from tracker.integrations.history.options import HistoryOptions
from tracker.senders import keys
from tracker.transfer.imports.items import Found, SourceError
from tracker.transfer.imports.known import ESTIMATED

_COMMIT = "\x00"
_FILE = "+++ b/"
_VALUE = r"""["']?(?P<version>[\w][\w.+-]*)["']?\s*(#.*)?"""
# An image with its tag, and where kustomize, Helm and Argo CD keep a tag or the version of a chart.
_WANTED = (
    re.compile(rf"""\+\s*(-\s*)?image:\s*["']?[\w./-]+(:\d+/[\w./-]+)?:{_VALUE}"""),
    re.compile(rf"\+\s*(-\s*)?(newTag|tag|imageTag|targetRevision|version):\s*{_VALUE}"),
)
# Files that are named by their format, and not by what they deploy.
_FORMATS = ("kustomization", "values", "chart", "helmrelease", "release", "application", "deployment")
_LONGEST_TITLE = 500


def gitops_items(
    repository: GitRepository, options: HistoryOptions, repository_url: str, host: str
) -> Iterator[Found]:
    """A deployment for each commit, environment and service of which the version changed."""
    paths = _paths(options)
    tip = options.branch or repository.default_branch()
    wanted: dict[tuple[str, str], str] = {}
    for commit, changes in _commits(repository.patches(tip, list(paths.values())), paths, options):
        sha, _, _, committed, subject = commit
        for (environment, service), version in changes.items():
            if wanted.get((environment, service)) == version:
                continue
            wanted[environment, service] = version
            record: dict[str, Any] = {
                "repository_url": repository_url,
                "version": version,
                "service": service or options.service,
                "environment": environment,
                "team": options.team,
                "status": "success",
                "finished_at": instant(int(committed)),
                "title": subject[:_LONGEST_TITLE] or None,
                "labels": {ESTIMATED: "git"},
                "deployment_node_id": keys.git_commit(host, sha),
            }
            yield Found(f"commit {sha[:12]}, {environment} {service}".strip(), record)


def _paths(options: HistoryOptions) -> Mapping[str, str]:
    """By environment its path. Raises `SourceError`."""
    found = {}
    for text in options.manifests:
        environment, equals, path = text.partition("=")
        if not equals or not path.strip():
            raise SourceError(f"--manifests {text}: write ENVIRONMENT=PATH, as in production=envs/prod")
        found[environment.strip()] = path.strip().strip("/")
    return found


Commit = tuple[str, str, str, str, str]
Changes = dict[tuple[str, str], str]
"""By environment and service the version that is wanted."""


def _commits(
    lines: Iterator[str], paths: Mapping[str, str], options: HistoryOptions
) -> Iterator[tuple[Commit, Changes]]:
    """Each commit of `git log -p` with what it changes."""
    commit: Commit | None = None
    changes: Changes = {}
    place: tuple[str, str] | None = None
    for line in lines:
        if line.startswith(_COMMIT):
            if commit is not None:
                yield commit, changes
            sha, parents, authored, committed, subject = line.removeprefix(_COMMIT).split("\x00", 4)
            commit, changes, place = (sha, parents, authored, committed, subject), {}, None
        elif line.startswith(_FILE):
            place = _place(line.removeprefix(_FILE), paths, options)
        elif place is not None and (version := _version(line)) is not None:
            changes[place] = version
    if commit is not None:
        yield commit, changes


def _version(line: str) -> str | None:
    found = next((match for pattern in _WANTED if (match := pattern.fullmatch(line))), None)
    return None if found is None else found["version"]


def _place(file: str, paths: Mapping[str, str], options: HistoryOptions) -> tuple[str, str] | None:
    """The environment and the service of a file: the folder below the environment's, else the file's name."""
    for environment, path in paths.items():
        if not file.startswith(f"{path}/"):
            continue
        below = PurePosixPath(file.removeprefix(f"{path}/"))
        if options.service is not None:
            return environment, options.service
        if len(below.parts) > 1:
            return environment, below.parts[0]
        return environment, "" if below.stem.lower() in _FORMATS else below.stem
    return None
