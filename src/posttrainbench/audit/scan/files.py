"""One file searched: its windows, its documents, and for each unit found the best quotation."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from posttrainbench.audit.normalise import shorten, unescape
from posttrainbench.audit.scan.containers import HEAD, contents, is_packed
from posttrainbench.audit.scan.index import METHODS, Index
from posttrainbench.audit.scan.readers import Budget, Peekable, Reader
from posttrainbench.audit.scan.reworded import METHODS as REWORDED
from posttrainbench.audit.scan.rewording import NUMBERS
from posttrainbench.audit.scan.search import Match, Searcher
from posttrainbench.audit.scan.windows import DOCUMENT, Window, as_text, is_by_line, seam, windows
from posttrainbench.audit.untrusted import Entry, UnreadableError, open_regular

VERBATIM = 0.9
"""Containment from which on a unit stands there as good as whole."""

SEGMENT = 2**25
"""Bytes of a plain file that one thread searches at a time."""

_BYTES_A_WORD = 40
_SMALLEST_OVERLAP, _LARGEST_OVERLAP = 2**14, 2**18
_FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
_LARGEST_HEADER = 2**27
_BEFORE = 120  # bytes before the first number of a reworded problem
_QUOTED = 1500  # bytes of the place where a match begins, before escapes are undone


@dataclass(frozen=True)
class Sighting:
    """A match where it stands.

    Attributes:
        file: name of the file, and behind `!` of the content in it.
        document: 1-based number of the line, or of the stretch of `DOCUMENT` bytes.
        line: 1-based, in the content.
        match: what was found.
        window: where.
        others: all primary matches of the window, this one too, in order of their start.
    """

    file: str
    document: int
    line: int
    match: Match
    window: Window
    others: list[Match]


Label = Callable[[Sighting], str]
"""Sorts sightings: of each unit and label, a file keeps its best."""


@dataclass(frozen=True)
class Hit:
    """The best sighting of a unit in a file; the attributes are those of the report."""

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


Place = tuple[str, int, int]
"""A content, a document in it, and an item that stands there."""


@dataclass
class FileResult:
    """What one file, or a segment of it, held.

    Attributes:
        documents: how many.
        size: bytes of content.
        lines: newlines in it.
        flagged: items that stand in documents by a primary unit, as (content, document, item).
        verbatim: of these, where as good as all of it stands there.
        wordless: the same for items with which a document only shares the numbers.
        hits: by unit, label, and whether only the numbers are the same.
        reason: why it was not read whole, or "".
        lost: whether it should have been.
    """

    documents: int = 0
    size: int = 0
    lines: int = 0
    flagged: set[Place] = field(default_factory=set)
    verbatim: set[Place] = field(default_factory=set)
    wordless: set[Place] = field(default_factory=set)
    hits: dict[tuple[int, str, bool], Hit] = field(default_factory=dict)
    reason: str = ""
    lost: bool = True


class _Segment:
    """A stretch of an open file as a reader. Holes of a sparse file are passed over."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self.file = file if start == 0 else None
        self._fd, self._place, self._end = file.fileno(), start, end
        self._sparse = _is_sparse(file)

    def read(self, size: int, /) -> bytes:
        if self._sparse:
            try:
                self._place = os.lseek(self._fd, self._place, os.SEEK_DATA)
            except OSError:
                return b""  # nothing but a hole follows
        found = os.pread(self._fd, max(min(size, self._end - self._place), 0), self._place)
        self._place += len(found)
        return found


def _is_sparse(file: BinaryIO) -> bool:
    status = os.fstat(file.fileno())
    return status.st_blocks * 512 < status.st_size


class FileScan:
    """Searches one file, or a segment of a plain one.

    Args:
        index: what is searched for.
        searcher: of this thread.
        label: see `Label`.
    """

    def __init__(self, index: Index, searcher: Searcher, label: Label) -> None:
        self._index, self._search, self._label = index, searcher, label
        self.overlap = overlap_of(index)
        self.result = FileResult()

    def whole(self, entry: Entry) -> FileResult:
        """Search a file of any kind."""
        try:
            with open_regular(entry.path) as file:
                source = _Segment(file, 0, entry.size)
                if is_weights(file, entry):
                    self.result.reason, self.result.lost = "model weights hold no text", False
                    return self.result
                for part, reader in contents(source, Budget(entry.size)):
                    text = as_text(reader)
                    name = f"{entry.relative}!{part}" if part else entry.relative
                    self._content(name, text, is_by_line(text), 0, None)
        except UnreadableError as error:
            self.result.reason = str(error)
        except OSError as error:
            self.result.reason = f"it cannot be read ({error.strerror})"
        return self.result

    def segment(self, entry: Entry, start: int, end: int, by_line: bool) -> FileResult:
        """Search what begins in the bytes `start:end` of a plain file; documents and lines count from `start` on."""
        try:
            with open_regular(entry.path) as file:
                reader = _Segment(file, start, min(end + self.overlap, entry.size))
                self._content(entry.relative, reader, by_line, start, end - start)
        except (UnreadableError, OSError) as error:
            self.result.reason = f"it cannot be read ({error})"
        return self.result

    def _content(self, name: str, reader: Reader, by_line: bool, base: int, stop: int | None) -> None:
        lines, size, open_end = 0, 0, False
        last_end: dict[int, int] = {}
        for window in windows(reader, self.overlap, by_line, stop):
            found = self._search(window.data, by_line)
            primary = [match for match in found.matches if self._index.units[match.unit].primary]
            for match in found.matches:
                start = window.offset + match.start
                if match.start >= window.fresh or start < last_end.get(match.unit, 0):
                    continue
                last_end[match.unit] = window.offset + match.end
                line = lines + match.line + 1
                document = line if by_line else (base + start) // DOCUMENT + 1
                self._sight(Sighting(name, document, line, match, window, primary))
            own = window.data[: window.fresh]
            if own:
                lines, size, open_end = lines + own.count(b"\n"), size + len(own), not own.endswith(b"\n")
        self.result.size += size
        self.result.lines += lines
        self.result.documents += lines + open_end if by_line else -(-size // DOCUMENT)

    def _sight(self, sighting: Sighting) -> None:
        unit = self._index.units[sighting.match.unit]
        result, place = self.result, (sighting.file, sighting.document, unit.item)
        if sighting.match.method == NUMBERS:
            result.wordless.add(place)
        elif unit.primary:
            result.flagged.add(place)
            if sighting.match.score >= VERBATIM and sighting.match.method in METHODS:
                result.verbatim.add(place)
        label = self._label(sighting)
        key = sighting.match.unit, label, sighting.match.method == NUMBERS
        known = result.hits.get(key)
        if known is None or known.score < sighting.match.score:
            result.hits[key] = Hit(
                file=sighting.file,
                document=sighting.document,
                line=sighting.line,
                item=unit.item,
                unit=unit.kind,
                method=sighting.match.method,
                score=sighting.match.score,
                text=quote(sighting),
                item_text=shorten(unit.text),
                label=label,
            )


def overlap_of(index: Index) -> int:
    """Bytes that windows share, so that every unit stands whole in one of them."""
    return min(max(_BYTES_A_WORD * index.widest, _SMALLEST_OVERLAP), _LARGEST_OVERLAP)


def quote(sighting: Sighting) -> str:
    """What stands there, shortened, on one line and without escapes."""
    match = sighting.match
    if match.text is not None:
        raw = match.text
    elif match.method in REWORDED:  # which is only known by its numbers
        line = sighting.window.data.rfind(b"\n", 0, match.start) + 1
        raw = sighting.window.data[max(line, match.start - _BEFORE) : match.end + _BEFORE // 2]
    else:
        raw = sighting.window.data[match.start : match.end]
    return shorten(unescape(bytes(raw[:_QUOTED])).decode("utf-8", "replace"))


def is_weights(file: BinaryIO, entry: Entry) -> bool:
    """Whether it is a safetensors file of nothing but floating-point tensors."""
    if entry.path.suffix != ".safetensors":
        return False
    size = int.from_bytes(os.pread(file.fileno(), 8, 0), "little")
    try:
        header = json.loads(os.pread(file.fileno(), min(size, _LARGEST_HEADER), 8))
        tensors = [value for name, value in header.items() if name != "__metadata__"]
        return all(tensor["dtype"] in _FLOATS for tensor in tensors) and entry.size == 8 + size + max(
            (tensor["data_offsets"][1] for tensor in tensors), default=0
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return False


def segments(entry: Entry, overlap: int) -> tuple[list[tuple[int, int]], bool] | None:
    """Where a large plain file is cut, so that several threads search it, and whether its lines are documents.

    None if it is to be searched whole, because it is small, packed or full of holes, or cannot be read.
    """
    if entry.size < 2 * SEGMENT:
        return None
    try:
        with open_regular(entry.path) as file:
            reader = Peekable(_Segment(file, 0, entry.size))
            if _is_sparse(file) or is_packed(reader.peek(HEAD)) or as_text(reader) is not reader:
                return None
            by_line = is_by_line(reader)
            cuts = [0]
            while cuts[-1] + 2 * SEGMENT < entry.size:
                near = os.pread(file.fileno(), overlap, cuts[-1] + SEGMENT)
                cuts.append(cuts[-1] + SEGMENT + seam(near, 0, len(near), by_line))
    except (UnreadableError, OSError):
        return None
    return list(zip(cuts, [*cuts[1:], entry.size], strict=True)), by_line
