"""What several resources answer alike: a record that was posted, and the history of one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
import structlog
from litestar import Response
from litestar.enums import MediaType

from metrics.domain.errors import FieldError, InvalidInput, ParameterError, RecordsUnavailable
from metrics.domain.instants import from_microseconds
from tracker.records.failures import UNAVAILABLE
from tracker.records.history import Action, Change, Entry
from tracker.records.ledger import Act, Ledger
from tracker.web.idempotency import LONGEST_KEY, KeptAnswer, KeyedRequest, answer_once
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

T = TypeVar("T")
_log = structlog.get_logger("tracker")
KEY_HEADER = "Idempotency-Key"
# Of a record, what changes with every version and is the entry's own to say.
PASSED_OVER = frozenset({"updated_at"})


@dataclass(frozen=True, slots=True)
class Posted(Generic[T]):
    """The answer to a record that was posted. `repeated`: it was known before."""

    answer: T
    location: str
    repeated: bool

    @property
    def status_code(self) -> int:
        return 200 if self.repeated else 201


async def record_once(
    request: CallerRequest,
    service: Service,
    route: str,
    act: Callable[[Ledger], Posted[T]],
    receipt_of: Callable[[str], object] | None = None,
) -> Response[T]:
    """Record what was posted; under an `Idempotency-Key`, once, and give that answer each time.

    With `receipt_of`, which is given the record's id, the answer says what the record does.

    Raises `KeyUnderWay`, `KeyReused`, and what the act raises.
    """
    response = await _record(request, service, route, act)
    return response if receipt_of is None else await _with_receipt(response, receipt_of)


async def _record(
    request: CallerRequest, service: Service, route: str, act: Callable[[Ledger], Posted[T]]
) -> Response[T]:
    key = _read_key(request)
    if key is None:
        posted = await service.recorder.record(act)
        return Response(posted.answer, status_code=posted.status_code, headers={"Location": posted.location})
    job = request.user.job
    # What a job's token fills in is part of what was sent.
    proved = b"" if job is None else f"\n{request.user.repositories} {job.proof.node_ids}".encode()
    keyed = KeyedRequest.of(request.user.organization, route, key, await request.body() + proved)
    with service.keys_under_way.holding(keyed):
        kept = await service.recorder.record(lambda ledger: answer_once(ledger, keyed, _keeping(act)))
    headers = {"Location": kept.location}
    if kept.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(
        kept.body,  # type: ignore[arg-type]  # the answer, already encoded
        status_code=kept.status_code,
        headers=headers,
        media_type=MediaType.JSON,
    )


async def _with_receipt(response: Response[Any], receipt_of: Callable[[str], object]) -> Response[Any]:
    """The answer to a POST with what the record does, which is found out after it was recorded.

    Whatever keeps a receipt from being made, the record was made: the receipt is null then.
    """
    encoded = response.content if isinstance(response.content, str) else msgspec.json.encode(response.content)
    body = msgspec.json.decode(encoded)
    try:
        body["receipt"] = await asyncio.to_thread(receipt_of, body["id"])
    except (RecordsUnavailable, ParameterError, *UNAVAILABLE) as failure:
        _log.warning("a receipt could not be made", failure=str(failure))
        body["receipt"] = None
    return Response(body, status_code=response.status_code, headers=response.headers)


def _keeping(act: Callable[[Ledger], Posted[T]]) -> Act[KeptAnswer]:
    def keep(ledger: Ledger) -> KeptAnswer:
        posted = act(ledger)
        body = msgspec.json.encode(posted.answer).decode()
        return KeptAnswer(posted.status_code, posted.location, body)

    return keep


def _read_key(request: CallerRequest) -> str | None:
    key = request.headers.get(KEY_HEADER)
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        detail = f"must be 1 to {LONGEST_KEY} printable ASCII characters"
        raise InvalidInput.of([FieldError(KEY_HEADER, detail)])
    return key


@dataclass(frozen=True, slots=True)
class HistoryEntry(Generic[T]):
    """One version: when and by whom, with which token, what it changed, and the record as it then was."""

    revision: int
    recorded_at: datetime
    recorded_by: str
    token_id: str | None
    action: Action
    changes: Sequence[Change]
    record: T


@dataclass(frozen=True, slots=True)
class HistoryAnswer(Generic[T]):
    """Every version of one record, the first one first."""

    items: Sequence[HistoryEntry[T]]


def history_answer(found: Sequence[Entry[T]]) -> HistoryAnswer[T]:
    return HistoryAnswer([_history_entry(entry) for entry in found])


def _history_entry(entry: Entry[Any]) -> HistoryEntry[Any]:
    version = entry.version
    return HistoryEntry(
        revision=version.revision,
        recorded_at=from_microseconds(version.recorded_at),
        recorded_by=version.recorded_by,
        token_id=version.token_id,
        action=entry.action,
        changes=entry.changes,
        record=entry.record,
    )
