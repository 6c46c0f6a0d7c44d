"""Copy a checkpoint out of the workspace while the agent is working and may change it at any moment.

Covers: links in any part of a path, at any moment: each directory and file is opened by name relative to its open
parent directory and never through a link, so nothing outside the workspace is read; pipes and devices, which do not
block; files that grow or are larger than a checkpoint can be.

Does not cover: files that are written during the copy. The copy may then be a state that never existed; it is checked
like any other checkpoint.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from posttrainbench.submission.canonical import is_checkpoint_file
from posttrainbench.untrusted import printable

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MOST_FILES = 1000
PIECE = 2**24
FOREIGN = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""Errors of `copy_file_range` for files between which the kernel cannot copy."""


class CheckpointRefusedError(Exception):
    """The checkpoint cannot be evaluated; the message, one sentence, is shown to the agent."""


def copy_checkpoint(workspace: Path, seen_as: str, path: str, destination: Path, limit: int) -> None:
    """Copy the files of a checkpoint that an evaluation reads; other files are ignored.

    Args:
        workspace: the workspace on the host.
        seen_as: path of the workspace in the sandbox.
        path: absolute path of the checkpoint's directory in the sandbox.
        destination: an existing, empty directory.
        limit: maximum bytes of all files.

    Raises:
        CheckpointRefusedError: the checkpoint cannot be copied.
        OSError: `destination` cannot be written.
    """
    with _open_directory(workspace, _parts(path, seen_as), path) as folder:
        left = limit
        for name in _names(folder, path):
            left -= _copy(folder, name, destination / name, left)


def _parts(path: str, seen_as: str) -> tuple[str, ...]:
    """Return the parts of a path below the workspace."""
    directory = PurePosixPath(path)
    if "\0" in path or ".." in directory.parts or not directory.is_relative_to(seen_as):
        raise CheckpointRefusedError(f"Only directories in {seen_as} can be evaluated; copy the checkpoint there.")
    return directory.relative_to(seen_as).parts


@contextmanager
def _open_directory(workspace: Path, parts: tuple[str, ...], path: str) -> Iterator[int]:
    folder = os.open(workspace, DIRECTORY)
    try:
        for part in parts:
            try:
                below = os.open(part, DIRECTORY, dir_fd=folder)
            except (OSError, ValueError):
                raise CheckpointRefusedError(
                    f"{printable(path)[:200]} is not a directory, or a part of it is a symbolic link; give the "
                    "directory itself."
                ) from None
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


def _names(folder: int, path: str) -> list[str]:
    """Return the sorted names of the files that an evaluation reads."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if is_checkpoint_file(entry.name)]
    if not names:
        raise CheckpointRefusedError(
            f"{printable(path)[:200]} does not contain a checkpoint; save the model and its tokenizer there."
        )
    if len(names) > MOST_FILES:
        raise CheckpointRefusedError(f"The checkpoint has more than {MOST_FILES} files; save it in fewer.")
    return sorted(names)


def _copy(folder: int, name: str, target: Path, limit: int) -> int:
    """Copy one file. Returns its size in bytes."""
    try:
        source = os.open(name, FILE, dir_fd=folder)
    except OSError as error:
        problem = "is a symbolic link; save the file itself" if error.errno == errno.ELOOP else "cannot be read"
        raise CheckpointRefusedError(f"{name} {problem}.") from None
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise CheckpointRefusedError(f"{name} is not a regular file.")
        if status.st_size > limit:
            raise CheckpointRefusedError(
                "The checkpoint is much larger than the base model; save the weights alone, once."
            )
        with target.open("xb") as copy:
            _copy_bytes(source, copy.fileno(), status.st_size)
        return status.st_size
    finally:
        os.close(source)


def _copy_bytes(source: int, target: int, size: int) -> None:
    """Copy at most `size` bytes, in the kernel if possible, which lets some file systems share the data."""
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
        if done == 0:  # the file became shorter
            return
        size -= done
