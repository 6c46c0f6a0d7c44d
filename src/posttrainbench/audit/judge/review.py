"""The copy of a run that a judge reads: text files under harmless names, read-only, bounded in number and size.

Nothing of the run itself is ever within a judge's reach. Links, pipes and devices are not copied, nor is what is no
text; each is listed with its reason, and the judge is told.
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

from posttrainbench.audit.untrusted import Entry, UnreadableError, open_regular, printable, walk
from posttrainbench.files import sha256_bytes
from posttrainbench.records import Skipped

PARTS = ("prepare/prompt.md", "solve", "submission", "audit", "prepare/kit", "workspace")
"""What is shown of a run, in the order in which room is given out: what the host recorded comes before what the agent
could fill the room with."""

ITEMS = "reference/test_items.jsonl"
"""The test items, which no agent wrote."""

OWN = ("judge", "verdict.json", "adjudications.jsonl")
"""How the names in `audit/` begin that would tell a judge what others said."""

TRAJECTORY = "solve/trajectory.json"
TRAJECTORY_BYTES = 256 * 2**20
FILE_BYTES = 16 * 2**20
TOTAL_BYTES = 2**30
FILES = 20_000
LOOKED_AT = 200_000
"""Files that are looked at; the smallest of them are copied first, as scripts are smaller than data."""

LISTED = 200
"""Files that are named among those left out."""

HEAD_BYTES = 8192
NAME_BYTES = 255


@dataclass(frozen=True)
class Review:
    """A copy of a run.

    Attributes:
        root: its directory.
        left_out: files of the run that are not in it, or not whole; of many, the first.
        lost: how many of these should have been in it and found no room; a clean run cannot be told from it then.
        files: file -> its size in bytes, as it is in the copy.
        sha256: of all names and contents, so that the same run read again is known to be the same.
    """

    root: Path
    left_out: list[Skipped]
    lost: int
    files: dict[str, int]
    sha256: str

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.files.values())


@contextmanager
def review_copy(run: Path, items: bytes = b"") -> Iterator[Review]:
    """A copy of the run directory `run`; it is deleted on leaving.

    Args:
        items: the benchmark's test items as JSONL, to compare with: `ITEMS` in the copy.
    """
    with tempfile.TemporaryDirectory(prefix="ptb-judge-") as place:
        root = Path(place, "review")
        try:
            yield _copy(run, root, items)
        finally:
            _unlock(root)


@dataclass
class _Copy:
    """A copy that is being made."""

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
        """Note a file that is not copied, or not whole."""
        self.lost += lost
        if len(self.left_out) < LISTED:
            self.left_out.append(Skipped(path=name, reason=reason))
        else:
            self.unnamed += 1

    def review(self) -> Review:
        """What came of it."""
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
            copy.leave_out(part, f"it holds more than {LOOKED_AT} files", lost=True)
        for entry in entries:
            room -= _take(copy, entry, room)
    _lock(root)
    return copy.review()


def _take(copy: _Copy, entry: Entry, room: int) -> int:
    """Copy a file, or note why not. Returns its size in the copy."""
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


def _read(entry: Entry, limit: int) -> tuple[bytes | None, str]:
    """A text file's content, or its first part; None where it is no text. And why it is not all of it."""
    with open_regular(entry.path) as file:
        if b"\0" in file.read(HEAD_BYTES):
            return None, f"no text, {entry.size} bytes"
        file.seek(0)
        data = file.read(limit)
        if file.read(1):
            return data, f"only its first {limit // 2**20} MiB of {entry.size} bytes are shown"
    return data, ""


def _lock(root: Path) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            Path(folder, name).chmod(0o444)
        Path(folder).chmod(0o555)


def _unlock(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)
    shutil.rmtree(root, ignore_errors=True)
