"""Forward loopback ports of a sandbox without network to unix sockets of the host.

    python forwarder.py [copy|hand PORT SOCKET ...] -- COMMAND [ARGUMENT ...]

Listens, then executes the command; the listener continues as a child process and ends with the sandbox. `copy` copies
bytes to and from the socket. `hand` passes the connection's descriptor to a server that takes over connections, which
saves one copy. The script uses only the standard library, so that it can be mounted into any sandbox that has Python.
It contains no secrets and makes no decisions: the host checks everything that it forwards.
"""

import asyncio
import os
import socket
import sys

CHUNK_BYTES = 2**16
BACKLOG = 512
HAND_SECONDS = 5.0


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


async def _listen_and_copy(path: str, port: int) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host_reader, host_writer = await asyncio.open_unix_connection(path)
        except OSError:
            writer.transport.abort()
            return
        # The request may end before the response, but the end of the response ends the connection.
        request = asyncio.ensure_future(_copy(reader, host_writer))
        await _copy(host_reader, writer)
        request.cancel()
        host_writer.close()
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
                return  # closes the client's connection

    asyncio.get_running_loop().add_reader(listener, accept)


async def _serve(routes: list[tuple[str, int, str]], ready: int) -> None:
    for kind, port, path in routes:
        if kind == "hand":
            _listen_and_hand(path, port)
        else:
            await _listen_and_copy(path, port)
    os.write(ready, b"1")
    os.close(ready)
    await asyncio.get_running_loop().create_future()


def main() -> None:
    """Fork: the child listens; the parent executes the command once the child is ready."""
    end = sys.argv.index("--")
    args, command = sys.argv[1:end], sys.argv[end + 1 :]
    routes = [(args[n], int(args[n + 1]), args[n + 2]) for n in range(0, len(args), 3)]
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(read)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # so that a reader of the command's output does not wait for this process
            os.dup2(null, stream)
        try:
            asyncio.run(_serve(routes, write))
        finally:
            os._exit(1)
    os.close(write)
    if os.read(read, 1) != b"1":
        ports = " and ".join(str(port) for _, port, _ in routes)
        sys.exit(f"cannot listen on port {ports} of this sandbox's loopback")
    os.close(read)
    os.execvp(command[0], command)  # noqa: S606  (no shell is needed)


if __name__ == "__main__":
    main()
