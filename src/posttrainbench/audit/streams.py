"""The readable content of a file as chunks of text bytes, in constant memory.

Read: plain text in UTF-8, Latin-1 or UTF-16, text runs inside binary files (Arrow, SQLite, pickle, tar), and
through one layer of gzip, zip or Parquet. Not read: other compressions, and tensors in a genuine safetensors
file.
"""

import codecs
import gzip
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from posttrainbench.audit.untrusted import UnreadableError, open_regular, printable

CHUNK = 2**20
LIMIT = 2 * 2**30  # bytes of content per file, after decompression
_OTHER_COMPRESSIONS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x04\x22\x4d\x18": "lz4",
}
# Printable ASCII or well-formed UTF-8, long enough that random bytes hardly ever qualify.
_TEXT_RUN = re.compile(
    rb"(?:[\t\n\r\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}){8,}"
)


class TooLargeError(UnreadableError):
    """More content than `LIMIT`; what came before it has been read."""


class GenuineWeightsError(UnreadableError):
    """A real safetensors file: its content is the business of the weight detector."""


@dataclass(frozen=True)
class Chunk:
    """A piece of a file's text.

    Attributes:
        data: UTF-8 (or undecodable bytes), cut at white space.
        first_line: 1-based line number of its start; None where the file has no lines.
        part: the member of an archive, else `""`.
        first: whether the file (or member) begins here.
        last: whether it ends here.
    """

    data: bytes
    first_line: int | None
    part: str
    first: bool
    last: bool


def chunks(path: Path, overlap: int) -> Iterator[Chunk]:
    """Yield a file's content; each chunk repeats about `overlap` bytes of the one before.

    Raises:
        UnreadableError: the file, or the rest of it, cannot be read. Some chunks may have been given before.
    """
    with open_regular(path) as file:
        head = file.read(4096)
        file.seek(0)
        for magic, name in _OTHER_COMPRESSIONS.items():
            if head.startswith(magic):
                raise UnreadableError(f"{name} compression is not read")
        if path.suffix == ".safetensors" and _is_safetensors(head):
            raise GenuineWeightsError("model weights hold no text")
        try:
            if head.startswith(b"\x1f\x8b"):
                yield from _pieces(cast("IO[bytes]", gzip.GzipFile(fileobj=file)), overlap)
            elif head.startswith(b"PK\x03\x04"):
                yield from _zip_members(file, overlap)
            elif head.startswith(b"PAR1"):
                yield from _parquet(file, overlap)
            else:
                yield from _pieces(file, overlap, _utf16(head))
        except (UnreadableError, GeneratorExit):
            raise
        except Exception as error:  # hostile archives raise nearly anything
            raise UnreadableError(f"it is damaged or encrypted ({type(error).__name__})") from None


def _pieces(file: IO[bytes], overlap: int, utf16: str = "", part: str = "") -> Iterator[Chunk]:
    decoder = codecs.getincrementaldecoder(utf16)("replace") if utf16 else None
    pending, line, total = b"", 1, 0
    fresh = file.read(CHUNK)
    first = True
    while fresh:
        total += len(fresh)
        ahead = file.read(CHUNK) if total <= LIMIT else b""
        data = pending + (decoder.decode(fresh, not ahead).encode() if decoder else fresh)
        end = len(data) if not ahead else _cut(data, len(data) // 2, len(data))
        piece = data[:end]
        if not piece.strip(b"\0"):
            yield Chunk(b"", None, part, first, not ahead)
        elif b"\0" in piece:
            yield Chunk(b"\n".join(_TEXT_RUN.findall(piece)), None, part, first, not ahead)
        else:
            yield Chunk(piece, line, part, first, not ahead)
        start = _cut(data, max(end - 2 * overlap, 0), max(end - overlap, 0))
        line += data.count(b"\n", 0, start)
        pending, fresh, first = data[start:], ahead, False
    if total > LIMIT:
        raise TooLargeError(f"only the first {LIMIT // 2**30} GiB of its content were read")


def _cut(data: bytes, first: int, last: int) -> int:
    """The last place in `first..last` behind white space, so that no word is cut; else `last`."""
    return max(data.rfind(b"\n", first, last), data.rfind(b" ", first, last)) + 1 or last


def _zip_members(file: BinaryIO, overlap: int) -> Iterator[Chunk]:
    budget = LIMIT
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            budget -= member.file_size
            if budget < 0:
                raise TooLargeError(f"it holds more than {LIMIT // 2**30} GiB")
            with archive.open(member) as content:
                yield from _pieces(content, overlap, part=printable(member.filename))


def _parquet(file: BinaryIO, overlap: int) -> Iterator[Chunk]:
    reader = Path(__file__).with_name("parquet_text.py")
    with subprocess.Popen(
        [sys.executable, "-I", str(reader)], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        try:
            yield from _pieces(cast("IO[bytes]", child.stdout), overlap)
            if code := child.wait():
                why = "no Parquet reader is installed" if code == 3 else "it is damaged or far too large"
                raise UnreadableError(why)
        finally:
            child.kill()


def _utf16(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(head) >= 16 and head[1::2].count(0) > 0.4 * len(head) and b"\0" not in head[:64:2]:
        return "utf-16-le"
    if len(head) >= 16 and head[::2].count(0) > 0.4 * len(head) and b"\0" not in head[1:64:2]:
        return "utf-16-be"
    return ""


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and int.from_bytes(head[:8], "little") < 100 * 2**20 and head[8:9] == b"{"
