"""Reading what an agent left behind: links are never followed, nothing blocks, and every read has a limit.

The agent's last process is dead when this runs, so files do not change underneath; their kind, size, name and
content are hostile all the same.
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
    """A file of the agent cannot be read or parsed; the message says why and does not name the file."""


@dataclass(frozen=True)
class Entry:
    """A regular file below a directory, or (with `reason`) something there that is not read.

    Attributes:
        relative: below the walked directory, with `/` and only printable characters.
        lost: True when it should have been readable, so that what it holds is unknown.
    """

    path: Path
    relative: str
    size: int = 0
    reason: str = ""
    lost: bool = False


def printable(name: str | Path) -> str:
    """A name as valid, one-line text: undecodable bytes and control characters become escapes."""
    text = str(name).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def kind(mode: int) -> str:
    """What a file of this `st_mode` is, in words; `""` for a regular file."""
    return next((name for test, name in KINDS if test(mode)), "")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without following a link at its end and without waiting on a pipe.

    Raises:
        UnreadableError: it is no regular file, or the system refuses to open it.
    """
    try:
        if found := kind(path.lstat().st_mode):
            raise UnreadableError(f"it is a {found}, no regular file")
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"it cannot be opened ({_why(error)})") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnreadableError("it is no regular file")
    return os.fdopen(fd, "rb")


def sha256_regular(path: Path) -> str:
    """SHA-256 of a regular file, hexadecimal; `""` if it is none or cannot be read."""
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            while data := file.read(2**20):
                digest.update(data)
    except (UnreadableError, OSError):
        return ""
    return digest.hexdigest()


def walk(directory: Path) -> Iterator[Entry]:
    """Everything below `directory` except directories themselves, in a fixed order; links are not followed.

    A second hard link to a file already seen is left out.
    """
    seen: set[tuple[int, int]] = set()
    pending = [(directory, "")]
    while pending:
        folder, prefix = pending.pop()
        try:
            with os.scandir(folder) as found:
                children = sorted(found, key=lambda child: os.fsencode(child.name))
        except OSError as error:
            yield Entry(folder, prefix.rstrip("/") or ".", reason=f"cannot be listed ({_why(error)})", lost=True)
            continue
        below = []
        for child in children:
            path, relative = Path(child.path), prefix + printable(child.name)
            try:
                status = child.stat(follow_symlinks=False)
            except OSError as error:
                yield Entry(path, relative, reason=f"cannot be read ({_why(error)})", lost=True)
                continue
            if stat.S_ISDIR(status.st_mode):
                below.append((path, f"{relative}/"))
            elif found_kind := kind(status.st_mode):
                yield Entry(path, relative, reason=f"{found_kind}, not opened")
            elif (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield Entry(path, relative, status.st_size)
        pending.extend(reversed(below))


def read_json(path: Path, limit: int) -> Any:
    """Parse a JSON file of at most `limit` bytes.

    Raises:
        UnreadableError: it is no regular file, too large, no UTF-8, no JSON or nested too deeply.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UnreadableError(f"it is larger than {limit // 2**20} MiB")
    return parse_json(data)


def parse_json(data: bytes) -> Any:
    """As `read_json`, for bytes at hand. Repeated keys are refused: which one counts is up to each reader."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else printable(str(error)[:120])
        raise UnreadableError(f"it is no valid JSON ({why})") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


def _why(error: OSError | ValueError) -> str:
    return error.strerror or "unknown reason" if isinstance(error, OSError) else "impossible name"
