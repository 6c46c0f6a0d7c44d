"""Encode program text without its own names, so that renaming functions and variables changes nothing.

Keywords, built-in names, common methods (except those that are also common variable names) and numbers are kept. Every
other name is replaced by the distance to its previous occurrence.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.tokens import Hashes, hash_set, in_set, words

_KEPT_NAMES = """
false none true and as assert async await break class continue def del elif else except finally for from global if
import in is lambda nonlocal not or pass raise return try while with yield
abs all any bin bool bytes chr dict divmod enumerate eval filter float format frozenset hash hex int isinstance iter len
list map max min next oct ord pow print range repr reversed round set slice sorted str sum tuple type zip
append capitalize clear copy extend endswith find get insert isalnum isalpha isdigit islower isupper
join lower lstrip pop remove replace reverse rstrip sort split startswith strip swapcase upper
math floor ceil sqrt functools itertools
""".split()
_SLOTS = 1024
_REACH = 16  # names; previous occurrences further back are ignored
_NEW = np.uint64(0x5851F42D4C957F2D)


@lru_cache(maxsize=1)
def kept_names() -> Hashes:
    """Return the words that are kept, as a table for `in_set`."""
    return hash_set([int(words(word.encode()).hashes[0]) for word in _KEPT_NAMES], _SLOTS)


@compiled
def encode(data: Any, hashes: Any, starts: Any, kept: Any, names: Any, out: Any, origin: Any) -> Any:
    """Write the encoded sequence of a text to `out`, and the first word of each entry to `origin`; return its length.

    Words joined by underscores are one name. `names` is scratch memory.
    """
    size, word = 0, 0
    while word < len(hashes):
        first, name, parts = word, hashes[word], 1
        word += 1
        while word < len(hashes) and data[starts[word] - 1] == 95:
            name = name * np.uint64(31) + hashes[word]
            parts += 1
            word += 1
        names[size], origin[size] = name, first
        if parts == 1 and (name & np.uint64(1) or in_set(name, kept)):
            out[size] = name
        else:
            distance = 0
            for back in range(1, min(_REACH, size) + 1):
                if names[size - back] == name:
                    distance = back
                    break
            out[size] = _NEW * np.uint64(2 * distance + 1)
        size += 1
    return size


def informative(sequence: Hashes) -> NDArray[np.bool_]:
    """Return a mask of the entries that are not new names."""
    return np.asarray(sequence != _NEW)
