"""Decide what a bundle contains, and redact secrets.

Text is searched for secrets line by line and included. Evaluation logs, which are archives, are searched and included
unless they contain a secret. Anything else that is not text, such as weights, caches and pickles, is left out and only
named with its hash, because secrets in it cannot be found.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

from posttrainbench.redaction import Redactor
from posttrainbench.untrusted import Entry, UnreadableError, kind, open_below, printable, walk

WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".npz", ".npy", ".h5", ".onnx", ".msgpack"}
LOG = re.compile(r"[^/]+/(evaluate[^/]*|off_target/[^/]+)/logs/[^/]+\.eval")
"""Evaluation logs, which the host wrote."""
LOCK = "lock"
MAX_LINE = 2**24
MAX_LOG = 2**33
"""Bytes that an evaluation log may unpack to."""
NOT_TEXT = "it is not text, so that secrets in it cannot be found"


class _UnsearchableError(Exception):
    """A file cannot be searched for secrets. The message is the reason."""


@dataclass(frozen=True)
class Content:
    """A file of a bundle, or one that is left out.

    Attributes:
        name: path in the bundle.
        folder: the directory of the run or the experiment.
        path: the file, in `folder`.
        size, sha256: of the file in the bundle, or of the file that is left out; 0 and "" if it cannot be read.
        redacted: number of lines with secrets.
        withheld: reason to leave it out; "" for a file of the bundle.
        weights: True for weights that are left out.
    """

    name: str
    folder: Path
    path: Path
    size: int = 0
    sha256: str = ""
    redacted: int = 0
    withheld: str = ""
    weights: bool = False


def redactor(secrets: Iterable[str]) -> Redactor:
    """Return a redactor that also finds the single lines of secrets, and secrets in JSON."""
    lines = {line for secret in secrets for line in (secret, *secret.splitlines())}
    return Redactor([*lines, *(json.dumps(line)[1:-1] for line in lines)])


def contents(folders: Iterable[tuple[Path, str, int]], secrets: Redactor) -> list[Content]:
    """Read all files that belong to a bundle, and return them by name.

    Args:
        folders: (directory, its path in the bundle, number of levels of directories in which every directory is read by
            itself: hard links between them are separate files).
        secrets: finds the secrets.
    """
    found: dict[str, Content] = {}
    for folder, prefix, levels in folders:
        for entry in _entries(folder, prefix, levels):
            name = secrets.line(entry.relative)
            number = 2
            while name in found:  # names with different undecodable characters, or with different secrets
                name, number = f"{secrets.line(entry.relative)} ({number})", number + 1
            found[name] = _content(folder, entry, name, secrets)
    return [found[name] for name in sorted(found)]


def write_content(content: Content, secrets: Redactor, file: IO[bytes]) -> None:
    """Write the bytes of a file of the bundle.

    Raises:
        FileNotFoundError: the file has disappeared.
        UnreadableError: it is not text anymore.
    """
    with open_below(content.folder, content.path) as source:
        if not content.redacted:
            while data := source.read(2**20):
                file.write(data)
            return
        try:
            for line, _ in _redacted_lines(source, secrets):
                file.write(line)
        except _UnsearchableError as error:
            raise UnreadableError(str(error)) from None


def _entries(folder: Path, prefix: str, levels: int) -> Iterator[Entry]:
    with os.scandir(folder) as found:
        children = sorted(found, key=lambda child: os.fsencode(child.name))
    for child in children:
        path, name = Path(child.path), f"{prefix}{printable(child.name)}"
        status = child.stat(follow_symlinks=False)
        file_kind = kind(status.st_mode)
        if file_kind == "directory" and levels:
            yield from _entries(path, f"{name}/", levels - 1)
        elif file_kind == "directory":
            for entry in walk(path):
                yield replace(entry, relative=f"{name}/{entry.relative}")
        elif child.name != LOCK:
            yield Entry(path, name, status.st_size, f"{file_kind}, not opened" if file_kind else "")


def _content(folder: Path, entry: Entry, name: str, secrets: Redactor) -> Content:
    whole = partial(Content, name, folder, entry.path)
    if entry.reason:
        return whole(withheld=entry.reason)
    try:
        with open_below(folder, entry.path) as file:
            try:
                if LOG.fullmatch(entry.relative):
                    _search_log(file, secrets)
                    return whole(entry.size, _digest(file))
                return whole(*_search_text(file, secrets))
            except _UnsearchableError as error:
                weights = entry.path.suffix.lower() in WEIGHTS
                reason = "it contains weights" if weights else str(error)
                return whole(entry.size, _digest(file), withheld=reason, weights=weights)
    except FileNotFoundError:
        return whole(withheld="it disappeared during the export")
    except UnreadableError as error:
        return whole(withheld=str(error))


def _digest(file: IO[bytes]) -> str:
    """Return the hash of a whole file."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _search_text(file: IO[bytes], secrets: Redactor) -> tuple[int, str, int]:
    """Return size and hash of the redacted text, and the number of lines with secrets."""
    digest, size, redacted = hashlib.sha256(), 0, 0
    for line, changed in _redacted_lines(file, secrets):
        digest.update(line)
        size += len(line)
        redacted += changed
    return size, digest.hexdigest(), redacted


def _redacted_lines(file: IO[bytes], secrets: Redactor) -> Iterator[tuple[bytes, bool]]:
    """Yield each line without secrets, and whether it had any."""
    while data := file.readline(MAX_LINE + 1):
        if len(data) > MAX_LINE:
            raise _UnsearchableError(f"it has a line of more than {MAX_LINE // 2**20} MiB")
        if b"\0" in data:
            raise _UnsearchableError(NOT_TEXT)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise _UnsearchableError(NOT_TEXT) from None
        clean = secrets.line(text)
        yield (data, False) if clean == text else (clean.encode(), True)


def _search_log(file: IO[bytes], secrets: Redactor) -> None:
    """Check that an evaluation log contains no secret.

    Raises:
        _UnsearchableError: it does, or cannot be read.
    """
    with suppress(ImportError):
        import zipfile_zstd  # noqa: F401  teaches `zipfile` the compression of Inspect's logs
    left = MAX_LOG
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                with archive.open(member) as source:
                    for line, changed in _redacted_lines(source, secrets):
                        left -= len(line)
                        if changed:
                            raise _UnsearchableError("it is an archive that contains a secret")
                        if left < 0:
                            raise _UnsearchableError("it is an archive that unpacks to too much data")
    except _UnsearchableError:
        raise
    except Exception:  # the libraries raise many kinds of errors for a damaged archive
        raise _UnsearchableError("it is an archive that cannot be searched for secrets") from None
