"""The egress proxy's process: `python -m posttrainbench.gateway.egress.server`.

Reads one JSON line from standard input (`StartupMessage`), listens, writes one JSON line to standard output
(`authority`, the certificates that the sandbox must trust) and serves until standard input closes, so that the process
never outlives the run.
"""

import asyncio
import contextlib
import json
import logging
import resource
import socket
import ssl
import sys
from pathlib import Path

import aiohttp

from posttrainbench.child_process import parent_exit_event
from posttrainbench.gateway.egress.addresses import Addresses
from posttrainbench.gateway.egress.authority import Authority, trusted_roots, upstream_context
from posttrainbench.gateway.egress.connect_proxy import ConnectProxy
from posttrainbench.gateway.egress.intercept import Interceptor
from posttrainbench.gateway.egress.ledger import Ledger
from posttrainbench.gateway.egress.policy import EgressPolicy
from posttrainbench.gateway.server import RateLimitedLogFilter
from posttrainbench.records import Record

CONNECT_SECONDS = 30.0
HEADER_BYTES = 2**16
READ_BYTES = 2**18
BACKLOG = 512


class StartupMessage(Record):
    """The configuration of the process. It may contain keys, so it is sent through a pipe only.

    Attributes:
        socket: path of the unix socket to create.
        ledger: path of `egress.jsonl`.
        keys: secrets to redact from that file.
    """

    policy: EgressPolicy
    socket: Path
    ledger: Path
    keys: list[str]


async def serve(
    message: StartupMessage, stopped: asyncio.Event, addresses: Addresses, tls_context: ssl.SSLContext
) -> None:
    """Serve until `stopped` is set.

    Args:
        addresses: resolves names and decides which addresses may be connected to.
        tls_context: verifies upstream servers.
    """
    ledger = Ledger(message.ledger, message.keys)
    authority = Authority()
    session = aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(
            limit=0, resolver=addresses, use_dns_cache=False, ssl=tls_context, socket_factory=addresses.open_socket
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        read_bufsize=READ_BYTES,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
    )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(message.socket))
    # The parent directory is private to its owner. In some sandboxes processes run as another user of the host.
    message.socket.chmod(0o666)
    listener.listen(BACKLOG)
    async with session:
        interceptor = Interceptor(message.policy, ledger, session)
        proxy = ConnectProxy(message.policy, ledger, authority, addresses, interceptor)
        serving = asyncio.ensure_future(proxy.serve(listener))
        print(json.dumps({"authority": authority.certificate + trusted_roots(tls_context)}), flush=True)
        await stopped.wait()
        ledger.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    listener.close()


async def main(addresses: Addresses, tls_context: ssl.SSLContext) -> None:
    """Read the startup message from standard input and serve until standard input closes."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # a connection uses up to four descriptors
    for name in ("aiohttp.server", "asyncio"):
        logging.getLogger(name).addFilter(RateLimitedLogFilter())
    message = StartupMessage.model_validate_json(sys.stdin.readline())
    await serve(message, parent_exit_event(), addresses, tls_context)


if __name__ == "__main__":
    asyncio.run(main(Addresses(), upstream_context()))
