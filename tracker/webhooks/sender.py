"""One try to hand an event over: signed, to an address that may be called, and never redirected."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus

import httpx
from standardwebhooks import Webhook as Signer

from tracker.egress import AddressRefused, Network, permitted_address
from tracker.webhooks.subscriptions import signing_key

MOST_SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}


HeadersOf = Callable[["OutgoingWebhook"], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingWebhook:
    """An event, ready to go to a subscriber."""

    id: str
    url: str
    secret: str
    event: str
    body: str
    headers_of: HeadersOf
    """The headers that its kind of subscriber wants beside those of Standard Webhooks."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The result of a try: the subscriber's status, or the error."""

    seconds: float
    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    """Seconds that the subscriber asks to be left alone for."""

    @property
    def is_taken(self) -> bool:
        return self.error is None


async def send(outgoing: OutgoingWebhook, allowed: Sequence[Network]) -> DeliveryResult:
    """Send once. Whatever goes wrong is in the result; nothing is raised."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(MOST_SECONDS):
            status, headers = await _post(outgoing, allowed)
    except AddressRefused as refusal:
        return DeliveryResult(time.monotonic() - started, error=f"nothing was sent: {refusal}")
    except TimeoutError:
        return DeliveryResult(time.monotonic() - started, error=f"no answer within {MOST_SECONDS:g} seconds")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failure:
        error = f"{type(failure).__name__}: {failure}".rstrip(": ")
        return DeliveryResult(time.monotonic() - started, error=error)
    return DeliveryResult(
        time.monotonic() - started, status, _refusal(status, headers), _seconds(headers.get("Retry-After"))
    )


async def _post(outgoing: OutgoingWebhook, allowed: Sequence[Network]) -> tuple[int, httpx.Headers]:
    url = httpx.URL(outgoing.url)
    address = await permitted_address(url.host, url.port or _PORTS[url.scheme], allowed)
    headers = {"Host": url.netloc.decode(), **_headers(outgoing)}
    # A connection for itself: one that is kept is found again by its address, whatever the name was.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(
            trust_env=False,
            timeout=httpx.Timeout(MOST_SECONDS, connect=_CONNECT_SECONDS),
            limits=limits,
            verify=_certificates(),
        ) as client,
        # The address that was looked at, by its number; the certificate has to be the name's.
        client.stream(
            "POST",
            url.copy_with(host=address),
            content=outgoing.body.encode(),
            headers=headers,
            extensions={"sni_hostname": url.host},
        ) as response,
    ):
        # What the subscriber says beside the status is nobody's concern, and may be without end.
        return response.status_code, response.headers


@cache
def _certificates() -> ssl.SSLContext:
    """Load the trusted certificates, once: it takes longer than sending."""
    return httpx.create_ssl_context(trust_env=False)


def _headers(outgoing: OutgoingWebhook) -> Mapping[str, str]:
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": "tracker-webhooks",
        "webhook-id": outgoing.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(signing_key(outgoing.secret)).sign(outgoing.id, now, outgoing.body),
        **outgoing.headers_of(outgoing),
    }


def _refusal(status: int, headers: httpx.Headers) -> str | None:
    """Return why an answer does not accept the event; None where it does."""
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"redirects are not followed: it leads to {headers.get('Location', 'nowhere')[:200]}"
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    return f"{status} {phrase}".strip()


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
