"""Search a stretch of bytes by all methods. Each thread has its own searcher, which reuses its memory."""

import hashlib
import io
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from posttrainbench.audit.contamination.scan.containers import contents
from posttrainbench.audit.contamination.scan.decodings import Decoding, decodings
from posttrainbench.audit.contamination.scan.disguises import disguised, plain_texts
from posttrainbench.audit.contamination.scan.documents import Documents, documents_of, joined
from posttrainbench.audit.contamination.scan.embedded import Long, embedded
from posttrainbench.audit.contamination.scan.grams import Finder
from posttrainbench.audit.contamination.scan.index import METHODS, Index
from posttrainbench.audit.contamination.scan.integer_runs import SHORTEST
from posttrainbench.audit.contamination.scan.known_arrays import carries_no_text
from posttrainbench.audit.contamination.scan.opaque import UNKNOWN, is_language, is_opaque
from posttrainbench.audit.contamination.scan.paraphrase_text import METHODS as PARAPHRASE_METHODS
from posttrainbench.audit.contamination.scan.paraphrase_text import ParaphraseFinder
from posttrainbench.audit.contamination.scan.readers import Budget
from posttrainbench.audit.contamination.scan.score import Scorer
from posttrainbench.audit.contamination.scan.second_readings import second_reading
from posttrainbench.audit.contamination.scan.sequences import are_sequences
from posttrainbench.audit.contamination.scan.tokens import NUMBER_RUN, Tokenizer, Words
from posttrainbench.audit.contamination.scan.unreadable import information, unknown_stretches, unread_text
from posttrainbench.audit.contamination.scan.vocabulary import Vocabulary, has_token_ids
from posttrainbench.audit.contamination.scan.word_runs import word_runs
from posttrainbench.untrusted import UnreadableError

NO_TOKENIZER = "it may contain token ids, which cannot be read without the tokenizer (`ptb scan --tokenizer`)"
_MAX_DEPTH = 3
_WORTH_READING = 192  # bytes of information in a window
_MAX_UNPACKED = 2**26  # bytes unpacked from compressed data inside a text


@dataclass(frozen=True)
class Match:
    """A unit matched in a stretch of bytes.

    Attributes:
        unit: position of the unit in the index.
        method: name of the method that matched it.
        score: containment or cosine, 0 to 1.
        start: offset of its first byte.
        end: offset after its last byte, accurate to one word.
        line: number of newlines before its end.
        text: the matching text, if it is not the stretch itself but decoded from it.
        key: hash of unit, method and words, for the whitelist.
    """

    unit: int
    method: str
    score: float
    start: int
    end: int
    line: int
    text: bytes | None = None
    key: bytes = b""


@dataclass(frozen=True)
class SearchResult:
    """Result of searching a stretch.

    Attributes:
        matches: matches in order of their start.
        lines: number of newlines in the stretch.
        documents: documents in the stretch, also those in decoded text.
        unread: why a part of the stretch could not be searched, or "".
        long: compressed streams that continue after the stretch and were not searched.
        unreadable: bytes of information in text that is in no known language or encoding; see `unreadable`.
    """

    matches: list[Match]
    lines: int
    documents: Documents
    unread: str = ""
    long: list[Long] = field(default_factory=list)
    unreadable: int = 0


class Searcher:
    """Searches stretches of bytes for the units of an index.

    Args:
        index: the index of the test items.
        allowed: keys of matches in permitted documents, which are ignored.
        vocabulary: vocabulary for decoding token ids.
    """

    def __init__(
        self,
        index: Index,
        allowed: Collection[bytes] = (),
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self._index, self._allowed, self._vocabulary = index, allowed, vocabulary
        self._tokenize, self._find, self._score = Tokenizer(), Finder(index.table, index.programs), Scorer(index)
        self._reworded = ParaphraseFinder(index.problems) if index.problems else None

    def __call__(
        self,
        data: bytes,
        by_line: bool,
        depth: int = 0,
        fresh: int | None = None,
        cut: bool = False,
        name_ids: bool = False,
        first: bool = True,
    ) -> SearchResult:
        """Search a stretch.

        Args:
            data: the bytes.
            by_line: whether each line is a document of its own.
            depth: number of decodings that were applied before.
            fresh: offset up to which documents are counted; all are counted if None.
            cut: whether the content continues after the stretch.
            name_ids: whether to report as unread token ids without a vocabulary, binary data of unknown formats, and
                text in unknown encodings.
            first: whether the content begins with this stretch.
        """
        end = len(data) if fresh is None else fresh
        text = self._tokenize(data)
        matches = list(self._matches(data, text, by_line))
        lines, counts = int(text.counts[0]), text.counts.copy()
        binary = _is_binary(data)
        plain = depth < _MAX_DEPTH and not binary
        hidden = disguised(text, by_line, len(data)) if plain else []
        stretches = word_runs(text, data) if plain else None
        unknown = unknown_stretches(text, data) if name_ids and not binary else []
        unread = ""
        long: list[Long] = []
        documents = [documents_of(text, by_line, end)]
        opaque, packed = name_ids and is_opaque(data), 0
        ids: list[bytes] = []
        understood: list[tuple[int, int]] = [(region.start, region.end) for region in hidden]
        unreadable = 0
        if depth < _MAX_DEPTH:
            known = {(match.unit, match.line) for match in matches}
            for decoding in decodings(data, counts, self._vocabulary, stretches):
                if decoding.lines:
                    matches += self._match_lines(decoding, data, by_line, depth, known)
                    understood += decoding.read
                else:
                    inner = self._read_decoding(decoding, data, depth, documents, name_ids and bool(decoding.read))
                    matches += inner.matches
                    unreadable += inner.unreadable
                    understood += decoding.read if inner.complete else ()
                opaque = opaque and not (decoding.whole and not is_opaque(decoding.data))
                if opaque and decoding.ids:
                    ids.append(decoding.data)
            for read in plain_texts(data, hidden):
                matches += self._match_lines(Decoding(read, 0, lines=True), data, by_line, depth, known)
            for inside in embedded(data, end, cut=cut) if binary else ():
                inner = self._read_decoding(Decoding(inside.data, inside.start), data, depth, documents, name_ids)
                matches += inner.matches
                unreadable += inner.unreadable
                unread = unread or inside.unread
                long += inside.long
                packed += 0 if is_opaque(inside.data) else inside.size
        if name_ids and self._vocabulary is None and has_token_ids(data, int(counts[NUMBER_RUN]) >= SHORTEST):
            unread = "" if binary and carries_no_text(data) else NO_TOKENIZER
        elif (
            opaque
            and 2 * packed < len(data)
            and not any(is_language(text, len(data)) for text in (*ids, b" ".join(ids)))
            and not carries_no_text(data)
        ):
            unread = unread or UNKNOWN
        if unknown:
            texts: list[bytes] = []
            left: list[bytes] = []
            start = 0
            parts = list(unread_text(data, unknown, end, understood, first=first, strange=self._index.strange_words))
            worth = depth < _MAX_DEPTH and information(b" ".join(part for _, part in parts)) >= _WORTH_READING
            for place, stretch in parts:
                if worth and (text_of := second_reading(stretch)):
                    start = start if texts else place
                    texts.append(text_of)
                else:
                    left.append(stretch)
            unreadable += 0 if are_sequences(left) else information(b" ".join(left))
            if texts:
                inner = self._read_decoding(Decoding(b"\n\n".join(texts), start), data, depth, documents, name_ids)
                matches += inner.matches
                unreadable += inner.unreadable
        matches.sort(key=lambda match: (match.start, match.unit))
        return SearchResult(matches, lines, joined(documents), unread, long, unreadable)

    def _matches(self, data: bytes, text: Words, by_line: bool) -> Iterator[Match]:
        matched = self._score(text, self._find(data, text), by_line)
        patterns = self._index.patterns
        occupied: dict[int, list[tuple[int, int]]] = {}
        for pattern, first, last, score in zip(
            matched.pattern, matched.first, matched.last, matched.score, strict=True
        ):
            unit = int(patterns.unit[pattern])
            if self._index.units[unit].shows_item:
                occupied.setdefault(self._index.units[unit].item, []).append((first, last))
            yield from self._match(data, text, unit, METHODS[patterns.method[pattern]], score, first, last)
        if self._reworded is None:
            return
        paraphrases = self._reworded(data, text, by_line)
        for problem, method, first, last, score in zip(
            paraphrases.problem, paraphrases.method, paraphrases.first, paraphrases.last, paraphrases.score, strict=True
        ):
            unit = int(self._index.problems.unit[problem]) if self._index.problems else 0
            spans = occupied.setdefault(self._index.units[unit].item, [])
            if not any(first <= end and last >= start for start, end in spans):
                spans.append((first, last))
                yield from self._match(data, text, unit, PARAPHRASE_METHODS[method], score, first, last)

    def _match(
        self, data: bytes, text: Words, unit: int, method: str, score: float, first: int, last: int
    ) -> Iterator[Match]:
        words = text.hashes[first : last + 1]
        key = hashlib.blake2b(words.tobytes(), key=f"{unit} {method}".encode(), digest_size=16).digest()
        if key not in self._allowed:
            end = int(text.starts[last + 1]) if last + 1 < text.size else len(data)
            yield Match(
                unit, method, round(float(score), 4), int(text.starts[first]), end, int(text.lines[last]), key=key
            )

    def _match_lines(
        self, decoding: Decoding, data: bytes, by_line: bool, depth: int, known: Container[tuple[int, int]]
    ) -> Iterator[Match]:
        """Yield the matches in a decoding with the lines of the text, except known pairs of a unit and a line."""
        starts = [0, *(np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")) + 1).tolist()]
        for match in self(decoding.data, by_line, depth + 1).matches:
            if (match.unit, match.line) not in known:
                start = int(starts[min(match.line, len(starts) - 1)])
                excerpt = match.text if match.text is not None else decoding.data[match.start : match.end]
                yield replace(match, start=start, end=min(start + 1, len(data)), text=excerpt)

    def _read_decoding(
        self, decoding: Decoding, data: bytes, depth: int, documents: list[Documents], name_ids: bool
    ) -> "_Decoded":
        matches: list[Match] = []
        unreadable, complete = 0, True
        try:
            for text in _unpacked(decoding):
                result = self(text, False, depth + 1, name_ids=name_ids)
                documents.append(result.documents)
                unreadable += result.unreadable
                for match in result.matches:
                    start = min(decoding.start + match.start * decoding.stride, len(data))
                    end = min(decoding.start + match.end * decoding.stride if decoding.stride else start + 1, len(data))
                    excerpt = match.text if match.text is not None else text[match.start : match.end]
                    line = int(np.count_nonzero(np.frombuffer(data[:start], dtype=np.uint8) == ord("\n")))
                    matches.append(Match(match.unit, match.method, match.score, start, end, line, excerpt, match.key))
        except UnreadableError:  # not compressed after all, or truncated
            complete = False
        return _Decoded(matches, unreadable, complete)


@dataclass(frozen=True)
class _Decoded:
    """Matches and unread information in decoded text; `complete` is False if it could not be decompressed."""

    matches: list[Match]
    unreadable: int
    complete: bool


def _is_binary(data: bytes) -> bool:
    """Return True if there are control characters that compressed data contains and text does not."""
    values = np.frombuffer(data, dtype=np.uint8)
    return bool(len(values) and values.min() < 9 and (values - np.uint8(1) < 8).any())


def _unpacked(decoding: Decoding) -> Iterator[bytes]:
    """Yield the texts of a decoding.

    Raises:
        UnreadableError: it is damaged, or not compressed after all.
    """
    if not decoding.packed:
        yield decoding.data
        return
    for _, content in contents(io.BytesIO(decoding.data), Budget(len(decoding.data))):
        pieces, size = [], 0
        while size < _MAX_UNPACKED and (piece := content.read(_MAX_UNPACKED - size)):
            pieces.append(piece)
            size += len(piece)
        yield b"".join(pieces)
