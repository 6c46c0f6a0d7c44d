"""Read files that an agent left: links are not followed, nothing blocks, and reads are limited in size.

The agent's last process has ended, so files do not change while they are read. Their kind, size, name and content are
hostile.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

KINDS = (
    (stat.S_ISLNK, "symbolic link"),
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISBLK, "block device"),
    (stat.S_ISCHR, "character device"),
    (stat.S_ISDIR, "directory"),
)
RECORD_BYTES = 2**29
"""Most bytes of a record, which is read as a whole."""
LINE_BYTES = 2**27
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


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


def open_below(root: Path, path: Path) -> BinaryIO:
    """Open a regular file like `open_regular`, and follow no link in any directory between `root` and the file.

    Each directory is opened by its own descriptor, so that a process which replaces one by a link gains nothing. Links
    in `root` itself are followed: the user chose it.

    Args:
        root: a directory, such as that of a run.
        path: a file below it, in the form `root / ...`.

    Raises:
        FileNotFoundError: it does not exist.
        UnreadableError: it is not a regular file below `root` or cannot be opened.
    """
    above = len(root.parts)
    parts = path.parts[above:] if path.parts[:above] == root.parts and path.root == root.root else ()
    if not parts or ".." in parts:
        raise UnreadableError(f"it is not a file in {printable(root)}")
    try:
        folder = os.open(root, os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY))
        try:
            for part in parts[:-1]:
                below = _open_part(part, _DIRECTORY, folder)
                os.close(folder)
                folder = below
            fd = _open_part(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, folder)
        finally:
            os.close(folder)
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:  # `root` is a file
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from None
    except (OSError, ValueError) as error:
        raise UnreadableError(f"it cannot be opened ({_reason(error)})") from None
    if file_kind := kind(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnreadableError(f"it is a {file_kind}, not a regular file")
    return os.fdopen(fd, "rb")


def read_below(root: Path, path: Path, limit: int = RECORD_BYTES) -> bytes:
    """Return the content of a file. Arguments and errors as for `open_below`.

    Raises:
        UnreadableError: also if it has more than `limit` bytes.
    """
    with open_below(root, path) as file:
        return _read_all(file, limit)


def _read_all(file: BinaryIO, limit: int) -> bytes:
    """Return the content of a file.

    Raises:
        UnreadableError: it has more than `limit` bytes.
    """
    size = os.fstat(file.fileno()).st_size
    data = file.read(min(size, limit) + 1)  # a buffer of `limit` bytes for each small file would take most of the time
    if size < len(data) <= limit:  # it has no size, or grew
        data += file.read(limit + 1 - len(data))
    if len(data) > limit:
        raise UnreadableError(f"it is larger than {limit // 2**20} MiB")
    return data


def read_text_below(root: Path, path: Path) -> str:
    """Return the content of a file as text. Arguments and errors as for `read_below`.

    Raises:
        UnreadableError: also if it is not UTF-8.
    """
    try:
        return read_below(root, path).decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError("it is not text in UTF-8") from None


def read_lines_below(root: Path, path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file; skip lines that are not JSON objects or too long. A missing file has none.

    Raises:
        UnreadableError: as for `open_below`.
    """
    try:
        file = open_below(root, path)
    except FileNotFoundError:
        return
    with file:
        while line := file.readline(LINE_BYTES):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value


def names_below(root: Path, folder: Path) -> list[str]:
    """Return the sorted names in a directory below `root`, without following a link; none if it cannot be listed."""
    try:
        fd = os.open(root, os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in folder.relative_to(root).parts:
                below = _open_part(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, fd)
                os.close(fd)
                fd = below
            return sorted(os.listdir(fd))  # noqa: PTH208 a descriptor
        finally:
            os.close(fd)
    except (OSError, ValueError, UnreadableError):
        return []


def _open_part(name: str, flags: int, folder: int) -> int:
    """Open an entry of a directory.

    Raises:
        FileNotFoundError: it does not exist.
        UnreadableError: it is a link, or not what the flags demand.
    """
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        try:
            found = kind(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        except OSError:
            found = ""
        if found == "symbolic link":
            raise UnreadableError(f"{printable(name)} is a symbolic link, which is not followed") from None
        if isinstance(error, NotADirectoryError):
            raise FileNotFoundError(error.errno, error.strerror, name) from None
        raise UnreadableError(f"{printable(name)} cannot be opened ({_reason(error)})") from None


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

    Only the first of several hard links to a file is yielded. A directory that is replaced by a link after it was found
    is not listed.
    """
    seen: set[tuple[int, int]] = set()
    pending: list[tuple[Path, str, tuple[int, int] | None]] = [(directory, "", None)]
    while pending:
        folder, prefix, identity = pending.pop()
        try:
            children = _children(folder, identity)
        except OSError as error:
            yield Entry(folder, prefix.rstrip("/") or ".", reason=f"cannot be listed ({_reason(error)})", lost=True)
            continue
        below = []
        for child in children:
            path, relative, status = folder / child.name, prefix + printable(child.name), child.status
            if isinstance(status, OSError):
                yield Entry(path, relative, reason=f"cannot be read ({_reason(status)})", lost=True)
                continue
            if stat.S_ISDIR(status.st_mode):
                below.append((path, f"{relative}/", (status.st_dev, status.st_ino)))
            elif found_kind := kind(status.st_mode):
                yield Entry(path, relative, reason=f"{found_kind}, not opened")
            elif (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield Entry(path, relative, status.st_size, changed=status.st_ctime_ns)
        pending.extend(reversed(below))


class _Child(NamedTuple):
    name: str
    status: os.stat_result | OSError


def _children(folder: Path, identity: tuple[int, int] | None) -> list[_Child]:
    """Return the entries of a directory by name.

    Args:
        folder: the directory.
        identity: device and inode that it must have; None for the first one, which may be a link.

    Raises:
        OSError: it cannot be listed, or it is another one.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if identity else 0))
    try:
        opened = os.fstat(fd)
        if identity not in (None, (opened.st_dev, opened.st_ino)):
            raise OSError(errno.ESTALE, "it was replaced")
        with os.scandir(fd) as entries:
            return [
                _Child(entry.name, _status(entry)) for entry in sorted(entries, key=lambda one: os.fsencode(one.name))
            ]
    finally:
        os.close(fd)


def _status(entry: os.DirEntry[str]) -> os.stat_result | OSError:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError as error:
        return error


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
        return parse_json(_read_all(file, limit), containers)


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
