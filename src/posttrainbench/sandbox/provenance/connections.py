"""Answer `connect`: connect the caller's socket in its place, and record which processes are at the other end."""

import ctypes
import errno
import os
import socket
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from posttrainbench.sandbox.provenance.helpers import Errand, Helpers
from posttrainbench.sandbox.provenance.kernel import Call, Listener, Memory, take_descriptor
from posttrainbench.sandbox.provenance.paths import AT_FDCWD, Paths
from posttrainbench.sandbox.provenance.processes import ProcessTable, Thread, descriptors
from posttrainbench.sandbox.provenance.record import Record

ADDRESS_BYTES = 128
LISTENING = "0A"
CONNECTED = (0, errno.EINPROGRESS, errno.EISCONN)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Connector:
    """Connects sockets for sandboxed processes."""

    listener: Listener
    helpers: Helpers
    record: Record
    paths: Paths
    table: ProcessTable
    memory: Memory
    _holders: dict[str, list[str]] = field(default_factory=dict)

    def connect(self, call: Call, thread: Thread, number: int, address: int, size: int) -> None:
        """Answer a call.

        Raises:
            OSError: the call fails with this error.
        """
        content = self.memory.read(thread.tid, address, size) if 0 < size <= ADDRESS_BYTES else b""
        if len(content) < 2:
            raise OSError(errno.EINVAL, "no address")
        duplicate = socket.socket(fileno=_own_socket(thread, number))
        keep: Callable[[], None] = lambda: None  # noqa: E731
        try:
            fields: dict[str, Any] = {"sock": f"socket:[{os.fstat(duplicate.fileno()).st_ino}]"}
            fields["kind"] = "stream" if duplicate.type in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET) else "dgram"
            fields |= {"local": _local(duplicate), "bound": bool(_local(duplicate))}
            if duplicate.family == socket.AF_UNIX:
                content, fields["path"], keep = self._unix(thread, content)
            elif duplicate.family in (socket.AF_INET, socket.AF_INET6) and len(content) >= 8:
                fields["port"] = struct.unpack_from("!H", content, 2)[0]
                if fields["kind"] == "stream":
                    fields |= self._listener_of(thread, fields["port"])
        except OSError:
            duplicate.close()
            raise

        def action() -> int:
            result: int = _libc.connect(duplicate.fileno(), content, len(content))
            return ctypes.get_errno() if result != 0 else 0

        def finish(result: int | OSError) -> None:
            error = result if isinstance(result, int) else result.errno or errno.EIO
            if error in CONNECTED and duplicate.family != socket.AF_NETLINK:
                if duplicate.family == socket.AF_UNIX and fields["kind"] == "stream":
                    fields["servers"] = self._peer(duplicate)
                else:
                    fields["local"] = _local(duplicate)
                self.record.write("connect", thread.process.name, **fields)
            keep()
            duplicate.close()
            if error:
                self.listener.fail(call, error)
            else:
                self.listener.succeed(call)

        if not os.get_blocking(duplicate.fileno()) or fields["kind"] == "dgram":
            finish(action())
            return
        try:
            self.helpers.start(Errand(call, action, finish, lambda: None))
        except OSError:
            keep()
            duplicate.close()
            raise

    def _unix(self, thread: Thread, content: bytes) -> tuple[bytes, str, Callable[[], None]]:
        """Return the address as the recorder must use it, its name, and a function that releases it."""
        name = content[2:]
        if not name or name.startswith(b"\0") or content[:2] != struct.pack("=H", socket.AF_UNIX):
            return content, os.fsdecode(name.replace(b"\0", b"@", 1)), lambda: None
        handle = self.paths.resolve(thread, AT_FDCWD, name.split(b"\0", 1)[0])
        if not stat.S_ISSOCK(os.stat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.ECONNREFUSED, "not a socket")
        address = struct.pack("=H", socket.AF_UNIX) + b"/proc/self/fd/%d\0" % handle
        return address, os.fsdecode(self.paths.name(handle)), lambda: os.close(handle)

    def _peer(self, connected: socket.socket) -> list[str]:
        """Return the process that listens, or did, at the other end of a Unix socket; nothing for one outside."""
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        name = self.table.names.get(struct.unpack("=iII", credentials)[0])
        return [name] if name is not None else []

    def _listener_of(self, thread: Thread, port: int) -> dict[str, Any]:
        """Return the listening socket at a TCP port of the sandbox, and the processes that hold it."""
        for table in ("net/tcp", "net/tcp6"):
            try:
                descriptor = os.open(table, os.O_RDONLY | os.O_CLOEXEC, dir_fd=thread.folder)
            except OSError:
                continue
            with os.fdopen(descriptor) as file:
                for line in file:
                    parts = line.split()
                    if parts[3] == LISTENING and int(parts[1].rpartition(":")[2], 16) == port:
                        name = f"socket:[{parts[9]}]"
                        return {"listener": name, "servers": self._holders_of(name)}
        return {}

    def _holders_of(self, name: str) -> list[str]:
        known = self._holders.get(name)
        if not known or not all(process in self.table.by_name for process in known):
            target = os.fsencode(name)
            known = self._holders[name] = [
                process.name
                for process in self.table.live()
                if any(each.target == target for each in descriptors(process))
            ]
        return known


def _own_socket(thread: Thread, number: int) -> int:
    """Return a duplicate of a thread's socket."""
    try:
        target = os.readlink(f"fd/{number}", dir_fd=thread.folder)
    except OSError:
        raise OSError(errno.EBADF, "no such descriptor") from None
    if not target.startswith("socket:"):
        raise OSError(errno.ENOTSOCK, "not a socket")
    duplicate = take_descriptor(thread.process.pid, number)
    if os.readlink(f"/proc/self/fd/{duplicate}") != target:  # another thread, with other descriptors
        os.close(duplicate)
        raise OSError(errno.EBADF, "no such descriptor")
    return duplicate


def _local(each: socket.socket) -> int | str:
    """Return the port or path that a socket is bound to; 0 or "" for none."""
    try:
        name = each.getsockname()
    except OSError:
        return 0
    if isinstance(name, tuple):
        return int(name[1]) if each.family in (socket.AF_INET, socket.AF_INET6) else 0
    return os.fsdecode(name)
