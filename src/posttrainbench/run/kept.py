"""Keep the last whole `final_model` that the agent evaluated, for suites that use it if the final one is torn.

The agent is working meanwhile. So nothing but regular files of one directory is read, each through a descriptor that
follows no symlink, and a copy whose files changed meanwhile is dropped. Weights that are links are therefore not kept,
and neither is a `final_model` that is itself a link.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.errors import InfrastructureError
from posttrainbench.run.snapshot import FICLONE
from posttrainbench.submission.canonical import examine

POLL_SECONDS = 0.5
COST_FACTOR = 20
"""Minimum interval between copies, as a multiple of the time of the previous one."""
SIZE_FACTOR = 4
"""Most bytes that are kept, as a multiple of the base model's size: its weights may be stored as float64."""
MAX_OTHER_BYTES = 256 * 2**20
"""Bytes beside the weights."""
MAX_FILES = 1000
TRIES = 20
"""Copies that are tried after each evaluation, since a model that is just being saved may be whole a moment later."""
CHUNK = 16 * 2**20

Identity = tuple[int, int, int]
"""Inode, size and modification time of a file."""


@dataclass
class Keeper:
    """Copies `final_model` whenever a log of evaluations has grown.

    Attributes:
        workspace: on the host.
        destination: directory of the copy, which exists once there is a whole one.
        base_model: directory of the base model.
        logs: files that grow by a line with each evaluation.
        tried: number of copies that were tried.
    """

    workspace: Path
    destination: Path
    base_model: Path
    logs: Sequence[Path]
    tried: int = 0

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._seen = self._sizes()
        self._kept: dict[str, Identity] = {}
        size = sum(path.stat().st_size for path in self.base_model.iterdir() if path.is_file())
        self._max_bytes = SIZE_FACTOR * size + MAX_OTHER_BYTES

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Watch the logs in a thread until the context exits."""
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def _work(self) -> None:
        wait, tries = POLL_SECONDS, 0
        while not self._stopped.wait(wait):
            wait = POLL_SECONDS
            if (sizes := self._sizes()) != self._seen:
                self._seen, tries = sizes, TRIES
            if not tries:
                continue
            began = time.monotonic()
            tries, self.tried = tries - 1, self.tried + 1
            with contextlib.suppress(OSError, InfrastructureError):  # files changed meanwhile, or the disk is full
                if self.keep():
                    tries = 0
            wait = max(POLL_SECONDS, COST_FACTOR * (time.monotonic() - began))

    def _sizes(self) -> list[int]:
        sizes = []
        for log in self.logs:
            with contextlib.suppress(OSError):
                sizes.append(log.lstat().st_size)
        return sizes

    def keep(self) -> bool:
        """Replace the kept copy by the present `final_model`, if that is whole. Return True if the two are equal now.

        Raises:
            OSError: the copy cannot be made, for example because the agent removed a file.
        """
        partial = self.destination.with_name(f"{self.destination.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with _opened(self.workspace / "final_model") as folder:
                files = _regular_files(folder)
                if files and files == self._kept:
                    return True
                if not files or not self._has_space(files):
                    return False
                partial.mkdir(mode=0o700)
                for name, identity in files.items():
                    self._copy(folder, name, identity, partial / name)
                if _regular_files(folder) != files or examine(partial, self.base_model).plan is None:
                    return False
            shutil.rmtree(self.destination, ignore_errors=True)
            partial.rename(self.destination)
            self._kept = files
            return True
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _has_space(self, files: dict[str, Identity]) -> bool:
        size = sum(identity[1] for identity in files.values())
        return size <= self._max_bytes and 2 * size <= shutil.disk_usage(self.destination.parent).free

    def _copy(self, folder: int, name: str, identity: Identity, target: Path) -> None:
        """Reflink or copy a file, at most as many bytes as it had when it was listed."""
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(source, "rb") as read, target.open("xb") as write:
            if _identity(os.fstat(read.fileno())) != identity:
                raise OSError(f"{name} was replaced")
            with contextlib.suppress(OSError):
                fcntl.ioctl(write, FICLONE, read.fileno())
                return
            left = identity[1]
            while left > 0 and (piece := read.read(min(CHUNK, left))):
                if self._stopped.is_set():
                    raise OSError("the agent has ended")
                write.write(piece)
                left -= len(piece)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _regular_files(folder: int) -> dict[str, Identity]:
    """Return the regular files of a directory; an empty dict if there are too many."""
    files = {}
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= MAX_FILES:
                return {}
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                files[entry.name] = _identity(status)
    return files


def _identity(status: os.stat_result) -> Identity:
    return status.st_ino, status.st_size, status.st_mtime_ns
