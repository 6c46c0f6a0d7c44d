"""Read files that an agent left: links are not followed, nothing blocks, and reads are limited in size.

The agent's last process has ended, so files do not change while they are read. Their kind, size, name and content are
hostile.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

KINDS = (
    (stat.S_ISLNK, "symbolic link"),
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISBLK, "block device"),
    (stat.S_ISCHR, "character device"),
    (stat.S_ISDIR, "directory"),
)


class UnreadableError(Exception):
    """A file of the agent cannot be read or parsed. The message gives the reason and does not name the file."""


@dataclass(frozen=True)
class Entry:
    """A regular file below a directory, or (with `reason`) something that cannot be read.

    Attributes:
        path: the file.
        relative: path below the walked directory, with `/` and only printable characters.
        size: bytes.
        reason: why it cannot be read; "" for a regular file.
        lost: True if it should have been readable, so that its content is unknown.
        changed: time of the last change of its content or its status (`st_ctime_ns`); 0 if unknown.
    """

    path: Path
    relative: str
    size: int = 0
    reason: str = ""
    lost: bool = False
    changed: int = 0


def printable(name: str | Path) -> str:
    """Return a name as valid one-line text: undecodable bytes and control characters become escapes."""
    text = str(name).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def kind(mode: int) -> str:
    """Return the kind of a file with this `st_mode`, such as `symbolic link`; "" for a regular file."""
    return next((name for test, name in KINDS if test(mode)), "")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without following a symbolic link or blocking on a pipe.

    Raises:
        UnreadableError: it is not a regular file or cannot be opened.
    """
    try:
        if file_kind := kind(path.lstat().st_mode):
            raise UnreadableError(f"it is a {file_kind}, not a regular file")
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"it cannot be opened ({_reason(error)})") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnreadableError("it is not a regular file")
    return os.fdopen(fd, "rb")


def sha256_regular(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a regular file; "" if it is not one or cannot be read."""
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            while data := file.read(2**20):
                digest.update(data)
    except (UnreadableError, OSError):
        return ""
    return digest.hexdigest()


def walk(directory: Path) -> Iterator[Entry]:
    """Yield everything below `directory` except directories, in a fixed order; links are not followed.

    Only the first of several hard links to a file is yielded.
    """
    seen: set[tuple[int, int]] = set()
    pending = [(directory, "")]
    while pending:
        folder, prefix = pending.pop()
        try:
            with os.scandir(folder) as entries:
                children = sorted(entries, key=lambda child: os.fsencode(child.name))
        except OSError as error:
            yield Entry(folder, prefix.rstrip("/") or ".", reason=f"cannot be listed ({_reason(error)})", lost=True)
            continue
        below = []
        for child in children:
            path, relative = Path(child.path), prefix + printable(child.name)
            try:
                status = child.stat(follow_symlinks=False)
            except OSError as error:
                yield Entry(path, relative, reason=f"cannot be read ({_reason(error)})", lost=True)
                continue
            if stat.S_ISDIR(status.st_mode):
                below.append((path, f"{relative}/"))
            elif found_kind := kind(status.st_mode):
                yield Entry(path, relative, reason=f"{found_kind}, not opened")
            elif (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield Entry(path, relative, status.st_size, changed=status.st_ctime_ns)
        pending.extend(reversed(below))


def read_json(path: Path, limit: int, containers: int | None = None) -> Any:
    """Parse a JSON file of at most `limit` bytes.

    Args:
        path: the file.
        limit: bytes.
        containers: see `parse_json`.

    Raises:
        UnreadableError: it is not a regular file, too large, not UTF-8, not valid JSON or nested too deeply.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UnreadableError(f"it is larger than {limit // 2**20} MiB")
    return parse_json(data, containers)


def parse_json(data: bytes, containers: int | None = None) -> Any:
    """Parse JSON like `read_json`, from bytes. Repeated keys are refused: readers disagree on which one counts.

    Args:
        data: the text in UTF-8.
        containers: maximum number of opening brackets, which bounds the memory (an empty object takes two bytes in a
            file and about 100 in memory); None for no limit.
    """
    if containers is not None and data.count(b"[") + data.count(b"{") > containers:
        raise UnreadableError(f"it contains more than {containers} objects and arrays")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else printable(str(error)[:120])
        raise UnreadableError(f"it is not valid JSON ({reason})") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or "unknown reason" if isinstance(error, OSError) else "impossible name"
