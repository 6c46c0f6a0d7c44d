"""What is done with whole connections: read their beginning, pass bytes both ways, refuse them."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from posttrainbench.gateway.egress.sockets import copy, receive_into, send_all

LONGEST_HEAD = 2**16
HEAD_SECONDS = 60.0
AFTER_END_SECONDS = 60.0
"""How long a connection stays half open."""


async def pass_both_ways(client: socket.socket, ours: socket.socket, first: bytes) -> None:
    """Pass on what a client sends and gets, uncounted, until it has ended.

    Args:
        first: what the client has sent already.
    """
    with contextlib.suppress(OSError):
        await send_all(ours, memoryview(first))
        await until_both_end(
            asyncio.ensure_future(copy(client, ours, _uncounted)), asyncio.ensure_future(copy(ours, client, _uncounted))
        )


def _uncounted(count: int) -> None:
    """Requests count what they carry themselves."""


async def until_both_end(up: "asyncio.Future[None]", down: "asyncio.Future[None]") -> None:
    """Wait for both directions; when one has ended the other has a while left, when one is cut none.

    Raises:
        OSError: one is cut.
    """
    try:
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        for way in (up, down):
            if way.done():
                way.result()
        # A request's end is no reason to hurry the answer; an answer's end leaves little to be said.
        await asyncio.wait((up, down), timeout=AFTER_END_SECONDS if down.done() else None)
        for way in (up, down):
            if way.done():
                way.result()
    finally:
        await end_all(up, down)


async def end_all(*ways: "asyncio.Future[None]") -> None:
    """Cancel, and wait for it: what waits for a socket must not outlive it, or it meets the next of that number."""
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)


async def read_while(
    sock: socket.socket, data: bytes, more: Callable[[bytes], bool], seconds: float | None = HEAD_SECONDS
) -> bytes | None:
    """Receive while `more(data)`; None where the connection ends before, or it takes too long or too much."""
    buffer = memoryview(bytearray(LONGEST_HEAD))
    try:
        async with asyncio.timeout(seconds):
            while more(data):
                count = await receive_into(sock, buffer)
                if count == 0 or len(data) + count > LONGEST_HEAD:
                    return None
                data += bytes(buffer[:count])
    except OSError:
        return None
    return data


async def established(client: socket.socket) -> None:
    """Tell a client that its tunnel is there."""
    await send_all(client, memoryview(b"HTTP/1.1 200 Connection established\r\n\r\n"))


async def refuse(client: socket.socket, status: int, sentence: str) -> None:
    """Answer CONNECT with an error. Clients show the reason of the first line, or nothing at all."""
    shown = sentence.encode("ascii", "replace").decode()
    body = shown + "\n"
    answer = (
        f"HTTP/1.1 {status} {shown}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n{body}"
    )
    await send_all(client, memoryview(answer.encode()))
    client.shutdown(socket.SHUT_WR)
