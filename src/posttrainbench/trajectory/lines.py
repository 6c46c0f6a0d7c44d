"""Read the recorded output (`solve/output.jsonl`) in constant memory, also while it is being written.

No data is lost: a line that a crash truncated is returned as text of the stream `torn`.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

JOINED_BYTES = 32 * 2**20
"""A longer line stays in pieces."""
POLL_SECONDS = 0.2


class Line(msgspec.Struct, omit_defaults=True):
    """One line of output.

    Attributes:
        t: seconds since the agent's start.
        stream: `stdout`, `stderr`, `prompt` (a later prompt by the host) or `torn`.
        line: the text.
        more: True if the line continues in the stream's next entry; False for joined lines.
    """

    t: float
    stream: str
    line: str
    more: bool = False


_DECODER = msgspec.json.Decoder(Line)


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of an `output.jsonl`; nothing if the file does not exist."""
    if path.exists():
        with path.open("rb") as file:
            for line in _joined(file):
                if line is not None:
                    yield line


def follow_lines(path: Path, ended: Callable[[], bool]) -> Iterator[Line | None]:
    """Yield the lines of a growing `output.jsonl`, and None whenever no new line has arrived.

    Args:
        path: the file.
        ended: returns True once the file is complete.
    """
    return _joined(_tail(path, ended))


def _tail(path: Path, ended: Callable[[], bool]) -> Iterator[bytes | None]:
    rest = b""
    with path.open("rb") as file:
        while True:
            last = ended()  # before reading, so that everything written before the end is read
            while chunk := file.read(2**20):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
            if last:
                break
            yield None
            time.sleep(POLL_SECONDS)
    if rest:
        yield rest


def _joined(entries: Iterable[bytes | None]) -> Iterator[Line | None]:
    """Decode entries and join the pieces of long lines."""
    pieces: dict[str, list[Line]] = {}
    last = 0.0
    for entry in entries:
        if entry is None:
            yield None
            continue
        try:
            line = _DECODER.decode(entry)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            if text := entry.decode(errors="replace").rstrip("\n"):
                yield Line(last, "torn", text)
            continue
        last = line.t
        if line.more or line.stream in pieces:
            parts = pieces.setdefault(line.stream, [])
            parts.append(line)
            if line.more and sum(len(piece.line) for piece in parts) < JOINED_BYTES:
                continue
            line = _join(pieces.pop(line.stream))
        yield line
    for parts in pieces.values():
        yield _join(parts)


def _join(pieces: list[Line]) -> Line:
    return Line(pieces[0].t, pieces[0].stream, "".join(piece.line for piece in pieces))
