"""Expressions of a script where one row is followed: see `rows.World` and `choices`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from posttrainbench.audit.behavior import (
    alternatives,
    choices,
    concrete,
    conditions,
    known_lists,
    operations,
    row_operators,
    row_subscripts,
)
from posttrainbench.audit.behavior.column_expressions import as_function, names_columns
from posttrainbench.audit.behavior.concrete import literal_value
from posttrainbench.audit.behavior.evaluator import Evaluator
from posttrainbench.audit.behavior.rows import INDEX, WITHOUT, collection, is_collection
from posttrainbench.audit.behavior.values import COLUMN, EVERY, NONE, UNKNOWN, Function, Scope, Value, joined, unclear

LABELS = "rows by label"
"""Name of the attribute `loc` of a table, which chooses rows by their labels."""


def followed_value(evaluator: Evaluator, node: ast.expr, scope: Scope) -> Value | None:
    """Return the value of an expression that may choose rows; None for others."""
    if evaluator.context.columns is None and names_columns(node):
        return Value(functions=(Function(as_function(node), scope, evaluator.script),))
    match node:
        case ast.Constant(str() | int() | float() | bool() | None as constant):
            plain = literal_value(constant, NONE)
            if isinstance(constant, int) and not isinstance(constant, bool):
                plain.texts = frozenset([str(constant)[:40]])
            return plain if not isinstance(constant, str) else None
        case ast.Attribute(base, name):
            return _attribute(evaluator, evaluator.value(base, scope), name)
        case ast.BinOp(left, operator, right):
            first, second = evaluator.value(left, scope), evaluator.value(right, scope)
            result = row_operators.binary(first, operator, second)
            return operations.binary(first, operator, second) if result is None else result
        case ast.BoolOp(operator, parts):
            return _boolean(evaluator, operator, parts, scope)
        case ast.UnaryOp(ast.Not() | ast.Invert() as operator, operand):
            value = evaluator.value(operand, scope)
            truth = concrete.truth(value) if isinstance(operator, ast.Not) else choices.mask_truth(value)
            return Value(names=frozenset([choices.MASK])) if truth is None else literal_value(not truth, NONE)
        case ast.Compare(left, operators, others):
            operands = [evaluator.value(part, scope) for part in (left, *others)]
            result = conditions.comparison(operands[0], operators, operands[1:])
            world = evaluator.context.world
            if world is not None and result.truth is None:
                world.compared |= world.is_other(operations.taints_of(operands))
            return result
        case ast.IfExp(test, body, orelse):
            truth = concrete.truth(evaluator.value(test, scope))
            if truth is not None:
                return evaluator.value(body if truth else orelse, scope)
            both = joined(*alternatives.one_of([evaluator.value(part, scope) for part in (body, orelse)]))
            both = unclear(both) if evaluator.row_loops.may_choose(test, scope) else both
            lists = choices.is_list(both) or both.fields
            return replace(both, names=both.names | {choices.EITHER}) if lists else both
        case ast.JoinedStr(parts):
            values = [evaluator.value(part, scope) for part in parts]
            known = [concrete.literal(value) for value in values]
            plain_parts = not any(isinstance(part, ast.FormattedValue) and part.format_spec for part in parts)
            short = sum(len(one) for one in known if isinstance(one, str)) <= concrete.LONGEST
            if plain_parts and short and all(isinstance(one, str | int | PurePosixPath) for one in known):
                return literal_value("".join(map(str, known)), operations.taints_of(values))
    return None


def _attribute(evaluator: Evaluator, base: Value, name: str) -> Value | None:
    if (part := concrete.path_part(base, name)) is not None:
        return part
    row = base.fields.get(UNKNOWN)
    if name in row_subscripts.VIEWS and (row is not None or base.literal is not ...):
        if name == "loc" and row is not None:
            return replace(base, names=base.names | {LABELS})
        return replace(base, names=base.names - {COLUMN}) if name in ("str", "dt") else base
    if name == "index" and row is not None and INDEX in row.fields:
        return replace(base, fields={UNKNOWN: row.fields[INDEX]})
    if name == "index" and row is not None and base.label is not None and "index" not in row.fields:
        return replace(base, fields={UNKNOWN: literal_value(base.label, row.all())})
    if name == "index" and row is not None and choices.is_followed(row) and "index" not in row.fields:
        every = replace(row, fields={}, names=frozenset([EVERY]), texts=frozenset(), literal=...)
        return replace(base, fields={UNKNOWN: every})
    if name == "index" and WITHOUT in base.names:
        return base
    if name == "value" and isinstance(concrete.literal(base), str):  # of an enumeration
        return base
    if evaluator.context.columns is not None and "polars.col" in base.names:
        return evaluator.context.columns.fields.get(name)
    if row is not None and name in row.fields and name not in base.fields:
        cell = row.fields[name]
        return replace(cell, names=cell.names | {COLUMN}, place=base.place, total=base.total)
    return None


def _boolean(evaluator: Evaluator, operator: ast.boolop, parts: Sequence[ast.expr], scope: Scope) -> Value:
    deciding = isinstance(operator, ast.Or)
    unknown: list[Value] = []
    for part in parts:
        value = evaluator.value(part, scope)
        truth = concrete.truth(value)
        if truth is deciding:
            return replace(joined(*unknown, value), truth=deciding, literal=...) if unknown else value
        if truth is None or part is parts[-1]:
            unknown.append(value)
    if len(unknown) == 1 and concrete.truth(unknown[0]) is not None:
        return unknown[0]
    result = joined(*unknown)
    return replace(result, truth=None, literal=...)


def followed_subscript(evaluator: Evaluator, base: Value, key: ast.expr, scope: Scope) -> Value | None:
    """Return the result of a subscript of known rows; None for other values."""
    if "sys.argv" in base.names or "os.environ" in base.names or base.splits:
        return None
    if isinstance(key, ast.Tuple) and is_collection(base) and key.elts:  # rows and columns
        rows = followed_subscript(evaluator, base, key.elts[0], scope) or base
        columns = concrete.literal(evaluator.value(key.elts[1], scope)) if len(key.elts) > 1 else ...
        row = rows.fields.get(UNKNOWN)
        if row is not None and isinstance(columns, list):
            return row_subscripts.listed(rows, columns) if all(isinstance(one, str) for one in columns) else rows
        cell = row.fields.get(columns) if row is not None and isinstance(columns, str) else None
        return rows if cell is None else replace(rows, fields={UNKNOWN: cell})
    if not isinstance(key, ast.Slice | ast.Tuple) and known_lists.members(base):
        index = evaluator.value(key, scope)
        if not index.functions and (found := known_lists.subscript(base, index)) is not None:
            return found
    if isinstance(key, ast.Slice):
        known = concrete.literal(base) if not base.fields else ...
        bounds = [evaluator.value(one, scope) if one is not None else None for one in (key.lower, key.upper, key.step)]
        if (some := known_lists.cut(base, bounds)) is not None:
            return some
        if COLUMN in base.names:
            cell = replace(base, names=base.names - {COLUMN})
            return row_slice(evaluator, collection(cell, base.place, base.total), key, scope)
        if isinstance(known, str | bytes):
            numbers = [None if one is None else concrete.literal(one) for one in bounds]
            if all(one is None or isinstance(one, int) for one in numbers) and numbers[2] != 0:
                return literal_value(known[slice(*numbers)], base.all())
            return Value(base.all())
        if base.fields and all(name.isdigit() for name in base.fields):
            return None
        if LABELS in base.names:
            return row_subscripts.labeled(replace(base, names=base.names - {LABELS}), key, bounds)
        return row_slice(evaluator, base, key, scope) if choices.is_list(base) or is_collection(base) else None
    index = evaluator.value(key, scope)
    if isinstance(base.literal, concrete.Match):
        group = concrete.method(base.literal, "group", [concrete.literal(index)], {})
        return Value(base.all()) if group is concrete.UNKNOWN_VALUE else literal_value(group, base.all())
    if LABELS in base.names:
        base = replace(base, names=base.names - {LABELS})
        if isinstance(known := concrete.literal(index), int) and not isinstance(known, bool):
            return choices.chosen(base, None if base.label is None else base.label == known)
    if index.functions and is_collection(base):
        return choices.chosen(base, choices.mask_truth(_on_row(evaluator, index, base)))
    return row_subscripts.item(base, index, key)


def _on_row(evaluator: Evaluator, function: Value, rows: Value) -> Value:
    """Return the result of an expression or a function for the row that is followed in a table."""
    outer, evaluator.context.columns = evaluator.context.columns, rows.fields.get(UNKNOWN, Value())
    try:
        return evaluator.call_value(function, [rows])
    finally:
        evaluator.context.columns = outer


def row_slice(evaluator: Evaluator, base: Value, key: ast.Slice, scope: Scope) -> Value:
    """Return a slice of a list or a table."""
    bounds = [evaluator.value(one, scope) if one is not None else None for one in (key.lower, key.upper, key.step)]
    return row_subscripts.window(base, key, bounds)
