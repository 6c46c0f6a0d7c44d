"""The proxy's own process: `python -m posttrainbench.gateway.egress.server`.

Reads one JSON line on standard input (`Order`), listens, writes one JSON line on standard output (`authority`, the
certificates that the sandbox is to trust) and serves until standard input closes: so it never outlives the run.
"""

import asyncio
import contextlib
import json
import logging
import resource
import socket
import sys
import threading
from pathlib import Path

import aiohttp

from posttrainbench.gateway.egress.addresses import Addresses
from posttrainbench.gateway.egress.authority import Authority, outside_context, trusted_roots
from posttrainbench.gateway.egress.front import Front
from posttrainbench.gateway.egress.intercept import Interceptor
from posttrainbench.gateway.egress.ledger import Ledger
from posttrainbench.gateway.egress.policy import EgressPolicy
from posttrainbench.gateway.server import Sparing
from posttrainbench.records import Record

CONNECT_SECONDS = 30.0
HEADER_BYTES = 2**16
READ_BYTES = 2**18
BACKLOG = 512


class Order(Record):
    """What the process is told; it may hold keys, so it goes through a pipe.

    Attributes:
        socket: where the unix socket is made.
        ledger: the file `egress.jsonl`.
        keys: what must not appear in that file.
        rehearsed: host -> `ADDRESS:PORT`; see `host.Rehearsal`.
        root: one more authority to trust, PEM; likewise.
    """

    policy: EgressPolicy
    socket: Path
    ledger: Path
    keys: list[str]
    rehearsed: dict[str, str]
    root: str | None


async def serve(order: Order, stopped: asyncio.Event) -> None:
    """Serve until `stopped` is set."""
    ledger = Ledger(order.ledger, order.keys)
    addresses = Addresses(order.rehearsed)
    authority = Authority()
    outside = outside_context(order.root)
    session = aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(
            limit=0, resolver=addresses, use_dns_cache=False, ssl=outside, socket_factory=addresses.open_socket
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        read_bufsize=READ_BYTES,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
    )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(order.socket))
    # The directory around it is its owner's alone; in some sandboxes processes run as another user of the host.
    order.socket.chmod(0o666)
    listener.listen(BACKLOG)
    async with session:
        interceptor = Interceptor(order.policy, ledger, session)
        front = Front(order.policy, ledger, authority, addresses, interceptor)
        serving = asyncio.ensure_future(front.serve(listener))
        print(json.dumps({"authority": authority.certificate + trusted_roots(outside)}), flush=True)
        await stopped.wait()
        ledger.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    listener.close()


async def _main() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection takes up to four
    for name in ("aiohttp.server", "asyncio"):
        logging.getLogger(name).addFilter(Sparing())
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
