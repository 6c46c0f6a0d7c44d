"""Model of methods of rows, dictionaries and lists, where one row is followed."""

from __future__ import annotations

import ast
from dataclasses import replace

from posttrainbench.audit.behavior import choices, row_operators, row_subscripts
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.choices import is_followed
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.in_place import in_place, once
from posttrainbench.audit.behavior.known_lists import SOME, UNORDERED, listed, members
from posttrainbench.audit.behavior.rows import DOCUMENT, WITHOUT, collection, is_collection
from posttrainbench.audit.behavior.values import (
    ANY_KEY,
    ANYWHERE,
    EVERY,
    NONE,
    UNKNOWN,
    Value,
    joined,
    key_name,
    key_of,
    unclear,
)

_SET_OPERATORS: dict[str, ast.operator] = {
    "union": ast.BitOr(),
    "intersection": ast.BitAnd(),
    "difference": ast.Sub(),
    "symmetric_difference": ast.BitXor(),
}
_REMOVALS = frozenset(
    "remove discard pop popleft difference_update intersection_update symmetric_difference_update".split()
)


def keys_of(call: Call, dictionary: Value) -> Value:
    """Return some or all keys of a dictionary that may have more keys than those that are known."""
    if call.last in ("min", "max"):
        return Value(names=frozenset([choices.MASK]))
    known = [literal_value(key_of(name), NONE) for name in dictionary.fields]
    return Value(names=frozenset([choices.KEYS]), fields={UNKNOWN: joined(*known)} if known else {})


def dictionaries(call: Call) -> Value | None:
    """Model of methods of rows, dictionaries and lists."""
    receiver, first = call.receiver, call.argument(0) or Value()
    if call.last == "dict" and call.receiver is None and (first.fields or call.named):
        if is_collection(first):
            pair = first.fields[UNKNOWN]
            name = literal(pair.fields.get("0", Value()))
            if name is not UNKNOWN_VALUE and "1" in pair.fields:
                return Value(fields={key_name(name): pair.fields["1"]}, mapping=True)
            return None
        if first.fields and all(name.isdigit() for name in first.fields):  # pairs
            return None
        made = replace(first, fields={**first.fields, **call.named}, truth=True)
        return replace(made, place=None, total=None, literal=...)
    if receiver is None or call.function.functions:
        return None
    if call.last == "fromkeys":
        return _from_keys(call, first)
    known = literal(first)
    if call.last in ("keys", "popitem") and row_subscripts.open_mapping(receiver):
        if call.last == "keys":
            return keys_of(call, receiver)
        parts = joined(*receiver.fields.values()) if receiver.fields else Value()
        return Value(fields={"0": Value(), "1": unclear(parts)})
    if call.last == "popitem" and receiver.mapping and receiver.fields and not is_collection(receiver):
        return _last_item(call, receiver)
    if call.last in ("get", "setdefault", "pop") and receiver.mapping:
        if known is UNKNOWN_VALUE or ANY_KEY in receiver.fields:
            return row_subscripts.item(receiver, first, call.node)
        known = key_name(known)
    if call.last in ("get", "setdefault", "pop") and isinstance(known, str) and not is_collection(receiver):
        default = call.argument(1, "default") or Value(truth=False, literal=None)
        if call.last == "setdefault" and call.context.loops:
            receiver.closed &= not receiver.mapping
        found = receiver.fields.get(known)
        if found is None and call.last == "pop" and call.node in call.context.popped:
            return call.context.popped[call.node]  # in the pass before
        if found is None and (receiver.closed or (receiver.fields and not receiver.taints)):
            if call.last == "setdefault":
                receiver.fields[known] = default
            return default
        if found is None and call.last == "setdefault" and not receiver.taints:
            return receiver.fields.setdefault(known, default)
        if found is not None:
            if call.last == "pop" and not call.context.certain:
                receiver.fields[known] = unclear(found)
            elif call.last == "pop":
                del receiver.fields[known]
                call.context.popped[call.node] = found
            return found
    if call.last == "items" and (receiver.closed or (receiver.fields and not receiver.taints)):
        pairs = [
            Value(
                fields={
                    "0": literal_value(key_of(name) if receiver.mapping else name, NONE),
                    "1": unclear(part) if name == ANY_KEY else part,
                }
            )
            for name, part in receiver.fields.items()
            if name not in (UNKNOWN, DOCUMENT)
        ]
        return Value(fields={str(number): pair for number, pair in enumerate(pairs)}, total=len(pairs))
    if call.last == "values" and row_subscripts.open_mapping(receiver) and not receiver.taints and receiver.fields:
        return collection(joined(*receiver.fields.values()))
    if call.last == "values" and receiver.fields and not receiver.taints and not is_collection(receiver):
        return listed(list(receiver.fields.values()))
    if call.last == "update" and not is_collection(receiver) and (first.fields or call.named):
        for name, part in {**first.fields, **call.named}.items():
            receiver.set_field(name, part, certain=call.context.certain)
        return Value()
    if call.last in _SET_OPERATORS and isinstance(literal(receiver), list) and not is_followed(receiver):
        combined = (
            row_operators.binary(receiver, _SET_OPERATORS[call.last], first) if len(call.arguments) == 1 else None
        )
        return combined or collection(Value(call.argument_taints()))
    if call.last in _REMOVALS and isinstance(constants := literal(receiver), list) and not is_followed(receiver):
        removes = call.last in ("remove", "discard") and call.context.certain and known is not UNKNOWN_VALUE
        kept = [one for one in constants if one != known]
        receiver.literal, receiver.fields = kept if removes else ..., {} if removes else {UNKNOWN: Value()}
        receiver.truth, receiver.total = None, None
        return Value()
    if call.last == "update" and _is_of_constants(receiver):
        both = row_operators.union(receiver, first) if call.context.certain and len(call.arguments) == 1 else None
        changed = both or collection(Value(call.argument_taints()))
        receiver.literal, receiver.fields, receiver.taints = changed.literal, changed.fields, changed.taints
        receiver.total = None
        return Value()
    if call.last == "update" and is_collection(receiver) and is_followed(receiver) and receiver.fields[UNKNOWN].fields:
        choices.blur(receiver)  # values of a table, by another one
        return Value()
    if call.last == "insert" and len(call.arguments) >= 3 and is_collection(receiver):  # a column into a table
        name, cell = literal(call.arguments[1]), choices.column(call.arguments[2])
        receiver.fields[UNKNOWN].set_field(name if isinstance(name, str) else UNKNOWN, cell, certain=True)
        return Value()
    if call.last in ("append", "extend", "add", "appendleft", "extendleft", "insert", "put") and call.arguments:
        if isinstance(receiver.literal, list) and _added_constant(call, receiver, call.arguments[-1]):
            return Value()
        result = _added(call, receiver, call.arguments[-1])
        if call.last in ("appendleft", "extendleft", "insert") and receiver.place != ANYWHERE:
            receiver.place = None
        return result
    if call.last in ("sort", "reverse", "rotate") and is_collection(receiver) and receiver.place != ANYWHERE:
        known_place = call.last == "reverse" and None not in (receiver.place, receiver.total)
        if not known_place or call.context.uncertain:
            receiver.place = None
        elif receiver.place is not None and receiver.total is not None:
            receiver.place = receiver.total - 1 - receiver.place
        return receiver  # a table is sorted into another one
    if call.last == "clear" and call.context.certain:
        receiver.fields.clear()
        receiver.taints, receiver.total = NONE, 0
        return Value()
    return in_place(call)


def _from_keys(call: Call, keys: Value) -> Value | None:
    """Model of `dict.fromkeys`, if all keys are known: they share one value."""
    known = [literal(part) for part in members(keys) or ()]
    if not known or keys.names & {SOME} or not all(isinstance(one, str | int | float) for one in known):
        return None
    value = call.argument(1, "value") or Value(truth=False, literal=None)
    return Value(fields={key_name(one): value for one in known}, mapping=True, closed=True, truth=True)


def _last_item(call: Call, dictionary: Value) -> Value:
    """Take the last item out of a dictionary, or the first one with `last=False`."""
    last = literal(call.argument(0, "last") or Value(literal=True))
    if not call.context.certain or call.context.loops or not isinstance(last, bool) or ANY_KEY in dictionary.fields:
        dictionary.fields, dictionary.closed = unclear(dictionary).fields, False
        return Value(fields={"0": Value(), "1": joined(*dictionary.fields.values())}, total=2)
    name = list(dictionary.fields)[-1 if last else 0]
    return listed([literal_value(key_of(name), NONE), dictionary.fields.pop(name)])


def _is_of_constants(value: Value) -> bool:
    """Return True for a set that does not have the row."""
    listed = is_collection(value) or isinstance(value.literal, list)
    return listed and not is_followed(value) and WITHOUT not in value.names


def _is_one_list(call: Call) -> bool:
    """Return True if rows are added to the same list in each pass of a loop, not to that of a row's key."""
    owner = call.node.func.value if isinstance(call.node.func, ast.Attribute) else None
    while isinstance(owner, ast.Attribute) or (
        isinstance(owner, ast.Subscript) and isinstance(owner.slice, ast.Constant)
    ):
        owner = owner.value
    return isinstance(owner, ast.Name) and owner.id not in call.caller.row_loops.names


def _is_any_list(call: Call) -> bool:
    """Return True if rows are added to the list at an unknown key, of lists that may have names of their own."""
    owner = call.node.func.value if isinstance(call.node.func, ast.Attribute) else None
    if not isinstance(owner, ast.Subscript) or isinstance(owner.slice, ast.Slice) or call.scope is None:
        return False
    base, key = (call.caller.value(part, call.scope) for part in (owner.value, owner.slice))
    lists = [part for name, part in base.fields.items() if name != ANY_KEY]
    return any(map(choices.is_list, lists)) and literal(key) is UNKNOWN_VALUE


def _added_constant(call: Call, receiver: Value, added: Value) -> bool:
    """Add a constant to a set of constants; if that is not certain, make a list of it of which less is known."""
    known = literal(added)
    if call.last == "add" and call.context.certain and known is not UNKNOWN_VALUE and not is_followed(added):
        receiver.literal = list(dict.fromkeys([*receiver.literal, known]))
        receiver.names |= {UNORDERED}
        return True
    parts = [literal_value(one, NONE) for one in receiver.literal]
    receiver.fields = {UNKNOWN: joined(*parts)} if parts else {}
    receiver.literal, receiver.total, receiver.truth = ..., None, None
    return False


def _added(call: Call, receiver: Value, added: Value) -> Value:
    """Add one element or the elements of a collection to a list."""
    if is_followed(added) and call.context.world is not None:
        call.context.world.opaque |= choices.EITHER in receiver.names or _is_any_list(call)
    if call.context.doubt and (is_followed(added) or EVERY in added.names):
        added = unclear(added)
    if call.last in ("extend", "extendleft"):
        row_operators.extend(receiver, added)
        if not is_collection(added) and added.all() and not added.fields:
            receiver.set_field(UNKNOWN, call.element(added))
        return Value()
    row_operators.collapse(receiver)
    loops = call.caller.row_loops
    one_list = _is_one_list(call)
    fresh = UNKNOWN not in receiver.fields and not receiver.fields
    known = receiver.fields.get(UNKNOWN)
    keeps = loops.rows is not None and not loops.conditional and not call.context.uncertain and one_list
    if is_followed(added) or (known is None and added.fields):
        before = known is not None and is_followed(known)
        receiver.fields[UNKNOWN] = joined(known, added) if before and known is not None else added
    elif known is None or (added.texts and not is_followed(known)):
        receiver.fields[UNKNOWN] = added if known is None else joined(known, added)
    if keeps and loops.rows is not None and (fresh or receiver.place == loops.rows.place):
        receiver.place, receiver.total = loops.rows.place, loops.rows.total
    elif receiver.place != ANYWHERE:
        after = receiver.total if call.last == "append" and once(call) else None
        held = known is not None and is_followed(known)
        place = receiver.place if held else after
        receiver.place = None if after is None or (held and is_followed(added)) else place
        receiver.total = None if after is None else after + 1
    return Value()
