"""What the running service holds: one of each, made by `create_app`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar import Request
from sqlalchemy import Engine

from metrics.domain.fields import without_byte_order_mark
from metrics.domain.repositories import RepositoryIdentity
from metrics.engine.organizations import OrganizationStores
from metrics.queries.session import Session
from tracker.auth.callers import Authenticator, Caller
from tracker.records.ledger import Author
from tracker.records.recorder import Recorder
from tracker.settings import Settings
from tracker.web.idempotency import KeysUnderWay
from tracker.web.problems import Page, Shape
from tracker.web.rate_limits import RateLimits
from tracker.web.rejections import Rejections


class RawRequest(Request[Caller, Any, Any]):
    """A request whose JSON is left as bytes: bodies are parsed once, by the model that they are meant for."""

    async def json(self) -> bytes:
        body = await self.body()
        caller = self.scope.get("user")
        if isinstance(caller, Caller) and caller.job is not None and caller.job.proof.repository is not None:
            body = _with_repository(body, caller.job.proof.repository)
        # Where it is refused, the one who keeps rejections wants to know the repository.
        self.state.raw_body = body
        return body


def _with_repository(body: bytes, repository: RepositoryIdentity) -> bytes:
    """A record with the repository that its sender's token proves, where it names none itself."""
    try:
        record = msgspec.json.decode(without_byte_order_mark(body)) if body.strip() else {}
    except (msgspec.DecodeError, RecursionError):
        return body  # Said by whoever reads it.
    if not isinstance(record, dict) or record.get("repository_url") is not None:
        return body
    return msgspec.json.encode({**record, "repository_url": repository.url})


@dataclass(slots=True)
class Service:
    """The parts that handlers work with."""

    settings: Settings
    engine: Engine
    recorder: Recorder
    authenticator: Authenticator
    stores: OrganizationStores
    address: str
    """Where it listens, as a base URL."""
    error_shapes: Mapping[str, Shape] = field(default_factory=dict)
    """How failures are said under a path that begins so; elsewhere they are problem details."""
    error_page: Page | None = None
    """How failures are said to somebody who looks at a page."""
    is_stopping: bool = False
    """Whether it was told to stop: what takes long comes to an end early."""
    readiness: "asyncio.Future[Any] | None" = None
    """The question whether the record database can be worked with, as it was asked last."""
    keys_under_way: KeysUnderWay = field(default_factory=KeysUnderWay)
    rejections: Rejections = field(default_factory=Rejections)
    rate_limits: RateLimits = field(init=False)

    def __post_init__(self) -> None:
        self.rate_limits = RateLimits(self.settings)

    def session(self, organization: str, repositories: Sequence[str] | None) -> Session:
        """An organization's figures, for one who sees these repositories; all where there is no limit."""
        return Session(self.stores.of(organization), organization, repositories)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service while it serves: the recorder works, and stops only with everything committed."""
        self.recorder.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.recorder.stop)
            # A chore that was under way works on, on its thread and with a connection of the engine's.
            await asyncio.get_running_loop().shutdown_default_executor()
            self.stores.close()
            self.engine.dispose()


def author_of(caller: Caller) -> Author:
    """Return the author of what the caller records."""
    return Author(caller.organization, caller.claims.subject, caller.claims.token_id)
