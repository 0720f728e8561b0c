"""The keys of issuers: fetched from where an issuer says, kept, and asked for anew at most once a minute."""

import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import httpx
import jwt
import msgspec

from tracker.egress import AddressRefused, Network, resolve_permitted

_SECONDS = 5.0
_LARGEST_BYTES = 1_000_000
_KEPT_SECONDS = 3_600.0
_PAUSE_SECONDS = 60.0
_PAUSE_AFTER_FAILURE_SECONDS = 10.0
_MOST_WAITING = 8
_PORTS = {"http": 80, "https": 443}


class KeysUnavailable(Exception):
    """The issuer's keys cannot be had just now, or are none; the message says why."""


class IssuerKeys:
    """The keys of all issuers that are trusted. Safe to use from several threads."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        """`allowed` are private networks where issuers may be."""
        self._allowed = allowed
        self._clients: dict[str, _Client] = {}
        self._lock = threading.Lock()

    def find(self, issuer: str, key_id: str) -> jwt.PyJWK:
        """The issuer's key. Raises `KeysUnavailable`."""
        with self._lock:
            client = self._clients.setdefault(issuer, _Client(issuer, self._allowed))
        return client.find(key_id)


class _Client(jwt.PyJWKClient):
    """The keys of one issuer, whose address its discovery document tells."""

    def __init__(self, issuer: str, allowed: Sequence[Network]) -> None:
        super().__init__(issuer, lifespan=_KEPT_SECONDS, cooldown_duration=_PAUSE_SECONDS)
        self._issuer, self._allowed = issuer, allowed
        self._failed_at, self._failure = 0.0, ""
        # Who waits holds up a thread of the service: some may, and the others come again.
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)

    def find(self, key_id: str) -> jwt.PyJWK:
        if not self._waiting.acquire(blocking=False):
            raise KeysUnavailable("too many wait for them just now")
        try:
            return self.get_signing_key(key_id)
        except jwt.PyJWTError as failure:
            raise KeysUnavailable(str(failure)) from None
        finally:
            self._waiting.release()

    def fetch_data(self) -> Any:
        """The key set, bounded in size and time. Raises `KeysUnavailable`."""
        pause = _PAUSE_AFTER_FAILURE_SECONDS if self._last_successful_fetch is None else _PAUSE_SECONDS
        if self._failure and time.monotonic() - self._failed_at < pause:
            raise KeysUnavailable(self._failure)
        try:
            keys = self._fetch_keys()
            # Here, so that a set without a usable key is not asked for by every token.
            jwt.PyJWKSet.from_dict(keys)
        except (KeysUnavailable, jwt.PyJWTError) as failure:
            self._failed_at, self._failure = time.monotonic(), str(failure)
            raise KeysUnavailable(self._failure) from None
        if self.jwk_set_cache is not None:
            self.jwk_set_cache.put(keys)
        self._failure, self._last_successful_fetch = "", time.monotonic()
        return keys

    def _fetch_keys(self) -> dict[str, Any]:
        deadline = time.monotonic() + _SECONDS
        discovery = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        document = _fetch(discovery, self._allowed, deadline)
        if document.get("issuer") != self._issuer:
            raise KeysUnavailable("the discovery document is another issuer's")
        address = document.get("jwks_uri")
        if not isinstance(address, str):
            raise KeysUnavailable("the discovery document names no jwks_uri")
        return _fetch(address, self._allowed, deadline)


def _fetch(address: str, allowed: Sequence[Network], deadline: float) -> dict[str, Any]:
    """The JSON object at an address. Raises `KeysUnavailable`."""
    try:
        url = httpx.URL(address)
        if url.scheme not in _PORTS or not url.host:
            raise KeysUnavailable(f"{address} is no http or https address")
        number = resolve_permitted(url.host, url.port or _PORTS[url.scheme], allowed)
        with (
            httpx.Client(trust_env=False, timeout=_SECONDS, verify=_certificates()) as client,
            # The address that was looked at, by its number; the certificate has to be the name's.
            client.stream(
                "GET",
                url.copy_with(host=number),
                headers={"Host": url.netloc.decode(), "Accept": "application/json"},
                extensions={"sni_hostname": url.host},
            ) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise KeysUnavailable(f"{address} answers {response.status_code}")
            text = b"".join(_bounded(response, address, deadline))
    except AddressRefused as refusal:
        raise KeysUnavailable(str(refusal)) from None
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise KeysUnavailable(f"{address}: {failure or type(failure).__name__}") from None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise KeysUnavailable(f"{address} is no JSON") from None
    if not isinstance(found, dict):
        raise KeysUnavailable(f"{address} is no JSON object")
    return found


def _bounded(response: httpx.Response, address: str, deadline: float) -> Iterator[bytes]:
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > _LARGEST_BYTES:
            raise KeysUnavailable(f"{address} is larger than {_LARGEST_BYTES} bytes")
        if time.monotonic() > deadline:
            raise KeysUnavailable(f"{address} takes longer than {_SECONDS:g} seconds")
        yield part


@cache
def _certificates() -> ssl.SSLContext:
    """Load the trusted certificates, once: it takes longer than fetching."""
    return httpx.create_ssl_context(trust_env=False)


def key_in(key_set: Mapping[str, Any], key_id: str) -> jwt.PyJWK:
    """The key of a set that is at hand. Raises `KeysUnavailable`."""
    try:
        return jwt.PyJWKSet.from_dict(dict(key_set))[key_id]
    except (jwt.PyJWTError, KeyError):
        raise KeysUnavailable(f"there is no key {key_id!r} among those that were given") from None
