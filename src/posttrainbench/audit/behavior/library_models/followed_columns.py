"""Model of methods of columns, of which the value in the row that is followed is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from posttrainbench.audit.behavior import concrete, conditions
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.choices import mask_truth
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.rows import is_collection
from posttrainbench.audit.behavior.values import COLUMN, UNKNOWN, Value

_COLUMN_TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "isin": lambda value, wanted: value in wanted,
    "is_in": lambda value, wanted: value in wanted,
    "eq": lambda value, wanted: value == wanted,
    "equals": lambda value, wanted: value == wanted,
    "ne": lambda value, wanted: value != wanted,
    "neq": lambda value, wanted: value != wanted,
    "starts_with": lambda value, wanted: value.startswith(wanted),
    "ends_with": lambda value, wanted: value.endswith(wanted),
    "startsWith": lambda value, wanted: value.startswith(wanted),
    "__contains__": lambda value, wanted: wanted in value,
    "eq_missing": lambda value, wanted: value == wanted,
}


_COLUMN_STATES: dict[str, Callable[[Any], Any]] = {
    "isna": lambda value: value is None,
    "isnull": lambda value: value is None,
    "is_null": lambda value: value is None,
    "notna": lambda value: value is not None,
    "notnull": lambda value: value is not None,
    "is_not_null": lambda value: value is not None,
    "to_lowercase": lambda value: value.lower(),
    "to_uppercase": lambda value: value.upper(),
    "strip_chars": lambda value: value.strip(),
    "not_": lambda value: not value,
    "to_list": lambda value: value,
    "tolist": lambda value: value,
    "to_numpy": lambda value: value,
    "item": lambda value: value,
    "alias": lambda value: value,
}


def columns(call: Call) -> Value | None:
    """Model of methods of columns, of which the value in the row that is followed is known."""
    receiver = call.receiver
    if call.last in ("col", "column", "field") and call.context.columns is not None:
        name = literal(call.argument(0) or Value())
        return call.context.columns.fields.get(name) if isinstance(name, str) else None
    if receiver is None or call.function.functions:
        return None
    if is_collection(receiver) and receiver.fields[UNKNOWN].literal is not ... and call.last in _COLUMN_TESTS:
        receiver = receiver.fields[UNKNOWN]
    value, first = receiver.literal, call.argument(0) or Value()
    if value is ... and call.last in ("map", "apply") and first.functions and COLUMN in receiver.names:
        return call.invoke(first, [replace(receiver, names=receiver.names - {COLUMN}, place=None, total=None)])
    if value is ... or isinstance(value, re.Pattern):
        return None
    known = literal(first)
    taints = receiver.all()
    try:
        if call.last in ("isin", "is_in"):
            inside = conditions.contains(first, value)
            return None if inside is UNKNOWN_VALUE else literal_value(inside, taints)
        if call.last in _COLUMN_TESTS and known is not UNKNOWN_VALUE:
            return literal_value(_COLUMN_TESTS[call.last](value, known), taints)
        if call.last in _COLUMN_STATES and not call.arguments:
            return literal_value(_COLUMN_STATES[call.last](value), taints)
        if call.last == "contains" and isinstance(known, str) and isinstance(value, str):
            plain = literal(call.named.get("regex", Value(literal=True))) is False or "literal" in call.named
            sensitive = literal(call.named.get("case", Value(literal=True))) is not False
            flags = 0 if sensitive else re.IGNORECASE
            found = known in value if plain else concrete.matched(known, value, "search", flags)
            return None if found is UNKNOWN_VALUE else literal_value(found, taints)
        if call.last in ("match", "fullmatch") and isinstance(known, str):
            found = concrete.matched(known, value, call.last)
            return None if found is UNKNOWN_VALUE else literal_value(found, taints)
    except (TypeError, AttributeError):
        return None
    if call.last in ("map", "apply", "transform", "map_elements") and first.functions:
        return call.invoke(first, [receiver])
    if call.last in ("map", "replace", "replace_strict") and first.fields and first.literal is ...:
        mapped = first.fields.get(str(value))
        return mapped if mapped is not None else receiver if call.last == "replace" else Value(taints, truth=False)
    if call.last in ("where", "mask"):
        verdict, second = mask_truth(first), call.argument(1, "other")
        if verdict is None or second is None:
            return Value(taints)
        return receiver if verdict is (call.last == "where") else second
    if call.last in ("fillna", "fill_null"):
        return first if value is None else receiver
    return None
