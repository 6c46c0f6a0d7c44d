"""Alternative decodings of a byte range: UTF-16/32, base64, hexadecimal digits, markup, spaced letters, token ids.

UTF-16 and UTF-32 are recognized without a byte order mark, base64 and hexadecimal digits also across line breaks; token
ids need a vocabulary. Each decoding is tried only where the text looks like it, so that ordinary text costs nothing.
"""

import base64
import binascii
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from posttrainbench.audit.contamination.scan.character_codes import coded_texts, other_codes
from posttrainbench.audit.contamination.scan.cut_words import joined_letters, without_inner_markup
from posttrainbench.audit.contamination.scan.dense_text import decoded_run, dense_runs
from posttrainbench.audit.contamination.scan.encoded_digits import MIN_DIGITS, MIN_READABLE, SAMPLE, encoded_runs
from posttrainbench.audit.contamination.scan.integer_runs import SHORTEST
from posttrainbench.audit.contamination.scan.letter_patterns import MIN_SPACED, spaced_regions, wide_texts
from posttrainbench.audit.contamination.scan.markup import unmarked
from posttrainbench.audit.contamination.scan.tokens import LETTER_RUN, LONG, LONG_WORDS, NUMBER_RUN, Numbers
from posttrainbench.audit.contamination.scan.vocabulary import Vocabulary
from posttrainbench.audit.contamination.scan.word_runs import NUMBERS, Stretch

_ESCAPED_UTF16 = re.compile(rb"\\+u[0-9a-fA-F]{4}(?:\\+u[0-9a-fA-F]{4})*")
_ESCAPED_BYTES = re.compile(rb"\\+x[0-9a-fA-F]{2}(?:\\+x[0-9a-fA-F]{2})*")
_ESCAPES = 4096  # decoded escapes that are kept: the same few occur again and again
_ESCAPED_SPACES = (rb"\n", rb"\r", rb"\t", rb"\f", rb"\v")

_BREAKS = re.compile(rb"\\+[rn]|\s")
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F]+\Z")
_SINGLE = re.compile(r"(?<!\w)([^\W_]|[,.?!$%'])[ ._|*-](?=([^\W_]|[,.?!$%'])(?!\w))")
_PACKED = (
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"PK\x03\x04",
    b"x\x9c",
    b"x\xda",
    b"x\x01",
    b"x\x5e",
)
_SECOND_ROW = b"0000010"  # of a dump, which begins with the offset
_DUMP = re.compile(
    rb"(?<![0-9a-f])[0-9a-f]{7,8}:? ((?:(?: ?(?:[0-9a-f]{2}){2,4}| {0,2}[0-9a-f]{2})(?![0-9a-f])){1,16})"
)
_MIN_ZEROS = 0.9  # share of zeros among the other bytes of UTF-16 and UTF-32
_PRINTABLE = bytes((9, 10, 13, *range(32, 127)))
_UNPRINTABLE = bytes(byte for byte in range(256) if byte not in _PRINTABLE)
_NAME_OF_HASH = re.compile(rb"\A.{0,5}[^\t\n\r -~]", re.DOTALL)  # such as `sha512-`, decoded like the digits after it
_FEWEST_PIECES, _LONGEST_PIECE = 8, 256  # runs of digits that are joined, and digits of each


@dataclass(frozen=True)
class Decoding:
    """Bytes decoded from a stretch of a text.

    Attributes:
        data: the decoded bytes.
        start: offset in the text at which the stretch begins.
        stride: bytes of the text for each byte of `data`; 0 if their ratio is not constant.
        packed: whether the bytes may be compressed.
        whole: whether all of the text was decoded.
        ids: whether the text was decoded from token ids.
        lines: whether the lines are those of the text, from its start on; `start` and `stride` are then not used.
        read: stretches of the text that were decoded; those of a decoding of the whole text are not known.
    """

    data: bytes
    start: int
    stride: int = 0
    packed: bool = False
    whole: bool = False
    ids: bool = False
    lines: bool = False
    read: tuple[tuple[int, int], ...] = ()


def decodings(
    data: bytes, counts: Numbers, vocabulary: Vocabulary | None, stretches: Sequence[Stretch] | None = None
) -> Iterator[Decoding]:
    """Yield the alternative decodings of a text.

    Args:
        data: the text.
        counts: the counts of its words; see `tokens.Words`.
        vocabulary: vocabulary for decoding token ids, which are ignored without one.
        stretches: its runs of numbers and of letters; None for binary data.
    """
    yield from _wide(data)
    if vocabulary:
        for start, text in vocabulary.in_binary(data):
            yield Decoding(text, start, ids=True)
        if counts[NUMBER_RUN] >= SHORTEST:
            for start, text in vocabulary.in_text(data):
                yield Decoding(text, start, ids=True)
    if counts[LONG_WORDS]:
        yield from _encoded(data)
    for run in dense_runs(data):
        decoded = decoded_run(data, run)
        yield Decoding(decoded, run.start, packed=decoded.startswith(_PACKED), read=((run.start, run.end),))
    if stretches is not None:
        yield from _joined(stretches, data)
        for start, text in other_codes(data):
            yield Decoding(text, start, read=((start, start + len(text)),))  # which is at most as long
        if text := without_inner_markup(data):
            yield Decoding(text, 0)
        if _SECOND_ROW in data and (text := b"".join(map(_dumped, _DUMP.findall(data)))):
            yield Decoding(text, 0)
    if text := unmarked(data):
        yield Decoding(text, 0)
    if counts[LETTER_RUN] >= MIN_SPACED and (text := _spaced(data)):
        yield Decoding(text, 0, lines=True)


def _dumped(row: bytes) -> bytes:
    digits = row.replace(b" ", b"")
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode())


def _joined(stretches: Sequence[Stretch], data: bytes) -> Iterator[Decoding]:
    """Yield the texts in stretches as one, on the lines on which they begin."""
    pieces, before = [], 0
    known: list[tuple[int, int]] = []
    for stretch in sorted(stretches):
        read = coded_texts if stretch.kind == NUMBERS else joined_letters
        for start, text in read(data[stretch.start : stretch.end]):
            place = max(stretch.start + start, before)
            pieces += [b"\n" * data.count(b"\n", before, place), text.replace(b"\n", b" "), b"  "]
            before = place
            known.append((stretch.start, stretch.end))
    if pieces:
        yield Decoding(b"".join(pieces), 0, lines=True, read=tuple(known))


def _wide(data: bytes) -> Iterator[Decoding]:
    for stride, phase in wide_texts(data):
        text = data[phase::stride]
        rest = len(data) - len(text)
        yield Decoding(text, phase, stride, whole=data.count(0) - text.count(0) >= _MIN_ZEROS * rest)


def _spaced(data: bytes) -> bytes:
    """Return a text without the separators of spaced letters, and without lines far from any; "" if there are few."""
    pieces, before = [], 0
    for start, end in spaced_regions(data):
        joined = _SINGLE.sub(r"\1", unescape(data[start:end]).decode("utf-8", "replace"))
        pieces += [b"\n" * data.count(b"\n", before, start), joined.encode()]
        before = end
    return b"".join(pieces)


def _encoded(data: bytes) -> Iterator[Decoding]:
    """Yield the texts in runs of digits, and the texts of short runs as one: a text may be cut into identifiers."""
    pieces = []
    for start, end in encoded_runs(data, LONG):
        digits = _BREAKS.sub(b"", data[start:end])
        decoded = _decoded(digits)
        if decoded is None:
            continue
        if len(digits) >= MIN_DIGITS:
            yield Decoding(decoded, start, packed=decoded.startswith(_PACKED), read=((start, end),))
        piece = _NAME_OF_HASH.sub(b"", decoded)
        if len(digits) <= _LONGEST_PIECE and not piece.translate(None, _PRINTABLE):
            pieces.append(piece)
    if len(pieces) >= _FEWEST_PIECES:
        yield Decoding(b"".join(pieces), 0)


def _decoded(digits: bytes) -> bytes | None:
    if _HEXADECIMAL.match(digits):
        decoded = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
        if _is_readable(decoded):
            return decoded
    plain = digits.translate(bytes.maketrans(b"-_", b"+/"))
    for skipped in range(4):  # the first digits may be other text, or the data may begin in an earlier window
        rest = plain[skipped:]
        if _is_readable(base64.b64decode(rest[: min(len(rest), SAMPLE) // 4 * 4])):
            rest = rest[: len(rest) - (len(rest) % 4 == 1)]
            try:
                return binascii.a2b_base64(rest + b"=" * (-len(rest) % 4))
            except binascii.Error:
                return None
    return None


def _is_readable(decoded: bytes) -> bool:
    if decoded.startswith(_PACKED):
        return True
    sample = decoded[:SAMPLE]
    kept = len(sample.translate(None, _UNPRINTABLE))
    if _is_utf8(sample):
        kept += sum(byte >= 0x80 for byte in sample)
    if kept >= MIN_READABLE * max(len(sample), 1):
        return True
    return any(part.count(0) >= MIN_READABLE * len(part) > 0 for part in (sample[0::2], sample[1::2]))


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return False
    try:
        data[:-3].decode()
    except UnicodeDecodeError:
        return False
    return True


def unescape(data: bytes) -> bytes:
    """Undo `\\n`, `\\uXXXX` and `\\xXX` in UTF-8 text, however many backslashes precede them.

    Escaped newlines become spaces, so that line numbers stay those of the file.
    """
    # Plain searches first: they are ten times as fast as the expressions, and most text has few kinds of escapes.
    if rb"\u" in data:
        data = _ESCAPED_UTF16.sub(lambda match: _from_utf16(match[0]), data)
    if rb"\x" in data:
        data = _ESCAPED_BYTES.sub(lambda match: _from_bytes(match[0]), data)
    for escaped in _ESCAPED_SPACES:
        data = data.replace(escaped, b" ")
    return data


@lru_cache(_ESCAPES)
def _from_utf16(escaped: bytes) -> bytes:
    if rb"\\" not in escaped:
        with contextlib.suppress(UnicodeEncodeError):  # half of a surrogate pair
            return _one_line(escaped.decode("unicode_escape"))
    units = bytes.fromhex(escaped.replace(b"\\", b"").replace(b"u", b"").decode())
    return _one_line(units.decode("utf-16-be", "replace"))


@lru_cache(_ESCAPES)
def _from_bytes(escaped: bytes) -> bytes:
    raw = bytes.fromhex(escaped.replace(b"\\", b"").replace(b"x", b"").decode())
    try:
        return _one_line(raw.decode())  # the repr of bytes
    except UnicodeDecodeError:
        return _one_line(raw.decode("latin-1"))  # the repr of a string


def _one_line(text: str) -> bytes:
    return text.replace("\n", " ").replace("\\", " ").encode()
