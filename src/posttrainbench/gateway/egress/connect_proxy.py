"""Route each CONNECT: tunnel it blindly, or hand it to the TLS interceptor.

Only hosts whose paths or responses matter are intercepted. Everything else is tunnelled, including the storage hosts
that serve large downloads and whose URLs do not identify a repository.
"""

import asyncio
import re
import socket
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address

from aiohttp import web

from posttrainbench.gateway.connections import HEADER_SECONDS
from posttrainbench.gateway.egress.addresses import Addresses, BlockedError, connect
from posttrainbench.gateway.egress.authority import Authority
from posttrainbench.gateway.egress.certificates import certificate_names, inspected_name
from posttrainbench.gateway.egress.client_hello import ClientHello, is_incomplete, is_tls, read_client_hello
from posttrainbench.gateway.egress.connections import (
    HEAD_SECONDS,
    cancel_all,
    read_while,
    refuse,
    relay,
    send_established,
    wait_for_both,
)
from posttrainbench.gateway.egress.destinations import Destination, classify, depends_on_path, normal_host
from posttrainbench.gateway.egress.intercept import BAD_GATEWAY, BAD_REQUEST, LEDGER_FULL, Interceptor, Origin
from posttrainbench.gateway.egress.known_hosts import GIT_OVER_SSH, GIT_SSH_HOSTS
from posttrainbench.gateway.egress.ledger import EgressExchange, Ledger
from posttrainbench.gateway.egress.policy import FORBIDDEN, EgressPolicy
from posttrainbench.gateway.egress.request_head import is_incomplete_head, requested_hosts
from posttrainbench.gateway.egress.sockets import copy, receive_connection, send_all

MAX_CONNECTIONS = 512
"""Concurrent connections; further ones wait."""
CONNECT_SECONDS = 15.0
STOP_SECONDS = 0.05
"""Time that a request may continue after its client has left."""
NO_GIT_OVER_SSH = "Git over SSH does not show which repository it transfers; use https://HOST/OWNER/NAME."
TARGET = re.compile(r"CONNECT (\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5}) HTTP/1\.[01]")


class ConnectProxy:
    """Serves the connections that a sandbox hands over."""

    def __init__(
        self,
        policy: EgressPolicy,
        ledger: Ledger,
        authority: Authority,
        addresses: Addresses,
        interceptor: Interceptor,
    ) -> None:
        self._policy = policy
        self._ledger = ledger
        self._authority = authority
        self._addresses = addresses
        self._interceptor = interceptor
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Serve connections that are handed over through a listening unix socket, until cancelled."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            await self._slots.acquire()
            try:
                channel, _ = await loop.sock_accept(listener)
            except OSError:  # too many open files
                self._slots.release()
                await asyncio.sleep(0.1)
                continue
            task = loop.create_task(self._serve_connection(channel))
            self._tasks.add(task)
            task.add_done_callback(self._on_done)

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, OSError):
            asyncio.get_running_loop().call_exception_handler({"message": "a connection failed", "exception": error})

    async def _serve_connection(self, channel: socket.socket) -> None:
        with channel:
            client = await receive_connection(channel, HEAD_SECONDS)
        if client is None:
            return
        with client:
            head = await read_while(client, b"", lambda data: b"\r\n\r\n" not in data)
            if head is None:
                return
            if not head.startswith(b"CONNECT "):
                await self._intercept(client, head, None, None)
                return
            line, _, rest = head.partition(b"\r\n\r\n")
            target = TARGET.match(line.split(b"\r\n")[0].decode("latin-1"))
            host = None if target is None else _host_of(target[1])
            if target is None or host is None or int(target[2]) > 65535:
                await refuse(client, BAD_REQUEST, "CONNECT takes HOST:PORT.")
                return
            await self._connect(client, host, int(target[2]), rest)

    async def _connect(self, client: socket.socket, host: str, port: int, rest: bytes) -> None:
        """Serve a CONNECT request; `rest` are the bytes received after its head."""
        exchange = EgressExchange(host, port, "CONNECT", None, classify(host, None, port))
        with self._ledger.record(exchange):
            denial = self._policy.check_host(host)
            if denial is None and self._ledger.is_full:
                exchange.deny(FORBIDDEN, LEDGER_FULL)
            elif denial is None and _is_git_over_ssh(host, port):
                exchange.deny(FORBIDDEN, NO_GIT_OVER_SSH)
            elif denial is not None:
                exchange.deny(denial.status, denial.reason)
            if exchange.decision == "denied":
                await refuse(client, exchange.status or FORBIDDEN, exchange.reason)
                return
            try:
                addresses = await self._addresses.lookup(host, port)
            except BlockedError as error:
                exchange.deny(FORBIDDEN, str(error))
                await refuse(client, FORBIDDEN, str(error))
                return
            except (OSError, UnicodeError) as error:
                exchange.reason = f"{type(error).__name__}: {error}"
                await refuse(client, BAD_GATEWAY, f"The name {host[:100]} does not resolve.")
                return
            if _is_intercepted(host, exchange.destination) or self._policy.is_inspected(host):
                await self._intercept_tls(client, host, port, rest, addresses, exchange)
            else:
                await self._tunnel(client, rest, addresses, exchange)

    async def _intercept_tls(
        self,
        client: socket.socket,
        host: str,
        port: int,
        rest: bytes,
        addresses: list[tuple[str, int]],
        exchange: EgressExchange,
    ) -> None:
        """Serve the requests inside a connection, if its first bytes are HTTP or a suitable ClientHello."""
        await send_established(client)
        exchange.status = HTTPStatus.OK
        first = await read_while(client, rest, _needs_more)
        if first is None:
            exchange.reason = "the client sent nothing"
            return
        if not is_tls(first):
            exchange.silent = True
            await self._intercept(client, first, Origin("http", host, port), None)
            return
        hello = read_client_hello(first)
        if hello is None or hello.server != host:
            exchange.deny(FORBIDDEN, _wrong_server(hello, host))
            return
        needs_path = depends_on_path(host) or self._policy.is_inspected(host)
        if hello.protocols and "http/1.1" not in hello.protocols and not needs_path:
            # Tunnel gRPC: a hosted model's API is recognized by its host, whatever the path.
            await self._tunnel(client, first, addresses, exchange)
            return
        exchange.silent = True
        if not await self._intercept(client, first, Origin("https", host, port), host):
            exchange.silent = False
            exchange.reason = "the TLS handshake between the client and the proxy failed: see SSL_CERT_FILE"

    async def _intercept(
        self, client: socket.socket, first: bytes, origin: Origin | None, tls_host: str | None
    ) -> bool:
        """Serve the requests of a connection.

        Returns:
            Whether the connection, including TLS, was established.
        """
        loop = asyncio.get_running_loop()
        # aiohttp may block on its socket, so it gets a socket of which the sandbox does not hold a copy.
        relay_end, server_end = socket.socketpair()
        relay_end.setblocking(False)
        server_end.setblocking(False)
        server = web.Server(
            partial(self._interceptor.handle, origin),
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=HEADER_SECONDS,
        )
        with relay_end:
            relaying = asyncio.ensure_future(relay(client, relay_end, first))
            try:
                context = None if tls_host is None else self._authority.context(tls_host)
                try:
                    await loop.connect_accepted_socket(server, server_end, ssl=context)  # closes the socket as well
                except OSError:
                    return False
                await relaying
            finally:
                await cancel_all(relaying)
                await server.shutdown(STOP_SECONDS)
        return True

    async def _tunnel(
        self, client: socket.socket, rest: bytes, addresses: list[tuple[str, int]], exchange: EgressExchange
    ) -> None:
        """Relay bytes without reading them, except for the host that the first message names."""
        try:
            server = await connect(addresses, CONNECT_SECONDS)
        except OSError as error:
            exchange.reason = f"{type(error).__name__}: {error}"
            if exchange.status is None:
                exchange.status = BAD_GATEWAY
                await refuse(client, BAD_GATEWAY, f"{exchange.host[:100]} cannot be reached: {type(error).__name__}.")
            return
        with server:
            if exchange.status is None:
                await send_established(client)
                exchange.status = HTTPStatus.OK
            down = asyncio.ensure_future(copy(server, client, exchange.add_received))
            try:
                first = await read_while(client, rest, _needs_more_in_tunnel, None)
                if first is not None and (reason := await _refusal(first, exchange.host, server)) is not None:
                    exchange.deny(FORBIDDEN, reason)
                    return
                if first is None:
                    server.shutdown(socket.SHUT_WR)
                    await down
                    return
                exchange.add_sent(len(first))
                await send_all(server, memoryview(first))
                up = asyncio.ensure_future(copy(client, server, exchange.add_sent))
                await wait_for_both(up, down)
            except OSError as error:
                exchange.reason = exchange.reason or f"cut off: {type(error).__name__}"
            finally:
                await cancel_all(down)


async def _refusal(first: bytes, host: str, server: socket.socket) -> str | None:
    """Return why a tunnel is refused whose first message is for another host or hides its host; None if it is not."""
    if is_tls(first):
        hello = read_client_hello(first)
        if hello is None or hello.server not in (None, host):
            return _wrong_server(hello, host)
        return await _hidden_host(server) if hello.server is None or _is_address(hello.server) else None
    others = sorted(set(requested_hosts(first)) - {host})
    return f"The request must be for {host[:100]}, not {others[0][:100]!r}." if others else None


async def _hidden_host(server: socket.socket) -> str | None:
    """Return why a connection whose TLS handshake does not name a host is refused; None if it may go on."""
    address = server.getpeername()
    names = await certificate_names((address[0], address[1]))
    if names is None:
        return "The TLS handshake does not name a host, and the server does not show a certificate without a name."
    if (name := inspected_name(names)) is not None:
        return f"The TLS handshake does not name a host, and the server is that of {name[:100]}: use its name."
    return None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_git_over_ssh(host: str, port: int) -> bool:
    """Return whether a connection would transfer git repositories of an inspected host over SSH."""
    return host in GIT_OVER_SSH or (port == 22 and host in GIT_SSH_HOSTS and depends_on_path(host))


def _host_of(target: str) -> str | None:
    """Return the normalized host of a CONNECT request, whose bytes were decoded as Latin-1; None if it is not valid."""
    with suppress(UnicodeDecodeError):  # of a client that sends Latin-1
        target = target.encode("latin-1").decode("utf-8")
    return normal_host(target.strip("[]"))


def _needs_more(data: bytes) -> bool:
    """Return whether a connection's first message is still empty, or is an incomplete ClientHello."""
    return not data or (is_tls(data) and is_incomplete(data))


def _needs_more_in_tunnel(data: bytes) -> bool:
    """Return whether a tunnel's first message is not complete enough to see for which host it is."""
    return _needs_more(data) or is_incomplete_head(data)


def _is_intercepted(host: str, destination: Destination) -> bool:
    """Return whether a host's requests are inspected: their paths or, for hosted models, their status matter."""
    return depends_on_path(host) or destination.kind == "hosted_model"


def _wrong_server(hello: ClientHello | None, host: str) -> str:
    name = "an unreadable name" if hello is None else hello.server
    return f"The TLS handshake must be for {host[:100]}, the host of the CONNECT request; it is for {str(name)[:100]}."
