"""What was posted and not recorded: the reason is kept for two weeks, and nothing of the content.

Written some seconds later and many at once: a sender of bad posts must not cost the good ones a commit.
"""

import json
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select
from uuid_utils import uuid7

from metrics.domain.instants import DAY_MICROSECONDS
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from tracker.records.engine import write_transaction
from tracker.records.pages import names_repository
from tracker.retention import REJECTION_DAYS
from tracker.web.tables import REJECTIONS

MOST_KEPT = 1_000
"""Of one organization."""
_MOST_WAITING = 5_000
_LONGEST_DETAIL = 500
_LONGEST_BODY = 200_000
_LONGEST_URL = 2_000


@dataclass(frozen=True, slots=True)
class Rejection:
    """One post that was refused. `detail` names fields and what would be right, never what was sent."""

    organization: str
    rejected_at: int
    route: str
    token_id: str | None
    code: str
    detail: str
    repository: RepositoryIdentity | None

    def columns(self) -> dict[str, Any]:
        """The row that is kept."""
        named = self.repository
        fields = {name: value for name, value in asdict(self).items() if name != "repository"}
        return fields | {
            "id": str(uuid7()),
            "detail": _storable(self.detail[:_LONGEST_DETAIL]),
            "repository_key": None if named is None else named.key,
            "repository_host": None if named is None else named.host,
            "repository_path": None if named is None else named.path,
        }


def _storable(text: str) -> str:
    """Return the text without characters that no database keeps: a field's name may hold any."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


class Rejections:
    """Refused posts that wait to be written. Safe to use from several threads."""

    def __init__(self) -> None:
        self._waiting: deque[Rejection] = deque(maxlen=_MOST_WAITING)
        self._writing = threading.Lock()

    def add(self, rejection: Rejection) -> None:
        """Queue a refused post to be written."""
        self._waiting.append(rejection)

    def flush(self, engine: Engine) -> None:
        """Write the queue, and remove the oldest beyond the limit. What cannot be written stays queued."""
        with self._writing:
            taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not taken:
                return
            try:
                with write_transaction(engine) as connection:
                    connection.execute(insert(REJECTIONS), [one.columns() for one in taken])
                    for organization in {one.organization for one in taken}:
                        _trim(connection, organization)
            except BaseException:
                self._waiting.extendleft(reversed(taken))
                raise


def named_repository(body: bytes | None) -> RepositoryIdentity | None:
    """The repository that a refused body names, if it can be read that far."""
    if body is None or len(body) > _LONGEST_BODY:
        return None
    try:
        url = json.loads(body)["repository_url"]
        is_url = isinstance(url, str) and len(url) <= _LONGEST_URL and url.isprintable()
        return RepositoryIdentity.parse(url) if is_url else None
    except (ValueError, TypeError, KeyError, RecursionError, RepositoryUrlError):
        return None


def find_rejections(
    engine: Engine, organization: str, limits: Iterable[Sequence[str] | None], since: int, limit: int
) -> Sequence[Any]:
    """The latest rejections since an instant, in microseconds.

    `limits` are patterns of repositories, each of which must let one through; None does not limit.
    """
    columns = REJECTIONS.c
    query = select(REJECTIONS).where(columns.organization == organization, columns.rejected_at >= since)
    for patterns in limits:
        if patterns is not None:
            query = query.where(columns.repository_key.is_not(None), names_repository(REJECTIONS, patterns))
    with engine.connect() as connection:
        newest = query.order_by(columns.rejected_at.desc(), columns.id.desc()).limit(limit)
        return connection.execute(newest).all()


def latest_rejection(engine: Engine, organization: str) -> int:
    """When the organization's last post was refused, in microseconds; 0 where none was."""
    columns = REJECTIONS.c
    query = select(func.max(columns.rejected_at)).where(columns.organization == organization)
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def forget_old_rejections(engine: Engine, now: int) -> None:
    """Remove refused posts older than `REJECTION_DAYS`. `now` in microseconds."""
    with write_transaction(engine) as connection:
        before = now - REJECTION_DAYS * DAY_MICROSECONDS
        connection.execute(delete(REJECTIONS).where(REJECTIONS.c.rejected_at < before))


def _trim(connection: Connection, organization: str) -> None:
    columns = REJECTIONS.c
    of_it = columns.organization == organization
    newest = select(columns.id).where(of_it).order_by(columns.rejected_at.desc(), columns.id.desc())
    connection.execute(delete(REJECTIONS).where(of_it, columns.id.not_in(newest.limit(MOST_KEPT))))
