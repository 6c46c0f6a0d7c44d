"""Measure the disk use of a process tree cheaply, and in time to enforce a limit.

The free space and inodes of the file system are read at every check, which is cheap. Files are counted when these have
fallen by the remaining allowance, and otherwise at long intervals. The files are hostile: no symlink is followed, a
directory without permissions is made readable, and a directory nested too deeply counts as exceeding the limit.
"""

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path

DEPTH = 200
"""Maximum nesting depth of directories that is counted."""
COST_FACTOR = 400
"""Minimum interval between routine counts, as a multiple of the last count's duration: 0.25 percent of the time."""
COUNT_INTERVAL_SECONDS = 5.0
BLOCK = 512
FILE_BYTES = 4096
"""Least size that counts for a file or directory, so that empty files cannot use up the file system's inodes."""


class DiskWatch:
    """Check whether the files in some directories exceed a limit.

    Attributes:
        used: bytes at the last count.
    """

    def __init__(self, paths: Iterable[Path], limit: int) -> None:
        self.paths = _outermost(paths)
        self.limit = limit
        self.used = 0
        self._free = self._inodes = 0
        self._next = 0.0

    def exceeds_limit(self, pids: Callable[[], Iterable[int]]) -> bool:
        """Return True if the limit is exceeded now.

        Args:
            pids: returns the processes whose open, deleted files are also counted.
        """
        free, inodes = (sum(values) for values in zip(*map(_free, self.paths), strict=True))
        taken = max(self._free - free, (self._inodes - inodes) * FILE_BYTES)
        if time.monotonic() < self._next and taken < self.limit - self.used:
            return False
        began = time.monotonic()
        self._free, self._inodes = free, inodes
        self.used = disk_usage(self.paths) + deleted_but_open(pids(), self.paths)
        self._next = time.monotonic() + max(COUNT_INTERVAL_SECONDS, COST_FACTOR * (time.monotonic() - began))
        return self.used > self.limit


def disk_usage(paths: Iterable[Path]) -> int:
    """Return the bytes that files below some directories occupy, each file once; 2**63 if nested too deeply."""
    counted: set[tuple[int, int]] = set()
    return sum(_usage(path, counted) for path in paths)


def deleted_but_open(pids: Iterable[int], paths: Iterable[Path]) -> int:
    """Return the bytes of deleted files on the file systems of `paths` that some processes hold open."""
    devices = {path.stat().st_dev for path in paths}
    sizes: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    facts = link.stat()
                    if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0 and facts.st_dev in devices:
                        sizes[facts.st_dev, facts.st_ino] = facts.st_blocks * BLOCK
    return sum(sizes.values())


def _usage(path: Path, counted: set[tuple[int, int]]) -> int:
    if not path.is_dir():
        return _size(path.lstat())
    total = 0
    todo: list[tuple[int, list[str]]] = []  # open directories down to the current one, names left in each
    try:
        todo.append(_open(str(path), None))
        while todo:
            folder, names = todo[-1]
            if not names:
                os.close(todo.pop()[0])
                continue
            with contextlib.suppress(OSError):  # deleted meanwhile
                name = names.pop()
                facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if (facts.st_dev, facts.st_ino) not in counted:
                    counted.add((facts.st_dev, facts.st_ino))
                    total += _size(facts)
                    if stat.S_ISDIR(facts.st_mode):
                        if len(todo) >= DEPTH:
                            return 2**63
                        todo.append(_open(name, folder))
    finally:
        for folder, _ in todo:
            os.close(folder)
    return total


def _size(facts: os.stat_result) -> int:
    return max(facts.st_blocks * BLOCK, FILE_BYTES)


def _open(name: str, parent: int | None) -> tuple[int, list[str]]:
    """Open a directory and list it, restoring the owner's permissions if they were removed."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        folder = os.open(name, flags, dir_fd=parent)
    except PermissionError:
        path = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            Path(f"/proc/self/fd/{path}").chmod(0o700)  # through the descriptor: the name may have become a link
        finally:
            os.close(path)
        folder = os.open(name, flags, dir_fd=parent)
    try:
        return folder, os.listdir(folder)  # noqa: PTH208  (by descriptor)
    except OSError:
        os.close(folder)
        raise


def _outermost(paths: Iterable[Path]) -> list[Path]:
    every = sorted({path.resolve() for path in paths})
    return [path for path in every if not any(path != other and path.is_relative_to(other) for other in every)]


def _free(path: Path) -> tuple[int, int]:
    """Return the free bytes and the free inodes of a file system."""
    facts = os.statvfs(path)
    return facts.f_bfree * facts.f_frsize, facts.f_ffree
