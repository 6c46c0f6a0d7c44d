"""The gateway's own process: `python -m posttrainbench.gateway.server`.

Reads one JSON line on standard input (`Order`), listens, writes one JSON line on standard output (`port`, or null) and
serves until standard input closes: so it never outlives the run that started it, however that one ends.
"""

import asyncio
import json
import logging
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from posttrainbench.gateway.config import GatewayConfig
from posttrainbench.gateway.meter import Meter
from posttrainbench.gateway.prices import PriceTable
from posttrainbench.gateway.proxy import Proxy
from posttrainbench.records import Record

LARGEST_REQUEST = 32 * 2**20
"""Bytes, decompressed: what the most generous of the providers accepts."""

CONNECT_SECONDS = 30.0
MOST_LOGGED = 1000
HEADER_BYTES = 64 * 2**10
STOP_SECONDS = 0.2
"""How long requests may go on after the run has ended."""


class Order(Record):
    """What the process is told; it holds the key, so it goes through a pipe and nowhere else.

    Attributes:
        socket: where the unix socket is made.
        usage: the file `usage.jsonl`.
    """

    config: GatewayConfig
    key: str
    token: str
    prices: PriceTable
    socket: Path
    usage: Path


async def serve(order: Order, stopped: asyncio.Event) -> None:
    """Serve until `stopped` is set."""
    config = order.config
    meter = Meter(order.usage, order.prices, config.max_tokens, config.max_dollars)
    session = aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),  # answers may take as long as they do
        proxy=provider_proxy(config.upstream),
    )
    async with session:
        app = web.Application(client_max_size=LARGEST_REQUEST)
        proxy = Proxy(config, order.token, order.key, order.prices, meter, session)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        try:
            await web.UnixSite(runner, str(order.socket)).start()
            # Its directory is the owner's alone; in some sandboxes processes run as another user of the host.
            order.socket.chmod(0o666)
            port = None
            if config.loopback:
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                port = runner.addresses[-1][1]
            print(json.dumps({"port": port}), flush=True)
            await stopped.wait()
        finally:
            await runner.cleanup()


class Sparing(logging.Filter):
    """Keeps an agent from filling the host's disk through the log: what is no HTTP is not told, the rest bounded."""

    def __init__(self) -> None:
        super().__init__()
        self._told = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            return False
        self._told += 1
        return self._told <= MOST_LOGGED


def provider_proxy(upstream: str) -> str | None:
    """The host's own HTTP proxy on the way to the provider, by the usual environment variables."""
    place = urlsplit(upstream)
    # Not by the library's own reading of the environment, which would also take passwords out of ~/.netrc.
    return None if proxy_bypass(place.netloc) else getproxies().get(place.scheme)


async def _main() -> None:
    logging.getLogger("aiohttp.server").addFilter(Sparing())
    order = Order.model_validate_json(sys.stdin.readline())
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_parent() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=wait_for_parent, daemon=True).start()
    await serve(order, stopped)


if __name__ == "__main__":
    asyncio.run(_main())
