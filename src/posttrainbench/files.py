"""Crash-safe file writing: a crash leaves the old or the new content. Also checks of paths that users give."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from posttrainbench.errors import InputError


def fsync_dir(path: Path) -> None:
    """Flush a directory to disk, which makes renames and new entries in it durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_tree(path: Path) -> None:
    """Flush all regular files and directories below `path` to disk."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink():
                fd = os.open(file, os.O_RDONLY)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
        fsync_dir(Path(folder))


def close_to_others(directory: Path) -> None:
    """Deny all other users access to a directory and to everything below it, whatever the modes of its files."""
    directory.chmod(0o700)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the content of `path` atomically: write a temporary file, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_dir(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace the content of `path` atomically by text in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: BaseModel | dict[str, Any] | list[Any]) -> None:
    """Replace the content of `path` atomically by indented JSON."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def append_json(path: Path, value: BaseModel | dict[str, Any]) -> None:
    """Append one line to a JSONL file and flush it to disk before returning.

    If a crash left an incomplete last line, that line is terminated first, so that the new one stays readable.
    """
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    line = json.dumps(data, ensure_ascii=False).encode() + b"\n"
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file. Skip lines that are not JSON objects, such as a line cut by a crash."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, using constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def next_attempt(path: Path) -> Path:
    """Return the first unused sibling `NAME.attempt-N`, N from 1, where NAME is that of `path` without `.partial`."""
    stem = path.name.removesuffix(".partial")
    number = 1
    while (attempt := path.with_name(f"{stem}.attempt-{number}")).exists():
        number += 1
    return attempt


def require_existing(path: Path, expected: str) -> None:
    """Check that a path which the user gave exists.

    Args:
        expected: what the user should give, such as `the directory of a run`.

    Raises:
        InputError: it does not exist.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; give {expected}.")


def require_writable(directory: Path, option: str) -> None:
    """Check that a directory in which a command is to write exists or can be made, and can be written.

    Args:
        option: of the command, such as `--out`.

    Raises:
        InputError: it cannot.
    """
    place = directory.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise InputError(f"{place} is not a directory; choose another place with {option}.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{place} is not writable; choose a place in another directory with {option}.")


def require_no_file(path: Path, option: str) -> None:
    """Check that a directory which a command is to write is not an existing file.

    Args:
        option: of the command, such as `--out`.

    Raises:
        InputError: it is.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; give the path of a new or empty directory with {option}.")


def require_directory(path: Path, expected: str) -> None:
    """Check that a path which the user gave is a directory. Arguments as for `require_existing`.

    Raises:
        InputError: it does not exist, or it is not a directory.
    """
    require_existing(path, expected)
    if not path.is_dir():
        raise InputError(f"{path} is not a directory; give {expected}.")
