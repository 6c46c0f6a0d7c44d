"""Encodings that are tried only on text in no known language: whatever they cost, other text does not pay for it.

Recognized are base64, base32, base85 and hexadecimal digits in groups or reversed, binary digits without separators,
code points shifted by one number (also invisible tags and variation selectors), characters as zero-width bits or as
tabs and spaces, ROT47, words cut into pairs of letters, and digits of bytes that were combined with a key.
"""

import base64
import itertools
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.character_codes import unmasked
from posttrainbench.audit.contamination.scan.dense_text import dense_runs
from posttrainbench.audit.contamination.scan.encoded_digits import encoded_runs
from posttrainbench.audit.contamination.scan.opaque import is_language

_SAMPLE = 1024  # characters that are tried first
_FEWEST = 64
_SPACES = re.compile(rb"(?:\\+[rnt]|\s)+")
_PRINTED = bytes(range(33, 127))
_ROT47 = bytes.maketrans(_PRINTED, _PRINTED[47:] + _PRINTED[:47])
_HEXADECIMAL, _BASE64 = re.compile(rb"[0-9a-fA-F]{64,}"), re.compile(rb"[A-Za-z0-9+/_-]{64,}")
_BINARY = re.compile(rb"[01]{64,}")
_PAIRS = re.compile(rb"(?<=\w\w) (?=\w)")
_TWO = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u180e]{64,}|[ \\t]{64,}")
_SPACE, _NEWLINE = 32, 10
_MIN_SHIFT, _MOST_DIFFERENT, _RANGE = 128, 160, 256
_LAST = 0x110000


def second_reading(stretch: bytes) -> bytes:
    """Return what an unread text may be: text, or encoded digits that are decoded further; nothing if it is unknown."""
    for read in _READINGS:
        for sample in read(stretch[:_SAMPLE]):
            if _is_understood(sample):
                whole = [text for text in read(stretch) if _is_understood(text[:_SAMPLE])]
                if whole:
                    return b"\n".join(whole)
    return b""


def _is_understood(text: bytes) -> bool:
    return len(text) >= _FEWEST // 8 and (is_language(text, len(text)) or bool(encoded_runs(text) or dense_runs(text)))


def _digits(stretch: bytes) -> Iterator[bytes]:
    joined = _SPACES.sub(b"", stretch)
    yield joined
    yield joined.rstrip(b"=")[::-1].lstrip(b"=")


def _masked(stretch: bytes) -> Iterator[bytes]:
    digits = _SPACES.sub(b"", stretch)
    for run in _BASE64.findall(digits):
        if _HEXADECIMAL.fullmatch(run):
            yield unmasked(_values(bytes.fromhex(run[: len(run) // 2 * 2].decode())))
            continue
        plain = run.translate(bytes.maketrans(b"-_", b"+/"))
        for skipped in range(4):  # the first digits may be other text
            part = plain[skipped : skipped + (len(plain) - skipped) // 4 * 4]
            yield unmasked(_values(base64.b64decode(part)))


def _values(data: bytes) -> NDArray[np.int64]:
    return np.frombuffer(data, dtype=np.uint8).astype(np.int64)


def _binary(stretch: bytes) -> Iterator[bytes]:
    for run in _BINARY.findall(stretch):
        for width, skipped in itertools.product((8, 7), range(8)):  # the first digits may be missing
            values = np.frombuffer(run, dtype=np.uint8)[skipped:] - ord("0")
            bits = values[: len(values) // width * width].reshape(-1, width)
            yield np.packbits(np.pad(bits, ((0, 0), (8 - width, 0))), axis=1).tobytes()


def _two_characters(stretch: bytes) -> Iterator[bytes]:
    for run in _TWO.findall(stretch.decode("utf-8", "ignore").replace("\\t", "\t")):
        most = [letter for letter, _ in Counter(run).most_common(2)]
        if len(most) == 2:
            for zero, one in (most, most[::-1]):
                yield from _binary(run.translate(str.maketrans({zero: "0", one: "1"})).encode())


def _shifted(stretch: bytes) -> Iterator[bytes]:
    codes = np.array([ord(letter) for letter in stretch.decode("utf-8", "ignore")], dtype=np.int64)
    high = codes[codes >= _MIN_SHIFT]
    if len(high) < _FEWEST or not len(np.unique(high)) <= _MOST_DIFFERENT:
        return
    values, counts = np.unique(high, return_counts=True)
    base = int(values[0])
    for shift in {int(values[counts.argmax()]) - _SPACE, base & ~0xFF, base & ~0x7F, base - _NEWLINE}:
        moved = np.where((codes >= shift) & (codes < shift + _RANGE), codes - shift, codes)
        if 0 <= moved.min() <= moved.max() < _LAST:
            yield "".join(map(chr, moved.tolist())).encode("utf-8", "replace")


def _rotated(stretch: bytes) -> Iterator[bytes]:
    yield stretch.translate(_ROT47)


def _paired(stretch: bytes) -> Iterator[bytes]:
    yield _PAIRS.sub(b"", stretch)


_READINGS = (_paired, _rotated, _shifted, _two_characters, _binary, _digits, _masked)
