"""Writing files so that a crash at any moment leaves either the old content or the new, never a torn one."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def fsync_dir(path: Path) -> None:
    """Make a rename or a new entry inside directory `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_tree(path: Path) -> None:
    """Make every regular file below `path`, and the directories themselves, durable."""
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


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step: temporary name, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync_dir(path.parent)


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, for text in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: BaseModel | dict[str, Any] | list[Any]) -> None:
    """As `write_bytes`, for a record or plain JSON data, indented for people."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def append_json(path: Path, value: BaseModel | dict[str, Any]) -> None:
    """Append one line to a JSONL file and force it to disk before returning.

    A line that a crash tore is closed first, so that what follows stays readable.
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
    """Yield the objects of a JSONL file; lines that are no JSON object (torn by a crash) are passed over."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of `data`, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal, in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def next_attempt(path: Path) -> Path:
    """The first unused sibling `NAME.attempt-N` (N from 1) under which an unfinished `path` is kept."""
    stem = path.name.removesuffix(".partial")
    number = 1
    while (kept := path.with_name(f"{stem}.attempt-{number}")).exists():
        number += 1
    return kept
