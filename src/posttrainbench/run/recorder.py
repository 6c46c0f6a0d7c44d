"""Stream the agent's output to `output.jsonl`, with secrets redacted."""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

from posttrainbench.redaction import Redactor
from posttrainbench.run.progress import ProgressListener

LINE_BYTES = 4 * 2**20
"""Longer lines are recorded in pieces."""
CUT_BYTES = 4096
"""Size of the tail of a piece that is searched for a character that no secret contains; the piece is cut there."""

TAIL_LINES = 20
TAIL_LINE_LENGTH = 500

SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")

Stream = Literal["stdout", "stderr", "prompt"]


def clock() -> float:
    """Return the seconds since boot, including suspended time. `timer.sh` reads the same clock from `/proc/uptime`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def host_secrets(environment: Mapping[str, str]) -> list[str]:
    """Return the values of the variables whose names mark them as secret."""
    return [value for name, value in environment.items() if name.upper().endswith(SECRET_NAMES)]


class Recorder:
    """Writer of `output.jsonl`.

    Attributes:
        recorded, dropped: bytes recorded, and bytes beyond the limit.
        failure: the error that stopped the recording, such as a full disk.
    """

    def __init__(self, path: Path, listener: ProgressListener, redactor: Redactor, limit: int) -> None:
        """Open the file. Output beyond `limit` bytes is counted and dropped."""
        self.file = path.open("wb", buffering=0)
        self.listener = listener
        self.redactor = redactor
        self.limit = limit
        self.started = clock()
        self.lock = threading.Lock()
        self.recorded = 0
        self.dropped = 0
        self.readers: list[threading.Thread] = []
        self.failure: OSError | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def follow(self, stream: BinaryIO, name: Stream) -> None:
        """Read a pipe to its end in a thread."""
        thread = threading.Thread(target=self._read, args=(stream, name), daemon=True)
        thread.start()
        self.readers.append(thread)

    def prompt(self, text: str) -> None:
        """Record a prompt that the host sends to the agent after the first one."""
        self._write("prompt", self.redactor.line(text), more=False)

    def tail(self) -> str:
        """Return the ends of the last lines that the agent printed, redacted."""
        with self.lock:
            return "\n".join(self._tail)

    def check(self) -> None:
        """Raise the error that stopped the recording, if any.

        Raises:
            OSError: the disk is full or broken.
        """
        if self.failure is not None:
            raise self.failure

    def join(self) -> None:
        """Wait until all pipes are read to their ends. Every writer must be dead."""
        for reader in self.readers:
            reader.join()
        self.readers.clear()

    def close(self) -> None:
        """Join the readers and flush the file to disk."""
        self.join()
        with self.lock, self.file:
            if self.failure is None:
                os.fsync(self.file.fileno())

    def _read(self, stream: BinaryIO, name: Stream) -> None:
        for piece, more in _pieces(stream):
            with self.lock:
                fits = self.recorded + len(piece) <= self.limit
                self.recorded += len(piece) if fits else 0
                self.dropped += 0 if fits else len(piece)
            if fits:
                line = self.redactor.line(piece.decode(errors="replace").rstrip("\n"))
                self._write(name, line, more)
                self.listener.on_agent_output(line)

    def _write(self, name: Stream, line: str, more: bool) -> None:
        with self.lock:
            if name != "prompt" and line.strip():
                self._tail.append(line[-TAIL_LINE_LENGTH:])
            entry = {"t": round(clock() - self.started, 3), "stream": name, "line": line}
            entry |= {"more": True} if more else {}
            try:
                if self.failure is None:
                    self.file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            except OSError as error:  # keep draining the pipe, so that the agent can be stopped cleanly
                self.failure = error


def _pieces(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Yield the lines of a pipe as (bytes, True if the line continues). Long lines are cut outside of any secret."""
    rest = b""
    while chunk := stream.readline(LINE_BYTES):
        piece = rest + chunk
        if chunk.endswith(b"\n") or len(chunk) < LINE_BYTES:
            yield piece, False
            rest = b""
            continue
        cut = _cut_position(piece)
        yield piece[:cut], True
        rest = piece[cut:]
    if rest:
        yield rest, False


def _cut_position(piece: bytes) -> int:
    """Return the position behind the last byte that no secret contains; the end of the piece if there is none."""
    tail = piece[-CUT_BYTES:]
    position = max((tail.rfind(character) for character in (b" ", b'"', b",", b"\\")), default=-1)
    return len(piece) - len(tail) + position + 1 if position >= 0 else len(piece)
