"""Alternative decodings of a byte range: UTF-16/32, base64, hexadecimal digits, spaced letters, token ids.

UTF-16 and UTF-32 are recognized without a byte order mark, base64 and hexadecimal digits also across line breaks; token
ids need a vocabulary. Each decoding is tried only where the text looks like it, so that ordinary text costs nothing.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from posttrainbench.audit.contamination.scan.tokens import LETTER_RUN, LONG_WORDS, NUMBER_RUN, Numbers
from posttrainbench.audit.contamination.scan.vocabulary import SHORTEST, Vocabulary

_ESCAPED_UTF16 = re.compile(rb"\\+u[0-9a-fA-F]{4}(?:\\+u[0-9a-fA-F]{4})*")
_ESCAPED_BYTES = re.compile(rb"\\+x[0-9a-fA-F]{2}(?:\\+x[0-9a-fA-F]{2})*")
_ESCAPED_SPACES = (rb"\n", rb"\r", rb"\t", rb"\f", rb"\v")
_WIDE_SHARE = 0.01  # share of positions that look like a letter of UTF-16 or UTF-32
_MIN_SPACED = 32  # length of a run of one-letter words
_MIN_PRINTABLE = 0.85
_MIN_DIGITS = 48  # base64 digits of eight short words
_SAMPLE = 512

_DIGITS = re.compile(rb"(?:[A-Za-z0-9+/_-]{20,}(?:(?:\\+[rn])+|\s{1,2})?)+=*")
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
_UNPRINTABLE = bytes(byte for byte in range(256) if byte not in (9, 10, 13, *range(32, 127)))
_PRINTABLE = np.zeros(256, dtype=bool)
_PRINTABLE[[9, 10, 13, *range(32, 127)]] = True
_LETTER, _GAP = np.zeros((2, 256), dtype=bool)
_LETTER[[*range(48, 58), *range(65, 91), *range(97, 123), *range(128, 256)]] = True
_GAP[list(b" ._|*-")] = True


@dataclass(frozen=True)
class Decoding:
    """Bytes decoded from a stretch of a text.

    Attributes:
        data: the decoded bytes.
        start: offset in the text at which the stretch begins.
        stride: bytes of the text for each byte of `data`; 0 if their ratio is not constant.
        packed: whether the bytes may be compressed.
        lines: whether the lines are those of the text, from its start on; `start` and `stride` are then not used.
    """

    data: bytes
    start: int
    stride: int = 0
    packed: bool = False
    lines: bool = False


def decodings(data: bytes, counts: Numbers, vocabulary: Vocabulary | None) -> Iterator[Decoding]:
    """Yield the alternative decodings of a text.

    Args:
        data: the text.
        counts: the counts of its words; see `tokens.Words`.
        vocabulary: vocabulary for decoding token ids, which are ignored without one.
    """
    yield from _wide(data)
    if vocabulary:
        for start, text in vocabulary.in_binary(data):
            yield Decoding(text, start)
        if counts[NUMBER_RUN] >= SHORTEST:
            for start, text in vocabulary.in_text(data):
                yield Decoding(text, start)
    if counts[LONG_WORDS]:
        yield from _encoded(data)
    if counts[LETTER_RUN] >= _MIN_SPACED and _is_spaced(data):
        yield Decoding(_SINGLE.sub(r"\1", unescape(data).decode("utf-8", "replace")).encode(), 0, lines=True)


def _wide(data: bytes) -> Iterator[Decoding]:
    values = np.frombuffer(data, dtype=np.uint8)
    if len(values) - np.count_nonzero(values) <= _WIDE_SHARE * len(values):
        return
    zero = values == 0
    letter = _PRINTABLE[values]
    for stride in (2, 4):
        alone = letter[: len(values) - 2 * stride].copy()
        for step in range(1, 2 * stride):
            alone &= letter[step : step + len(alone)] if step == stride else zero[step : step + len(alone)]
        for phase in range(stride):
            if alone[phase::stride].mean() > _WIDE_SHARE if len(alone) > phase else False:
                yield Decoding(data[phase::stride], phase, stride)


def _is_spaced(data: bytes) -> bool:
    """Return True if there are many runs of four letters, each followed by a separator."""
    values = np.frombuffer(data, dtype=np.uint8)
    pair = _LETTER[values[:-1]] & _GAP[values[1:]]
    return int(np.count_nonzero(pair[:-6] & pair[2:-4] & pair[4:-2] & pair[6:])) >= _MIN_SPACED // 4


def _encoded(data: bytes) -> Iterator[Decoding]:
    for match in _DIGITS.finditer(data):
        digits = _BREAKS.sub(b"", match[0]).rstrip(b"=")
        if len(digits) < _MIN_DIGITS:
            continue
        decoded = _decoded(digits)
        if decoded is not None:
            yield Decoding(decoded, match.start(), packed=decoded.startswith(_PACKED))


def _decoded(digits: bytes) -> bytes | None:
    if _HEXADECIMAL.match(digits):
        decoded = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
        if _is_readable(decoded):
            return decoded
    plain = digits.translate(bytes.maketrans(b"-_", b"+/"))
    for skipped in range(4):  # the first digits may be other text, or the data may begin in an earlier window
        rest = plain[skipped:]
        if _is_readable(base64.b64decode(rest[: min(len(rest), _SAMPLE) // 4 * 4])):
            rest = rest[: len(rest) - (len(rest) % 4 == 1)]
            try:
                return binascii.a2b_base64(rest + b"=" * (-len(rest) % 4))
            except binascii.Error:
                return None
    return None


def _is_readable(decoded: bytes) -> bool:
    if decoded.startswith(_PACKED):
        return True
    sample = decoded[:_SAMPLE]
    kept = len(sample.translate(None, _UNPRINTABLE))
    if _is_utf8(sample):
        kept += sum(byte >= 0x80 for byte in sample)
    if kept >= _MIN_PRINTABLE * max(len(sample), 1):
        return True
    return any(part.count(0) >= _MIN_PRINTABLE * len(part) > 0 for part in (sample[0::2], sample[1::2]))


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
        data = _ESCAPED_UTF16.sub(_from_utf16, data)
    if rb"\x" in data:
        data = _ESCAPED_BYTES.sub(_from_bytes, data)
    for escaped in _ESCAPED_SPACES:
        data = data.replace(escaped, b" ")
    return data


def _from_utf16(match: re.Match[bytes]) -> bytes:
    units = bytes.fromhex(match[0].replace(b"\\", b"").replace(b"u", b"").decode())
    return _one_line(units.decode("utf-16-be", "replace"))


def _from_bytes(match: re.Match[bytes]) -> bytes:
    raw = bytes.fromhex(match[0].replace(b"\\", b"").replace(b"x", b"").decode())
    try:
        return _one_line(raw.decode())  # the repr of bytes
    except UnicodeDecodeError:
        return _one_line(raw.decode("latin-1"))  # the repr of a string


def _one_line(text: str) -> bytes:
    return text.replace("\n", " ").replace("\\", " ").encode()
