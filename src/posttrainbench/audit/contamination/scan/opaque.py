"""Recognize binary data that no reader understands: encrypted, of an unknown format, or arrays of unknown numbers.

Data is examined in samples of `SAMPLE` bytes. A sample is understood if it is text in any 8-bit encoding, has enough
text between other bytes (records of MessagePack, Protocol Buffers, databases), is mostly zeros, or consists of
floating-point numbers with the magnitudes of weights. Files of formats that carry no text are known by their signature.
"""

import pickletools
import re
from typing import Any

import numpy as np

from posttrainbench.audit.contamination.scan.jit import compiled

UNKNOWN = "it contains binary data of an unknown format"
SHORTEST = 256
"""Fewest bytes that are examined: compressed to less, there are at most two test items."""
SAMPLE = 1024

_SAMPLES = 16  # of one stretch
_RUN = 5  # printable bytes that may be a word or more
_MIN_TEXT = 0.2  # share of bytes in such runs
_MAX_CONTROL = 0.02
_MIN_DIFFERENT = 12  # different bytes, of which there are fewer in constant arrays
_MIN_FLOATS, _MIN_WHOLE, _MOST_ALIKE = 0.95, 0.6, 8
_NATIVE = (b"\x7fELF", b"!<arch>", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"d\x86", b"d\xaa", b"\0asm")
_TEXTLESS = (
    *_NATIVE,
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0", b"8BPS"),  # images
    *(b"RIFF", b"OggS", b"fLaC", b"ID3", b"\xff\xfb", b"\x1aE\xdf\xa3"),  # sound and video
    *(b"\0\1\0\0\0", b"OTTO", b"wOFF", b"wOF2", b"ttcf"),  # fonts
    *(
        b"%PDF",
        b"GGUF",
        b"DIRC",
        b"\xfftOc",
        b"TZif",
        b"\xde\x12\x04\x95",
        b"PACK",
    ),  # documents, weights, git and others
)
_COMPILED_PYTHON = b"\r\n"  # bytes 2 and 3
_METRICS = b"brain.Event:"
_STATE_OF_NUMPY, _STATE_OF_TORCH = 2496, 5056  # bytes of the state of a random generator
_STATE_WORDS = 624

_COMMON = frozenset(
    b"the and that with are was this from not you she how what for of to in is it def return self import else "
    b"que los una con para les est pour une dans der die und das nicht ein".split()
) | frozenset(character.encode() for character in "的是了在不我有人他这")
_MIN_COMMON = 0.05  # share of a language's words
_PIECE = 2**11  # bytes of a sample of decoded text
_MIN_DECODED = 1 / 64  # bytes of decoded text per byte
_WORDS = re.compile(rb"[a-z]+|[\xe4-\xe9][\x80-\xbf]{2}")


def is_textless(head: bytes) -> bool:
    """Return True if a file with this start is of a format that carries no text: images, fonts, machine code, weights.

    Compressed streams in such files are searched nevertheless, and so is text between other bytes.
    """
    return (
        head.startswith(_TEXTLESS)
        or (head[2:4] == _COMPILED_PYTHON and head[4:8] in (b"\0\0\0\0", b"\1\0\0\0", b"\3\0\0\0"))
        or head[4:8] == b"ftyp"
        or _METRICS in head
    )


def is_opaque(data: bytes) -> bool:
    """Return True if half of a stretch is binary data that is neither text nor floating-point numbers."""
    if len(data) < SHORTEST or _is_random_state(data):
        return False
    if data[:1] == b"\x80" and (parts := _pickled_bytes(data)) is not None:
        return any(is_opaque(part) for part in parts if len(part) != _STATE_OF_NUMPY)
    values = np.frombuffer(data, dtype=np.uint8)[_numpy_header(data) :]
    if len(values) < SHORTEST:
        return False
    if values.min() >= 9:  # text
        return False
    step = max(len(values) // _SAMPLES, SAMPLE)
    opaque = total = 0
    for start in range(0, len(values), step - step % 8):
        sample = values[start : start + SAMPLE]
        if len(sample) >= SHORTEST:
            kind = _kind(sample)
            opaque, total = opaque + (kind == 2), total + (kind != 0)
    return 2 * opaque >= total > 0


def is_floats(data: bytes) -> bool:
    """Return True if half of a stretch consists of floating-point numbers with the magnitudes of weights."""
    values = np.frombuffer(data, dtype=np.uint8)
    samples = [values[start : start + SAMPLE] for start in range(0, len(values), SAMPLE)]
    kinds = [_has_floats(sample) for sample in samples if len(sample) >= SHORTEST]
    return 2 * kinds.count(1) >= len(kinds) > 0


def _is_random_state(data: bytes) -> bool:
    """Return True for the state of a random generator of PyTorch: a seed, words left, and a mark that it is seeded."""
    left, seeded = int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:16], "little")
    return len(data) == _STATE_OF_TORCH and left <= _STATE_WORDS and seeded == 1


def _numpy_header(data: bytes) -> int:
    """Return the length of the header of a NumPy file; 0 for other data."""
    if not data.startswith(b"\x93NUMPY"):
        return 0
    start, size = (10, 2) if data[6:7] == b"\1" else (12, 4)
    return min(start + int.from_bytes(data[8 : 8 + size], "little"), len(data))


def is_language(text: bytes, size: int) -> bool:
    """Return True if text that was decoded from `size` bytes contains the frequent words of languages and programs.

    With the vocabulary of another tokenizer, token ids become other words.
    """
    if len(text) < _MIN_DECODED * size:
        return False
    step = max(len(text) // _SAMPLES, _PIECE)
    samples = [_WORDS.findall(text[start : start + _PIECE].lower()) for start in range(0, len(text), step)]
    known = [sum(word in _COMMON for word in words) >= _MIN_COMMON * len(words) for words in samples if words]
    return sum(known) > len(known) / 2


def _pickled_bytes(data: bytes) -> list[bytes] | None:
    """Return the byte strings in a pickle, which is not executed; None if it is not a complete pickle."""
    try:
        arguments = [argument for _, argument, _ in pickletools.genops(data)]
    except Exception:  # anything may be in a file
        return None
    parts = [arg.encode("latin-1", "replace") if isinstance(arg, str) else arg for arg in arguments]
    return [bytes(part) for part in parts if isinstance(part, bytes | bytearray) and len(part) >= SHORTEST]


@compiled
def _kind(sample: Any) -> Any:
    """Return 0 for a sample with hardly any content, 1 for one that is understood, 2 for one that is not."""
    control, zeros, text, run = 0, 0, 0, 0
    size = len(sample)
    following = 0  # bytes that belong to a character of UTF-8
    for place in range(size):
        byte = sample[place]
        printable = 32 <= byte < 127 or byte == 9 or byte == 10 or byte == 13
        if following > 0 and byte & 0xC0 == 0x80:
            following, printable = following - 1, True
        elif 0xC2 <= byte < 0xF0 and place + 1 < size and sample[place + 1] & 0xC0 == 0x80:
            following, printable = 1 if byte < 0xE0 else 2, True
        else:
            following = 0
        run = run + 1 if printable else 0
        text += _RUN if run == _RUN else run > _RUN
        zeros += byte == 0
        control += not printable and byte < 32 and byte != 12 and byte != 27
    if size - zeros < size // 32 or _different(sample) < _MIN_DIFFERENT:
        return 0
    if control < _MAX_CONTROL * size or text >= _MIN_TEXT * (size - zeros):
        return 1
    return 1 if _has_floats(sample) == 1 else 2


@compiled
def _has_floats(sample: Any) -> Any:
    """Return 1 if a sample consists of floating-point numbers of any width, 2 if these are integers, else 0."""
    best = 0
    for phase in range(8):
        best = max(best, _floats(sample, phase, 8, 11, -80, 20))
        if phase < 4:
            best = max(best, _floats(sample, phase, 4, 8, -80, 20))
    for phase in range(2):
        if best == 0:
            best = max(_floats(sample, phase, 2, 8, -80, 20), _floats(sample, phase, 2, 5, -14, 6))
    return best


@compiled
def _different(sample: Any) -> Any:
    known = np.zeros(256, dtype=np.uint8)
    for byte in sample:
        known[byte] = 1
    return known.sum()


@compiled
def _floats(sample: Any, phase: Any, width: Any, exponent_bits: Any, smallest: Any, largest: Any) -> Any:
    """Return 1 if a sample consists of floating-point numbers of usual magnitudes, 2 if these are integers, else 0.

    Args:
        sample: the bytes.
        phase: offset of the first number.
        width: bytes of a number, little-endian.
        exponent_bits: number of bits of its exponent.
        smallest: the smallest usual power of two.
        largest: the largest usual power of two.
    """
    fraction_bits = 8 * width - 1 - exponent_bits
    bias = (1 << (exponent_bits - 1)) - 1
    usual, wholes, total = 0, 0, 0
    counts = np.zeros(256, dtype=np.int32)  # of the byte below the highest, which varies in numbers at their offset
    for place in range(phase, len(sample) - width + 1, width):
        value = np.uint64(0)
        for byte in range(width):
            value |= np.uint64(sample[place + byte]) << np.uint64(8 * byte)
        if value << np.uint64(65 - 8 * width) == 0:
            continue
        total += 1
        counts[sample[place + width - 2]] += 1
        power = np.int64((value >> np.uint64(fraction_bits)) & np.uint64((1 << exponent_bits) - 1)) - bias
        if smallest <= power <= largest:
            usual += 1
            whole = power >= 0 and value & np.uint64((1 << max(fraction_bits - power, 0)) - 1) == 0
            wholes += whole
    if wholes >= _MIN_WHOLE * total and total > 0:
        return 2
    return 1 if usual >= _MIN_FLOATS * total and _MOST_ALIKE * counts.max() < total else 0
