"""Decompress data inside of another file: zlib in PDF, SQLite and git packs, archives after a script.

Recognized are zlib, gzip, bzip2, xz, zstandard and members of zip archives, at any offset of binary data.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from typing_extensions import override

from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.readers import BROKEN_OFF, Budget, Reader, damaged
from posttrainbench.untrusted import UnreadableError

_SHORTEST = 32  # bytes of decompressed data
_FIRST, _STEP, _PIECE = 2**9, 2**16, 2**12  # bytes that are decompressed at once
_MEMORY = 2**27
_LONGEST, _LIMIT = 2**24, 2**26  # bytes that are decompressed of one stream, and in one stretch
_UNPRINTABLE = bytes([*range(9), *range(14, 32), *range(127, 256)])
_MIN_PRINTABLE, _SAMPLE = 0.85, 512
_CHUNK = 2**22  # bytes that are searched together
TOO_LONG = "it contains compressed text that is too long to be searched"


class Long(NamedTuple):
    """Offset and magic number of a compressed stream, and whether the data that it begins with is text."""

    offset: int
    magic: bytes
    text: bool


class Embedded(NamedTuple):
    """Data that was compressed in a stretch of bytes.

    Attributes:
        start: offset of the first compressed stream.
        data: the decompressed streams, separated by newlines.
        unread: why a stream is not complete, or "".
        long: streams that continue after the stretch; they are not in `data`.
        size: bytes of the compressed streams.
    """

    start: int
    data: bytes
    unread: str
    long: list[Long]
    size: int


class Stream(Reader):
    """A reader of the decompressed data of one stream, to its end.

    Args:
        source: the file, from the stream's first byte.
        stream: see `Long`. Where data that is not text is damaged, it ends: it may look compressed by chance.
        budget: limits the decompressed data.

    Attributes:
        consumed: bytes of the source that were read.
    """

    def __init__(self, source: Reader, stream: Long, budget: Budget) -> None:
        self.consumed = 0
        magic, self._text, self._ended = stream.magic, stream.text, False
        self._source, self._budget, self._engine, self._rest = source, budget, _ENGINES[magic](), b""
        if magic == _ZIP:
            header = source.read(_ZIP_HEADER)
            source.read(_names_size(header))

    @override
    def read(self, size: int, /) -> bytes:
        while not self._rest and not self._ended and not self._engine.eof:
            piece = self._source.read(_PIECE)
            self.consumed += len(piece)
            try:
                if not piece:
                    raise UnreadableError(BROKEN_OFF)
                self._rest = self._engine.decompress(piece)
            except Exception as error:
                if self._text:
                    raise (error if isinstance(error, UnreadableError) else damaged(error)) from None
                self._ended = True
                break
            self._budget.spend(len(self._rest))
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def _zstandard() -> Any:
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=_MEMORY).decompressobj()


_ENGINES: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b\x08": lambda: zlib.decompressobj(31),
    b"x\x01": zlib.decompressobj,
    b"x\x5e": zlib.decompressobj,
    b"x\x9c": zlib.decompressobj,
    b"x\xda": zlib.decompressobj,
    b"PK\x03\x04": lambda: zlib.decompressobj(-15),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(memlimit=_MEMORY),
    b"\x28\xb5\x2f\xfd": _zstandard,
}
_PLACES = 1024
_ZIP, _ZIP_HEADER, _DEFLATED = b"PK\x03\x04", 30, 8


def embedded(data: bytes, fresh: int, *, cut: bool) -> Iterator[Embedded]:
    """Yield the data that is compressed inside of binary data, several streams at once.

    Args:
        data: the bytes.
        fresh: offset from which the next stretch repeats the data.
        cut: whether the data continues after these bytes.
    """
    found: list[bytes] = []
    long: list[Long] = []
    first, size, packed, total, position, unread = 0, 0, 0, 0, 0, ""
    for start in _starts(data):
        if start < position:
            continue
        if total >= _LIMIT:
            unread = TOO_LONG
            break
        magic = next((magic for magic in _ENGINES if data.startswith(magic, start)), b"")
        if not magic:
            continue
        text, end, complete = _stream(data, magic, start)
        position = max(end, start + 1)
        if len(text) < _SHORTEST or not (complete or cut or len(text) >= _LONGEST):
            continue  # damaged, or not compressed
        if not complete:
            total += len(text)
            if start < fresh:
                long.append(Long(start, magic, _has_text(text)))
            continue
        first = first if found else start
        found.append(text)
        size, packed, total = size + len(text), packed + end - start, total + len(text)
        if size >= _CHUNK:
            yield Embedded(first, b"\n".join(found), unread, [], packed)
            found, size, packed = [], 0, 0
    if found or unread or long:
        yield Embedded(first, b"\n".join(found), unread, long, packed)


def _starts(data: bytes) -> list[int]:
    """Return the offsets at which compressed data may begin."""
    values = np.frombuffer(data, dtype=np.uint8)
    places, position, found = np.empty(_PLACES, dtype=np.int64), 0, []
    while position + 4 < len(data):
        count, position = _find_starts(values, position, places)
        found += places[:count].tolist()
    return found


@compiled
def _find_starts(data: Any, position: Any, places: Any) -> Any:
    """Write the offsets of magic numbers from `position` on; return their number and where to continue."""
    end, count = len(data) - 4, 0
    while position < end and count < len(places):
        one, two, three = data[position], data[position + 1], data[position + 2]
        if one == 0x78:  # zlib, whose first block must be of a known type
            found = (two == 0x9C or two == 0xDA or two == 0x01 or two == 0x5E) and three & 6 != 6
        elif one == 0x1F:
            found = two == 0x8B and three == 8
        elif one == 0x42:  # BZh, and the number of a block size
            found = two == 0x5A and three == 0x68 and 49 <= data[position + 3] <= 57
        elif one == 0x50:
            found = two == 0x4B and three == 3 and data[position + 3] == 4
        elif one == 0xFD:
            found = two == 0x37 and three == 0x7A and data[position + 3] == 0x58 and data[position + 4] == 0x5A
        else:
            found = one == 0x28 and two == 0xB5 and three == 0x2F and data[position + 3] == 0xFD
        if found:
            places[count] = position
            count += 1
        position += 1
    return count, position


def _has_text(data: bytes) -> bool:
    """Return True if any of 16 samples is text, unlike in images and weights."""
    samples = [data[len(data) * part // 16 :][:_SAMPLE] for part in range(16)]
    return any(len(sample.translate(None, _UNPRINTABLE)) >= _MIN_PRINTABLE * len(sample) > 0 for sample in samples)


def _stream(data: bytes, magic: bytes, start: int) -> tuple[bytes, int, bool]:
    """Return the decompressed data of the stream at `start`, the offset after it, and whether it is complete."""
    if magic == _ZIP:
        header = data[start : start + _ZIP_HEADER]
        if len(header) < _ZIP_HEADER or int.from_bytes(header[8:10], "little") != _DEFLATED:
            return b"", start + 1, False  # stored members are searched as they are
        start += _ZIP_HEADER + _names_size(header)
    pieces: list[bytes] = []
    size, position, step, view = 0, start, _FIRST, memoryview(data)
    try:
        engine = _ENGINES[magic]()
        while position < len(data) and size < _LONGEST and not engine.eof:
            piece = engine.decompress(view[position : position + step])
            position, step = position + step, _STEP
            pieces.append(piece)
            size += len(piece)
        if engine.eof:
            return b"".join(pieces), min(position, len(data)) - len(engine.unused_data), True
    except Exception:
        return b"", start + 1, False
    return b"".join(pieces), start + 1, False


def _names_size(header: bytes) -> int:
    """Return the size of the names after the header of a zip archive's member."""
    return int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
