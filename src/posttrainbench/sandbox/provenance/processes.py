"""The sandbox's processes and threads, as the recorder knows them through `/proc`."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TICKS = os.sysconf("SC_CLK_TCK")
IMAGE_FIELDS = (25, 42, 45, 47)
"""Positions in `_stat` of what changes at random with each exec: addresses of stack, data, arguments, environment."""
TERMINAL, STARTED = 4, 19
"""Positions in `_stat` of the controlling terminal and of the start time."""
ANCESTORS = 4


@dataclass(slots=True)
class Process:
    """A process.

    Attributes:
        name: process id and start time, which together are never reused.
        pid: process id on the host.
        inner: process id inside the sandbox.
        parent: name of the process that created it; "" if unknown.
        started: start time in seconds since boot.
        image: number of programs that it has executed.
        recorded: True if its appearance is recorded.
        pending: mark of the image that called `execve` last, until the outcome is known.
    """

    name: str
    pid: int
    inner: int
    parent: str
    started: float
    image: int = 0
    recorded: bool = False
    pending: tuple[str, ...] | None = None


@dataclass(slots=True)
class Thread:
    """A thread: its descriptors and working directory may differ from those of its process.

    Attributes:
        tid: thread id on the host.
        folder: descriptor of `/proc/TID`.
        process: the process that it belongs to.
    """

    tid: int
    folder: int
    process: Process


@dataclass(frozen=True, slots=True)
class Descriptor:
    """An open descriptor of a process.

    Attributes:
        number: its number.
        mode: `r`, `w` or `rw`.
        target: what `/proc/PID/fd/N` links to.
        kept: False if it is closed by an exec.
    """

    number: int
    mode: str
    target: bytes
    kept: bool


@dataclass
class ProcessTable:
    """All known processes and threads of one sandbox.

    Attributes:
        names: process id on the host -> name of the last process that had it, dead ones included.
        most: number of remembered threads above which all are forgotten; they are found again at their next call.
    """

    most: int
    names: dict[int, str] = field(default_factory=dict)
    by_name: dict[str, Process] = field(default_factory=dict)
    _threads: dict[int, Thread] = field(default_factory=dict)
    _by_pid: dict[int, Process] = field(default_factory=dict)

    def thread(self, tid: int) -> Thread:
        """Return a live thread.

        Raises:
            OSError: the thread died.
        """
        known = self._threads.get(tid)
        if known is not None:
            try:
                os.readlink("cwd", dir_fd=known.folder)
            except OSError:
                self._forget(known)
            else:
                return known
        if len(self._threads) > self.most:
            for each in list(self._threads.values()):
                self._forget(each)
        folder = os.open(f"/proc/{tid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            status = _status(folder)
            process = self._process(int(status[b"Tgid"]), status)
        except (OSError, KeyError, IndexError, ValueError):
            os.close(folder)
            raise ProcessLookupError(tid) from None
        self._threads[tid] = Thread(tid, folder, process)
        return self._threads[tid]

    def ended(self) -> list[Process]:
        """Forget the processes that have ended, and return them."""
        ended = []
        for pid, process in list(self._by_pid.items()):
            try:
                alive = _start(pid) == process.started and os.readlink(f"/proc/{pid}/cwd") is not None
            except OSError:
                alive = False
            if not alive:
                ended.append(process)
                del self._by_pid[pid]
                self.by_name.pop(process.name, None)
        for thread in list(self._threads.values()):
            if thread.process.name not in self.by_name:
                self._forget(thread)
        return ended

    def of_inner(self, inner: int) -> Process | None:
        """Return the newest known process with an id inside the sandbox."""
        return next((process for process in reversed(self._by_pid.values()) if process.inner == inner), None)

    def live(self) -> list[Process]:
        """Return all known processes."""
        return list(self._by_pid.values())

    def ancestors(self, process: Process) -> Iterator[Process]:
        """Yield the known processes above one, nearest first."""
        for _ in range(ANCESTORS):
            parent = self.by_name.get(process.parent)
            if parent is None:
                return
            yield parent
            process = parent

    def _process(self, pid: int, status: dict[bytes, bytes]) -> Process:
        started = _start(pid)
        name = f"{pid}.{round(started * TICKS)}"
        if (known := self.by_name.get(name)) is not None:
            return known
        parent = self._by_pid.get(int(status[b"PPid"]))
        if parent is not None and parent.started > started:
            parent = None
        inner = int(status[b"NStgid"].split()[-1])
        process = Process(name, pid, inner, parent.name if parent is not None else "", started)
        if (old := self._by_pid.get(pid)) is not None:
            self.by_name.pop(old.name, None)
        self.by_name[name] = self._by_pid[pid] = process
        self.names[pid] = name
        return process

    def _forget(self, thread: Thread) -> None:
        os.close(thread.folder)
        self._threads.pop(thread.tid, None)


def image_mark(pid: int) -> tuple[str, ...]:
    """Return a mark that changes when the process executes a program."""
    fields = _stat(pid)
    return tuple(fields[index] for index in IMAGE_FIELDS)


def descriptors(process: Process, folder: int | None = None) -> list[Descriptor]:
    """Return the open descriptors of a process, or of the thread with the given `/proc` directory."""
    found = []
    path = f"/proc/{process.pid}" if folder is None else f"/proc/self/fd/{folder}"
    with contextlib.suppress(OSError):
        for name in os.listdir(f"{path}/fd"):
            with contextlib.suppress(OSError, ValueError):
                target = os.readlink(f"{path}/fd/{name}".encode())
                with open(f"{path}/fdinfo/{name}", "rb", buffering=0) as file:
                    flags = int(file.read(200).split(b"flags:", 1)[1].split()[0], 8)
                mode = ("r", "w", "rw", "rw")[flags & os.O_ACCMODE]
                found.append(Descriptor(int(name), mode, target, not flags & os.O_CLOEXEC))
    return found


def arguments(pid: int, name: str, size: int) -> list[str]:
    """Return the zero-terminated texts of `/proc/PID/NAME` (`cmdline`, `environ`), at most `size` bytes."""
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            content = file.read(size)
    except OSError:
        return []
    return [os.fsdecode(each) for each in content.rstrip(b"\0").split(b"\0")]


def bytes_written(pid: int) -> int | None:
    """Return the bytes that a process has written by write calls so far."""
    try:
        with open(f"/proc/{pid}/io", "rb", buffering=0) as file:
            return int(file.read(400).split(b"wchar:", 1)[1].split()[0])
    except (OSError, IndexError, ValueError):
        return None


def children(pid: int) -> list[int]:
    """Return the process ids of the children of all threads of a process."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for tid in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{tid}/children") as file:
                found += map(int, file.read().split())
    return found


def thread_count(pid: int) -> int:
    """Return the number of threads of a process."""
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 1


def terminal(pid: int) -> int:
    """Return the device number of a process's controlling terminal; 0 for none."""
    return int(_stat(pid)[TERMINAL])


def umask(folder: int) -> int:
    """Return the mask for the permissions of new files, given the descriptor of `/proc/TID`."""
    return int(_status(folder)[b"Umask"], 8)


def user_and_group(folder: int) -> tuple[set[int], set[int]]:
    """Return the user ids (real, effective, ...) and group ids of a thread, as seen from the host."""
    status = _status(folder)
    return set(map(int, status[b"Uid"].split())), set(map(int, status[b"Gid"].split()))


def writable_mounts(folder: int) -> list[bytes]:
    """Return the mount points of a thread's file systems that are not read-only, without `/proc`."""
    descriptor = os.open("mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        mounts = [line.split(b" ", 6)[4:6] for line in file]
    points = [_unescape(point) for point, options in mounts if b"ro" not in options.split(b",")]
    return [point for point in points if not (point + b"/").startswith(b"/proc/")]


def _unescape(text: bytes) -> bytes:
    """Return a path of `/proc/PID/mountinfo`, where blanks and backslashes are octal numbers."""
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), text)


def _status(folder: int) -> dict[bytes, bytes]:
    descriptor = os.open("status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        content = os.read(descriptor, 8192)
    finally:
        os.close(descriptor)
    return dict(line.split(b":\t", 1) for line in content.splitlines() if b":\t" in line)


def _stat(pid: int) -> list[str]:
    """Return the fields of `/proc/PID/stat` from the third on."""
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        return file.read(2048).rpartition(b")")[2].decode().split()


def _start(pid: int) -> float:
    return int(_stat(pid)[STARTED]) / TICKS
