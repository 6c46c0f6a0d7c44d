"""Copy a run for a judge: text files with printable names, read-only, limited in number and size.

A judge never has access to the run itself. Links, pipes, devices and binary files are not copied; each is listed with
the reason, and the judge is told.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from posttrainbench.audit.measures import JUDGE
from posttrainbench.files import sha256_bytes
from posttrainbench.records import Skipped
from posttrainbench.untrusted import Entry, UnreadableError, open_regular, printable, walk

PARTS = ("prepare/prompt.md", "solve", "submission", "audit", "prepare/kit", "workspace")
"""Parts of a run that are copied, in the order in which they may use the size limit: the host's records come before
files with which the agent could exhaust it."""

ITEMS = "reference/test_items.jsonl"
"""The test items in the copy; not written by the agent."""

OWN = ("judge", "verdict.json", "adjudications.jsonl")
"""Prefixes of files in `audit/` that are not copied: they would tell the judge what others decided."""

TRAJECTORY = "solve/trajectory.json"
TRAJECTORY_BYTES = 256 * 2**20
FILE_BYTES = 16 * 2**20
TOTAL_BYTES = 2**30
FILES = 20_000
LOOKED_AT = 200_000
"""Maximum files of a part that are considered; the smallest are copied first, because scripts are smaller than data."""

LISTED = 200
"""Maximum files listed as left out."""

SAMPLE_BYTES = 8192
BINARY_SHARE = 0.1
"""A file with a NUL is binary if more than this share of a sample is neither a NUL nor printable text."""

SCRIPTS = (".py", ".sh", ".bash", ".ipynb", ".md", ".txt", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".cfg")
"""Suffixes of files that are text whatever they contain: interpreters skip or tolerate a NUL."""

NAME_BYTES = 255


@dataclass(frozen=True)
class Review:
    """A copy of a run.

    Attributes:
        root: its directory.
        left_out: files of the run that were not copied, or only in part; at most `LISTED` and a count of the rest.
        lost: number of these that a judge would need to decide that the run is clean.
        files: file -> size of the copy in bytes.
        sha256: hash of all names and contents, which identifies the reviewed material.
    """

    root: Path
    left_out: list[Skipped]
    lost: int
    files: dict[str, int]
    sha256: str

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return sum(self.files.values())


@contextmanager
def review_copy(run: Path, items: bytes = b"") -> Iterator[Review]:
    """Copy the run directory `run`; the copy is deleted when the context exits.

    Args:
        run: the run directory.
        items: the benchmark's test items as JSONL, for comparison; stored as `ITEMS`.
    """
    with tempfile.TemporaryDirectory(prefix="ptb-judge-") as place:
        root = Path(place, "review")
        try:
            yield _copy(run, root, items)
        finally:
            _unlock(root)


@dataclass
class _Copy:
    """A copy in progress."""

    root: Path
    files: dict[str, int] = field(default_factory=dict)
    hashes: list[str] = field(default_factory=list)
    left_out: list[Skipped] = field(default_factory=list)
    unnamed: int = 0
    lost: int = 0

    def add(self, name: str, data: bytes) -> None:
        """Write a file."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        self.files[name] = len(data)
        self.hashes.append(f"{name} {sha256_bytes(data)}")

    def leave_out(self, name: str, reason: str, lost: bool = False) -> None:
        """Record a file that is not copied, or only in part."""
        self.lost += lost
        if len(self.left_out) < LISTED:
            self.left_out.append(Skipped(path=name, reason=reason))
        else:
            self.unnamed += 1

    def review(self) -> Review:
        """Return the finished copy."""
        more = [Skipped(path=".", reason=f"{self.unnamed} more files")] if self.unnamed else []
        listed = self.left_out + more
        whole = "\n".join([*sorted(self.hashes), *sorted(json.dumps([one.path, one.reason]) for one in listed)])
        return Review(self.root, listed, self.lost, self.files, sha256_bytes(whole.encode()))


def _copy(run: Path, root: Path, items: bytes) -> Review:
    copy = _Copy(root)
    copy.add(ITEMS, items)
    room = TOTAL_BYTES
    for part in PARTS:
        found = _entries(run, part)
        entries = sorted(islice(found, LOOKED_AT), key=lambda entry: (entry.size, entry.relative))
        if next(found, None) is not None:
            copy.leave_out(part, f"it contains more than {LOOKED_AT} files", lost=True)
        for entry in entries:
            room -= _take(copy, entry, room)
    _lock(root)
    return copy.review()


def _take(copy: _Copy, entry: Entry, room: int) -> int:
    """Copy a file or record why it is left out. Returns its size in the copy."""
    name = entry.relative
    limit = TRAJECTORY_BYTES if name == TRAJECTORY else FILE_BYTES
    if entry.reason:
        copy.leave_out(name, entry.reason, entry.lost)
    elif len(copy.files) >= FILES:
        copy.leave_out(name, f"more than {FILES} files", lost=True)
    elif min(entry.size, limit) > room:
        copy.leave_out(name, f"more than {TOTAL_BYTES // 2**20} MiB in all", lost=True)
    elif name in copy.files or any(len(part.encode()) > NAME_BYTES for part in name.split("/")):
        copy.leave_out(name, "its name cannot be copied", lost=True)
    else:
        try:
            data, reason = _read(entry, limit)
            if data is not None:
                data = _without_judge(name, data)
                copy.add(name, data)
        except (UnreadableError, OSError) as error:
            copy.leave_out(name, printable(str(error)), lost=True)
            return 0
        if reason:
            copy.leave_out(name, reason, lost=name == TRAJECTORY)
        return len(data or b"")
    return 0


def _entries(run: Path, part: str) -> Iterator[Entry]:
    path = run / part
    if path.is_dir() and not path.is_symlink():
        for entry in walk(path):
            if part != "audit" or not entry.relative.startswith(OWN):
                yield Entry(entry.path, f"{part}/{entry.relative}", entry.size, entry.reason, entry.lost)
    elif path.is_file() and not path.is_symlink():
        yield Entry(path, part, path.stat().st_size)


def _without_judge(name: str, data: bytes) -> bytes:
    """Return the content of a file without the findings and the coverage of an earlier judge."""
    if name == "audit/findings.jsonl":
        lines = data.decode("utf-8", "replace").split("\n")
        return "\n".join(line for line in lines if not _by_judge(_parsed(line))).encode()
    if name == "audit/coverage.json" and isinstance(entries := _parsed(data.decode("utf-8", "replace")), list):
        return json.dumps([entry for entry in entries if not _by_judge(entry)], indent=2).encode()
    return data


def _by_judge(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("detector") == JUDGE


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read(entry: Entry, limit: int) -> tuple[bytes | None, str]:
    """Return a text file's content up to `limit` bytes, None if it is binary, and why it is incomplete, or ""."""
    with open_regular(entry.path) as file:
        if _is_binary(file, entry):
            return None, f"not a text file, {entry.size} bytes"
        file.seek(0)
        data = file.read(limit)
        if file.read(1):
            return data, f"cut after {limit // 2**20} MiB of {entry.size} bytes"
    return data, ""


def _is_binary(file: BinaryIO, entry: Entry) -> bool:
    """Return whether a file is not text, from samples of its beginning, middle and end."""
    samples = []
    for place in (0, entry.size // 2, max(0, entry.size - SAMPLE_BYTES)):
        file.seek(place)
        samples.append(file.read(SAMPLE_BYTES))
    if b"\0" not in samples[0] or samples[0].startswith(b"#!") or entry.relative.lower().endswith(SCRIPTS):
        return False
    return any(_is_noise(sample) for sample in samples)


def _is_noise(sample: bytes) -> bool:
    """Return whether a sample without its NULs is empty or contains much that is not printable UTF-8."""
    text = sample.replace(b"\0", b"").decode("utf-8", "replace")
    odd = sum(not (c.isprintable() or c.isspace()) or c == "\ufffd" for c in text)
    return not text or odd > BINARY_SHARE * len(text)


def _lock(root: Path) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            Path(folder, name).chmod(0o444)
        Path(folder).chmod(0o555)


def _unlock(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)
    shutil.rmtree(root, ignore_errors=True)
