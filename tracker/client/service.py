"""The service as a pipeline sees it: asked what was deployed last, and handed records until it has them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import stamina
import stamina.instrumentation

DEPLOYMENTS_PATH, INCIDENTS_PATH = "/api/v1/deployments", "/api/v1/incidents"
EXPIRES_HEADER = "Tracker-Token-Expires"
_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 20.0
_LONGEST_PAUSE_SECONDS = 10.0
# What a service says that cannot take a record just now, and will.
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
# What is to be mended where the service or the token is set up: the record is as good as it was.
_TO_BE_MENDED = frozenset({401, 403, 404, 405})
_UNDER_WAY = "urn:tracker:problem:idempotency-key-under-way"
# The record is another run's, and this one's token does not prove it.
_NOT_PROVED = "urn:tracker:problem:not-proved"

# The retries are told in the one line that a record ends with, and nowhere else.
stamina.instrumentation.set_on_retry_hooks([])


class Away(Exception):
    """The service cannot be had, or does not let the pipeline in; the record can be sent later."""

    def __init__(self, why: str, *, is_of_this_record: bool = False) -> None:
        """`is_of_this_record`: the service can be had, and would take others."""
        super().__init__(why)
        self.is_of_this_record = is_of_this_record


class Refused(Exception):
    """The service has read the record and does not take it; the message names the fields."""


class _TryAgain(Exception):
    def __init__(self, why: str, after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was deployed last in a stream, the latest first, and the organization's signs of a fix."""

    commits: Sequence[str] = ()
    environment: str = ""
    """Which the stream is in: a job's token may say it, where the record does not."""
    fix_patterns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Posted:
    """The service's answer to a record."""

    record: Mapping[str, Any]
    token_expires_at: str | None

    @property
    def warnings(self) -> Sequence[tuple[str, str]]:
        """Codes, each with its sentence."""
        return [(one["code"], one["detail"]) for one in self.record.get("warnings", ())]


@dataclass(frozen=True, slots=True)
class Service:
    """A service at a URL. The token is asked for when it is needed, and is in no message."""

    url: str
    token: Callable[[], str]
    patience_seconds: float = 30.0
    """How long a record is offered again and again."""

    def last(self, stream: Mapping[str, str]) -> Baseline:
        """What was deployed last in the stream. Raises `Away`, `Refused`."""
        answered = self._send("GET", f"{DEPLOYMENTS_PATH}/last", params=stream).json()
        commits = [one["commit_id"] for one in answered["deployed"]]
        return Baseline(commits, answered["environment"], answered["fix_patterns"])

    def post(self, path: str, body: str, key: str, *, dry_run: bool = False) -> Posted:
        """Record, once however often it is sent. Raises `Away`, `Refused`."""
        answered = self._send(
            "POST",
            path,
            params={"dry_run": "true"} if dry_run else {},
            content=body.encode(),
            headers={"Idempotency-Key": key, "Content-Type": "application/json"},
        )
        return Posted(answered.json(), answered.headers.get(EXPIRES_HEADER))

    def _send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        """An answer that holds a JSON object. Raises `Away`, `Refused`."""
        shown = {"Authorization": f"Bearer {self.token()}", "User-Agent": "tracker-record", **(headers or {})}
        with _failures_named(self.url), self._client() as client:
            for attempt in stamina.retry_context(
                on=_pause, attempts=20, timeout=self.patience_seconds, wait_initial=0.5, wait_max=8.0
            ):
                with attempt:
                    response = client.request(method, self.url + path, headers=shown, **request)
                    _require_answer(response)
        return response

    def _client(self) -> httpx.Client:
        timeout = httpx.Timeout(min(_ANSWER_SECONDS, self.patience_seconds), connect=_CONNECT_SECONDS)
        return httpx.Client(timeout=timeout)


def _pause(failure: Exception) -> bool | float:
    """Whether to try again, and where the service says when, in how many seconds."""
    if isinstance(failure, _TryAgain):
        return True if failure.after_seconds is None else min(failure.after_seconds, _LONGEST_PAUSE_SECONDS)
    never = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
    return isinstance(failure, httpx.TransportError) and not isinstance(failure, never)


def _require_answer(response: httpx.Response) -> None:
    """Raises `_TryAgain`, `Away`, `Refused` where it is no answer."""
    body = _json(response)
    said = _said(response, body)
    if response.status_code in _TRY_AGAIN or body.get("type") == _UNDER_WAY:
        after = response.headers.get("Retry-After", "")
        raise _TryAgain(said, float(after) if after.isascii() and after.isdigit() else None)
    if response.is_success and body:
        return
    if response.status_code in _TO_BE_MENDED or response.is_redirect or response.is_success:
        raise Away(said, is_of_this_record=response.status_code in (403, 404))
    if body.get("type") == _NOT_PROVED:
        raise Away(said, is_of_this_record=True)
    raise Refused(said)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _said(response: httpx.Response, body: Mapping[str, Any]) -> str:
    """Why the answer is none, in a line."""
    if response.is_redirect:
        return f"it redirects to {response.headers.get('Location', 'nowhere')}: set TRACKER_URL to that"
    if response.is_success:
        return "what answers there is no tracker: is TRACKER_URL right?"
    errors = [one for one in body.get("errors") or () if isinstance(one, dict)]
    fields = "; ".join(f"{one.get('pointer', '')} {one.get('detail', '')}".strip() for one in errors)
    return f"{response.status_code} {fields or body.get('detail') or response.reason_phrase}"


@contextmanager
def _failures_named(url: str) -> Iterator[None]:
    """Whatever keeps a record from being answered is `Away`."""
    try:
        yield
    except _TryAgain as failure:
        raise Away(str(failure)) from None
    except httpx.LocalProtocolError:
        # What it says holds the header that is wrong, and that may be the token.
        raise Away("the request cannot be made: is the token whole?") from None
    except httpx.TimeoutException:
        raise Away(f"{url} does not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise Away(f"{url} cannot be reached: {failure or type(failure).__name__}") from None


def encoded(record: Mapping[str, Any]) -> str:
    """A record as JSON, without what it does not say."""
    said = {name: value for name, value in record.items() if value is not None}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))
