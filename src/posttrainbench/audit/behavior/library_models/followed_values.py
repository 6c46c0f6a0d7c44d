"""Model of pure functions and methods of known values, where one row is followed."""

from __future__ import annotations

import ast
import re
from typing import Any

from posttrainbench.audit.behavior import choices, concrete
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.choices import is_followed
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.rows import is_collection
from posttrainbench.audit.behavior.values import Function, Scope, Value

_MOVES = frozenset("shift roll ffill bfill lag lead rolling expanding forward_fill backward_fill".split())
"""Methods that put values of some rows into others."""


def known_values(call: Call) -> Value | None:
    """Compute pure functions and methods of known values."""
    if call.function.functions:
        return None
    arguments = [literal(value) for value in call.arguments]
    named = {name: literal(value) for name, value in call.named.items()}
    if call.last == "len" and len(call.arguments) == 1 and choices.is_list(call.arguments[0]):
        rows = call.arguments[0]
        return Value(number=rows.total, literal=... if rows.total is None else rows.total, place=rows.place)
    if call.last == "compile" and call.function.names & {"re.compile", "regex.compile"}:
        given = call.argument(1, "flags") or Value(literal=0)
        flags = bool(given.names & {"re.I", "re.IGNORECASE", "regex.I", "regex.IGNORECASE"})
        if not flags and literal(given) != 0:
            return Value(names=frozenset(["a pattern"]), truth=True)
        if arguments and isinstance(arguments[0], str) and concrete.is_quick(arguments[0]):
            return Value(literal=re.compile(arguments[0], re.IGNORECASE if flags else 0), truth=True)
    if call.last == "setattr" and len(arguments) == 3 and isinstance(arguments[1], str):
        owner, value = call.arguments[0], call.arguments[2]
        owner.set_field(arguments[1], value, certain=call.context.certain)
        if call.context.world is not None and (owner.functions or is_followed(value)):
            call.context.world.opaque = True
        return Value(truth=False, literal=None)
    if call.last in _MOVES and call.context.world is not None:
        moved = [value for value in (call.receiver, *call.arguments) if value is not None]
        call.context.world.opaque |= any(map(is_followed, moved))
    if call.last in ("partial", "itemgetter", "attrgetter"):
        return _made_function(call)
    if call.last == "namedtuple" and len(arguments) == 2:
        return _named_tuple(call, arguments[1])
    if call.last == "reduce" and len(arguments) in (2, 3) and call.arguments[0].functions:
        return _reduced(call)
    if UNKNOWN_VALUE in arguments or UNKNOWN_VALUE in named.values():
        return None
    if (call.receiver is not None and call.receiver.literal is not ...) or (
        call.receiver is not None and call.receiver.texts
    ):
        owner = literal(call.receiver)
        if owner is not UNKNOWN_VALUE:
            result = concrete.method(owner, call.last, arguments, named)
            if result is not UNKNOWN_VALUE:
                return literal_value(result, call.receiver.all() | call.argument_taints())
    if arguments and not named:
        result = concrete.function(call.function.names, arguments)
        if result is not UNKNOWN_VALUE:
            return literal_value(result, call.argument_taints())
    return None


def _made_function(call: Call) -> Value | None:
    """Model of `functools.partial` and `operator.itemgetter`: a function of one argument."""
    names = {f"v{number}": value for number, value in enumerate(call.arguments)}
    names |= {f"k{name}": value for name, value in call.named.items()}
    if not names:
        return None
    row = ast.Name("row", ast.Load())
    body: ast.expr
    if call.last == "partial":
        given = [ast.Name(name, ast.Load()) for name in names if name.startswith("v")]
        keywords = [ast.keyword(name[1:], ast.Name(name, ast.Load())) for name in names if name.startswith("k")]
        body = ast.Call(given[0], [*given[1:], row], keywords)
    else:
        body = ast.Subscript(row, ast.Name("v0", ast.Load()), ast.Load())
    arguments = ast.arguments(posonlyargs=[], args=[ast.arg("row")], kwonlyargs=[], kw_defaults=[], defaults=[])
    made = ast.fix_missing_locations(ast.copy_location(ast.Lambda(arguments, body), call.node))
    return Value(functions=(Function(made, Scope(names, call.scope), call.caller.script),), truth=True)


def _named_tuple(call: Call, names: Any) -> Value | None:
    """Model of `namedtuple`: a function that returns a dictionary of its arguments."""
    known = names.replace(",", " ").split() if isinstance(names, str) else names
    if not isinstance(known, list) or not all(isinstance(one, str) and one.isidentifier() for one in known):
        return None
    given = [ast.arg(name) for name in known]
    arguments = ast.arguments(posonlyargs=[], args=given, kwonlyargs=[], kw_defaults=[], defaults=[])
    body = ast.Dict([ast.Constant(name) for name in known], [ast.Name(name, ast.Load()) for name in known])
    made = ast.fix_missing_locations(ast.copy_location(ast.Lambda(arguments, body), call.node))
    return Value(functions=(Function(made, Scope(parent=call.scope), call.caller.script),), truth=True)


def _reduced(call: Call) -> Value | None:
    """Model of `reduce`: the function is called for the row that is followed, with what was made of others."""
    function, rows, *initial = call.arguments
    if not is_collection(rows) or not is_followed(rows):
        return None
    made = initial[0] if initial else call.element(rows)
    call.context.loops += 1
    for _ in range(2):
        made = call.invoke(function, [made, call.element(rows)])
    call.context.loops -= 1
    return made
