"""The record: one JSON object a line, limited in size, and copies of small files that the run wrote.

A record that ends without the line `end` is incomplete: the recorder died. `limit` states that events are missing
because the record was full.
"""

import json
import os
import stat
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

NAME, COPIES = "provenance.jsonl", "provenance-copies"
RECORD_BYTES = 256 * 2**20
"""Size at which the record is full."""
FREE_BYTES, PROCESS_BYTES, BYTES_PER_SECOND = 32 * 2**20, 2**20, 512 * 2**10
"""A process that has caused more than `PROCESS_BYTES` of the record waits while the record is larger than `FREE_BYTES`
plus what `BYTES_PER_SECOND` allows since the start."""
COPY_BYTES, COPIES_BYTES = 256 * 2**10, 64 * 2**20
"""Size up to which a file is copied, and of all copies together."""
FLUSH_SECONDS, BUFFER_BYTES = 0.5, 2**16


def clock() -> float:
    """Return the seconds since boot, including suspended time; the kernel gives start times by the same clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def epoch() -> float:
    """Return the time of day at boot."""
    return time.time() - clock()


class Record:
    """Writes the record.

    Attributes:
        counts: operation -> number of events.
        full: True if nothing but the end is recorded any more.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.counts: dict[str, int] = defaultdict(int)
        self._file = (directory / NAME).open("xb", buffering=0)
        (directory / COPIES).mkdir()
        self._copies = os.open(directory / COPIES, os.O_PATH | os.O_DIRECTORY)
        self._began = self._flushed = clock()
        self._bytes = self._copied_bytes = 0
        self._bytes_of: dict[str, int] = defaultdict(int)
        self.full = self._copies_full = False
        self._pending = bytearray()
        self._known_copies: dict[tuple[int, ...], str] = {}
        self._names: set[str] = set()

    def write(self, operation: str, process: str = "", /, **fields: Any) -> None:
        """Append an event."""
        if self.full:
            return
        now = clock()
        self._append(now, {"op": operation, **({"p": process} if process else {}), **fields}, process)
        if self._bytes > RECORD_BYTES:
            self._end_early("its size")
        elif len(self._pending) > BUFFER_BYTES or now - self._flushed > FLUSH_SECONDS:
            self.flush()

    def _append(self, now: float, event: dict[str, Any], process: str = "") -> None:
        line = json.dumps({"t": round(now, 6), **event}, separators=(",", ":")).encode() + b"\n"
        self.counts[event["op"]] += 1
        self._pending += line
        self._bytes += len(line)
        self._bytes_of[process] += len(line)

    def _end_early(self, why: str) -> None:
        """Write that events are missing from here on."""
        self._append(clock(), {"op": "limit", "why": why, "bytes": self._bytes})
        self.full = True
        self.flush()

    def delay(self, process: str) -> float:
        """Return the seconds for which the calls of a process that floods the record must wait."""
        if self.full or self._bytes_of.get(process, 0) < PROCESS_BYTES:
            return 0.0
        excess = self._bytes - FREE_BYTES - BYTES_PER_SECOND * (clock() - self._began)
        return min(1.0, excess / BYTES_PER_SECOND) if excess > 0 else 0.0

    def flush(self) -> None:
        """Hand everything written so far to the kernel. On a full disk, what fits is kept and the record ends early."""
        self._flushed = clock()
        try:
            while self._pending:
                del self._pending[: self._file.write(self._pending)]
        except OSError as error:
            if not self.full:
                self._end_early(error.strerror or "an error of the disk")

    def copy(self, descriptor: int) -> str | None:
        """Copy a small regular file. Return the name of the copy (its SHA-256), or None if there is none.

        Args:
            descriptor: descriptor of the file, possibly only a handle to its path.
        """
        status = os.stat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= COPY_BYTES:
            return None
        key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        if key in self._known_copies:
            return self._known_copies[key]
        if self._copies_full:
            return None
        try:
            source = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(source, "rb") as file:
            content = file.read(COPY_BYTES)
        import hashlib  # late, since it delays the start

        name = hashlib.sha256(content).hexdigest()
        if name not in self._names and not self._store(name, content):
            self._copies_full = True
            self.write("copies-limit", bytes=self._copied_bytes)
            return None
        self._known_copies[key] = name
        return name

    def _store(self, name: str, content: bytes) -> bool:
        """Write a copy. Return False if there is no room for it."""
        if self._copied_bytes + len(content) > COPIES_BYTES:
            return False
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(name, flags, 0o600, dir_fd=self._copies), "wb") as file:
                file.write(content)
        except OSError:
            return False
        self._names.add(name)
        self._copied_bytes += len(content)
        return True

    def close(self, **facts: Any) -> None:
        """Write the line `end` and close the record.

        Raises:
            OSError: the disk is full.
        """
        self._append(clock(), {"op": "end", "epoch": epoch(), "counts": dict(self.counts), **facts})
        while self._pending:
            del self._pending[: self._file.write(self._pending)]
        self._file.close()
