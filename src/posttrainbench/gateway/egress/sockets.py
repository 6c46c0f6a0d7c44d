"""Read and write sockets that are shared with a sandbox.

The sandbox hands over its side of each connection and keeps a copy of the descriptor: it may change the socket's flags
and read from it at any moment. So every call here is non-blocking by itself, whatever the socket's flags.
"""

import array
import asyncio
import os
import socket
from collections.abc import Callable

CHUNK_BYTES = 2**19


async def receive_into(sock: socket.socket, buffer: memoryview) -> int:
    """Receive available bytes, waiting for some if necessary.

    Returns:
        The number of bytes; 0 at the end of the stream.
    """
    while True:
        try:
            return sock.recv_into(buffer, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            await _ready(sock, write=False)


async def send_all(sock: socket.socket, data: memoryview) -> None:
    """Send all bytes, waiting as necessary."""
    while data:
        try:
            data = data[sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
        except BlockingIOError:
            await _ready(sock, write=True)


async def _ready(sock: socket.socket, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    number = sock.fileno()
    add(number, _set_done, ready)
    try:
        await ready
    finally:
        remove(number)


def _set_done(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


async def copy(source: socket.socket, sink: socket.socket, count: Callable[[int], None]) -> None:
    """Copy a stream to its end, then close the sink's write direction.

    Args:
        count: called with the number of bytes of each chunk.

    Raises:
        OSError: one of the connections was cut off.
    """
    buffer = memoryview(bytearray(CHUNK_BYTES))
    while received := await receive_into(source, buffer):
        count(received)
        await send_all(sink, buffer[:received])
    sink.shutdown(socket.SHUT_WR)


async def receive_connection(channel: socket.socket, seconds: float) -> socket.socket | None:
    """Return the TCP connection handed over through a unix socket, or None if none arrives in time."""
    try:
        await asyncio.wait_for(_ready(channel, write=False), seconds)
        space = socket.CMSG_LEN(array.array("i").itemsize)
        _, ancillary, _, _ = channel.recvmsg(1, space, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
    except OSError:
        return None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(data[: numbers.itemsize])
            return _stream(numbers[0])
    return None


def _stream(number: int) -> socket.socket | None:
    """Return the descriptor as a TCP socket; close it and return None if it is anything else."""
    try:
        sock = socket.socket(fileno=number)
    except OSError:
        os.close(number)
        return None
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        sock.close()
        return None
    return sock
