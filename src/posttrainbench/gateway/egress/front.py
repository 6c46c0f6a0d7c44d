"""A connection's way: through a tunnel whose content stays unread, or before the interceptor.

Large downloads come from storage hosts, whose addresses say nothing; these are tunnelled, and so is everything else
but the hosts where the path or the answer matters.
"""

import asyncio
import re
import socket
from functools import partial
from http import HTTPStatus

from aiohttp import web

from posttrainbench.destinations import Destination, classify, shows_more
from posttrainbench.gateway.egress.addresses import Addresses, BlockedError, connect
from posttrainbench.gateway.egress.authority import Authority
from posttrainbench.gateway.egress.connections import (
    HEAD_SECONDS,
    end_all,
    established,
    pass_both_ways,
    read_while,
    refuse,
    until_both_end,
)
from posttrainbench.gateway.egress.hello import Hello, is_tls, missing, read_hello
from posttrainbench.gateway.egress.intercept import BAD_GATEWAY, BAD_REQUEST, FULL, Interceptor, Via
from posttrainbench.gateway.egress.ledger import Ledger, Passage
from posttrainbench.gateway.egress.policy import FORBIDDEN, EgressPolicy
from posttrainbench.gateway.egress.sockets import copy, receive_connection, send_all

TOGETHER = 512
"""Connections at a time; more of them wait."""
CONNECT_SECONDS = 15.0
STOP_SECONDS = 0.05
"""How long a request goes on whose client has left."""
TARGET = re.compile(r"CONNECT (\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5}) HTTP/1\.[01]")


class Front:
    """Takes connections from the sandbox."""

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
        self._places = asyncio.Semaphore(TOGETHER)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Serve what is handed over through a listening unix socket, until cancelled."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            await self._places.acquire()
            try:
                channel, _ = await loop.sock_accept(listener)
            except OSError:  # too many open files
                self._places.release()
                await asyncio.sleep(0.1)
                continue
            task = loop.create_task(self._take(channel))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._places.release()
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, OSError):
            asyncio.get_running_loop().call_exception_handler({"message": "a connection failed", "exception": error})

    async def _take(self, channel: socket.socket) -> None:
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
            if target is None or int(target[2]) > 65535:
                await refuse(client, BAD_REQUEST, "CONNECT takes HOST:PORT.")
                return
            await self._connect(client, target[1].strip("[]").lower().rstrip("."), int(target[2]), rest)

    async def _connect(self, client: socket.socket, host: str, port: int, rest: bytes) -> None:
        passage = Passage(host, port, "CONNECT", None, classify(host, None, port))
        with self._ledger.passage(passage):
            denial = self._policy.of_host(host)
            if denial is None and self._ledger.is_full:
                passage.deny(FORBIDDEN, FULL)
            elif denial is not None:
                passage.deny(denial.status, denial.reason)
            if passage.decision == "denied":
                await refuse(client, passage.status or FORBIDDEN, passage.reason)
                return
            try:
                places = await self._addresses.of(host, port)
            except BlockedError as error:
                passage.deny(FORBIDDEN, str(error))
                await refuse(client, FORBIDDEN, str(error))
                return
            except (OSError, UnicodeError) as error:
                passage.reason = f"{type(error).__name__}: {error}"
                await refuse(client, BAD_GATEWAY, f"The name {host[:100]} does not resolve.")
                return
            if _is_intercepted(host, passage.destination):
                await self._look_inside(client, host, port, rest, places, passage)
            else:
                await self._tunnel(client, rest, places, passage)

    async def _look_inside(
        self,
        client: socket.socket,
        host: str,
        port: int,
        rest: bytes,
        places: list[tuple[str, int]],
        passage: Passage,
    ) -> None:
        """Read the requests themselves, if the client's first bytes allow it."""
        await established(client)
        passage.status = HTTPStatus.OK
        first = await read_while(client, rest, lambda data: not data or (is_tls(data) and missing(data)))
        if first is None:
            passage.reason = "the client sent nothing"
            return
        if not is_tls(first):
            passage.silent = True
            await self._intercept(client, first, Via("http", host, port), None)
            return
        hello = read_hello(first)
        if hello is None or (hello.server is not None and hello.server != host):
            passage.deny(FORBIDDEN, _other_server(hello, host))
            return
        if hello.protocols and "http/1.1" not in hello.protocols and not shows_more(host):
            # What is asked of a hosted model does not hang on the path: let gRPC pass.
            await self._tunnel(client, first, places, passage)
            return
        passage.silent = True
        if not await self._intercept(client, first, Via("https", host, port), host):
            passage.silent = False
            passage.reason = "the client and the proxy did not agree on TLS: see SSL_CERT_FILE"

    async def _intercept(self, client: socket.socket, first: bytes, via: Via | None, tls_host: str | None) -> bool:
        """Serve requests on a connection; whether it was set up."""
        loop = asyncio.get_running_loop()
        # The library may wait on its socket, so it gets one that the sandbox has no copy of.
        ours, its = socket.socketpair()
        ours.setblocking(False)
        its.setblocking(False)
        server = web.Server(partial(self._interceptor.handle, via), access_log=None, handler_cancellation=True)
        with ours:
            flow = asyncio.ensure_future(pass_both_ways(client, ours, first))
            try:
                context = None if tls_host is None else self._authority.context(tls_host)
                try:
                    await loop.connect_accepted_socket(server, its, ssl=context)  # which closes it, too
                except OSError:
                    return False
                await flow
            finally:
                await end_all(flow)
                await server.shutdown(STOP_SECONDS)
        return True

    async def _tunnel(
        self, client: socket.socket, rest: bytes, places: list[tuple[str, int]], passage: Passage
    ) -> None:
        """Pass bytes on, unread but for the name of the server in the first of them."""
        try:
            server = await connect(places, CONNECT_SECONDS)
        except OSError as error:
            passage.reason = f"{type(error).__name__}: {error}"
            if passage.status is None:
                passage.status = BAD_GATEWAY
                await refuse(client, BAD_GATEWAY, f"{passage.host[:100]} cannot be reached: {type(error).__name__}.")
            return
        with server:
            if passage.status is None:
                await established(client)
                passage.status = HTTPStatus.OK
            down = asyncio.ensure_future(copy(server, client, passage.receives))
            try:
                first = await read_while(client, rest, lambda data: not data or (is_tls(data) and missing(data)), None)
                if first is not None and is_tls(first):
                    hello = read_hello(first)
                    if hello is None or (hello.server is not None and hello.server != passage.host):
                        passage.deny(FORBIDDEN, _other_server(hello, passage.host))
                        return
                if first is None:
                    server.shutdown(socket.SHUT_WR)
                    await down
                    return
                passage.sends(len(first))
                await send_all(server, memoryview(first))
                up = asyncio.ensure_future(copy(client, server, passage.sends))
                await until_both_end(up, down)
            except OSError as error:
                passage.reason = passage.reason or f"cut off: {type(error).__name__}"
            finally:
                await end_all(down)


def _is_intercepted(host: str, destination: Destination) -> bool:
    """Whether the path tells what is asked for, or the answer whether it was got."""
    return shows_more(host) or destination.kind == "hosted_model"


def _other_server(hello: Hello | None, host: str) -> str:
    name = "none that can be read" if hello is None else hello.server
    return f"The TLS handshake must be for {host[:100]}, the host that was asked for; it is for {str(name)[:100]}."
