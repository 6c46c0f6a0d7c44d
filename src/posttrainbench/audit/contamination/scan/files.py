"""Search one file: its windows, its documents, and the best quotation of each unit found."""

import json
import os
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import BinaryIO

from posttrainbench.audit.contamination.scan.containers import HEAD, TABLE_END, contents, is_packed, unread_format
from posttrainbench.audit.contamination.scan.decodings import unescape
from posttrainbench.audit.contamination.scan.documents import Documents, joined
from posttrainbench.audit.contamination.scan.embedded import TOO_LONG, Long, Stream
from posttrainbench.audit.contamination.scan.index import METHODS, Index
from posttrainbench.audit.contamination.scan.opaque import UNKNOWN, is_textless
from posttrainbench.audit.contamination.scan.paraphrase_index import NUMBERS
from posttrainbench.audit.contamination.scan.paraphrase_text import METHODS as PARAPHRASE_METHODS
from posttrainbench.audit.contamination.scan.readers import Budget, Peekable, Reader
from posttrainbench.audit.contamination.scan.search import Match, Searcher
from posttrainbench.audit.contamination.scan.unreadable import LEAST, UNREADABLE
from posttrainbench.audit.contamination.scan.verdict import FileMatches
from posttrainbench.audit.contamination.scan.windows import (
    DOCUMENT,
    Window,
    as_text,
    is_by_line,
    readings,
    seam,
    windows,
)
from posttrainbench.untrusted import Entry, UnreadableError, open_regular

VERBATIM = 0.9
"""Containment from which a match counts as near-verbatim."""

SEGMENT = 2**25
"""Bytes of a plain file that one thread searches in one task."""

LONGEST_QUOTE = 300  # characters
_BYTES_PER_WORD = 40
_SMALLEST_OVERLAP, _LARGEST_OVERLAP = 2**14, 2**18
_FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
_MAX_HEADER = 2**27
_CONTEXT = 120  # bytes quoted before the first number of a paraphrased problem
_MAX_RAW_QUOTE = 1500  # bytes of a match that are quoted, before escapes are undone


@dataclass(frozen=True)
class Occurrence:
    """A match and its location.

    Attributes:
        file: name of the file, followed by `!` and the name of the content inside an archive.
        document: 1-based number of the line, or of the stretch of `DOCUMENT` bytes.
        line: 1-based line number in the content.
        match: the match.
        window: the window that contains it.
        others: all matches in the window of parts that the agent is asked, in order of their start.
    """

    file: str
    document: int
    line: int
    match: Match
    window: Window
    others: list[Match]


Label = Callable[[Occurrence], str]
"""Classifies occurrences; a file's result holds the best occurrence of each unit and label."""


@dataclass(frozen=True)
class Hit:
    """The best occurrence of a unit in a file; see `report.Hit` for the attributes."""

    file: str
    document: int
    line: int
    item: int
    unit: str
    method: str
    score: float
    text: str
    item_text: str
    label: str = ""


Location = tuple[str, int, int]
"""Name of a content, number of a document in it, and position of an item that occurs there."""

Passage = tuple[int, str]
"""Position of an item, and a hash of the words by which it was found."""


@dataclass
class FileResult:
    """Result of one file, or of a segment of it.

    Attributes:
        documents: number of documents.
        counted: those of them that can contain an item.
        size: bytes of content.
        lines: number of newlines.
        flagged: (content, document, item) of each item found by a primary unit.
        verbatim: those of them with a near-verbatim match.
        wordless: (content, document, item) where a document shares only the numbers and the answer with an item.
        passages: the different passages in `flagged`.
        wordless_passages: the different passages in `wordless`.
        hits: best occurrence by unit, label, and whether only the numbers match.
        unreadable: bytes of information in text that is in no known language or encoding.
        reason: why the file was not read completely, or "".
        lost: whether it should have been readable.
    """

    documents: int = 0
    counted: Documents = field(default_factory=Documents)
    size: int = 0
    lines: int = 0
    flagged: set[Location] = field(default_factory=set)
    verbatim: set[Location] = field(default_factory=set)
    wordless: set[Location] = field(default_factory=set)
    passages: set[Passage] = field(default_factory=set)
    wordless_passages: set[Passage] = field(default_factory=set)
    hits: dict[tuple[int, str, bool], Hit] = field(default_factory=dict)
    unreadable: int = 0
    reason: str = ""
    lost: bool = True

    def matches(self, items: Container[int] | None = None, *, by_numbers: bool = False) -> FileMatches:
        """Return the number of matches, of all items or of some, by words or only by numbers.

        A row that is repeated counts once, and so does an item in a document with matches of several of its parts.
        """
        locations = self.wordless if by_numbers else self.flagged
        passages = self.wordless_passages if by_numbers else self.passages
        places = sum(items is None or item in items for _, _, item in locations)
        different = sum(items is None or item in items for item, _ in passages)
        found = frozenset(item for item, _ in passages if items is None or item in items)
        return FileMatches(self.counted.different, found, min(places, different))


class _Segment:
    """A reader of a stretch of an open file that skips the holes of sparse files."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self.file = file if start == 0 else None
        self._fd, self._offset, self._end = file.fileno(), start, end
        self._sparse = _is_sparse(file)

    def read(self, size: int, /) -> bytes:
        if self._sparse:
            try:
                self._offset = os.lseek(self._fd, self._offset, os.SEEK_DATA)
            except OSError:
                return b""  # the rest is a hole
        data = os.pread(self._fd, max(min(size, self._end - self._offset), 0), self._offset)
        self._offset += len(data)
        return data


def _is_sparse(file: BinaryIO) -> bool:
    status = os.fstat(file.fileno())
    return status.st_blocks * 512 < status.st_size


class FileScan:
    """Searches one file, or a segment of a plain one.

    Args:
        index: index of the test items.
        searcher: the searcher of this thread.
        label: see `Label`.
        name_ids: whether to report as unread token ids without a vocabulary, binary data of unknown formats, and text
            in unknown encodings.
    """

    def __init__(self, index: Index, searcher: Searcher, label: Label, *, name_ids: bool = False) -> None:
        self._index, self._search, self._label, self._name_ids = index, searcher, label, name_ids
        self.overlap = overlap_of(index)
        self.result = FileResult()

    def whole(self, entry: Entry) -> FileResult:
        """Search a file of any kind."""
        try:
            with open_regular(entry.path) as file:
                source = _Segment(file, 0, entry.size)
                if header := weights_header(file, entry):
                    self._content(entry.relative, _Segment(file, 0, header), False, 0, None)
                    self.result.documents = 0  # tensors are not searched, so weights alone are not checked
                    self.result.reason = self.result.reason or _changed(file, entry)
                    if not self.result.reason:
                        self.result.reason, self.result.lost = "model weights, of which only the header is text", False
                    return self.result
                budget = Budget(entry.size)

                def follow(stream: Long) -> Stream:
                    return Stream(_Segment(file, stream.offset, entry.size), stream, budget)

                for part, reader in contents(source, budget, name=entry.path.name):
                    name = f"{entry.relative}!{part}" if part else entry.relative
                    if unread := unread_format(name, reader.peek(HEAD)):
                        self.result.reason = f"{unread} files are not supported"
                    textless = is_textless(reader.peek(HEAD)) or reader.is_read_otherwise
                    for text in readings(reader):
                        plain = text is reader and reader.file is not None and not _is_sparse(file)  # offsets hold
                        self._content(name, text, is_by_line(text), 0, None, textless, follow if plain else None)
                self.result.reason = self.result.reason or _changed(file, entry)
        except UnreadableError as error:
            self.result.reason = str(error)
        except OSError as error:
            self.result.reason = f"it cannot be read ({error.strerror})"
        return self.result

    def segment(self, entry: Entry, start: int, end: int, by_line: bool) -> FileResult:
        """Search for matches that begin in the bytes `start:end` of a plain file; lines are counted from `start` on."""
        try:
            with open_regular(entry.path) as file:
                reader = _Segment(file, start, min(end + self.overlap, entry.size))
                textless = is_textless(os.pread(file.fileno(), HEAD, 0))
                budget = Budget(entry.size)

                def follow(stream: Long) -> Stream:
                    return Stream(_Segment(file, start + stream.offset, entry.size), stream, budget)

                self._content(entry.relative, reader, by_line, start, end - start, textless, follow)
                self.result.reason = self.result.reason or _changed(file, entry)
        except (UnreadableError, OSError) as error:
            self.result.reason = f"it cannot be read ({error})"
        return self.result

    def _content(
        self,
        name: str,
        reader: Reader,
        by_line: bool,
        base: int,
        stop: int | None,
        textless: bool = False,
        follow: Callable[[Long], Stream] | None = None,
    ) -> None:
        """Search a content.

        Args:
            name: name of the content.
            reader: the content.
            by_line: whether each line is a document.
            base: offset of the content in the file, for the numbers of documents.
            stop: see `windows`.
            textless: whether it is of a format that carries no text, such as machine code or an image.
            follow: returns a reader of a long compressed stream inside the content, or None.
        """
        long: list[Long] = []
        unknown: list[tuple[int, int]] = []  # windows
        lines, size, open_end = 0, 0, False
        last_end: dict[int, int] = {}
        for window in windows(reader, self.overlap, by_line, stop):
            result = self._search(
                window.data,
                by_line,
                fresh=window.fresh,
                cut=not window.last,
                name_ids=self._name_ids and not textless,
                first=window.first and base == 0,
            )
            self.result.unreadable += result.unreadable
            self.result.counted = joined([self.result.counted, result.documents])
            if result.unread == UNKNOWN:
                unknown.append((window.offset, window.offset + len(window.data)))
            else:
                self.result.reason = self.result.reason or result.unread
            if window.last and window.data.endswith(TABLE_END):
                self.result.reason = "LevelDB and RocksDB tables are not supported"
            long += [stream._replace(offset=window.offset + stream.offset) for stream in result.long]
            primary = [match for match in result.matches if self._index.units[match.unit].shows_item]
            for match in result.matches:
                start = window.offset + match.start
                if match.start >= window.fresh or start < last_end.get(match.unit, 0):
                    continue
                last_end[match.unit] = window.offset + match.end
                line = lines + match.line + 1
                document = line if by_line else (base + start) // DOCUMENT + 1
                self._record(Occurrence(name, document, line, match, window, primary))
            data = window.data[: window.fresh]
            if data:
                lines, size, open_end = lines + data.count(b"\n"), size + len(data), not data.endswith(b"\n")
        self.result.size += size
        self.result.lines += lines
        self.result.documents += lines + open_end if by_line else -(-size // DOCUMENT)
        for stream in long:
            if follow is None:
                self.result.reason = self.result.reason or (TOO_LONG if stream.text else "")
                continue
            try:
                source = follow(stream)
                for text in readings(Peekable(source)):
                    self._content(f"{name}!{stream.offset}", text, is_by_line(text), 0, None, textless)
                end = stream.offset + source.consumed
                unknown = [
                    (first, last)
                    for first, last in unknown
                    if 2 * (min(last, end) - max(first, stream.offset)) < last - first
                ]
            except UnreadableError as error:
                self.result.reason = self.result.reason or str(error)
        if self.result.unreadable >= LEAST:
            self.result.reason = self.result.reason or UNREADABLE
        if unknown:
            self.result.reason = self.result.reason or UNKNOWN

    def _record(self, occurrence: Occurrence) -> None:
        unit = self._index.units[occurrence.match.unit]
        result, location = self.result, (occurrence.file, occurrence.document, unit.item)
        passage = unit.item, occurrence.match.key.hex()
        if occurrence.match.method == NUMBERS:
            result.wordless.add(location)
            result.wordless_passages.add(passage)
        elif unit.primary:
            result.flagged.add(location)
            result.passages.add(passage)
            if occurrence.match.score >= VERBATIM and occurrence.match.method in METHODS:
                result.verbatim.add(location)
        label = self._label(occurrence)
        key = occurrence.match.unit, label, occurrence.match.method == NUMBERS
        known = result.hits.get(key)
        if known is None or known.score < occurrence.match.score:
            result.hits[key] = Hit(
                file=occurrence.file,
                document=occurrence.document,
                line=occurrence.line,
                item=unit.item,
                unit=unit.kind,
                method=occurrence.match.method,
                score=occurrence.match.score,
                text=quote(occurrence),
                item_text=shorten(unit.text),
                label=label,
            )


def overlap_of(index: Index) -> int:
    """Return the number of bytes that windows must share for every unit to be complete in one of them."""
    return min(max(_BYTES_PER_WORD * index.widest, _SMALLEST_OVERLAP), _LARGEST_OVERLAP)


def quote(occurrence: Occurrence) -> str:
    """Return the matching text, shortened, on one line and without escapes."""
    match = occurrence.match
    if match.text is not None:
        raw = match.text
    elif match.method in PARAPHRASE_METHODS:  # only the positions of the numbers are known
        line = occurrence.window.data.rfind(b"\n", 0, match.start) + 1
        raw = occurrence.window.data[max(line, match.start - _CONTEXT) : match.end + _CONTEXT // 2]
    else:
        raw = occurrence.window.data[match.start : match.end]
    return shorten(unescape(bytes(raw[:_MAX_RAW_QUOTE])).decode("utf-8", "replace"))


def shorten(text: str) -> str:
    """Return text on one line, with only printable characters, at most `LONGEST_QUOTE` of them."""
    flat = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return flat if len(flat) <= LONGEST_QUOTE else flat[: LONGEST_QUOTE - 3] + "..."


def _changed(file: BinaryIO, entry: Entry) -> str:
    """Return a reason if a file is not as it was when it was listed."""
    status = os.fstat(file.fileno())
    same = status.st_size == entry.size and entry.changed in (0, status.st_ctime_ns)
    return "" if same else "it changed while it was searched; scan it again"


def weights_header(file: BinaryIO, entry: Entry) -> int:
    """Return the size of the header of a safetensors file, or 0 if it has more than floating-point tensors."""
    if entry.path.suffix != ".safetensors":
        return 0
    size = int.from_bytes(os.pread(file.fileno(), 8, 0), "little")
    try:
        header = json.loads(os.pread(file.fileno(), min(size, _MAX_HEADER), 8))
        tensors = [value for name, value in header.items() if name != "__metadata__"]
        only_weights = all(tensor["dtype"] in _FLOATS for tensor in tensors) and entry.size == 8 + size + max(
            (tensor["data_offsets"][1] for tensor in tensors), default=0
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return 0
    return 8 + size if only_weights else 0


def segments(entry: Entry, overlap: int) -> tuple[list[tuple[int, int]], bool] | None:
    """Return the segments of a large plain file for several threads, and whether its lines are documents.

    None if the file is to be searched as a whole: it is small, packed or sparse, or cannot be read.
    """
    if entry.size < 2 * SEGMENT:
        return None
    try:
        with open_regular(entry.path) as file:
            reader = Peekable(_Segment(file, 0, entry.size))
            if _is_sparse(file) or is_packed(reader.peek(HEAD), entry.path.name) or as_text(reader) is not reader:
                return None
            by_line = is_by_line(reader)
            cuts = [0]
            while cuts[-1] + 2 * SEGMENT < entry.size:
                near = os.pread(file.fileno(), overlap, cuts[-1] + SEGMENT)
                cuts.append(cuts[-1] + SEGMENT + seam(near, 0, len(near), by_line))
    except (UnreadableError, OSError):
        return None
    return list(zip(cuts, [*cuts[1:], entry.size], strict=True)), by_line
