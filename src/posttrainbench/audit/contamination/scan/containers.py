"""Read the content of compressed files, archives and column formats in constant memory.

Covers gzip, zlib, bzip2, xz, lzma, zstandard, lz4, brotli, zip, tar, Parquet, Arrow and ORC, nested up to `DEPTH`
layers, and values of SQLite databases that are longer than a page. The amount of content is limited: a file with a
decompression bomb is reported as not completely read, never as clean. Nothing is unpickled, links in archives are not
followed, and the native parsers of column formats, lz4 and brotli run in a process of their own with resource limits.

Does not cover 7z, rar, snappy, Avro, HDF5, tables of LevelDB and encrypted files, which are reported as unreadable.
Brotli has no signature and is recognized by its file name.
"""

import bz2
import io
import lzma
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from posttrainbench.audit.contamination.scan.columns import NO_READER
from posttrainbench.audit.contamination.scan.databases import LARGEST, MAGIC, long_values
from posttrainbench.audit.contamination.scan.readers import (
    STEP,
    Budget,
    Counted,
    Guarded,
    Inflated,
    Part,
    Peekable,
    Raw,
    Reader,
    Zstandard,
    damaged,
)
from posttrainbench.untrusted import UnreadableError, printable

DEPTH = 4
_XZ_MEMORY = 2**29
_LOCAL_HEADER, _DESCRIPTOR = 30, 24  # bytes of a zip archive's records before and after a member
_BROTLI = (".br", ".brotli")
TABLE_END = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", b"\xf7\xcf\xf4\x85\xb7\x41\xe2\x88"
"""Last bytes of a table of LevelDB, and of RocksDB."""
HEAD = 512
"""Bytes needed to recognize a format."""

_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    MAGIC: "sqlite",
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x02\x21\x4c\x18": "old lz4",
    b"\x1f\x9d\x90": "compress",
    b"Rar!\x1a\x07": "rar",
    b"]\0\0": "lzma",
    b"Obj\x01": "Avro",
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"\xff\x06\0\0sNaPpY": "snappy",
    b"LRZI\0": "lrzip",
    b"LZIP\1": "lzip",
    b"MSCF\0": "cab",
    b"Salted__": "encrypted",
    b"age-encryption.org": "encrypted",
    b"-----BEGIN PGP MESSAGE": "encrypted",
    b"-----BEGIN AGE ENCRYPTED": "encrypted",
    b"$ANSIBLE_VAULT": "encrypted",
    b"\x89LZO\0": "lzop",
    b"zPQ": "zpaq",
    b"bvx": "lzfse",
}
_FIRST_BYTES = frozenset(magic[:1] for magic in _MAGIC)
_UNREAD = (
    "7z",
    "old lz4",
    "compress",
    "rar",
    "Avro",
    "HDF5",
    "snappy",
    "lrzip",
    "lzip",
    "cab",
    "lzop",
    "zpaq",
    "lzfse",
    "encrypted",
)
_UNREAD_NAMES = {".snappy": "snappy", ".sz": "snappy", ".gpg": "encrypted", ".age": "encrypted"}
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_ENGINES: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "zlib": zlib.decompressobj,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_XZ_MEMORY),
}


def contents(
    source: Reader, budget: Budget, part: str = "", depth: int = 0, name: str = ""
) -> Iterator[tuple[str, Peekable]]:
    """Yield the name (`""` for the file itself) and a reader of each content of a file.

    Read each content before requesting the next.

    Args:
        source: the file.
        budget: limits the content.
        part: name of the source inside of the file.
        depth: number of layers around it.
        name: name by which brotli is recognized.

    Raises:
        UnreadableError: a content cannot be read.
    """
    reader = Peekable(source)
    try:
        inner = None if isinstance(source, Raw) else _layer(reader, budget, name)
        if inner is None:
            yield part, reader
        elif depth == DEPTH:
            raise UnreadableError(f"it has more than {DEPTH} layers of compression or archives")
        else:
            for inside, content in inner:
                yield from contents(
                    content if isinstance(content, Raw) else Guarded(content),
                    budget,
                    "!".join(filter(None, (part, inside))),
                    depth + 1,
                    inside or PurePosixPath(name).stem,
                )
    except (UnreadableError, GeneratorExit):
        raise
    except Exception as error:
        raise damaged(error) from None


def unread_format(name: str, head: bytes) -> str:
    """Return the format of a file that has no signature and cannot be read, by its name; "" if it is text."""
    return _UNREAD_NAMES.get(PurePosixPath(name).suffix.lower(), "") if _CONTROL.search(head) else ""


def is_packed(head: bytes, name: str = "") -> bool:
    """Return True if a file with this start (`HEAD` bytes) and name is compressed, an archive, or a column format."""
    return bool(_packing(head) or _is_brotli(head, name) or unread_format(name, head))


def _is_brotli(head: bytes, name: str) -> bool:
    return name.lower().endswith(_BROTLI) and _CONTROL.search(head) is not None


def _packing(head: bytes) -> str:
    """Return the format of a file's outermost layer, or ""."""
    if head[:1] in _FIRST_BYTES:
        for magic, name in _MAGIC.items():
            if head.startswith(magic):
                return name
    if head[:2] in (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda") and _is_zlib(head):
        return "zlib"
    if head[257:262] == b"ustar":
        return "tar"
    if head.startswith(b"ORC") and _CONTROL.search(head):
        return "orc"
    return "arrow" if _is_arrow_stream(head) else ""


def _layer(reader: Peekable, budget: Budget, name: str) -> Iterator[tuple[str, Reader]] | None:
    """Return the contents of the outermost layer, or None if the file is plain."""
    packing = _packing(reader.peek(HEAD))
    if packing in _UNREAD:
        raise UnreadableError(f"{packing} files are not supported")
    if packing in _ENGINES:
        return iter([("", Inflated(reader, _ENGINES[packing], budget))])
    if packing == "zstd":
        return iter([("", Zstandard(reader, budget))])
    if packing == "lz4":
        return _columns(reader, budget, packing)
    if not packing and _is_brotli(reader.peek(HEAD), name):
        return _columns(reader, budget, "brotli")
    if packing == "zip":
        return _zip_members(reader, budget)
    if packing == "tar":
        return _tar_members(reader)
    if packing == "sqlite":
        return _database(reader, budget)
    if packing:
        return _columns(reader, budget, again=packing == "arrow")
    return None


def _is_arrow_stream(head: bytes) -> bool:
    size, root = int.from_bytes(head[4:8], "little"), int.from_bytes(head[8:12], "little")
    return head[:4] == b"\xff\xff\xff\xff" and 0 < size < 2**24 and size % 8 == 0 and 4 <= root <= 64


def _is_zlib(head: bytes) -> bool:
    try:
        return bool(zlib.decompressobj().decompress(head, 64)) and int.from_bytes(head[:2], "big") % 31 == 0
    except zlib.error:
        return False


def _zip_members(reader: Peekable, budget: Budget) -> Iterator[tuple[str, Reader]]:
    with _seekable(reader) as file, zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as content:
                    yield printable(member.filename), Counted(cast("Reader", content), budget)
        for start, size in list(_gaps(file, archive)):
            file.seek(start)
            yield f"bytes from {start}", Part(cast("Reader", file), size)


def _gaps(file: IO[bytes], archive: zipfile.ZipFile) -> Iterator[tuple[int, int]]:
    """Yield offset and size of what stands between the members of an archive."""
    end = 0
    for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
        if member.header_offset - end > _DESCRIPTOR:
            yield end, member.header_offset - end
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER)
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        end = max(end, member.header_offset + _LOCAL_HEADER + names + member.compress_size)
    if archive.start_dir - end > _DESCRIPTOR:
        yield end, archive.start_dir - end


@contextmanager
def _seekable(reader: Peekable) -> Iterator[IO[bytes]]:
    """Yield the file itself, or a temporary copy if the content cannot be seeked."""
    if reader.file is not None:
        reader.file.seek(0)
        yield io.BufferedReader(io.FileIO(reader.file.fileno(), closefd=False))
        return
    with tempfile.TemporaryFile() as copy:
        while data := reader.read(STEP):
            copy.write(data)
        copy.seek(0)
        yield copy


def _tar_members(reader: Peekable) -> Iterator[tuple[str, Reader]]:
    """Yield members of all types. `tarfile` is not used, because it trusts sizes in headers, which may be hostile."""
    while len(header := _exactly(reader, 512)) == 512:
        if not header.strip(b"\0"):
            continue
        size_field = header[124:136]
        if size_field[0] & 0x80:
            size = int.from_bytes(size_field[1:], "big")
        else:
            size = int(size_field.split(b"\0")[0].strip() or b"0", 8)
        if size < 0:
            raise UnreadableError("it is damaged: a member has a negative size")
        content = Part(reader, size)
        if header[156:157] == b"S" and header[482]:  # a sparse file with further headers before its content
            while (further := _exactly(reader, 512))[504:505].strip(b"\0"):
                pass
            if len(further) < 512:
                raise UnreadableError("it is damaged: the archive is truncated")
        if size:  # of any type: other programs may read the content of a link or a directory as the next members
            name = header[:100].split(b"\0")[0].decode("utf-8", "replace")
            yield printable(name), content
        rest = content.left + -size % 512
        while rest > 0:
            data = reader.read(min(rest, STEP))
            if not data:
                raise UnreadableError("it is damaged: the archive is truncated")
            rest -= len(data)


def _database(reader: Peekable, budget: Budget) -> Iterator[tuple[str, Reader]]:
    """Yield the file as it is, and the values that it holds in pieces."""
    with _seekable(reader) as file:
        data = file.read(LARGEST + 1)
        values = long_values(data) if len(data) <= LARGEST else None
        file.seek(0)
        yield "", Raw(file, is_read_otherwise=values is not None)
    if values:
        yield "values", Counted(io.BytesIO(b"\n".join(values)), budget)


def _exactly(reader: Reader, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := reader.read(size - len(data))):
        data += more
    return data


def _columns(reader: Peekable, budget: Budget, codec: str = "", *, again: bool = False) -> Iterator[tuple[str, Reader]]:
    """Yield the rows of a Parquet or Arrow file as JSON lines, or the content of a file compressed by a codec.

    If that fails, also the raw bytes are yielded with `again` and for brotli, which is recognized only by its name.
    """
    program = Path(__file__).with_name("columns.py")
    with (
        _seekable(reader) as file,
        subprocess.Popen(
            [sys.executable, "-I", str(program), *filter(None, [codec])],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as child,
    ):
        try:
            yield "", Counted(cast("Reader", child.stdout), budget)
            code = child.wait()
        finally:
            child.kill()
        if code and (again or codec == "brotli"):
            file.seek(0)
            yield "", Raw(file)
        if code and not again:
            no_reader = "pyarrow is not installed (pip install pyarrow)"
            raise UnreadableError(
                no_reader if code == NO_READER else "it is damaged, or too large for the memory limit"
            )
