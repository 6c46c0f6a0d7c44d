"""Recognize the selection of training rows among rows of several splits: in conditions, queries and names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from posttrainbench.audit.behavior.values import FILE, Value
from posttrainbench.audit.split_names import HELD_OUT

_COLUMN = r"(?:split|subset|partition|set|fold|part)"
_COLUMNS = re.compile(_COLUMN)
_TEST_NAME = re.compile(rf"(^|[^a-z]){HELD_OUT}(_?set)?([^a-z]|$)")
_TRAIN_NAME = re.compile(r"(^|[^a-z])(train|training)(_?set)?([^a-z]|$)")
_FLAG = re.compile(r"(is|in|from|for)_?(test|val|valid|eval|dev|train|training)(_?set)?")
# In SQL, pandas queries, jq and the text of a row: a column, how it is compared, and with what.
_COMPARED = re.compile(
    rf"""\b{_COLUMN}\b[\\"'`\])]*\s*(?P<operator>==?|!=|<>|:|\bis\s+not\b|\bis\b|\bnot\s+in\b|\bin\b)"""
    r"""\s*(?P<value>\([^()]*\)|\[[^\[\]]*\]|\?|%s|:\w+|\\*["']\w+)""",
    re.IGNORECASE,
)
_TABLE = re.compile(r"\b(?:from|join)\s+[\"'`\[]?(\w+)", re.IGNORECASE)


def keeps_training_rows(test: ast.expr) -> bool:
    """Return True if a condition, if it is true, excludes rows of the test split: by a column, a flag or a text."""
    return _excludes_test(test, True)


def drops_training_rows(test: ast.expr) -> bool:
    """Return True if a condition excludes rows of the test split if it is false."""
    return _excludes_test(test, False)


def query_keeps_training_rows(text: str, parameters: tuple[str, ...] = ()) -> bool:
    """Return True if a query in SQL, pandas or jq, or a part of a row's text, selects rows of the training split.

    Args:
        text: the query.
        parameters: texts that it is given for its placeholders.
    """
    answers = set[bool]()
    for match in _COMPARED.finditer(text[:4000]):
        placeholder = match["value"].lstrip("([ ")[:1] in ("?", "%", ":")
        values = [one.lower() for one in parameters] if placeholder else _words(match["value"])
        negative = match["operator"].lower().split()[-1] == "not" or match["operator"].lower() in ("!=", "<>")
        negative |= match["operator"].lower().startswith("not")
        for one in values:
            if named := _split_of(one):
                answers.add((named == "train") is not negative)
    tables = {_split_of(name) for name in _TABLE.findall(text[:4000])}
    if not answers and tables:
        return tables == {"train"}
    return answers == {True}


def pattern_keeps_training_rows(arguments: list[str]) -> bool:
    """Return True if the pattern of a `grep` with these arguments selects rows of the training split."""
    words = [word for word in arguments if not word.startswith("-")]
    inverted = any(re.fullmatch(r"-[a-zA-Z]*v[a-zA-Z]*|--invert-match", word) for word in arguments)
    match = _COMPARED.search(words[0]) if words else None
    return match is not None and {_split_of(word) for word in _words(match["value"])} == {
        "test" if inverted else "train"
    }


def names_training(name: str) -> bool:
    """Return True if a file or a group of rows is named as a training split."""
    return _split_of(name.rpartition("/")[2].lower()) == "train"


def without_test_data(value: Value) -> Value:
    """Return a collection without the rows that are test items; of files that are sources themselves, some rows."""
    taints = frozenset(
        replace(taint, part="split") if taint.what.startswith(FILE) else taint
        for taint in value.all()
        if taint.kind != "test" or taint.what.startswith(FILE)
    )
    return replace(Value(taints, value.texts, value.names, handles=value.handles), truth=value.truth, whole=value.whole)


def without_file_rows(value: Value) -> Value:
    """Return a value of which the rows of files are those of a split."""
    return without_test_data(value) if any(taint.what.startswith(FILE) for taint in value.all()) else value


def function_keeps_training_rows(node: ast.AST) -> bool:
    """Return True if a function that decides on a row returns only whether it is in the training split."""
    if isinstance(node, ast.Lambda):
        return keeps_training_rows(node.body)
    last = node.body[-1] if isinstance(node, ast.FunctionDef) else None
    return isinstance(last, ast.Return) and last.value is not None and keeps_training_rows(last.value)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _split_of(name: str) -> str:
    """Return `train` or `test` if the name is that of a split to train or to evaluate on, else ""."""
    if _TEST_NAME.search(name):
        return "" if _TRAIN_NAME.search(name) else "test"
    return "train" if _TRAIN_NAME.search(name) else ""


def _excludes_test(test: ast.expr, outcome: bool) -> bool:
    """Return True if a condition with this outcome excludes rows of the test split."""
    match test:
        case ast.UnaryOp(ast.Not() | ast.Invert(), operand):
            return _excludes_test(operand, not outcome)
        case ast.BoolOp(operator, parts):
            decide = any if isinstance(operator, ast.And) is outcome else all
            return decide(_excludes_test(part, outcome) for part in parts)
        case ast.BinOp(left, ast.BitAnd() | ast.BitOr() as operator, right):
            decide = any if isinstance(operator, ast.BitAnd) is outcome else all
            return decide(_excludes_test(part, outcome) for part in (left, right))
        case ast.Lambda(body=body):
            return _excludes_test(body, outcome)
        case ast.Compare(left, [operator], [other]):
            equal = isinstance(operator, ast.Eq | ast.In | ast.Is)
            if not equal and not isinstance(operator, ast.NotEq | ast.NotIn | ast.IsNot):
                return False
            return _compares(left, other, equal is outcome, isinstance(operator, ast.In | ast.NotIn))
        case ast.Call(ast.Attribute(column, "eq" | "ne" | "isin" as name), [other]):
            return _compares(column, other, (name != "ne") is outcome, name == "isin")
    flag = _FLAG.fullmatch(_column(test))
    return flag is not None and _split_of(flag[2]) == ("train" if outcome else "test")


def _compares(left: ast.expr, right: ast.expr, equal: bool, contained: bool) -> bool:
    """Return True if a comparison that came out (un)equal excludes rows of the test split."""
    if contained and isinstance(left, ast.Constant) and isinstance(left.value, str):  # in a row's text
        match = _COMPARED.search(left.value)
        wanted = "train" if equal else "test"
        return match is not None and {_split_of(word) for word in _words(match["value"])} == {wanted}
    for column, value in ((left, right), (right, left)):
        if _COLUMNS.fullmatch(_column(column)):
            texts = [text.lower() for text in _texts(value)]
            if not equal:  # rows that are not `val` may still be `test`
                return any(_split_of(text) == "test" and re.search(r"test|eval|held", text) for text in texts)
            return {_split_of(text) for text in texts} == {"train"}
        if _FLAG.fullmatch(_column(column)) and isinstance(value, ast.Constant) and isinstance(value.value, bool | int):
            return _excludes_test(column, equal is bool(value.value))
    return False


def _column(node: ast.expr) -> str:
    """Return the name of the column that an expression reads, in lower case; "" if it reads none."""
    match node:
        case ast.Subscript(_, ast.Constant(str() as name)) | ast.Attribute(_, name):
            return name.lower()
        case ast.Call(ast.Attribute(_, "get"), [ast.Constant(str() as name), *_]):
            return name.lower()
        case ast.Call(ast.Attribute(inner, "lower" | "strip"), []):
            return _column(inner)
    return ""


def _texts(node: ast.expr) -> Iterator[str]:
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    for part in parts:
        yield part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else ""
