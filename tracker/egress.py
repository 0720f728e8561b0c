"""Which addresses the service may call of itself: none inside its host or a private network.

A name is resolved once, all that it means is looked at, and what is called is the address that was looked at.
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# IPv6 addresses that stand for an IPv4 address, beside those that Python knows: RFC 6052.
_NAT64 = ip_network("64:ff9b::/96")
# Site-local, local-use NAT64, IPv4-translated and IPv4-compatible addresses; those of protocols and clouds'
# metadata, of documentation (RFC 9637) and of segment routing (RFC 9602), which some Pythons call public.
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            *("fec0::/10", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96"),
            *("192.0.0.0/24", "3fff::/20", "5f00::/16"),
        ),
    )
)
# Names are resolved on threads of their own: a server that does not answer holds up nothing else.
_RESOLVERS = ThreadPoolExecutor(16, "resolver")


class AddressRefused(Exception):
    """The host resolves to an address that may not be called, or to none; nothing was sent."""


class Unresolvable(AddressRefused):
    """The host cannot be resolved just now."""


async def permitted_address(host: str, port: int, allowed: Sequence[Network]) -> str:
    """An address of the host that may be called. Raises `AddressRefused`."""
    resolve = partial(resolve_permitted, host, port, allowed)
    return await asyncio.get_running_loop().run_in_executor(_RESOLVERS, resolve)


def resolve_permitted(host: str, port: int, allowed: Sequence[Network]) -> str:
    """An address of the host that may be called, for who may wait for it. Raises `AddressRefused`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolvable(f"{host} cannot be resolved: {error}") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not is_permitted(ip_address(address.partition("%")[0]), allowed):
            raise AddressRefused(f"{host} is inside the host or a private network")
    return addresses[0]


def is_permitted(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether an address is public, or in a network that the operator allows."""
    embedded = _embedded(address)
    if embedded is not None:
        return is_permitted(embedded, allowed)
    if any(address.version == network.version and address in network for network in allowed):
        return True
    if any(address.version == network.version and address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
