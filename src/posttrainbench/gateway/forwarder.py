"""Inside a sandbox without network: ports of its loopback that lead to unix sockets of the host, and nowhere else.

    python forwarder.py [copy|hand PORT SOCKET ...] -- COMMAND [ARGUMENT ...]

Listens, then becomes the command; the listener goes on as its child and ends with the sandbox. `copy` passes bytes
through the socket. `hand` gives the connection itself away, to a server that takes them over so: its bytes then pass
through one process less. It stands alone (standard library only), so that it can be mounted into any sandbox that has
a Python. It holds no secret and makes no decision: what it passes on is checked by the host.
"""

import asyncio
import os
import socket
import sys

PIECE = 2**16
BACKLOG = 512
HAND_SECONDS = 5.0


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


async def _listen_and_copy(path: str, port: int) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(path)
        except OSError:
            writer.transport.abort()
            return
        # Each direction ends for itself, but an answer that has ended, or was cut, ends the connection.
        request = asyncio.ensure_future(_copy(reader, far_writer))
        await _copy(far_reader, writer)
        request.cancel()
        far_writer.close()
        writer.close()

    await asyncio.start_server(connect, "127.0.0.1", port)


def _listen_and_hand(path: str, port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    listener.setblocking(False)

    def accept() -> None:
        try:
            client = listener.accept()[0]
        except OSError:
            return
        with client, socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(HAND_SECONDS)
            try:
                channel.connect(path)
                socket.send_fds(channel, [b"c"], [client.fileno()])
            except OSError:
                return  # which closes the client's connection

    asyncio.get_running_loop().add_reader(listener, accept)


async def _serve(ways: list[tuple[str, int, str]], ready: int) -> None:
    for kind, port, path in ways:
        if kind == "hand":
            _listen_and_hand(path, port)
        else:
            await _listen_and_copy(path, port)
    os.write(ready, b"1")
    os.close(ready)
    await asyncio.get_running_loop().create_future()


def main() -> None:
    """Fork: the child listens, the parent becomes the command once it does."""
    end = sys.argv.index("--")
    told, command = sys.argv[1:end], sys.argv[end + 1 :]
    ways = [(told[n], int(told[n + 1]), told[n + 2]) for n in range(0, len(told), 3)]
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(read)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # or whoever reads the command's output would wait for this process too
            os.dup2(null, stream)
        try:
            asyncio.run(_serve(ways, write))
        finally:
            os._exit(1)
    os.close(write)
    if os.read(read, 1) != b"1":
        ports = " and ".join(str(port) for _, port, _ in ways)
        sys.exit(f"the port {ports} of this sandbox's loopback cannot be listened on")
    os.close(read)
    os.execvp(command[0], command)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main()
