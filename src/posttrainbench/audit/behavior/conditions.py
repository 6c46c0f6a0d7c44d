"""Comparisons and conditions where one row is followed, and those that choose no rows by what they are."""

from __future__ import annotations

import ast
from typing import Any

from posttrainbench.audit.behavior.choices import MASK, column, is_followed
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, compared, literal, literal_value
from posttrainbench.audit.behavior.rows import WITHOUT, is_collection
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Value, key_name


def comparison(left: Value, operators: list[ast.cmpop], others: list[Value]) -> Value:
    """Return the result of a comparison."""
    results = [_compared(*operands) for operands in zip([left, *others], operators, others, strict=False)]
    if False in [result for result in results if isinstance(result, bool)]:
        return literal_value(False, NONE)
    if all(isinstance(result, bool) for result in results):
        return literal_value(True, NONE)
    return Value(names=frozenset([MASK]))


def _compared(left: Value, operator: ast.cmpop, right: Value) -> Any:
    if isinstance(operator, ast.In | ast.NotIn):
        inside = contains(right, literal(left))
        return inside if inside is UNKNOWN_VALUE else inside is isinstance(operator, ast.In)
    known = literal(column(left)), literal(column(right))
    return UNKNOWN_VALUE if UNKNOWN_VALUE in known else compared(known[0], operator, known[1])


def contains(container: Value, element: Any) -> Any:
    """Return whether a container holds an element, `UNKNOWN_VALUE` if that is not known."""
    if element is UNKNOWN_VALUE:
        return UNKNOWN_VALUE
    known = literal(container)
    if known is not UNKNOWN_VALUE:
        return compared(element, ast.In(), known)
    if container.mapping and container.closed:
        return key_name(element) in container.fields
    if is_collection(container) and (span := container.fields[UNKNOWN].span) is not None:
        return isinstance(element, int) and element in span
    keys = container.fields and not any(name.isdigit() or name == UNKNOWN for name in container.fields)
    if keys and (container.closed or not (container.taints or container.names)):
        return (key_name(element) if container.mapping else str(element)) in container.fields  # of a dictionary
    if is_collection(container):
        own = literal(container.fields[UNKNOWN])
        if own is UNKNOWN_VALUE or not is_followed(container.fields[UNKNOWN]):
            return UNKNOWN_VALUE
        return own == element  # made of another file in the same way, such as questions to compare with
    # Without the row, such as the names of those that a condition kept.
    empty = not container.fields and not container.taints and (container.total == 0 or WITHOUT in container.names)
    return False if empty else UNKNOWN_VALUE


def is_neutral(test: ast.expr) -> bool:
    """Return True for conditions that do not choose rows by what they are: lengths, counters, blank lines."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            return is_neutral(operand)
        case ast.BoolOp(_, parts):
            return all(map(is_neutral, parts))
        case ast.Compare(left, _, others):
            return any(map(_measures, (left, *others)))
    return is_blank(test) or _measures(test)


def is_blank(test: ast.expr) -> bool:
    """Return True if a condition only leaves out blank lines."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            return is_blank(operand)
        case ast.Call(ast.Attribute(ast.Name(), "strip" | "rstrip"), []):
            return True
        case ast.Compare(left, [ast.NotEq() | ast.Eq()], [ast.Constant(value="" | "\n")]):
            return is_blank(left) or isinstance(left, ast.Name)
    return False


def is_of_nothing(test: ast.expr) -> bool:
    """Return True if a condition only leaves out what is empty."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            return is_of_nothing(operand)
        case ast.Compare(ast.Call(ast.Name("len")), [_], [ast.Constant(value=0)]) | ast.Call(ast.Name("len")):
            return True
    return is_blank(test)


def _measures(node: ast.expr) -> bool:
    for part in ast.walk(node):
        match part:
            case ast.Call(ast.Attribute(_, "random" | "rand" | "uniform" | "randint")):
                return True
            case ast.Call(ast.Name("len")) | ast.Attribute(_, "shape" | "numel" | "num_tokens" | "n_tokens" | "length"):
                return True
            case ast.BinOp(_, ast.Mod(), _):
                return True
    return False
