"""What a deployment's record says: as whoever calls says, else the CI system, else git."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from metrics.domain.vocabulary import STATUS_WORDS, Status
from tracker.client.git import Checkout, GitUnusable
from tracker.client.run import Run

# Words of CI systems beyond the service's: it was deployed, whatever else was wrong; or it never was.
_WORDS = {"succeededwithissues": "success", "unstable": "success", "not_built": "cancelled"}

Record = dict[str, Any]
"""The fields of a record as the service takes them; None says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What whoever calls says of a deployment; None: as the CI system and git say."""

    repository_url: str | None = None
    commit_id: str | None = None
    has_commit: bool = True
    """False: the version alone says what is deployed."""
    version: str | None = None
    branch: str | None = None
    service: str | None = None
    environment: str | None = None
    status: str | None = None
    """None: as the CI system says, where it says how the job ended, else success."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    node_id: str | None = None
    title: str | None = None
    url: str | None = None
    is_hotfix: bool | None = None
    is_fix: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the record that nothing else says anything of."""
    since: str | None = None
    """The commit after which the deployment's own begin."""
    paths: Sequence[str] = ()
    has_commits: bool = True


def facts_of(wanted: Wanted, run: Run, checkout: Checkout, now: datetime) -> Record:
    """The record, but for what its commits say."""
    branch = wanted.branch or run.branch
    status = _status(run) if wanted.status is None else _WORDS.get(wanted.status.lower(), wanted.status)
    started_at, finished_at = wanted.started_at or run.started_at, wanted.finished_at
    if finished_at is None and status != Status.IN_PROGRESS:
        # Said now: a record that has to wait would be taken for one of when it is sent.
        finished_at = now if started_at is None else max(now, started_at)
    url = wanted.repository_url or run.repository_url or checkout.remote_url()
    return {
        "repository_url": None if url is None else without_credentials(url),
        "commit_id": (wanted.commit_id or run.commit_id or _head(checkout)) if wanted.has_commit else None,
        "version": wanted.version or run.tag,
        "service": wanted.service,
        "environment": wanted.environment or run.environment,
        "status": status,
        "branch": None if branch == "HEAD" else branch,
        "started_at": None if started_at is None else written(started_at),
        "finished_at": None if finished_at is None else written(finished_at),
        "url": wanted.url or run.url,
        "title": wanted.title,
        "member_id": run.actor,
        "deployment_node_id": wanted.node_id or run.node_id,
        "labels": dict(wanted.labels) or None,
        **wanted.others,
    }


def what_is_missing(record: Record) -> str | None:
    """What has to be said before a service can take the record; None where nothing has."""
    if record["repository_url"] is None:
        return "say which repository this is, by --repository-url"
    if not record["status"]:
        return "--status is empty: was the variable with the job's status set?"
    if record["status"] == Status.IN_PROGRESS and record["deployment_node_id"] is None:
        return "outside of a CI system give --id, by which `finish` finds it"
    if record["commit_id"] is None and record["version"] is None:
        return "say what was deployed, by --commit or --version"
    return None


def _status(run: Run) -> str:
    """How the job ended, where the CI system says that: while it runs, what was deployed is deployed."""
    said = STATUS_WORDS.get((run.status or "").lower())
    return said.value if said is not None and said.is_final else Status.SUCCESS.value


def _head(checkout: Checkout) -> str | None:
    try:
        return checkout.head()
    except GitUnusable:
        return None


def written(instant: datetime) -> str:
    """An instant as RFC 3339 text, in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def without_credentials(url: str) -> str:
    """A git URL without a name and a secret before its host, which CI systems put there."""
    if not url.lower().startswith(("http://", "https://")):
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
