"""Writes down what the agent prints, as it arrives, without keys."""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

from posttrainbench.gateway.redact import Redactor
from posttrainbench.run.watch import Watch

LINE_BYTES = 4 * 2**20
"""Longer lines are recorded in pieces."""
CUT_BYTES = 4096
"""How far before its end a piece is cut, to find a place that cannot be in the middle of a key."""

SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")

Stream = Literal["stdout", "stderr", "prompt"]


def clock() -> float:
    """Seconds since boot, suspended time included; `timer.sh` reads the same clock in `/proc/uptime`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def host_keys(environment: Mapping[str, str]) -> list[str]:
    """The values of an environment that must never be recorded, by their variables' names."""
    return [value for name, value in environment.items() if name.upper().endswith(SECRET_NAMES)]


class Recorder:
    """Writes `output.jsonl`, line by line."""

    def __init__(self, path: Path, watch: Watch, redactor: Redactor, limit: int) -> None:
        """Output beyond `limit` bytes is counted and dropped."""
        self.file = path.open("wb", buffering=0)
        self.watch = watch
        self.redactor = redactor
        self.limit = limit
        self.started = clock()
        self.lock = threading.Lock()
        self.kept = 0
        self.dropped = 0
        self.readers: list[threading.Thread] = []
        self.failure: OSError | None = None

    def follow(self, stream: BinaryIO, name: Stream) -> None:
        """Read a pipe to its end in a thread."""
        thread = threading.Thread(target=self._read, args=(stream, name), daemon=True)
        thread.start()
        self.readers.append(thread)

    def prompt(self, text: str) -> None:
        """Note what the host tells the agent on its way."""
        self._write("prompt", self.redactor.line(text), more=False)

    def check(self) -> None:
        """Whether all could be written down so far.

        Raises:
            OSError: the disk is full, or broken.
        """
        if self.failure is not None:
            raise self.failure

    def settle(self) -> None:
        """Wait for the ends of the pipes. Every writer must be dead."""
        for reader in self.readers:
            reader.join()
        self.readers.clear()

    def close(self) -> None:
        """As `settle`, and make what has been recorded durable."""
        self.settle()
        with self.lock, self.file:
            if self.failure is None:
                os.fsync(self.file.fileno())

    def _read(self, stream: BinaryIO, name: Stream) -> None:
        for piece, more in _pieces(stream):
            with self.lock:
                kept = self.kept + len(piece) <= self.limit
                self.kept += len(piece) if kept else 0
                self.dropped += 0 if kept else len(piece)
            if kept:
                line = self.redactor.line(piece.decode(errors="replace").rstrip("\n"))
                self._write(name, line, more)
                self.watch.agent(line)

    def _write(self, name: Stream, line: str, more: bool) -> None:
        with self.lock:
            entry = {"t": round(clock() - self.started, 3), "stream": name, "line": line}
            entry |= {"more": True} if more else {}
            try:
                if self.failure is None:
                    self.file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            except OSError as error:  # the pipe is read on, so that the agent can be ended in order
                self.failure = error


def _pieces(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """The lines of a pipe, as (bytes, whether the line goes on): long ones are cut where no key can be."""
    rest = b""
    while chunk := stream.readline(LINE_BYTES):
        piece = rest + chunk
        if chunk.endswith(b"\n") or len(chunk) < LINE_BYTES:
            yield piece, False
            rest = b""
            continue
        cut = _cut(piece)
        yield piece[:cut], True
        rest = piece[cut:]
    if rest:
        yield rest, False


def _cut(piece: bytes) -> int:
    """Where to cut: behind the last byte that no key contains."""
    tail = piece[-CUT_BYTES:]
    place = max((tail.rfind(sign) for sign in (b" ", b'"', b",", b"\\")), default=-1)
    return len(piece) - len(tail) + place + 1 if place >= 0 else len(piece)
