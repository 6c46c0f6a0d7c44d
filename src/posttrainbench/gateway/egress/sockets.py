"""Reading and writing a socket that others hold too.

The sandbox hands its side of each connection over, and keeps a copy of it: it may change the socket's flags and take
bytes out of it at any moment. So no call here ever waits in the kernel, whatever the flags say.
"""

import array
import asyncio
import os
import socket
from collections.abc import Callable

PIECE = 2**19


async def receive_into(sock: socket.socket, buffer: memoryview) -> int:
    """Receive what is there, or wait for something; 0 at the end."""
    while True:
        try:
            return sock.recv_into(buffer, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            await _ready(sock, write=False)


async def send_all(sock: socket.socket, data: memoryview) -> None:
    """Send all of it."""
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
    add(number, _settle, ready)
    try:
        await ready
    finally:
        remove(number)


def _settle(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


async def copy(source: socket.socket, sink: socket.socket, count: Callable[[int], None]) -> None:
    """Pass on all that comes, then the end.

    Raises:
        OSError: one of the two is cut.
    """
    buffer = memoryview(bytearray(PIECE))
    while received := await receive_into(source, buffer):
        count(received)
        await send_all(sink, buffer[:received])
    sink.shutdown(socket.SHUT_WR)


async def receive_connection(channel: socket.socket, seconds: float) -> socket.socket | None:
    """The connection that is handed over through a unix socket; None where something else comes, or nothing."""
    try:
        await asyncio.wait_for(_ready(channel, write=False), seconds)
        room = socket.CMSG_LEN(array.array("i").itemsize)
        _, ancillary, _, _ = channel.recvmsg(1, room, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
    except OSError:
        return None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(data[: numbers.itemsize])
            return _stream(numbers[0])
    return None


def _stream(number: int) -> socket.socket | None:
    """The descriptor as a stream socket; closed where it is none."""
    try:
        sock = socket.socket(fileno=number)
    except OSError:
        os.close(number)
        return None
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        sock.close()
        return None
    return sock
