"""Recognize Python programs that only ask test questions: literals in lists of questions, in code that stores nothing.

Such a program reads test items, which is allowed. Everything less clear counts as data: a second list of the same
length, strings that are not whole questions, and code that writes, saves or trains.
"""

import ast
import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from posttrainbench.audit.contamination.scan.tokens import word_hashes

LARGEST = 2**18  # bytes
_KEEPS = re.compile(
    r"backward|save|write|exec|popen|system|subprocess|upload|push|train|fit|dump|loss|optim|dataset|"
    r"to_(json|csv|parquet|pickle|disk)|eval|zip|append|extend|update|yield",
    re.IGNORECASE,
)
"""Names in programs that train on, write or collect data. Sending a question to a model is not among them."""


def is_asked_only(program: bytes, offset: int, questions: Collection[tuple[int, ...]]) -> bool:
    """Return True if the byte at `offset` is in a list of test questions in a program that only asks them.

    Args:
        program: the whole source.
        offset: position of the question that was found.
        questions: the test questions, as hashes of their words.
    """
    lists = _string_lists(program)
    if lists is None:
        return False
    around = [texts for start, end, texts in lists if start <= offset < end]
    return bool(around) and all(tuple(word_hashes(text.encode())) in questions for text in around[-1])


@lru_cache(maxsize=16)
def _string_lists(program: bytes) -> list[tuple[int, int, list[str]]] | None:
    """Return start, end and texts of the literal lists of strings, inner ones last.

    Lists as long as another list are left out. None if the program cannot be parsed, stores something, or contains a
    dictionary, in which a question under one key may have its answer under another.
    """
    if len(program) > LARGEST:
        return None
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if any(_KEEPS.search(name) for node in ast.walk(tree) for name in _names(node)):
        return None
    starts = [0]
    for line in program.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lists: list[tuple[int, int, list[str]]] = []
    sizes: list[int] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            return None
        if isinstance(node, ast.List | ast.Tuple | ast.Set) and len(node.elts) > 1:
            sizes.append(len(node.elts))
            texts = [
                element.value
                for element in node.elts
                if isinstance(element, ast.Constant) and isinstance(element.value, str)
            ]
            if len(texts) == len(node.elts):
                ends = (node.end_lineno or node.lineno, node.end_col_offset or 0)
                lists.append((starts[node.lineno - 1] + node.col_offset, starts[ends[0] - 1] + ends[1], texts))
    return [entry for entry in lists if sizes.count(len(entry[2])) == 1]


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.alias):
        yield node.name
    elif isinstance(node, ast.Yield | ast.YieldFrom):
        yield "yield"
