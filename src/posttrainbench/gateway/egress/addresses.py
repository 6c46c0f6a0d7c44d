"""Which machines the proxy connects to: public ones alone, by the address that is then really connected to.

Covers: the host's loopback and every address of its interfaces, link-local addresses (where clouds hand out their
credentials), private, shared, reserved and multicast ranges, IPv4 addresses inside of IPv6 ones, names that resolve
to any of these, and names that resolve to something else at each question.
"""

import asyncio
import socket
from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import psutil
from aiohttp.abc import AbstractResolver, ResolveResult

NAT64 = IPv6Network("64:ff9b::/96")


OFF_LIMITS = "is an address of the host or of a private network, which are off limits."


class BlockedError(OSError):
    """The address is none that a sandbox may reach."""


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not (one.is_multicast or one.is_reserved) for one in _meant(parsed))


def _meant(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, and those that a router may take out of it."""
    meant: list[IPv4Address | IPv6Address] = [address]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return [address.ipv4_mapped]
        if address in NAT64:
            return [IPv4Address(int(address) & 0xFFFFFFFF)]
        meant += [address.sixtofour] if address.sixtofour is not None else []
        meant += list(address.teredo) if address.teredo is not None else []
    return meant


class Addresses(AbstractResolver):
    """Resolves names to addresses that may be connected to."""

    def __init__(self, rehearsed: Mapping[str, str]) -> None:
        """`rehearsed`: host -> `ADDRESS:PORT`, taken in place of all this; for tests, see `host.Rehearsal`."""
        self._rehearsed = rehearsed

    async def of(self, host: str, port: int) -> list[tuple[str, int]]:
        """Addresses and ports to connect to, in order.

        Raises:
            BlockedError: all of them are out of bounds.
            OSError: the name does not resolve.
        """
        if host in self._rehearsed:
            address, _, own_port = self._rehearsed[host].rpartition(":")
            return [(address, int(own_port))]
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = [(address, port) for address in addresses if self._may_reach(address, port)]
        if not allowed:
            raise BlockedError(f"{host[:100]} {OFF_LIMITS}")
        return allowed

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that is about to be connected to, by whatever way it was found.

        Args:
            info: as `socket.getaddrinfo` gives it.

        Raises:
            BlockedError: the address is out of bounds.
        """
        family, kind, protocol, _, place = info
        if not self._may_reach(place[0], place[1]):
            raise BlockedError(f"{place[0]} {OFF_LIMITS}")
        return socket.socket(family, kind, protocol)

    def _may_reach(self, address: str, port: int) -> bool:
        if f"{address}:{port}" in self._rehearsed.values():
            return True
        return is_public(address) and address.partition("%")[0] not in self._own

    @cached_property
    def _own(self) -> frozenset[str]:
        interfaces = psutil.net_if_addrs().values()
        return frozenset(entry.address.partition("%")[0] for entries in interfaces for entry in entries)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See `aiohttp.abc.AbstractResolver`."""
        return [
            {
                "hostname": host,
                "host": address,
                "port": to_port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address, to_port in await self.of(host, port)
        ]

    async def close(self) -> None:
        """See `aiohttp.abc.AbstractResolver`."""


async def connect(addresses: list[tuple[str, int]], seconds: float) -> socket.socket:
    """A connection to the first address that answers; the socket does not block.

    Raises:
        OSError: none does.
    """
    loop = asyncio.get_running_loop()
    failed: OSError = OSError("no address")
    for address, port in addresses:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            place: Any = (address, port)
            await asyncio.wait_for(loop.sock_connect(sock, place), seconds)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:  # a time-out is one too
            sock.close()
            failed = error
        except BaseException:
            sock.close()
            raise
    raise failed
