"""Split content of any size into overlapping windows, so that memory use is constant and no match is cut."""

import codecs
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from typing_extensions import override

from posttrainbench.audit.contamination.scan.readers import Peekable, Reader
from posttrainbench.untrusted import UnreadableError

WINDOW = 2**20
DOCUMENT = 4096
"""Bytes that count as one document where lines do not."""

_HEAD = 2**16
_MARK = 4  # bytes of the longest byte order mark
_CONTROL = bytes(range(9))
_WIDE_SHARE = 0.9  # share of zeros among the even or the odd bytes of UTF-16
_KEPT_IN_MEMORY = 2**24


@dataclass(frozen=True)
class Window:
    """A stretch of content.

    Attributes:
        data: its bytes, cut at white space where possible.
        offset: offset of the window in the content.
        fresh: offset in `data` from which the next window repeats it; matches that begin earlier belong to this window.
        first: whether this is the content's first window.
        last: whether this is the content's last window.
    """

    data: bytes
    offset: int
    fresh: int
    first: bool
    last: bool


class Decoded(Reader):
    """A reader that converts UTF-16 or UTF-32 to UTF-8."""

    def __init__(self, source: Reader, encoding: str) -> None:
        self._source, self._decoder = source, codecs.getincrementaldecoder(encoding)("replace")

    @override
    def read(self, size: int, /) -> bytes:
        while True:
            raw = self._source.read(size)
            text = self._decoder.decode(raw, not raw)
            if text or not raw:
                return text.encode("utf-8", "replace")


def as_text(reader: Peekable) -> Peekable:
    """Return a reader of UTF-8 if a byte order mark announces UTF-16 or UTF-32, else the reader itself."""
    head = reader.peek(4)
    if head in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return Peekable(Decoded(reader, "utf-32"))
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Peekable(Decoded(reader, "utf-16"))
    return reader


class _Claimed(Reader):
    """A reader of the blocks that may be UTF-16 or UTF-32: not plain ASCII. It keeps all, to be read as it is."""

    def __init__(self, source: Reader, copy: IO[bytes]) -> None:
        self._source, self._copy = source, copy

    @override
    def read(self, size: int, /) -> bytes:
        while block := self._block():
            text = block[_MARK:] if self._copy.tell() == len(block) else block
            if not (text.isascii() and text.translate(None, _CONTROL) == text):
                return block
        return b""

    def _block(self) -> bytes:
        block = b""
        while len(block) < DOCUMENT and (more := self._source.read(DOCUMENT - len(block))):
            block += more
        self._copy.write(block)
        return block


class _Narrow(Reader):
    """A reader of the blocks of a file that are not UTF-16 or UTF-32 with mostly Latin letters."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    @override
    def read(self, size: int, /) -> bytes:
        while block := self._source.read(DOCUMENT):
            if max(block[0::2].count(0), block[1::2].count(0)) < _WIDE_SHARE * len(block) / 2:
                return block
        return b""


def readings(reader: Peekable) -> Iterator[Peekable]:
    """Yield the content as text, and again as it is where a byte order mark claims an encoding that it does not have.

    Read each before requesting the next.
    """
    with tempfile.SpooledTemporaryFile(_KEPT_IN_MEMORY) as copy:
        if as_text(reader) is reader:
            yield reader
            return
        yield as_text(Peekable(_Claimed(reader, copy)))
        copy.seek(0)
        yield Peekable(_Narrow(copy))


def is_by_line(reader: Peekable) -> bool:
    """Return True if each line is a document: the first line is a JSON value, and more follow or it is very long."""
    first, newline, rest = reader.peek(_HEAD).lstrip().partition(b"\n")
    first = first.strip()
    if not first.startswith((b"{", b"[")):
        return False
    if not newline:
        return len(first) > _HEAD // 2 and first.startswith(b"{")
    return first.endswith((b"}", b"]")) and rest.lstrip()[:1] in (b"{", b"[", b"")


def windows(reader: Reader, overlap: int, by_line: bool, stop: int | None = None) -> Iterator[Window]:
    """Yield the windows of a content. Text of at most `overlap` bytes is complete in the window in which it begins.

    Args:
        reader: the content.
        overlap: minimum number of bytes that consecutive windows share.
        by_line: whether to cut only at line ends, where possible.
        stop: number of bytes to report; further content is read only to complete matches.

    Raises:
        UnreadableError: the content is truncated; the windows before were yielded.
    """
    broken: UnreadableError | None = None
    data, offset, first = b"", 0, True
    while True:
        pieces, size = [data], len(data)
        try:
            while size < WINDOW + 2 * overlap and (more := reader.read(WINDOW + 2 * overlap - size)):
                pieces.append(more)
                size += len(more)
        except UnreadableError as error:
            broken = error
        data = b"".join(pieces)
        last = size < WINDOW + 2 * overlap
        fresh = size if last else seam(data, size - 2 * overlap, size - overlap, by_line)
        if stop is not None and offset + fresh >= stop:
            fresh, last = stop - offset, True
        yield Window(data, offset, fresh, first, last)
        if broken:
            raise broken
        if last:
            return
        data, offset, first = data[fresh:], offset + fresh, False


def seam(data: bytes, start: int, end: int, by_line: bool) -> int:
    """Return where to cut between `start` and `end`: after the last line end, else after the last space, else `end`."""
    position = data.rfind(b"\n", start, end) + 1
    if not position and not by_line:
        position = max(data.rfind(separator, start, end) for separator in (b" ", b"\t", b",", b"\0")) + 1
    return position or data.rfind(b" ", start, end) + 1 or end
