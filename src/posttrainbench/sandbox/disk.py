"""What a process tree holds on disk, measured seldom enough to cost next to nothing, and before it is too late.

The file system's free space is looked at all the time, which is cheap; the files are counted when that has fallen by
what is still allowed, and now and then besides. What the tree writes is hostile: no symlink is followed, a directory
without rights is given them, and one nested too deeply to be counted makes everything count as over.
"""

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path

DEPTH = 200
"""Directories within each other that are counted; the kernel's longest path has room for few more."""
COST = 400
"""Between two counts that nothing asks for, at least this many times what the last one took: a quarter per cent."""
SELDOM_SECONDS = 5.0
BLOCK = 512


class DiskWatch:
    """Tells when what lies in some directories has grown over a limit.

    Attributes:
        used: bytes at the last count.
    """

    def __init__(self, places: Iterable[Path], limit: int) -> None:
        self.places = _outermost(places)
        self.limit = limit
        self.used = 0
        self._free = 0
        self._next = 0.0

    def over(self, pids: Callable[[], Iterable[int]]) -> bool:
        """Whether it is over now.

        Args:
            pids: gives the processes whose open, deleted files count too.
        """
        free = sum(_free(place) for place in self.places)
        if time.monotonic() < self._next and self._free - free < self.limit - self.used:
            return False
        began = time.monotonic()
        self._free = free
        self.used = disk_usage(self.places) + deleted_but_open(pids(), self.places)
        self._next = time.monotonic() + max(SELDOM_SECONDS, COST * (time.monotonic() - began))
        return self.used > self.limit


def disk_usage(places: Iterable[Path]) -> int:
    """Bytes that the files below some directories occupy, each file once; a huge number where that cannot be told."""
    seen: set[tuple[int, int]] = set()
    return sum(_usage(place, seen) for place in places)


def deleted_but_open(pids: Iterable[int], places: Iterable[Path]) -> int:
    """Bytes of files without a name, on the file systems of `places`, that some processes hold open."""
    devices = {place.stat().st_dev for place in places}
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for held in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    facts = held.stat()
                    if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0 and facts.st_dev in devices:
                        found[facts.st_dev, facts.st_ino] = facts.st_blocks * BLOCK
    return sum(found.values())


def _usage(place: Path, seen: set[tuple[int, int]]) -> int:
    if not place.is_dir():
        return place.lstat().st_blocks * BLOCK
    total = 0
    todo: list[tuple[int, list[str]]] = []  # open directories down to where we are, with what is still to do in each
    try:
        todo.append(_open(str(place), None))
        while todo:
            folder, names = todo[-1]
            if not names:
                os.close(todo.pop()[0])
                continue
            with contextlib.suppress(OSError):  # gone meanwhile
                name = names.pop()
                facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if (facts.st_dev, facts.st_ino) not in seen:
                    seen.add((facts.st_dev, facts.st_ino))
                    total += facts.st_blocks * BLOCK
                    if stat.S_ISDIR(facts.st_mode):
                        if len(todo) >= DEPTH:
                            return 2**63
                        todo.append(_open(name, folder))
    finally:
        for folder, _ in todo:
            os.close(folder)
    return total


def _open(name: str, parent: int | None) -> tuple[int, list[str]]:
    """A directory and what is in it, with the owner's rights given back where they were taken."""
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


def _outermost(places: Iterable[Path]) -> list[Path]:
    every = sorted({place.resolve() for place in places})
    return [place for place in every if not any(place != other and place.is_relative_to(other) for other in every)]


def _free(place: Path) -> int:
    facts = os.statvfs(place)
    return facts.f_bfree * facts.f_frsize
