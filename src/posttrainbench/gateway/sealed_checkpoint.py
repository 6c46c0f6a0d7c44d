"""Copies a checkpoint out of the workspace of an agent that is at work, and may change all of it meanwhile.

Covers: links, at the end of a path and on the way, at any moment: each directory and file is opened by its name in a
directory that is open already, and never through a link, so that nothing outside of the workspace is read; pipes and
devices, which are not waited for; files that grow, or are as large as no checkpoint is.

Does not cover: files that are written to meanwhile. What was copied may then be no checkpoint that ever was, and is
checked like any other.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from posttrainbench.audit.submission import JSON_FILES, SHARD, TEXT_FILES
from posttrainbench.audit.tensors import SINGLE
from posttrainbench.audit.untrusted import printable

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MOST_FILES = 1000
PIECE = 2**24
FOREIGN = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""Between these two files, the kernel does not copy by itself."""


class UnfitError(Exception):
    """What the agent wants evaluated cannot be; the message tells it why, in one sentence."""


def copy_checkpoint(workspace: Path, seen_as: str, path: str, destination: Path, limit: int) -> None:
    """Copy the files of a checkpoint that an evaluation reads; all other files are passed over.

    Args:
        workspace: on the host.
        seen_as: where the agent sees it.
        path: of the checkpoint's directory, as the agent says it: absolute.
        destination: an existing, empty directory.
        limit: bytes that the files may have together.

    Raises:
        UnfitError: it is nothing that can be copied.
        OSError: `destination` cannot be written.
    """
    with _open_directory(workspace, _parts(path, seen_as), path) as folder:
        left = limit
        for name in _names(folder, path):
            left -= _copy(folder, name, destination / name, left)


def _parts(path: str, seen_as: str) -> tuple[str, ...]:
    """The names below the workspace that lead to a directory."""
    place = PurePosixPath(path)
    if "\0" in path or ".." in place.parts or not place.is_relative_to(seen_as):
        raise UnfitError(f"Only directories in {seen_as} can be evaluated; copy the checkpoint there.")
    return place.relative_to(seen_as).parts


@contextmanager
def _open_directory(workspace: Path, parts: tuple[str, ...], path: str) -> Iterator[int]:
    folder = os.open(workspace, DIRECTORY)
    try:
        for part in parts:
            try:
                below = os.open(part, DIRECTORY, dir_fd=folder)
            except (OSError, ValueError):
                shown = printable(path)[:200]
                raise UnfitError(
                    f"{shown} is no directory, or a symbolic link leads to it; give the directory."
                ) from None
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


def _names(folder: int, path: str) -> list[str]:
    """The files that an evaluation reads, by their names."""
    with os.scandir(folder) as entries:
        names = [each.name for each in entries if _is_read(each.name)]
    if not names:
        raise UnfitError(f"{printable(path)[:200]} holds no checkpoint; save the model and its tokenizer there.")
    if len(names) > MOST_FILES:
        raise UnfitError(f"The checkpoint has more than {MOST_FILES} files; save it in fewer.")
    return sorted(names)


def _is_read(name: str) -> bool:
    return name == SINGLE or name in JSON_FILES or name in TEXT_FILES or SHARD.fullmatch(name) is not None


def _copy(folder: int, name: str, target: Path, limit: int) -> int:
    """Copy one file; returns its bytes."""
    try:
        source = os.open(name, FILE, dir_fd=folder)
    except OSError as error:
        what = "is a symbolic link; save the file itself" if error.errno == errno.ELOOP else "cannot be read"
        raise UnfitError(f"{name} {what}.") from None
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise UnfitError(f"{name} is no regular file.")
        if status.st_size > limit:
            raise UnfitError("The checkpoint is much larger than the base model; save the weights alone, once.")
        with target.open("xb") as copy:
            _copy_bytes(source, copy.fileno(), status.st_size)
        return status.st_size
    finally:
        os.close(source)


def _copy_bytes(source: int, target: int, size: int) -> None:
    """At most `size` bytes, by the kernel where it can: some file systems then share them."""
    by_kernel = True
    while size > 0:
        piece = min(size, PIECE)
        if by_kernel:
            try:
                done = os.copy_file_range(source, target, piece)
            except OSError as error:
                if error.errno not in FOREIGN:
                    raise
                by_kernel = False
                continue
        else:
            data = os.read(source, piece)
            done = len(data)
            while data:
                data = data[os.write(target, data) :]
        if done == 0:  # it has become shorter
            return
        size -= done
