"""What the translators of other systems' calls share: bodies, times, and records found by a key."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response
from pydantic import BeforeValidator, ConfigDict, PlainValidator
from pydantic_core import PydanticCustomError
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, select

from metrics.domain.deployments import NewDeployment, SentDeployment
from metrics.domain.errors import FieldError, InvalidInput
from metrics.domain.fields import MOST_LABELS, Body
from metrics.domain.incidents import NewIncident, SentIncident
from metrics.domain.instants import InstantError
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from metrics.domain.vocabulary import COMMIT_PATTERN, name_key
from tracker.auth.callers import Caller
from tracker.deployments.service import RecordedDeployment, preview_deployment, record_deployment
from tracker.incidents.service import RecordedIncident
from tracker.records.ledger import Ledger
from tracker.records.tables import DEPLOYMENTS, INCIDENTS, REPOSITORIES, current
from tracker.senders.times import read_foreign_instant
from tracker.web.paging import CallerRequest
from tracker.web.problems import Failure
from tracker.web.state import author_of

T = TypeVar("T", NewDeployment, NewIncident)
R = TypeVar("R", RecordedDeployment, RecordedIncident)
UNKNOWN_RELEASE = "latest"
"""The version of what names neither commit nor version: to the metrics it is a release that is not known."""
_UTC = ZoneInfo("UTC")
_FORM = "application/x-www-form-urlencoded"
_COMMIT = re.compile(COMMIT_PATTERN)


class ForeignBody(Body):
    """What another system's client sends. Fields that are not known are passed over, as there."""

    model_config = ConfigDict(extra="ignore")


def _foreign_instant(value: object) -> datetime | None:
    try:
        return read_foreign_instant(value, _UTC)
    except InstantError as error:
        raise PydanticCustomError("instant", "{reason}", {"reason": str(error)}) from None


def _none_for_empty(value: object) -> object:
    return None if value == "" else value


ForeignInstant = Annotated[datetime, PlainValidator(_foreign_instant)]
"""Text with or without a zone, or an integer in seconds, milliseconds, microseconds or nanoseconds."""
NoneForEmpty = BeforeValidator(_none_for_empty)


def sent_deployment(fields: Mapping[str, Any], names: Mapping[str, str], now: int) -> SentDeployment:
    """The deployment that translated fields say; `names` are the sender's own of them, as JSON pointers.

    Raises `InvalidInput`, in the sender's names.
    """
    try:
        return _read(NewDeployment, fields).sent(triggered_by="api", now=now)
    except InvalidInput as invalid:
        raise _in_their_names(invalid, names) from None


def sent_incident(fields: Mapping[str, Any], names: Mapping[str, str], now: int) -> SentIncident:
    """The incident that translated fields say, as `sent_deployment` does."""
    try:
        return _read(NewIncident, fields).sent(now)
    except InvalidInput as invalid:
        raise _in_their_names(invalid, names) from None


def _read(body: type[T], fields: Mapping[str, Any]) -> T:
    said = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
    return body.parse(msgspec.json.encode(said))


def _in_their_names(invalid: InvalidInput, names: Mapping[str, str]) -> InvalidInput:
    """The refusal with the sender's names of the fields."""
    named = []
    for error in invalid.errors:
        first, slash, rest = error.pointer.lstrip("/").partition("/")
        named.append(FieldError(f"/{names.get(first, first)}{slash}{rest}", error.detail))
    return InvalidInput.of(named) if named else invalid


def nothing(status: int = 200) -> Response[bytes]:
    """An answer without a body."""
    return Response(b"", status_code=status, media_type="text/plain")


def record_all(ledger: Ledger, caller: Caller, sent: Sequence[SentDeployment]) -> list[RecordedDeployment]:
    """Record several deployments of one call, or none of them. Raises what `record_deployment` does."""
    author = author_of(caller)
    # What an act has recorded before it is refused stays.
    for one in sent:
        caller.require_write(one.facts.repository)
        preview_deployment(ledger, author, one, caller.can_access)
    return [record_deployment(ledger, author, one, caller.can_access).deployment for one in sent]


def commit_or_none(text: str | None) -> str | None:
    """The text where it is a commit's hash."""
    return text.lower() if text is not None and _COMMIT.fullmatch(text.lower()) else None


def labels_of(tags: Mapping[str, str]) -> dict[str, str]:
    """As many of the tags as a record holds, in their order."""
    return dict(list(tags.items())[:MOST_LABELS])


def find_deployment(
    connection: Connection, caller: Caller, *conditions: ColumnElement[bool]
) -> RecordedDeployment | None:
    """The latest deployment of the caller's that the conditions hold for."""
    rows = _latest_first(connection, caller, DEPLOYMENTS, DEPLOYMENTS.c.listed_at, conditions)
    return _first_visible(caller, map(RecordedDeployment.from_row, rows))


def find_incident(
    connection: Connection, caller: Caller, *conditions: ColumnElement[bool]
) -> RecordedIncident | None:
    """The latest incident of the caller's that the conditions hold for."""
    rows = _latest_first(connection, caller, INCIDENTS, INCIDENTS.c.started_at, conditions)
    return _first_visible(caller, map(RecordedIncident.from_row, rows))


def _latest_first(
    connection: Connection,
    caller: Caller,
    table: Table,
    at: ColumnElement[int],
    conditions: Iterable[ColumnElement[bool]],
) -> Iterable[Row[Any]]:
    statement = (
        select(table)
        .where(current(table.c, caller.organization), *conditions)
        .order_by(at.desc(), table.c.id.desc())
    )
    return connection.execute(_enough(statement, caller))


def _first_visible(caller: Caller, records: Iterable[R]) -> R | None:
    return next((one for one in records if caller.may_use(one.facts.repository)), None)


def _enough(statement: Select[Any], caller: Caller) -> Select[Any]:
    """As many rows as it takes to find one that the caller reaches: where it reaches all, the first."""
    return statement.limit(1) if caller.repositories is None else statement


def repository_of_service(connection: Connection, caller: Caller, service: str) -> RepositoryIdentity | None:
    """The one repository that has the service, else the one of that name; None where none or several do."""
    columns, key = REPOSITORIES.c, name_key(service)
    rows = connection.execute(
        select(columns.repository_url, columns.service_key).where(
            current(columns, caller.organization), columns.service_key.in_([key, ""])
        )
    )
    has_it, is_called_so = set(), set()
    for url, service_key in rows:
        identity = RepositoryIdentity.parse(url)
        if not caller.may_use(identity):
            continue
        if service_key == key:
            has_it.add(identity)
        elif key in (name_key(identity.path), name_key(identity.path.rpartition("/")[2])):
            is_called_so.add(identity)
    found = has_it or is_called_so
    return found.pop() if len(found) == 1 else None


def repository_named(
    connection: Connection, organization: str, name: str, base_url: str
) -> RepositoryIdentity:
    """The repository that a text names: an address, a known one by its path, else one below the base.

    Raises `RepositoryUrlError`.
    """
    if "://" in name or name.startswith("git@"):
        return RepositoryIdentity.parse(name)
    columns = REPOSITORIES.c
    known = connection.scalar(
        select(columns.repository_url).where(
            current(columns, organization), columns.repository_path == name, columns.service_key == ""
        )
    )
    return RepositoryIdentity.parse(known or f"{base_url.rstrip('/')}/{name}")


def only_repository(caller: Caller, base_url: str) -> RepositoryIdentity | None:
    """The repository that a token is for, where that is one; below the base where it names no host."""
    patterns = caller.repositories or ()
    if len(patterns) != 1 or "*" in patterns[0]:
        return None
    host, slash, _ = patterns[0].partition("/")
    has_host = slash and (":" in host or "." in host)
    try:
        return RepositoryIdentity.parse(
            f"https://{patterns[0]}" if has_host else f"{base_url.rstrip('/')}/{patterns[0]}"
        )
    except RepositoryUrlError:
        return None


async def said_in(request: CallerRequest) -> dict[str, Any]:
    """What a request says: in its address, and in a body of JSON or of a form. Raises `InvalidInput`."""
    raw = await request.body()
    said: dict[str, Any] = dict(request.query_params)
    if not raw.strip():
        return said
    if request.headers.get("content-type", "").startswith(_FORM):
        return said | dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidInput("The body is neither a form nor valid JSON.") from None
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.")
    return said | body


def plain_failure(failure: Failure, _: str) -> Response[dict[str, object]]:
    """Render a failure as a message, and the fields that are wrong."""
    errors = [{"field": error.pointer.lstrip("/"), "message": error.detail} for error in failure.errors]
    body: dict[str, object] = {"message": failure.detail, "errors": errors}
    return Response(
        body, status_code=failure.status, media_type="application/json", headers=dict(failure.headers)
    )
