"""Restrict the proxy's connections to public addresses, checking the address that is actually connected to.

Covers: the host's loopback and every address of its interfaces, link-local addresses (where clouds serve credentials),
private, shared, reserved and multicast ranges of IANA's special-purpose registries, addresses of cloud platforms, IPv4
addresses embedded in IPv6 ones, names that resolve to any of these, and names that resolve differently at each lookup
(DNS rebinding).
"""

import asyncio
import socket
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import psutil
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

NAT64 = IPv6Network("64:ff9b::/96")

SPECIAL_IPV4 = tuple(
    IPv4Network(network)
    for network in """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
    203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    168.63.129.16/32
    """.split()
)
"""IANA's IPv4 Special-Purpose Address Registry, multicast, and the address at which Azure serves its virtual machines.
`ipaddress` has another selection in each version of Python."""
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only IPv6 addresses that IANA has assigned to the internet. The special ranges in it follow."""
SPECIAL_IPV6 = tuple(IPv6Network(network) for network in "2001::/23 2001:db8::/32 2620:4f:8000::/48 3fff::/20".split())
ISATAP = (0x00005EFE, 0x02005EFE)
"""Third 32-bit word of IPv6 addresses that carry an IPv4 address as their last."""

OFF_LIMITS = "is an address of the host or of a private network, which are off limits."


class BlockedError(OSError):
    """A sandbox must not connect to this address."""


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public internet."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(not _is_special(each) for each in _with_embedded(parsed))


def _is_special(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return any(address in network for network in SPECIAL_IPV4)
    return address not in GLOBAL_UNICAST or any(address in network for network in SPECIAL_IPV6)


def _with_embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return the address and the IPv4 addresses embedded in it, to which a router may deliver."""
    addresses: list[IPv4Address | IPv6Address] = [address]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return [address.ipv4_mapped]
        if address in NAT64:
            return [IPv4Address(int(address) & 0xFFFFFFFF)]
        addresses += [address.sixtofour] if address.sixtofour is not None else []
        if int(address) >> 32 & 0xFFFFFFFF in ISATAP:
            addresses.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return addresses


class Addresses(AbstractResolver):
    """Resolves host names to addresses that a sandbox may connect to."""

    async def lookup(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return the permitted addresses and ports of a host, in order of preference.

        Raises:
            BlockedError: none of the host's addresses is permitted.
            OSError: the name does not resolve.
        """
        loop = asyncio.get_running_loop()
        entries = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        allowed = [(address, port) for address in addresses if self.is_allowed(address, port)]
        if not allowed:
            raise BlockedError(f"{host[:100]} {OFF_LIMITS}")
        return allowed

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Return a socket for an address that is about to be connected to, after checking the address.

        Args:
            info: an entry of `socket.getaddrinfo`.

        Raises:
            BlockedError: the address is not permitted.
        """
        family, kind, protocol, _, address = info
        if not self.is_allowed(address[0], address[1]):
            raise BlockedError(f"{address[0]} {OFF_LIMITS}")
        return socket.socket(family, kind, protocol)

    def is_allowed(self, address: str, port: int) -> bool:
        """Return whether a sandbox may connect to this address and port."""
        return is_public(address) and address.partition("%")[0] not in self._interface_addresses

    @cached_property
    def _interface_addresses(self) -> frozenset[str]:
        interfaces = psutil.net_if_addrs().values()
        return frozenset(entry.address.partition("%")[0] for entries in interfaces for entry in entries)

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            {
                "hostname": host,
                "host": address,
                "port": to_port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address, to_port in await self.lookup(host, port)
        ]

    @override
    async def close(self) -> None:
        pass


async def connect(addresses: list[tuple[str, int]], seconds: float) -> socket.socket:
    """Return a non-blocking connection to the first address that accepts one.

    Raises:
        OSError: no address accepted a connection.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("no address")
    for address, port in addresses:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            target: Any = (address, port)
            await asyncio.wait_for(loop.sock_connect(sock, target), seconds)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:  # includes a timeout
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure
