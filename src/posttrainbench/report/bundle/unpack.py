"""Read a bundle, which is hostile input.

The archive is read as a stream. Anything but regular files with plain relative names is refused: links, devices, paths
that lead out. Every size is limited before it is read. Only the files that the checks use are written to disk, into a
private directory; all others are hashed and dropped. JSON is parsed once with limits before anything else reads it.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, cast

import zstandard
from pydantic import ValidationError

from posttrainbench.errors import InputError, one_line
from posttrainbench.records import BundleManifest
from posttrainbench.report.bundle.limits import MANIFEST, MAX_MANIFEST, MAX_NAME, MAX_TOTAL
from posttrainbench.untrusted import UnreadableError, open_regular, parse_json, printable

BLOCK = tarfile.BLOCKSIZE
PIECE = 2**20
MAX_WINDOW = 2**27
"""Memory of the decompressor."""
MAX_JSON = 2**26
MAX_LINES = 2**28
"""Bytes of a JSONL file that is read line by line."""
MAX_CONTAINERS = 2**20
MAX_KEPT = 2**31
"""Bytes of all files that are written to disk."""
MAX_PADDING = 2**16
LONG_NAME = b"L"
"""Type of the entry that contains a long name of the next one, in GNU's format."""
KEPT = re.compile(
    r"leaderboard\.json|experiment\.yaml"
    r"|[^/]+/(run\.json|result\.json|changes\.jsonl|submission/manifest\.json|prepare/kit\.json|prepare/prompt\.md"
    r"|audit/[^/]+\.jsonl?|evaluate/[^/]+\.jsonl?|off_target/[^/]+(\.json|/metrics\.json|/items\.jsonl)"
    r"|solve[^/]*/(outcome\.json|usage\.jsonl|output\.jsonl|process\.jsonl))"
)
"""Files that the checks read."""
STREAMED = re.compile(r".*/(items|usage|output|process)\.jsonl")
"""Those of them that are read line by line."""


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass
class Unpacked:
    """A bundle whose files were hashed.

    Attributes:
        root: directory with the files that the checks use, laid out as in an experiment.
        sha256: of the bundle.
        files: path -> (SHA-256, size) of every file that the bundle contains.
        unusable: path -> why a file that the checks use was not written to `root`.
    """

    root: Path
    manifest: BundleManifest
    sha256: str
    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)


def unpack(bundle: Path, root: Path) -> Unpacked:
    """Read a bundle.

    Args:
        bundle: the file.
        root: an empty, private directory.

    Raises:
        InputError: it is not a bundle, is damaged or cut off, or contains what `ptb export` never writes.
    """
    try:
        with open_regular(bundle) as file:
            source = _Hashed(file)
            reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(
                cast("IO[bytes]", source), read_across_frames=True, closefd=False
            )
            try:
                return _unpack(reader, source, root)
            except zstandard.ZstdError as error:
                raise _DamagedError(f"it is not compressed as a bundle is ({one_line(error).rstrip('.')})") from None
    except UnreadableError as error:
        raise InputError(f"{printable(bundle)} cannot be read: {error}; give a file that `ptb export` wrote.") from None
    except _DamagedError as error:
        raise InputError(
            f"{printable(bundle)} is not an intact bundle: {error}; get it again, or export the runs again."
        ) from None


class _DamagedError(Exception):
    """The file is not a bundle. The message says why, and is printable."""


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self.file.read(size)
        self.digest.update(data)
        return data


def _unpack(reader: _Reader, source: _Hashed, root: Path) -> Unpacked:
    first = _next_member(reader)
    if first is None or first[0] != MANIFEST:
        raise _DamagedError(f"its first file is not {MANIFEST}")
    manifest = _manifest(_whole(reader, first[1], MAX_MANIFEST))
    _skip_padding(reader, first[1])
    unpacked = Unpacked(root, manifest, "")
    left = sum(file.size for file in manifest.files.values())
    if left > MAX_TOTAL:
        raise _DamagedError(f"it announces {left // 2**30} GiB of files, and {MAX_TOTAL // 2**30} are possible")
    left += PIECE  # files may differ from the list, which a check reports
    kept = MAX_KEPT
    while (member := _next_member(reader)) is not None:
        name, size = member
        left -= size
        if left < 0:
            raise _DamagedError("it contains more data than its list of files announces")
        if name in unpacked.files or name == MANIFEST:
            raise _DamagedError(f"it contains {name} twice")
        if KEPT.fullmatch(name):
            kept -= size
            if kept < 0:
                raise _DamagedError(f"its records are larger than {MAX_KEPT // 2**30} GiB")
            unpacked.files[name] = (_keep(reader, name, size, unpacked), size)
        else:
            unpacked.files[name] = (_read(reader, size, lambda data: None), size)
    rest = reader.read(MAX_PADDING)
    if rest.strip(b"\0") or len(rest) == MAX_PADDING or reader.read(1):
        raise _DamagedError("data follows its last file")
    while source.read(PIECE):
        pass
    unpacked.sha256 = source.digest.hexdigest()
    return unpacked


def _manifest(data: bytes) -> BundleManifest:
    try:
        value = parse_json(data, MAX_CONTAINERS)
        if isinstance(value, dict) and value.get("format") != 1:
            raise _DamagedError("its format is not 1, the only one that this version knows")
        return BundleManifest.model_validate(value)
    except UnreadableError as error:
        raise _DamagedError(f"{MANIFEST} cannot be read: {error}") from None
    except ValidationError as error:
        raise _DamagedError(f"{MANIFEST} is not valid ({printable(one_line(error)).rstrip('.')})") from None


def _next_member(reader: _Reader) -> tuple[str, int] | None:
    """Return name and size of the next file; None at the end of the archive."""
    long_name: bytes | None = None
    while True:
        block = _whole(reader, BLOCK, BLOCK)
        if not block.strip(b"\0"):
            return None
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            raise _DamagedError("one of its headers is not valid") from None
        if member.size < 0:
            raise _DamagedError("one of its files has a negative size")
        if member.type == LONG_NAME and long_name is None:
            long_name = _whole(reader, member.size, MAX_NAME)
            _skip_padding(reader, member.size)
            continue
        if member.type != tarfile.REGTYPE:
            raise _DamagedError("it contains something that is not a regular file, such as a link or a device")
        name = member.name if long_name is None else _decode(long_name.removesuffix(b"\0"))
        _require_plain(name)
        return name, member.size


def _decode(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise _DamagedError("one of its names is not UTF-8") from None


def _require_plain(name: str) -> None:
    parts = name.split("/")
    if printable(name) != name or any(part in ("", ".", "..") or len(part.encode()) > MAX_NAME for part in parts):
        raise _DamagedError(f"the name `{printable(name)[:200]}` is not a plain relative path")


def _read(reader: _Reader, size: int, use: Callable[[bytes], object]) -> str:
    """Read a file of the archive in pieces, and return its SHA-256."""
    digest, left = hashlib.sha256(), size
    while left:
        data = reader.read(min(left, PIECE))
        if not data:
            raise _DamagedError("it is cut off")
        digest.update(data)
        use(data)
        left -= len(data)
    _skip_padding(reader, size)
    return digest.hexdigest()


def _whole(reader: _Reader, size: int, limit: int) -> bytes:
    if size > limit:
        raise _DamagedError(f"a part of it is larger than {limit} bytes")
    pieces, left = [], size
    while left:
        data = reader.read(min(left, PIECE))
        if not data:
            raise _DamagedError("it is cut off")
        pieces.append(data)
        left -= len(data)
    return b"".join(pieces)


def _skip_padding(reader: _Reader, size: int) -> None:
    _whole(reader, -size % BLOCK, BLOCK)


def _keep(reader: _Reader, name: str, size: int, unpacked: Unpacked) -> str:
    """Write a file to disk if it is within the limits and its JSON is valid, and return its SHA-256."""
    streamed = STREAMED.fullmatch(name) is not None
    if size > (MAX_LINES if streamed else MAX_JSON):
        unpacked.unusable[name] = f"it is too large to be read ({size // 2**20} MiB)"
        return _read(reader, size, lambda data: None)
    path = unpacked.root / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    except OSError as error:
        raise _DamagedError(f"{name} cannot be unpacked ({error.strerror})") from None
    with file:
        digest = _read(reader, size, file.write)
    if not streamed and (problem := _problem(path)):
        unpacked.unusable[name] = problem
        path.unlink()
    return digest


def _problem(path: Path) -> str:
    """Return why a file that is parsed as a whole is not acceptable; "" if it is."""
    data = path.read_bytes()
    parts = data.split(b"\n") if path.suffix == ".jsonl" else [data] if path.suffix == ".json" else []
    if data.count(b"[") + data.count(b"{") > MAX_CONTAINERS:
        return f"it contains more than {MAX_CONTAINERS} objects and arrays"
    try:
        for part in filter(None, parts):
            parse_json(part)
        data.decode()
    except UnreadableError as error:
        return str(error)
    except UnicodeDecodeError:
        return "it is not UTF-8"
    return ""
