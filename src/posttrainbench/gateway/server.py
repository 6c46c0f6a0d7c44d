"""The gateway's process: `python -m posttrainbench.gateway.server`.

Reads one JSON line from standard input (`StartupMessage`), listens, writes one JSON line to standard output (`port`, or
null) and serves until standard input closes, so that the process never outlives the run that started it.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from typing_extensions import override

from posttrainbench.child_process import parent_exit_event
from posttrainbench.gateway.config import GatewayConfig
from posttrainbench.gateway.connections import HEADER_SECONDS, Connections
from posttrainbench.gateway.meter import Meter
from posttrainbench.gateway.proxy import MAX_REQUEST_BYTES, Proxy
from posttrainbench.records import Record
from posttrainbench.usage.prices import PriceTable

CONNECT_SECONDS = 30.0
MAX_CONNECTIONS = 256
"""Connections of the sandbox; see `Connections`. At most 64 requests are forwarded at a time."""
MAX_LOG_RECORDS = 1000
HEADER_BYTES = 64 * 2**10
STOP_SECONDS = 0.2
"""Time that requests may continue after the run has ended."""


class StartupMessage(Record):
    """The configuration of the process. It contains the key, so it is sent through a pipe only.

    Attributes:
        socket: path of the unix socket to create.
        usage: path of `usage.jsonl`.
    """

    config: GatewayConfig
    key: str
    token: str
    prices: PriceTable
    socket: Path
    usage: Path


async def serve(message: StartupMessage, stopped: asyncio.Event) -> None:
    """Serve until `stopped` is set."""
    config = message.config
    meter = Meter(message.usage, message.prices, config.max_tokens, config.max_dollars)
    session = aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),  # responses have no time limit
        proxy=provider_proxy(config.upstream),
    )
    async with session:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        connections = Connections(MAX_CONNECTIONS)
        proxy = Proxy(config, message.token, message.key, message.prices, meter, session, connections)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=STOP_SECONDS,
            keepalive_timeout=HEADER_SECONDS,
        )
        await runner.setup()
        loop, connect = asyncio.get_running_loop(), connections.factory(runner)
        listeners = []
        try:
            listeners.append(await loop.create_unix_server(connect, str(message.socket)))
            # The parent directory is private to its owner. In some sandboxes processes run as another user of the host.
            message.socket.chmod(0o666)
            port = None
            if config.loopback:
                listeners.append(await loop.create_server(connect, "127.0.0.1", 0))
                port = listeners[-1].sockets[0].getsockname()[1]
            print(json.dumps({"port": port}), flush=True)
            await stopped.wait()
        finally:
            for listener in listeners:
                listener.close()
            await runner.cleanup()


class RateLimitedLogFilter(logging.Filter):
    """Drop malformed-HTTP records and cap the rest, so that an agent cannot fill the disk through the log."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            return False
        self._passed += 1
        return self._passed <= MAX_LOG_RECORDS


def provider_proxy(upstream: str) -> str | None:
    """Return the HTTP proxy that the host's environment variables set for the provider, or None."""
    parts = urlsplit(upstream)
    # aiohttp's own reading of the environment would also take passwords from ~/.netrc.
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


async def _main() -> None:
    logging.getLogger("aiohttp.server").addFilter(RateLimitedLogFilter())
    message = StartupMessage.model_validate_json(sys.stdin.readline())
    await serve(message, parent_exit_event())


if __name__ == "__main__":
    asyncio.run(_main())
