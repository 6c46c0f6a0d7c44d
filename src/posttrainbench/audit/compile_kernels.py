"""Compile the audit's kernels and keep their machine code on disk, so that no first scan or audit waits for it.

    python -m posttrainbench.audit.compile_kernels

Run this once after the installation; `make` does. It takes about 20 seconds, and nothing if the kernels are there.
"""

import base64
import os
import random
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posttrainbench.benchmarks import Item

_WORDS = 4000  # few items share a word
_ITEMS = 120  # enough for the index of word problems
_IDS = 300


def main() -> int:
    """Run every kernel once, on made-up items."""
    if os.access(Path(__file__).parent, os.W_OK):  # every user can read it, so kernels of this user do not count
        sys.dont_write_bytecode = False
        os.environ["XDG_CACHE_HOME"] = os.devnull
    _run_all()
    return 0


def _run_all() -> None:
    import numpy as np

    from posttrainbench.audit.contamination.scan.index import build_index
    from posttrainbench.audit.contamination.scan.search import Searcher
    from posttrainbench.audit.contamination.scan.vocabulary import Vocabulary
    from posttrainbench.audit.lineage.kernel import FIELDS, add_sums
    from posttrainbench.benchmarks import Item

    rng = random.Random(1)
    letters = ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(7)) for _ in range(_WORDS)]
    items = [_problem(number, letters, rng) for number in range(_ITEMS)]
    code = "def f(x):\n    total = 0\n" + "".join(
        f"    {word} = total + x * {n}\n" for n, word in enumerate(letters[:30])
    )
    items.append(Item("program", f'{code}    """Add."""\n', "    return total\n", {}))
    ids = [rng.randrange(_IDS) for _ in range(_IDS)]
    pieces = [f" {word}".encode() for word in letters[:_IDS]] + [b" "]
    first = np.cumsum([0, *(len(piece) for piece in pieces)]).astype(np.int64)
    vocabulary = Vocabulary(first, np.frombuffer(b"".join(pieces), dtype=np.uint8))
    text = "\n".join(f"{item.question} {item.answer} {' '.join(letters[:40])}" for item in items[-20:])
    parts = [
        text.encode(),
        text.replace(" 7", " 8").encode(),
        text.encode("utf-16-le"),
        text.encode("utf-32-be"),
        base64.b64encode(text.encode()),
        text.encode().hex().encode(),
        " ".join(text[:600]).encode(),
        ".".join(text[:600]).encode(),
        base64.b85encode(text.encode()),
        str(list(text.encode())).encode(),
        ("x<b></b>y " * _WORDS).encode(),
        str(ids).encode(),
        text.encode().decode().encode("ascii", "backslashreplace") + rb"\u2019 \xe9 &amp; &#65;",
        *(np.array(ids).astype(kind).tobytes() for kind in ("<u2", "<u4", "<i8")),
        b"\x80\x04]\x94(" + b"".join(b"M" + int(number + 256).to_bytes(2, "little") for number in ids) + b"e.",
        b"\0\1\2" + zlib.compress(text.encode()),
    ]
    for known in (None, vocabulary):
        search = Searcher(build_index(items), vocabulary=known)
        for part in parts:
            for by_line in (False, True):
                search(part, by_line, name_ids=True)
    build_index(items, [text])
    for kind in (np.uint16, np.uint32):
        values = np.ones(8, dtype=kind)
        add_sums(values, values, values, np.zeros(FIELDS))


def _problem(number: int, letters: list[str], rng: random.Random) -> "Item":
    """Return a word problem with numbers and a number as answer."""
    from posttrainbench.benchmarks import Item

    chosen = [rng.choice(letters) for _ in range(40)]
    for place, value in ((5, 17 + number), (12, 3), (20, 40 + number), (33, 21)):
        chosen[place] = str(value)
    return Item(f"item/{number}", " ".join(chosen), f"the answer is {number + 7}", {})


if __name__ == "__main__":
    sys.exit(main())
