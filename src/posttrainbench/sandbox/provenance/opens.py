"""Answer calls that open files: open them in the caller's place, record them, and pass the descriptor."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from posttrainbench.sandbox.provenance.helpers import Errand, Helpers
from posttrainbench.sandbox.provenance.kernel import NO_LINKS, Call, Listener, file_id, open_in_root
from posttrainbench.sandbox.provenance.paths import PUBLIC_OF_INIT, Paths, Place
from posttrainbench.sandbox.provenance.processes import Process, ProcessTable, Thread, terminal, umask
from posttrainbench.sandbox.provenance.record import Record

TEMPORARY_FILE = os.O_TMPFILE & ~os.O_DIRECTORY
NOT_REPEATED = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
"""Flags that were honored when the path was resolved."""
ALWAYS = os.O_CLOEXEC | os.O_NOCTTY
KNOWN_FLAGS = 0x7FFFFF
NOT_PLAIN = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | TEMPORARY_FILE
"""Flags of an opening that does more than read a file."""
FIXED = (b"/usr/",)
"""Starts of paths of the system, below which no sandbox can write."""
UNDECIDED = (errno.ELOOP, errno.EXDEV, errno.EAGAIN, errno.EINVAL)
RETRY = 8
MEMORY_DEVICES, TERMINALS, PSEUDO_TERMINALS = 1, 5, range(136, 144)
"""Major numbers of `/dev/null` and the like, of `/dev/tty` and `/dev/ptmx`, and of `/dev/pts`."""
OWN_TERMINAL = 0
"""Minor number of `/dev/tty`."""
WRITABLE_IN_PROC = {b"comm", b"oom_score_adj", b"oom_adj", b"coredump_filter", b"timerslack_ns", b"clear_refs", b"mem"}
CONTENTS_IN_PROC = {b"mem", b"environ", b"cmdline", b"comm"}
"""Files of `/proc/PID` that contain what the process put there."""


@dataclass(slots=True)
class Opening:
    """One call that opens a file.

    Attributes:
        call: the call.
        thread: its caller.
        folder: directory descriptor for a relative path.
        path: path as the caller gave it.
        flags: flags of `open`.
        mode: permissions if the file is created.
    """

    call: Call
    thread: Thread
    folder: int
    path: bytes
    flags: int
    mode: int

    @property
    def access(self) -> str:
        """Return `r`, `w` or `rw`, with `t` if the file is truncated."""
        access = ("r", "w", "rw", "rw")[self.flags & os.O_ACCMODE]
        return access + "t" if self.flags & os.O_TRUNC else access

    @property
    def writes(self) -> bool:
        """Return True if the content of the file may change."""
        return bool(self.flags & (os.O_ACCMODE | os.O_TRUNC))


@dataclass
class Opener:
    """Opens files for sandboxed processes.

    Attributes:
        kept: starts of the paths whose reading is recorded; others are files of the system, which nobody can write.
        ignored: exceptions below them.
        written: files that were opened for writing, as device and inode.
        find: returns the process with an id inside the sandbox.
    """

    listener: Listener
    helpers: Helpers
    record: Record
    paths: Paths
    table: ProcessTable
    kept: tuple[bytes, ...]
    ignored: tuple[bytes, ...]
    written: set[tuple[int, int]] = field(default_factory=set)
    find: Callable[[int], Process | None] = lambda inner: None
    _versions: dict[tuple[int, int], int] = field(default_factory=dict)
    _seen: dict[str, dict[tuple[int, int, int, str], int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._fixed = FIXED + self.ignored
        self._writable: tuple[bytes, ...] = ()

    def keep(self, mounts: list[bytes]) -> list[bytes]:
        """Record the reading of files in mounts that are writable, and return those that were not known to be."""
        unknown = [mount for mount in mounts if not self.is_kept(mount.rstrip(b"/") + b"/")]
        self._writable = tuple(mount for mount in unknown if (mount + b"/").startswith(self.ignored))
        self.kept += tuple(mount for mount in unknown if mount not in self._writable)
        return unknown

    def open(self, opening: Opening) -> None:
        """Answer a call.

        Raises:
            OSError: the call fails with this error.
        """
        if not opening.path:
            raise FileNotFoundError(errno.ENOENT, "empty path")
        opening.flags &= KNOWN_FLAGS
        if not opening.flags & NOT_PLAIN and self._open_fixed(opening):
            return
        create = bool(opening.flags & os.O_CREAT)
        exclusive = create and bool(opening.flags & os.O_EXCL)
        follow = not (exclusive or opening.flags & os.O_NOFOLLOW)
        for _ in range(RETRY):
            try:
                handle = self.paths.resolve(opening.thread, opening.folder, opening.path, follow)
            except FileNotFoundError:
                if not create:
                    raise
                if self._create(opening):
                    return
                continue  # somebody else created it at the same moment
            try:
                if exclusive:
                    raise FileExistsError(errno.EEXIST, "the file exists")
                self._reopen(opening, handle)
            finally:
                os.close(handle)
            return
        raise OSError(errno.EAGAIN, "the path changes all the time")

    def forget(self, process: Process) -> None:
        """Forget what a process has opened."""
        self._seen.pop(process.name, None)

    def is_kept(self, path: bytes) -> bool:
        """Return True if reading the file is recorded."""
        if not path.startswith(b"/") or path.startswith(self._writable):
            return True
        return path.startswith(self.kept) and not path.startswith(self.ignored)

    def is_written(self, handle: int) -> bool:
        """Return True if the run has opened the file for writing."""
        status = os.stat(handle)
        return (status.st_dev, status.st_ino) in self.written

    def describe(self, handle: int, *, copy: bool) -> dict[str, str]:
        """Return the identity of a file for the record and, if wanted and it is small, the name of its copy."""
        name = self.record.copy(handle) if copy else None
        return {"ino": file_id(handle), **({"copy": name} if name is not None else {})}

    def _open_fixed(self, opening: Opening) -> bool:
        """Open a file of the system for reading and answer the call. Return False if the path contains a link.

        This is most of what programs open. Without a link, the path leads nowhere else, and no FIFO is there.
        """
        path = opening.path
        if not path.startswith(self._fixed) or b"/.." in path or self.is_kept(path):
            return False
        try:
            opened = open_in_root(self.paths.root, path, opening.flags | ALWAYS, NO_LINKS)
        except OSError as error:
            if error.errno in UNDECIDED:
                return False
            raise
        try:
            self.listener.give(opening.call, opened, bool(opening.flags & os.O_CLOEXEC))
        finally:
            os.close(opened)
        return True

    def _create(self, opening: Opening) -> bool:
        """Create a file and answer the call. Return False if the file exists by now."""
        place = self.paths.place(opening.thread, opening.folder, opening.path)
        if not isinstance(place, Place):
            os.close(place)
            return False
        try:
            if not self.listener.waits(opening.call):  # the caller died, and its process id may be another's by now
                raise OSError(errno.EINTR, "the caller died")
            mode = opening.mode & 0o7777 & ~umask(opening.thread.folder)
            flags = (opening.flags | os.O_EXCL | ALWAYS) & ~os.O_TRUNC
            created = os.open(place.name, flags, mode, dir_fd=place.folder)
        except FileExistsError:
            return False
        finally:
            os.close(place.folder)
        try:
            self._note(opening, created, place.path, made=True)
            self.listener.give(opening.call, created, bool(opening.flags & os.O_CLOEXEC))
        finally:
            os.close(created)
        return True

    def _reopen(self, opening: Opening, handle: int) -> None:
        """Open the file that a handle refers to, and answer the call."""
        status = os.stat(handle)
        kind = stat.S_IFMT(status.st_mode)
        temporary = opening.flags & os.O_DIRECTORY and opening.flags & TEMPORARY_FILE
        if kind == stat.S_IFLNK:
            raise OSError(errno.ELOOP, "a link")
        if kind == stat.S_IFSOCK:
            raise OSError(errno.ENXIO, "a socket")
        if kind == stat.S_IFDIR and not temporary and (opening.writes or opening.flags & os.O_CREAT):
            raise OSError(errno.EISDIR, "a directory")
        if kind in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK):
            self._open_special(opening, handle, status)
            return
        path = self.paths.name(handle)
        if status.st_dev == self.paths.proc_device and kind == stat.S_IFREG:
            self._check_proc(opening, path)
        flags, mode = opening.flags & ~NOT_REPEATED | ALWAYS, 0
        if temporary:
            flags |= opening.flags & os.O_EXCL
            mode = opening.mode & 0o7777 & ~umask(opening.thread.folder)
        opened = os.open(b"/proc/self/fd/%d" % handle, flags, mode)
        try:
            if kind == stat.S_IFREG and status.st_dev != self.paths.proc_device:
                self._note(opening, opened, path, made=False)
            elif temporary:
                self._note(opening, opened, self.paths.name(opened), made=True)
            self.listener.give(opening.call, opened, bool(opening.flags & os.O_CLOEXEC))
        finally:
            os.close(opened)

    def _note(self, opening: Opening, opened: int, path: bytes, *, made: bool) -> None:
        """Record an open file, unless the same was recorded for the same program and version of the file."""
        if not opening.writes and not made and not self.is_kept(path):
            return
        status = os.stat(opened)
        process, file = opening.thread.process, (status.st_dev, status.st_ino)
        access = opening.access
        key = (process.image, *file, access)
        seen = self._seen.setdefault(process.name, {})
        if not made and seen.get(key) == self._versions.get(file, 0):
            return
        fields: dict[str, object] = {"m": access, "path": os.fsdecode(path), "ino": file_id(opened)}
        if made:
            fields["made"] = True
        if opening.writes or made:
            self.written.add(file)
            self._versions[file] = self._versions.get(file, 0) + 1
        elif file in self.written and (copy := self.record.copy(opened)) is not None:
            fields["copy"] = copy
        seen[key] = self._versions.get(file, 0)
        self.record.write("open", process.name, **fields)

    def _open_special(self, opening: Opening, handle: int, status: os.stat_result) -> None:
        """Open a FIFO, a pipe or a device, in a thread if that may block."""
        major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
        path = self.paths.name(handle)
        if not device:
            text = os.fsdecode(path)
            name = text if text.startswith("pipe:") else file_id(handle)
            self.record.write("open", opening.thread.process.name, m=opening.access, path=text, ino=name)
        target = b"/proc/self/fd/%d" % handle
        flags = opening.flags & ~NOT_REPEATED | ALWAYS
        close_on_exec = bool(opening.flags & os.O_CLOEXEC)
        own_terminal = device and major == TERMINALS and minor == OWN_TERMINAL
        quick = device and (major in (MEMORY_DEVICES, TERMINALS) or major in PSEUDO_TERMINALS)
        if quick or flags & os.O_NONBLOCK:
            opened = self._terminal(opening.thread.process, flags) if own_terminal else os.open(target, flags)
            try:
                self.listener.give(opening.call, opened, close_on_exec)
            finally:
                os.close(opened)
            return
        kept = os.dup(handle)
        target = b"/proc/self/fd/%d" % kept

        def finish(result: int | OSError) -> None:
            os.close(kept)
            if isinstance(result, OSError):
                self.listener.fail(opening.call, result.errno or errno.EIO)
                return
            self.listener.give(opening.call, result, close_on_exec)
            os.close(result)

        def wake() -> None:
            if not device:
                os.close(os.open(target, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))

        try:
            self.helpers.start(Errand(opening.call, lambda: os.open(target, flags), finish, wake))
        except OSError:
            os.close(kept)
            raise

    def _check_proc(self, opening: Opening, path: bytes) -> None:
        """Refuse files of `/proc` that only the recorder may open; record access to those of other processes."""
        parts = path.split(b"/")
        if len(parts) < 4 or not parts[2].isdigit():
            return
        name, process = parts[-1], opening.thread.process
        if parts[2] == b"1" and (name not in PUBLIC_OF_INIT or opening.writes):
            raise PermissionError(errno.EACCES, "the first process")
        if opening.writes and name not in WRITABLE_IN_PROC:
            raise PermissionError(errno.EACCES, "not writable")
        inner = int(parts[2])
        if inner != process.inner and name in CONTENTS_IN_PROC:
            other = self.find(inner)
            self.record.write(
                "reach",
                process.name,
                how=name.decode(),
                m=opening.access,
                target=other.name if other is not None else None,
            )

    def _terminal(self, process: Process, flags: int) -> int:
        """Open the controlling terminal of a process."""
        device = terminal(process.pid)
        minor = (device & 0xFF) | (device >> 12 & 0xFFF00)
        if (device >> 8 & 0xFFF) not in PSEUDO_TERMINALS:
            raise OSError(errno.ENXIO, "no terminal")
        return os.open(f"dev/pts/{minor}", flags, dir_fd=self.paths.root)
