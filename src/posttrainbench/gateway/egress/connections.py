"""Operations on whole connections: read their first bytes, relay both directions, refuse a CONNECT request."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from posttrainbench.gateway.egress.sockets import copy, receive_into, send_all

MAX_HEAD_BYTES = 2**16
HEAD_SECONDS = 60.0
HALF_OPEN_SECONDS = 60.0
"""Time that a connection may stay half open after the server has closed its direction."""


async def relay(client: socket.socket, server: socket.socket, first: bytes) -> None:
    """Relay bytes in both directions, uncounted, until both have ended.

    Args:
        first: bytes already received from the client.
    """
    with contextlib.suppress(OSError):
        await send_all(server, memoryview(first))
        await wait_for_both(
            asyncio.ensure_future(copy(client, server, _ignore_count)),
            asyncio.ensure_future(copy(server, client, _ignore_count)),
        )


def _ignore_count(count: int) -> None:
    """Do nothing: the interceptor counts the bytes of each request."""


async def wait_for_both(up: "asyncio.Future[None]", down: "asyncio.Future[None]") -> None:
    """Wait for both directions of a connection, and cancel them on exit.

    After the server's direction has ended, the client's may continue for `HALF_OPEN_SECONDS`; after the client's has
    ended, the server's may continue without limit.

    Raises:
        OSError: one direction was cut off.
    """
    try:
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        for direction in (up, down):
            if direction.done():
                direction.result()
        await asyncio.wait((up, down), timeout=HALF_OPEN_SECONDS if down.done() else None)
        for direction in (up, down):
            if direction.done():
                direction.result()
    finally:
        await cancel_all(up, down)


async def cancel_all(*tasks: "asyncio.Future[None]") -> None:
    """Cancel tasks and wait for them.

    A task that waits for a socket must not outlive it, because the next socket may get the same descriptor number.
    """
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def read_while(
    sock: socket.socket, data: bytes, more: Callable[[bytes], bool], seconds: float | None = HEAD_SECONDS
) -> bytes | None:
    """Append received bytes to `data` while `more(data)` holds.

    Returns:
        The data, or None if the connection ended first, the time ran out or the data exceeded `MAX_HEAD_BYTES`.
    """
    buffer = memoryview(bytearray(MAX_HEAD_BYTES))
    try:
        async with asyncio.timeout(seconds):
            while more(data):
                count = await receive_into(sock, buffer)
                if count == 0 or len(data) + count > MAX_HEAD_BYTES:
                    return None
                data += bytes(buffer[:count])
    except OSError:
        return None
    return data


async def send_established(client: socket.socket) -> None:
    """Send `200 Connection established`."""
    await send_all(client, memoryview(b"HTTP/1.1 200 Connection established\r\n\r\n"))


async def refuse(client: socket.socket, status: int, message: str) -> None:
    """Answer a CONNECT request with an error. Most clients show the reason phrase of the status line or nothing."""
    reason = message.encode("ascii", "replace").decode()
    body = reason + "\n"
    response = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n{body}"
    )
    await send_all(client, memoryview(response.encode()))
    client.shutdown(socket.SHUT_WR)
