"""Interfaces of the kernel that Python's standard library lacks: seccomp notifications, `openat2`, `statx` and others.

Linux encodes these `ioctl` numbers and structures alike on x86_64 and aarch64.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
from dataclasses import dataclass

RECEIVE, SEND, IS_VALID, ADD_DESCRIPTOR, SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103, 0x40082104
CONTINUE, ANSWER_WITH_DESCRIPTOR, SAME_CPU_WAKE_UP = 1, 2, 1
NOTIFICATION = struct.Struct("=QIIiIQ6Q")
RESPONSE = struct.Struct("=QqiI")
DESCRIPTOR = struct.Struct("=QIIII")
HOW = struct.Struct("=QQQ")
OPENAT2, PIDFD_GETFD = 437, 438
IN_ROOT, NO_MAGIC_LINKS, NO_LINKS = 0x10, 0x02, 0x04
STATX = struct.Struct("=IIQIIIHHQQQQ QII QII QII QII IIII QQ")
BASIC, BIRTH = 0x7FF, 0x800
AT_EMPTY_PATH = 0x1000
CHUNK = 512
PAGE = 4096
PATH_BYTES = 4096
KEEP_CAPABILITIES = 8
"""`PR_SET_KEEPCAPS`."""
INSPECT_PROCESSES = 1 << 19
"""Bit of `CAP_SYS_PTRACE`."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.process_vm_readv.restype = ctypes.c_ssize_t
_statx = ctypes.create_string_buffer(256)


class _Span(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


@dataclass(slots=True)
class Call:
    """One system call that waits for an answer.

    Attributes:
        id: the kernel's number of the notification.
        tid: thread that makes the call, as seen from the host.
        number: number of the system call.
        arguments: its six arguments.
    """

    id: int
    tid: int
    number: int
    arguments: tuple[int, ...]


class Listener:
    """The recorder's end of the filter."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._buffer = bytearray(NOTIFICATION.size)
        self._empty = bytes(NOTIFICATION.size)
        with contextlib.suppress(OSError):  # since Linux 6.6; only speed
            fcntl.ioctl(descriptor, SET_FLAGS, SAME_CPU_WAKE_UP)

    def require_injection(self) -> None:
        """Check that the kernel can answer a call with a descriptor.

        Raises:
            OSError: it cannot.
        """
        no_call = DESCRIPTOR.pack(0, ANSWER_WITH_DESCRIPTOR, self.descriptor, 0, 0)
        try:
            fcntl.ioctl(self.descriptor, ADD_DESCRIPTOR, no_call)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def receive(self) -> Call | None:
        """Return the next call; None if the caller died in the meantime."""
        self._buffer[:] = self._empty
        try:
            fcntl.ioctl(self.descriptor, RECEIVE, self._buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None
            raise
        identity, tid, _, number, _, _, *arguments = NOTIFICATION.unpack(self._buffer)
        return Call(identity, tid, number, tuple(arguments))

    def let_through(self, call: Call) -> None:
        """Let the kernel carry out the call."""
        self._send(call, 0, CONTINUE)

    def fail(self, call: Call, number: int) -> None:
        """Let the call fail with an error number."""
        self._send(call, -number, 0)

    def succeed(self, call: Call) -> None:
        """Let the call return 0."""
        self._send(call, 0, 0)

    def give(self, call: Call, descriptor: int, close_on_exec: bool) -> None:
        """Let the call return a duplicate of `descriptor` in the caller."""
        flags = os.O_CLOEXEC if close_on_exec else 0
        request = DESCRIPTOR.pack(call.id, ANSWER_WITH_DESCRIPTOR, descriptor, 0, flags)
        try:
            fcntl.ioctl(self.descriptor, ADD_DESCRIPTOR, request)
        except OSError as error:
            if error.errno != errno.ENOENT:  # the caller is alive, but for example has no descriptor left
                self.fail(call, error.errno or errno.EIO)

    def waits(self, call: Call) -> bool:
        """Return True if the caller still waits for the answer."""
        try:
            fcntl.ioctl(self.descriptor, IS_VALID, struct.pack("=Q", call.id))
        except OSError:
            return False
        return True

    def _send(self, call: Call, error: int, flags: int) -> None:
        with contextlib.suppress(OSError):  # the caller died
            fcntl.ioctl(self.descriptor, SEND, RESPONSE.pack(call.id, 0, error, flags))


class Memory:
    """Reading the memory of other processes."""

    def __init__(self) -> None:
        self._buffer = ctypes.create_string_buffer(PAGE)
        self._local = _Span(ctypes.addressof(self._buffer), PAGE)
        self._remote = _Span()
        self._spans = ctypes.byref(self._local), ctypes.byref(self._remote)

    def read(self, tid: int, address: int, size: int) -> bytes:
        """Return up to `size` bytes, fewer at the end of mapped memory."""
        parts = []
        while size > 0:
            part = self._read_within_page(tid, address, size)
            if not part:
                break
            parts.append(part)
            address += len(part)
            size -= len(part)
        return b"".join(parts)

    def read_text(self, tid: int, address: int, size: int = PATH_BYTES) -> bytes:
        """Return the zero-terminated text at an address.

        Raises:
            OSError: EFAULT: the address is not mapped; ENAMETOOLONG: no zero in `size` bytes.
        """
        text = b""
        while len(text) < size:
            part = self._read_within_page(tid, address, min(CHUNK, size - len(text)))
            if not part:
                raise OSError(errno.EFAULT, "the text is not mapped")
            end = part.find(b"\0")
            if end >= 0:
                return text + part[:end]
            text += part
            address += len(part)
        raise OSError(errno.ENAMETOOLONG, "the text is too long")

    def _read_within_page(self, tid: int, address: int, size: int) -> bytes:
        size = min(size, PAGE - address % PAGE)
        self._local.length = self._remote.length = size
        self._remote.base = address
        count = _libc.process_vm_readv(tid, self._spans[0], 1, self._spans[1], 1, 0)
        return self._buffer.raw[:count] if count > 0 else b""


def open_in_root(root: int, path: bytes, flags: int, links: int = NO_MAGIC_LINKS) -> int:
    """Open a path as a process with the root directory `root` would.

    Args:
        root: descriptor of the root directory.
        path: the path.
        flags: flags of `open`.
        links: links that are not followed: the magic ones of `/proc`, or all (`NO_LINKS`).
    """
    how = HOW.pack(flags | os.O_CLOEXEC, 0, IN_ROOT | links)
    descriptor = _libc.syscall(OPENAT2, root, path, how, len(how))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "openat2")
    return int(descriptor)


def take_descriptor(pid: int, descriptor: int) -> int:
    """Return a duplicate of a descriptor of another process."""
    handle = os.pidfd_open(pid)
    try:
        duplicate = _libc.syscall(PIDFD_GETFD, handle, descriptor, 0)
        if duplicate < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "pidfd_getfd")
        return int(duplicate)
    finally:
        os.close(handle)


def file_id(descriptor: int) -> str:
    """Return device, inode and time of birth of an open file, which together are never reused."""
    if _libc.statx(descriptor, b"", AT_EMPTY_PATH, BASIC | BIRTH, _statx) != 0:
        raise OSError(ctypes.get_errno(), "statx")
    fields = STATX.unpack_from(_statx)
    birth = fields[15] * 10**9 + fields[16] if fields[0] & BIRTH else 0
    return f"{fields[26]:x}.{fields[27]:x}:{fields[8]:x}:{birth:x}"


def drop_capabilities(kept: int = 0) -> None:
    """Give up all capabilities, so that the recorder can open no more than a sandboxed process of the same user.

    Args:
        kept: bits of those that are kept.
    """
    header, data = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", kept, kept, 0, 0, 0, 0)
    if _libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def become(user: int, group: int) -> None:
    """Become another user, who can open no more than its own processes in a sandbox.

    Keeps only the right to inspect other processes (`CAP_SYS_PTRACE`): many systems (Yama) do not let a process inspect
    those of the same user, unless it started them.
    """
    _libc.prctl(KEEP_CAPABILITIES, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    drop_capabilities(INSPECT_PROCESSES)
