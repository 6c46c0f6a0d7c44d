"""Decode token ids to text with the vocabulary of a tokenizer.

Decoded are runs of numbers in text (`"input_ids": [...]`), arrays of 16, 32 or 64 bits in binary files (NumPy, flat
`.bin` files, Arrow buffers, torch files), and lists of integers in pickles, which are never unpickled. Tokens are
decoded one by one; special tokens separate words, other added tokens are their text.
"""

import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.integer_runs import SHORTEST, Ids, array_runs, number_lists, pickled_runs
from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.errors import InputError
from posttrainbench.files import require_existing

_PICKLED_NUMBER = re.compile(rb"K(.)|M(..)|J(....)|e\(", re.DOTALL)
_FLOAT_TYPES = ("<f4", "<f8")
_MIN_WHOLE = 0.5  # share of floating-point numbers that must be ids
_BY_CHANCE = 1e-9  # probability at which random data has no run of 16-bit ids
_SEPARATORS = re.compile(rb"[\s,]+")
_MIN_ON_LINE = 8  # numbers
_MIN_DIFFERENT = 12  # different ids in a run
_LARGE = 256  # value that an id of a run must reach
_MIXED = 0.25  # smallest share of falling and of rising steps, of odd and of even ids
_MOST = 2**18  # ids of vocabularies, where the vocabulary is unknown
_ARRAY = re.compile(rb"\x93NUMPY.{2,8}\{'descr': '[<>|]?[iu]2'", re.DOTALL)
_SAMPLE = 4096  # bytes, or ids, that are tested
_VALID = 0.98  # share of numbers that must be ids of the vocabulary
_CONTROL = 0.005
"""Share of control characters from which bytes are not text."""


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer's vocabulary.

    Attributes:
        first: token id -> offset of its text in `data`; the entry after the last id is a space; shape (ids + 2,).
        data: the concatenated texts in UTF-8.
    """

    first: NDArray[np.int64]
    data: NDArray[np.uint8]

    def decode(self, ids: Ids) -> bytes:
        """Return the text of token ids; unknown ids separate words."""
        known = np.where((ids >= 0) & (ids < self.size), ids, self.size)
        out = np.empty(int((self.first[known + 1] - self.first[known]).sum()), dtype=np.uint8)
        _copy(known, self.first, self.data, out)
        return out.tobytes()

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self.first) - 2

    def in_text(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield offset and text of each list of token ids in a text."""
        for start, ids in number_lists(data):
            if (ids < self.size).mean() >= _VALID:
                yield start, self.decode(ids)

    def in_binary(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield offset and text of bytes as token ids, for each plausible element type and alignment.

        Read are arrays of 16, 32 and 64 bits, and lists of integers in pickles.
        """
        for start, ids in (*_arrays(data, self.size), *_pickled(data)):
            yield start, self.decode(ids)
        if not _is_binary(data):
            return
        for big in (False, True):
            for phase in range(2):
                if _has_short_run(np.frombuffer(data, dtype=np.uint8), phase, big, self.size, self._short_run):
                    ids = np.frombuffer(data, ">u2" if big else "<u2", (len(data) - phase) // 2, phase)
                    yield phase, self.decode(ids.astype(np.int64))
        for phase in range(3):  # 24 bits, as vocabularies of more than 2**16 tokens may be saved
            columns = np.frombuffer(data, np.uint8, (len(data) - phase) // 3 * 3, phase).reshape(-1, 3)
            if columns.size and (columns[:: len(columns) // _SAMPLE + 1, 2] <= self.size >> 16).mean() >= _VALID:
                yield phase, self.decode(columns @ np.array([1, 2**8, 2**16]))
        for kind in _FLOAT_TYPES:
            values = np.frombuffer(data, kind, len(data) // np.dtype(kind).itemsize)
            sample = values[:: len(values) // _SAMPLE + 1]
            whole = (sample >= 0) & (sample < self.size)
            whole[whole] = sample[whole] == np.floor(sample[whole])
            if whole.sum() >= _MIN_WHOLE * len(sample) and len(np.unique(sample[whole])) >= _MIN_DIFFERENT:
                yield 0, self.decode(np.where((values >= 0) & (values < self.size), values, self.size).astype(np.int64))

    @property
    def _short_run(self) -> int:
        """Length of a run of 16-bit ids that random data does not contain."""
        share = min(self.size / 2**16, 1.0)
        return SHORTEST if share == 1 else max(SHORTEST, math.ceil(math.log(_BY_CHANCE) / math.log(share)))


def _is_binary(data: bytes) -> bool:
    """Return True if bytes at regular distances contain control characters, unlike text."""
    sample = np.frombuffer(data, dtype=np.uint8)[:: len(data) // (4 * _SAMPLE) + 1]
    return len(data) >= 2 * SHORTEST and bool(((sample < 9) | ((sample > 13) & (sample < 32))).mean() >= _CONTROL)


def has_token_ids(data: bytes, numbers: bool) -> bool:
    """Return True if bytes contain what may be token ids of an unknown vocabulary.

    Args:
        data: the bytes.
        numbers: whether they contain a run of at least `SHORTEST` numbers in digits.
    """
    if _ARRAY.match(data):
        return True
    lists = (ids for start, ids in number_lists(data) if _is_list(data, start, len(ids))) if numbers else iter(())
    others = (ids for _, ids in itertools.chain(_arrays(data, _MOST), _pickled(data)))
    return any(_may_be_ids(ids) for ids in itertools.chain(lists, others))


def _is_list(data: bytes, start: int, size: int) -> bool:
    """Return True for numbers after a bracket, or on lines of different lengths, unlike the columns of a table."""
    if data[max(start - 64, 0) : start].rstrip().endswith(b"["):
        return True
    lines = [len(_SEPARATORS.split(line)) for line in data[start : start + min(2 * size, _SAMPLE)].splitlines() if line]
    return len(lines) < 2 or (sum(lines) >= _MIN_ON_LINE * len(lines) and len(set(lines[:-1])) > 1)


def _may_be_ids(ids: Ids) -> bool:
    sample = ids[:_SAMPLE]
    falling, odd = (np.diff(sample) < 0).mean(), (sample & 1).mean()
    # Addresses and counters rise, and addresses are even.
    mixed = _MIXED <= falling <= 1 - _MIXED and _MIXED <= odd <= 1 - _MIXED
    return bool(mixed and len(np.unique(sample)) >= _MIN_DIFFERENT and _LARGE <= ids.max() < _MOST)


def _pickled(data: bytes) -> Iterator[tuple[int, Ids]]:
    if b"\0" not in data:
        return
    for start, end in pickled_runs(data):
        raw = [next(filter(None, number.groups()), b"") for number in _PICKLED_NUMBER.finditer(data[start:end])]
        yield start, np.array([int.from_bytes(value, "little") for value in raw if value], dtype=np.int64)


def _arrays(data: bytes, size: int) -> Iterator[tuple[int, Ids]]:
    """Yield offset and values of each run of token ids in arrays of 32 or 64 bits, without the zeros of padding."""
    if data.count(0) < SHORTEST:  # the upper bytes
        return
    for start, ids in array_runs(data, size):
        # Arrays that are not token ids have few different values.
        if len(np.unique(ids[:_SAMPLE])) >= _MIN_DIFFERENT:
            yield start, ids


def load_vocabulary(directory: Path) -> Vocabulary:
    """Read the vocabulary of a directory's `tokenizer.json` as data, without running a tokenizer.

    Raises:
        InputError: the file is missing or has an unknown format.
    """
    require_existing(directory, "the base model's directory")
    path = directory / "tokenizer.json"
    try:
        data = json.loads(path.read_text())
        vocabulary = data["model"]["vocab"]
        pairs = (
            vocabulary.items() if isinstance(vocabulary, dict) else ((row[0], n) for n, row in enumerate(vocabulary))
        )
        texts = {int(number): token for token, number in pairs}
        added = {
            int(token["id"]): b" " if token.get("special") else token["content"].encode("utf-8", "replace")
            for token in data.get("added_tokens", [])
        }
        by_byte = "ByteLevel" in json.dumps([data.get("pre_tokenizer"), data.get("decoder")])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as a tokenizer ({error}); give the base model's directory.") from None
    size = max([*texts, *added], default=-1) + 1
    pieces = [added[number] if number in added else _bytes(texts.get(number, " "), by_byte) for number in range(size)]
    pieces.append(b" ")
    first = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    return Vocabulary(first, np.frombuffer(b"".join(pieces), dtype=np.uint8))


def _bytes(token: str, by_byte: bool) -> bytes:
    if by_byte:
        table = _byte_letters()
        if all(letter in table for letter in token):
            return bytes(table[letter] for letter in token)
    if match := re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", token):
        return bytes.fromhex(match[1])
    return token.replace("▁", " ").replace("##", "").encode("utf-8", "replace")


@lru_cache(maxsize=1)
def _byte_letters() -> dict[str, int]:
    """Return letter -> byte of GPT-2's byte-level vocabularies: printable bytes unchanged, others from 256 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + position): byte for position, byte in enumerate(others)}


@compiled
def _copy(ids: Any, first: Any, data: Any, out: Any) -> None:
    position = 0
    for token in ids:
        for byte in range(first[token], first[token + 1]):
            out[position] = data[byte]
            position += 1


@compiled
def _has_short_run(data: Any, phase: Any, big: Any, size: Any, needed: Any) -> Any:
    """Return True if `needed` consecutive numbers of 16 bits are below `size` and half of them differ from the last."""
    run, changes, last = 0, 0, np.int64(-1)
    for place in range(phase, len(data) - 1, 2):
        one, two = np.int64(data[place]), np.int64(data[place + 1])
        value = one << 8 | two if big else two << 8 | one
        if value >= size:
            run, changes = 0, 0
            continue
        run += 1
        changes += value != last
        last = value
        if run >= needed and changes >= needed // 2:
            return True
    return False
