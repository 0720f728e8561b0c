"""Who asks, and by which address, where proxies stand before the service: the trusted ones are believed."""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from litestar.enums import ScopeType

from tracker.egress import Address, Network

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

_FOR, _PROTO, _HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
# Some proxies name a port beside the address: 192.0.2.7:4711, [2001:db8::7]:4711.
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](:\d+)?|(?P<v4>[\d.]+):\d+")
_HOST_AND_PORT = re.compile(r"([\w.-]{1,253}|\[[\da-f:.]{2,45}\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)


class BehindProxies:
    """Takes the scheme and the host of a request from the proxies that are trusted, and from nobody else."""

    def __init__(self, app: "ASGIApp", trusted: Sequence[Network]) -> None:
        self._app, self._trusted = app, trusted

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if self._trusted and scope["type"] == ScopeType.HTTP:
            hops = len(_hops(scope, self._trusted)) - 1
            if hops:
                _believe(scope, hops)
        await self._app(scope, receive, send)


def client_address(scope: "Scope", trusted: Sequence[Network]) -> str:
    """The address of the client: the nearest one in `X-Forwarded-For` that is no trusted proxy.

    Whoever is not trusted stands for himself, whatever his headers say. Empty where there is no address.
    """
    hops = _hops(scope, trusted)
    return str(hops[-1]) if hops else ""


def _hops(scope: "Scope", trusted: Sequence[Network]) -> Sequence[Address]:
    """The way back from the service to the client: the trusted proxies, and last the client.

    Where a proxy names no client that can be read, it is told as the client itself.
    """
    peer = _read((scope["client"] or ("", 0))[0])
    if peer is None:
        return []
    hops = [peer]
    named = reversed(_values(scope, _FOR))
    while _is_trusted(hops[-1], trusted):
        before = _read(next(named, ""))
        if before is None:
            # What it says of the scheme and the host holds all the same.
            return [*hops, hops[-1]]
        hops.append(before)
    return hops


def _believe(scope: "Scope", hops: int) -> None:
    """Take over what the outermost of so many trusted proxies said: each adds to the end, or replaces all."""
    scheme, host = (_said(scope, name, hops) for name in (_PROTO, _HOST))
    if scheme.lower() in ("http", "https"):
        scope["scheme"] = scheme.lower()
    if _HOST_AND_PORT.fullmatch(host):
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [*others, (b"host", host.encode())]


def _said(scope: "Scope", header: bytes, hops: int) -> str:
    values = _values(scope, header)
    return values[-min(hops, len(values))] if values else ""


def _values(scope: "Scope", header: bytes) -> list[str]:
    """The values of a header that is a list, over all its lines."""
    lines = (value.decode("latin-1") for name, value in scope["headers"] if name == header)
    return [value.strip() for line in lines for value in line.split(",")]


def _read(text: str) -> Address | None:
    """An address, without its port and zone; an IPv4 address in an IPv6 one is that."""
    with_port = _WITH_PORT.fullmatch(text)
    if with_port is not None:
        text = with_port["v6"] or with_port["v4"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)
