"""Python's constants, operators, attribute access and parameter binding, on abstract values."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from posttrainbench.audit.behavior.values import (
    ARGV_INDEX,
    NONE,
    UNKNOWN,
    Taints,
    Value,
    bounded,
    concatenated,
    joined,
    mixed,
    text_value,
)

DICTIONARY = "a dictionary"
"""Name of the dictionaries that are written out, such as a vocabulary."""
ASSUMED = "splits as they are often called"
"""Name of a list of splits whose names are not known."""
MOST_UNROLLED = 8
"""Elements of a literal sequence that a loop goes through one by one."""

DESCRIBES = frozenset("column_names num_rows num_columns shape dtypes columns nbytes builder_name config_name".split())
"""Attributes of a table that tell about it and hold none of its rows."""
DESCRIBES_DATASET = DESCRIBES | frozenset("features info description homepage license citation version".split())
"""Attributes of a data set that tell about it and hold none of its rows."""
DATASET = re.compile(r"(^|\.)(load_dataset|Dataset|DatasetDict)\(\)")

_VOCABULARY = re.compile(r"vocab(ulary)?\(\)$")
FEW_ROWS = 8
"""Rows at the start or end of a list that a slice may leave out without being a selection."""
_CONVERSION = re.compile(r"%(\(\w+\))?[-+ 0#]*\d*(\.\d+)?[a-zA-Z]")
"""A conversion in a text that the operator `%` fills in."""


def taints_of(values: Sequence[Value]) -> Taints:
    """Return the union of the taints of some values."""
    return frozenset().union(*(value.all() for value in values)) if values else NONE


def constant(node: ast.Constant) -> Value:
    """Return the value of a literal."""
    match node.value:
        case str() as text:
            return text_value(text)
        case bool() | None as truth:
            return Value(truth=bool(truth))
        case int() as number:
            return Value(number=number, truth=bool(number), texts=frozenset([str(number)[:40]]))
    return Value(truth=True)


def copied(value: Value, levels: int = 0) -> Value:
    """Return a container of its own with the same elements, which are copied to some levels, too."""
    fields = {name: copied(part, levels - 1) for name, part in value.fields.items()} if levels else dict(value.fields)
    return replace(value, fields=fields)


def attribute(base: Value, name: str) -> Value:
    """Return an attribute of a value; functions of an instance are bound to it."""
    known = base.fields.get(name)
    if known is not None:
        if known.functions and not _is_module(base):
            bound = tuple(replace(function, bound=base) for function in known.functions)
            return Value(known.taints, known.texts, known.names, bound, known.fields)
        return known
    names = frozenset(f"{owner}.{name}"[:300] for owner in base.names)
    if name in DESCRIBES or (name in DESCRIBES_DATASET and any(DATASET.search(owner) for owner in base.names)):
        return Value(names=names)
    same = name in ("name", "stem", "parent", "path", "value")  # of a path, or of a member of an enumeration
    texts = base.texts if same and base.handles == frozenset() else frozenset()
    if name == "parent":
        texts = frozenset(text.rpartition("/")[0] or "." for text in base.texts)
    return Value(base.all(), texts, names, splits=base.splits, handles=base.handles)


def defines(base: Value, name: str) -> bool:
    """Return True if a value is an instance of a class of the script with a method of this name."""
    known = base.fields.get(name)
    return known is not None and bool(known.functions)


def words(texts: Sequence[str], taints: Taints) -> Value:
    """Return the value of a list of known words of a command line."""
    fields = {str(n): replace(text_value(text), taints=taints) for n, text in enumerate(texts[:300])}
    return Value(fields=fields, total=len(texts))


def leaves_out_rows(key: ast.Slice) -> bool:
    """Return True if a slice may leave out a part of a list: not the next chunk of it, nor a few rows or tokens."""
    bounds = [bound for bound in (key.lower, key.upper) if bound is not None and not _is_small(bound)]
    if not bounds or (key.lower is None and isinstance(key.upper, ast.Constant)):
        return False
    start = ast.dump(key.lower) if key.lower is not None else ""
    return key.upper is None or not any(ast.dump(node) == start for node in ast.walk(key.upper))


def _is_small(bound: ast.expr) -> bool:
    node = bound.operand if isinstance(bound, ast.UnaryOp) else bound
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value <= FEW_ROWS


def binary(left: Value, operator: ast.operator, right: Value) -> Value:
    """Return the result of a binary operator. Set difference keeps the taints of its left side only."""
    if isinstance(operator, ast.Sub):
        return Value(left.all(), fields={k: v for k, v in left.fields.items() if k == UNKNOWN})
    texts: frozenset[str] = frozenset()
    if ARGV_INDEX in left.names and isinstance(operator, ast.Add) and None not in (left.number, right.number):
        return Value(number=(left.number or 0) + (right.number or 0))
    if isinstance(operator, ast.Div) and (left.texts or "pathlib.Path()" in left.names or right.texts):
        texts = bounded(frozenset(f"{a}/{b}" for a in left.texts or {UNKNOWN} for b in right.texts or {UNKNOWN}))
        return Value(left.all() | right.all(), texts, left.names)
    if isinstance(operator, ast.Add) and (left.texts or right.texts) and left.number is None:
        texts = concatenated([left.texts, right.texts])
    if isinstance(operator, ast.Mod) and left.texts:
        texts = frozenset(_CONVERSION.sub(UNKNOWN, text) for text in left.texts)
    if isinstance(operator, ast.Mult):
        repeated = left if left.all() or not right.all() else right
        is_number = repeated.number is not None or isinstance(repeated.literal, int | float)
        return Value(left.all() | right.all()) if is_number else copied(repeated)
    taints = left.all() | right.all()
    if isinstance(operator, ast.Add) and (first := unrolled(left)) and (second := unrolled(right)):
        return Value(fields={str(number): part for number, part in enumerate([*first, *second])})
    result = Value(
        mixed(taints) if isinstance(operator, ast.Add) else taints,
        texts,
        splits=left.all_splits() | right.all_splits(),
    )
    elements = [value.fields[UNKNOWN] for value in (left, right) if UNKNOWN in value.fields]
    if len(elements) == 2:
        result.fields[UNKNOWN] = joined(*elements)
    return result


def boolean(values: list[Value], operator: ast.boolop) -> Value:
    """Return the result of `and` or `or`."""
    deciding = isinstance(operator, ast.Or)
    for value in values:
        if value.truth is deciding:
            return Value(truth=deciding) if not value.all() else value
    truths = {value.truth for value in values}
    result = joined(*values)
    result.truth = (not deciding) if truths == {not deciding} else None
    return result


def unary(operator: ast.unaryop, operand: Value) -> Value:
    """Return the result of a unary operator."""
    if isinstance(operator, ast.Not):
        return Value(truth=None if operand.truth is None else not operand.truth)
    if isinstance(operator, ast.USub) and operand.number is not None:
        return Value(number=-operand.number)
    return Value(operand.all()) if isinstance(operator, ast.USub | ast.UAdd) else Value()  # such as of a loss


def compare(left: Value, operators: list[ast.cmpop], others: list[Value]) -> Value:
    """Return the result of a comparison; its truth is known if two known texts are tested for equality."""
    if len(others) == 1 and len(left.texts) == 1 and len(others[0].texts) == 1:
        first, second = next(iter(left.texts)), next(iter(others[0].texts))
        tested = isinstance(operators[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot)  # the latter for enumerations
        if UNKNOWN not in first + second and not left.number and tested:
            return Value(truth=(first == second) is isinstance(operators[0], ast.Eq | ast.Is))
    if len(others) == 1 and isinstance(operators[0], ast.In | ast.NotIn):
        word = exact_text(left)
        if word is not None and others[0].texts and not others[0].fields and UNKNOWN not in "".join(others[0].texts):
            answers = {word in text for text in others[0].texts}
            return Value(truth=(answers == {True}) is isinstance(operators[0], ast.In) if len(answers) == 1 else None)
        member, among = exact_text(left), _exact_texts(others[0])
        if member is not None and among:
            return Value(truth=(member in among) is isinstance(operators[0], ast.In))
    return Value()


def _exact_texts(value: Value) -> list[str]:
    """Return the texts of a list of known texts, or the keys of a dictionary that is written out; [] for others."""
    if (
        value.taints
        or value.splits
        or value.texts
        or not value.fields
        or UNKNOWN in value.fields
        or (ASSUMED in value.names)
    ):
        return []
    if not all(name.isdigit() for name in value.fields):
        return []
    found = [exact_text(part) for part in value.fields.values()]
    return [text for text in found if text is not None] if None not in found else []


def looked_up(owner: Value, key: Value, result: Value) -> Value:
    """Return what a vocabulary gives for a key: it tells which key was looked up, such as the id of a word."""
    known = any(name == DICTIONARY or _VOCABULARY.search(name) for name in owner.names)
    taints = key.all() if known and not result.fields and not result.handles and result.total is None else NONE
    return replace(result, taints=result.taints | taints) if taints - result.taints else result


def unrolled(value: Value, most: int = MOST_UNROLLED) -> list[Value]:
    """Return the elements of a short sequence whose elements are all known; [] for any other value."""
    parts = [part for name, part in value.fields.items() if name.isdigit()]
    if len(parts) != len(value.fields) or len(parts) > most or value.taints or value.splits:
        return []
    return parts


def exact_text(value: Value) -> str | None:
    """Return the text of an untainted value with exactly one possible text, else None."""
    if len(value.texts) == 1 and not value.all() and UNKNOWN not in (text := next(iter(value.texts))):
        return text
    return None


def bind(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
    arguments: list[Value],
    named: dict[str, Value],
    bound: Value | None,
    evaluate: Callable[[ast.expr], Value],
) -> dict[str, Value]:
    """Return the values of a function's parameters in a call.

    Args:
        node: the function.
        arguments: positional arguments.
        named: keyword arguments.
        bound: the instance of a bound method.
        evaluate: returns the value of a default.
    """

    def keyword(parameter: ast.arg, default: ast.expr | None) -> Value:
        if parameter.arg in named:
            return named[parameter.arg]
        return evaluate(default) if default is not None else Value()

    static = not isinstance(node, ast.Lambda) and any(
        isinstance(decorator, ast.Name) and decorator.id == "staticmethod" for decorator in node.decorator_list
    )
    positional = [bound, *arguments] if bound is not None and not static else arguments
    parameters = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(parameters) - len(node.args.defaults)) + list(node.args.defaults)
    names: dict[str, Value] = {}
    for index, (parameter, default) in enumerate(zip(parameters, defaults, strict=True)):
        names[parameter.arg] = positional[index] if index < len(positional) else keyword(parameter, default)
    for parameter, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        names[parameter.arg] = keyword(parameter, default)
    if node.args.vararg is not None:
        extra = positional[len(parameters) :]
        fields = {str(index): value for index, value in enumerate(extra)}
        names[node.args.vararg.arg] = Value(fields=fields, total=len(extra))
    if node.args.kwarg is not None:
        names[node.args.kwarg.arg] = Value(fields=dict(named))
    return names


def declared(node: ast.ClassDef) -> list[str]:
    """Return the fields of a data class."""
    targets = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_module(value: Value) -> bool:
    return "__name__" in value.fields
