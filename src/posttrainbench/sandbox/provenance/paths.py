"""Resolve paths as a sandboxed process would, from outside.

The kernel resolves nearly all paths itself (`openat2` within the sandbox's root). It refuses `/proc/self` and the magic
links of `/proc`, which depend on the process that asks; for these the path is followed component by component here.
"""

import contextlib
import errno
import os
import stat
from dataclasses import dataclass

from posttrainbench.sandbox.provenance.kernel import PATH_BYTES, open_in_root
from posttrainbench.sandbox.provenance.processes import Thread

AT_FDCWD = -100
MOST_LINKS = 40
RETRY = 8
PUBLIC_OF_INIT = {b"status", b"stat", b"statm", b"cmdline", b"comm", b"cgroup", b"mounts", b"mountinfo", b"limits"}
"""Files of `/proc/1` that a sandboxed process may read; the recorder has more rights over that process."""


@dataclass(slots=True)
class Place:
    """Where a path leads that need not exist.

    Attributes:
        folder: descriptor of the directory that contains it; closed by the caller.
        name: name in the directory.
        path: canonical path inside the sandbox.
    """

    folder: int
    name: bytes
    path: bytes


class Paths:
    """Resolves paths inside one sandbox.

    Attributes:
        root: descriptor of the sandbox's root directory; -1 until it is known.
        proc_device: device number of the sandbox's `/proc`.
    """

    root = -1
    proc_device = -1

    def enter(self, thread: Thread) -> None:
        """Use the root directory of a thread; no thread of a sandbox has another."""
        self.root = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=thread.folder)
        with contextlib.suppress(OSError):
            self.proc_device = os.stat("proc", dir_fd=self.root).st_dev

    def resolve(self, thread: Thread, folder: int, path: bytes, follow: bool = True) -> int:
        """Return a handle (`O_PATH`) to the file at a path.

        Args:
            thread: the thread whose view counts.
            folder: its directory descriptor for relative paths, or `AT_FDCWD`.
            path: the path.
            follow: False if the last component is not followed if it is a link.

        Raises:
            OSError: as the kernel would fail.
        """
        absolute = self.absolute(thread, folder, path)
        flags = os.O_PATH if follow else os.O_PATH | os.O_NOFOLLOW
        for _ in range(RETRY):
            try:
                return open_in_root(self.root, absolute, flags)
            except OSError as error:
                if error.errno != errno.EAGAIN:  # a directory was renamed at the same time
                    failure = error
                    break
        else:
            raise OSError(errno.EAGAIN, "the path changes all the time")
        if failure.errno not in (errno.ENOENT, errno.ELOOP, errno.EXDEV):
            raise failure
        if failure.errno == errno.ENOENT and self._is_missing(absolute):
            raise failure
        found = self._walk(thread, absolute, follow)
        if isinstance(found, Place):
            os.close(found.folder)
            raise OSError(errno.ENOENT, "no such file")
        return found

    def place(self, thread: Thread, folder: int, path: bytes) -> Place | int:
        """Return the place of a file that does not exist, following links to it; or a handle if it exists.

        Raises:
            OSError: its directory does not exist or cannot be searched.
        """
        return self._walk(thread, self.absolute(thread, folder, path), True)

    def absolute(self, thread: Thread, folder: int, path: bytes) -> bytes:
        """Return a path as an absolute one, not yet free of links.

        Raises:
            OSError: the directory does not exist, or is not one.
        """
        if path.startswith(b"/"):
            return path
        link = b"cwd" if folder == AT_FDCWD else b"fd/%d" % folder
        try:
            base = os.readlink(link, dir_fd=thread.folder)
            status = os.stat(link, dir_fd=thread.folder)
        except OSError as error:
            raise OSError(errno.EBADF if error.errno == errno.ENOENT else error.errno, "no such directory") from None
        if not stat.S_ISDIR(status.st_mode):
            raise OSError(errno.ENOTDIR, "not a directory")
        if status.st_nlink == 0:
            raise OSError(errno.ENOENT, "the directory was removed")
        return base + b"/" + path

    def name(self, descriptor: int) -> bytes:
        """Return the canonical path of an open file inside the sandbox."""
        try:
            return os.readlink(b"/proc/self/fd/%d" % descriptor)
        except OSError:
            return b"?"

    def _is_missing(self, path: bytes) -> bool:
        """Return True if the directory of a path exists and does not contain its last component, not even as a link."""
        folder, _, name = path.rpartition(b"/")
        try:
            handle = open_in_root(self.root, folder or b"/", os.O_PATH)
        except OSError:
            return False
        try:
            os.stat(name, dir_fd=handle, follow_symlinks=False)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        finally:
            os.close(handle)
        return False

    def _walk(self, thread: Thread, path: bytes, follow: bool) -> Place | int:
        """Follow a path component by component, `/proc/self` and magic links included."""
        todo = [part for part in path.split(b"/") if part and part != b"."][::-1]
        if path.endswith(b"/"):
            todo.insert(0, b".")
        here, links = b"", 0
        while todo:
            part = todo.pop()
            if part == b".":
                continue
            if part == b"..":
                here = here.rpartition(b"/")[0]
                continue
            ahead = here + b"/" + part
            if len(ahead) >= PATH_BYTES:
                raise OSError(errno.ENAMETOOLONG, "the path is too long")
            try:
                handle = open_in_root(self.root, ahead, os.O_PATH | os.O_NOFOLLOW)
            except FileNotFoundError:
                if not todo:
                    return Place(open_in_root(self.root, here or b"/", os.O_PATH | os.O_DIRECTORY), part, ahead)
                raise
            status = os.stat(handle)
            if not stat.S_ISLNK(status.st_mode) or (not todo and not follow):
                if not todo:
                    return handle
                os.close(handle)
                if not stat.S_ISDIR(status.st_mode):
                    raise OSError(errno.ENOTDIR, "not a directory")
                here = ahead
                continue
            links += 1
            if links > MOST_LINKS:
                os.close(handle)
                raise OSError(errno.ELOOP, "too many links")
            try:
                if status.st_dev == self.proc_device and (jump := self._proc_link(thread, ahead)) is not None:
                    if not todo:
                        return jump
                    here = self.name(jump)
                    directory = stat.S_ISDIR(os.stat(jump).st_mode)
                    os.close(jump)
                    if not directory:
                        raise OSError(errno.ENOTDIR, "not a directory")
                    here = b"" if here == b"/" else here
                    continue
                target = self._target(thread, ahead, handle, status.st_dev == self.proc_device)
            finally:
                os.close(handle)
            if target.startswith(b"/"):
                here = b""
            todo += [part for part in target.split(b"/") if part][::-1]
        return open_in_root(self.root, here or b"/", os.O_PATH)

    def _target(self, thread: Thread, path: bytes, handle: int, in_proc: bool) -> bytes:
        """Return the target of an ordinary link; those of `/proc` depend on the process."""
        if in_proc and path == b"/proc/self":
            return b"%d" % thread.process.inner
        if in_proc and path == b"/proc/thread-self":
            return b"%d/task/%d" % (thread.process.inner, inner_tid(thread))
        return os.readlink(b"", dir_fd=handle)

    def _proc_link(self, thread: Thread, path: bytes) -> int | None:
        """Return a handle to the target of a magic link of `/proc`; None for an ordinary link."""
        parts = path.split(b"/")[2:]
        if not parts or not parts[0].isdigit() or len(parts) < 2:
            return None
        if parts[0] == b"1":
            raise PermissionError(errno.EACCES, "the first process")
        own = [b"%d" % thread.process.inner, b"%d" % inner_tid(thread)]
        if parts[0] in own and parts[1] == b"fd":  # a thread may have its own descriptors
            return os.open(b"fd/" + parts[-1], os.O_PATH | os.O_CLOEXEC, dir_fd=thread.folder)
        return os.open(path.removeprefix(b"/"), os.O_PATH | os.O_CLOEXEC, dir_fd=self.root)


def inner_tid(thread: Thread) -> int:
    """Return the thread's id inside the sandbox."""
    if thread.tid == thread.process.pid:
        return thread.process.inner
    with open(f"/proc/self/fd/{thread.folder}/status", "rb") as file:
        return int(file.read().split(b"NSpid:", 1)[1].split(b"\n", 1)[0].split()[-1])
