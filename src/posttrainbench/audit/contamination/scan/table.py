"""A table of 64-bit hashes, each with a number, optimized for lookups that nearly always fail.

A bit set rejects nearly every unknown hash with one memory access; the hashes themselves are stored with open
addressing.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.jit import compiled, inlined
from posttrainbench.audit.contamination.scan.tokens import Hashes, Numbers

_BITS_PER_HASH = 16  # at least, so that at most one unknown hash in 16 passes the bit set
_SMALLEST = 256


class Table(NamedTuple):
    """A set of hashes.

    Attributes:
        bits: bit set over the top bits of the hashes; shape (2**n / 8,).
        shift: 64 - n.
        keys: the hashes; 0 marks a free slot.
        numbers: number of each hash.
    """

    bits: NDArray[np.uint8]
    shift: int
    keys: Hashes
    numbers: Numbers


def make_table(hashes: Hashes) -> Table:
    """Return a table that maps each hash to its position in `hashes` (distinct values, shape (n,))."""
    size = max(len(hashes), _SMALLEST)
    bit_count = (_BITS_PER_HASH * size - 1).bit_length()
    bits = np.zeros(2**bit_count // 8, dtype=np.uint8)
    capacity = 2 ** (2 * size).bit_length()
    keys, numbers = np.zeros(capacity, dtype=np.uint64), np.zeros(capacity, dtype=np.int32)
    _fill(hashes, bits, 64 - bit_count, keys, numbers)
    return Table(bits, 64 - bit_count, keys, numbers)


@compiled
def _fill(hashes: Any, bits: Any, shift: Any, keys: Any, numbers: Any) -> None:
    mask = np.uint64(len(keys) - 1)
    for number in range(len(hashes)):
        hashed = hashes[number]
        position = hashed >> np.uint64(shift)
        bits[position >> np.uint64(3)] |= np.uint8(1 << np.int64(position & np.uint64(7)))
        slot = hashed & mask
        while keys[slot]:
            slot = (slot + np.uint64(1)) & mask
        keys[slot], numbers[slot] = hashed, number


@inlined
def may_hold(hashed: Any, table: Any) -> Any:
    """Return 1 if a hash may be in a table, 0 if it is not."""
    position = hashed >> np.uint64(table.shift)
    return table.bits[position >> np.uint64(3)] >> np.uint8(position & np.uint64(7)) & 1


@inlined
def look_up(hashed: Any, table: Any) -> Any:
    """Return the number of a hash in a table, or -1."""
    return number_of(hashed, table.keys, table.numbers)


@inlined
def number_of(hashed: Any, keys: Any, numbers: Any) -> Any:
    """Do the same as `look_up` with the arrays of a table, without reference counting of the tuple's members."""
    mask = np.uint64(len(keys) - 1)
    slot = hashed & mask
    while keys[slot] != 0 and keys[slot] != hashed:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(numbers[slot]) if keys[slot] != 0 else np.int64(-1)
