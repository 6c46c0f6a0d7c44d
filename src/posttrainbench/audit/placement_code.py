"""Questions that a Python program only asks: literals in a list of nothing but questions, in code that keeps nothing.

Such a program looks at test items, which is allowed. Anything less clear counts as data: another list as long beside
the questions, strings that are no whole question, and code that writes, saves or trains.
"""

import ast
import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from posttrainbench.audit.normalise import words

LARGEST = 2**18
_KEEPS = re.compile(
    r"write|dump|save|train|fit|backward|loss|optim|dataset|to_(json|csv|parquet|pickle|disk)|upload|push|exec|eval|"
    r"system|subprocess|Popen|zip|append|extend|update|yield",
    re.IGNORECASE,
)
_Words = tuple[bytes, ...]


def only_asks(program: bytes, place: int, questions: Collection[_Words]) -> bool:
    """Whether the byte at `place` stands in a literal of a program that asks questions and keeps nothing of them.

    Args:
        program: the whole source.
        place: where a question was found.
        questions: the test questions, as words.
    """
    lists = _asking(program)
    if lists is None:
        return False
    around = [texts for start, end, texts in lists if start <= place < end]
    return bool(around) and all(tuple(words(text.encode())) in questions for text in around[-1])


@lru_cache(maxsize=16)
def _asking(program: bytes) -> list[tuple[int, int, list[str]]] | None:
    """Start, end and texts of the literal collections of strings, inner ones last; None if the code keeps something."""
    if len(program) > LARGEST:
        return None
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    starts = [0]
    for line in program.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[tuple[int, int, list[str]]] = []
    sizes: list[int] = []
    for node in ast.walk(tree):
        if any(_KEEPS.search(name) for name in _names(node)):
            return None
        if isinstance(node, ast.Dict):
            return None  # a question under a key may have its answer under another
        if isinstance(node, ast.List | ast.Tuple | ast.Set) and len(node.elts) > 1:
            sizes.append(len(node.elts))
            texts = [one.value for one in node.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if len(texts) == len(node.elts):
                ends = (node.end_lineno or node.lineno, node.end_col_offset or 0)
                found.append((starts[node.lineno - 1] + node.col_offset, starts[ends[0] - 1] + ends[1], texts))
    return [one for one in found if sizes.count(len(one[2])) == 1]


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.alias):
        yield node.name
    elif isinstance(node, ast.Yield | ast.YieldFrom):
        yield "yield"
