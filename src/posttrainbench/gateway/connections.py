"""Bound the connections of an HTTP server in the face of clients that hold connections without using them.

Covers: idle connections; headers and bodies that arrive slowly or never; more connections than places.

Does not cover: requests that have arrived whole. Whoever answers them bounds their number.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from aiohttp import web
from typing_extensions import override

HEADER_SECONDS = 300.0
"""Time limit for the headers of a connection's next request: the `keepalive_timeout` of an `AppRunner`. Common clients
close idle connections earlier, so that they do not send a request on a connection that is being closed."""


class Connections:
    """The connections of a server.

    When all places are taken, a new connection takes the place of the oldest one whose request has not arrived whole.
    If there is none, the new connection is closed at once.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._answering: set[web.RequestHandler] = set()

    @contextlib.contextmanager
    def answering(self, request: web.BaseRequest) -> Iterator[None]:
        """Protect the connection of a request that has arrived whole, until the context exits."""
        self._answering.add(request.protocol)
        try:
            yield
        finally:
            self._answering.discard(request.protocol)

    def factory(self, runner: web.AppRunner) -> Callable[[], asyncio.BaseProtocol]:
        """Return the factory of connections for `loop.create_server` and similar functions.

        Args:
            runner: an application's runner, after `setup`.
        """
        server = runner.server
        if server is None:
            raise RuntimeError("the runner must be set up first")

        def connect() -> asyncio.BaseProtocol:
            connections = [each for each in server.connections if each.transport is not None]
            excess = len(connections) + 1 - self._maximum
            if excess > 0:
                replaced = [each for each in connections if each not in self._answering][:excess]
                for each in replaced:
                    each.force_close()
                if len(replaced) < excess:
                    return _Refused()
            return server()

        return connect


class _Refused(asyncio.Protocol):
    """A connection without a place, which is closed at once."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
