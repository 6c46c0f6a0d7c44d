"""Model of built-in functions and methods on lists of which all elements are known, where one row is followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value, truth
from posttrainbench.audit.behavior.known_lists import (
    MOST_ELEMENTS,
    SOME,
    UNORDERED,
    as_set,
    cut,
    elements,
    listed,
    maybe,
    members,
    one_of,
    put,
    subscript,
)
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Value, key_name, key_of

_COPIES = frozenset("list tuple iter copy deepcopy deque tqdm track trange natsorted".split())
_DRAWS = frozenset("choice choices sample shuffle permutation permuted shuffled".split())
_IN_PLACE = frozenset("heapify heappop heappush heappushpop heapreplace insort insort_left insort_right".split())
_SET_CHANGES = {
    "discard": "remove",
    "remove": "remove",
    "difference_update": "difference",
    "intersection_update": "intersection",
    "symmetric_difference_update": "",
}
_SETS = frozenset("difference intersection symmetric_difference".split())
_MODULES = frozenset("itertools fnmatch builtins more_itertools copy collections random tqdm heapq".split())


def known_lists(call: Call) -> Value | None:
    """Return the result of a function or method on such lists; None for any other call."""
    if call.receiver is not None and not _is_module(call.receiver):
        return _method(call, call.receiver)
    if not call.arguments:
        return None
    if call.last in ("zip", "zip_longest", "product"):
        return _zipped(call) if call.last == "zip" else None
    if call.last == "filter" and "fnmatch.filter" in call.function.names:
        return _fitting(call) if len(call.arguments) == 2 else None
    if call.last in ("filter", "map", "filterfalse"):
        return _applied(call) if len(call.arguments) == 2 else None
    first = call.arguments[0]
    if call.last == "dict" and not call.named and len(call.arguments) == 1:
        return _dictionary(first)
    if call.last in ("max", "min") and len(call.arguments) > 1:
        first = listed(call.arguments) if all(_is_part(one) for one in call.arguments) else first
    parts = members(first)
    if parts is None and first.mapping and first.closed and not first.taints and call.last not in ("len", "dict"):
        parts = [literal_value(key_of(name), NONE) for name in first.fields]
    if parts is None or (not parts and call.last not in _COPIES | {"next"}):
        return None
    marks = first.names & {UNORDERED, SOME}
    if call.last == "islice":
        bounds = [None, call.arguments[1]] if len(call.arguments) == 2 else [*call.arguments[1:]]
        return cut(first, [*bounds, None, None, None][:3])
    if call.last in _IN_PLACE and (_is_module(call.receiver) if call.receiver is not None else True):
        found = one_of(parts)
        put(first, [maybe(part) for part in [*parts, *call.arguments[1:]]], frozenset([UNORDERED, SOME]))
        return found
    if call.last == "deque" and (limit := call.argument(1, "maxlen")) is not None and literal(limit) is not None:
        most = literal(limit)
        known_limit = isinstance(most, int) and not marks
        return listed(parts[len(parts) - min(most, len(parts)) :]) if known_limit else _some(parts)
    if call.last in _COPIES:
        return listed(parts, marks)
    if call.last in ("set", "frozenset") and not any(part.all() for part in parts):
        constants = as_set(first)
        return constants or (listed(parts, marks | {UNORDERED}) if _are_paths(parts) else None)
    if call.last == "next":
        return _next(call, first, parts)
    if call.last in _DRAWS:
        return _drawn(call, first, parts)
    if call.last == "enumerate":
        start = literal(call.argument(1, "start") or Value(literal=0))
        known = isinstance(start, int) and not marks
        numbers = [literal_value(start + at, NONE) if known else Value() for at in range(len(parts))]
        return listed([_pair(number, part) for number, part in zip(numbers, parts, strict=True)], marks)
    if call.last == "reversed":
        return listed(parts[::-1], marks)
    if call.last in ("sorted", "max", "min", "natsorted"):
        return _ordered(call, first, parts)
    return None


def _is_module(value: Value) -> bool:
    return bool(value.names & _MODULES) or any(name.endswith(("numpy.random", "np.random")) for name in value.names)


def _is_part(value: Value) -> bool:
    return literal(value) is not UNKNOWN_VALUE and not value.all()


def _are_paths(parts: Sequence[Value]) -> bool:
    return all(part.texts and not part.fields for part in parts)


def _pair(first: Value, second: Value) -> Value:
    return Value(fields={"0": first, "1": second}, total=2, truth=True)


def _zipped(call: Call) -> Value | None:
    columns = [elements(value) for value in call.arguments]
    known = [column for column in columns if column is not None]
    if len(known) < len(columns):
        if any(members(value) is not None and UNORDERED in value.names for value in call.arguments):
            pair = Value(fields={str(n): maybe(call.element(one)) for n, one in enumerate(call.arguments)})
            return Value(fields={UNKNOWN: pair})
        return None
    if not all(known) or len({id(value) for value in call.arguments}) < len(known):
        return None
    rows = list(zip(*known, strict=False))
    return listed([listed(row) for row in rows])


def _applied(call: Call) -> Value | None:
    function, sequence = call.arguments
    parts = members(sequence)
    if not parts:
        return None
    marks = sequence.names & {UNORDERED, SOME}
    results = [call.invoke(function, [part]) if _is_callable(function) else part for part in parts]
    if call.last == "map":
        return listed(results, marks) if _is_callable(function) else None
    kept: list[Value] = []
    for part, result in zip(parts, results, strict=True):
        verdict = truth(result)
        if verdict is None:
            marks = frozenset([UNORDERED, SOME])
        if verdict is not (call.last == "filterfalse"):
            kept.append(maybe(part) if verdict is None else part)
    return listed(kept, marks)


def _fitting(call: Call) -> Value | None:
    """Model of `fnmatch.filter`."""
    parts, pattern = members(call.arguments[0]), literal(call.arguments[1])
    if not parts:
        return None
    marks = call.arguments[0].names & {UNORDERED, SOME}
    names = [literal(part) for part in parts]
    if not isinstance(pattern, str) or pattern.count("*") > 4 or not all(isinstance(one, str) for one in names):
        return _some(parts)
    return listed([part for part, name in zip(parts, names, strict=True) if fnmatchcase(name, pattern)], marks)


def _is_callable(function: Value) -> bool:
    return bool(function.functions or function.names)


def _dictionary(pairs: Value) -> Value | None:
    parts = members(pairs)
    if not parts or any(len(part.fields) != 2 for part in parts):
        return None
    keys = [literal(part.fields.get("0", Value())) for part in parts]
    if UNKNOWN_VALUE in keys or any(isinstance(key, list) for key in keys):
        return Value(fields={UNKNOWN: one_of([part.fields.get("1", Value()) for part in parts])})
    fields = {key_name(key): part.fields.get("1", Value()) for key, part in zip(keys, parts, strict=True)}
    return Value(fields=fields, mapping=True, closed=SOME not in pairs.names, truth=True)


def _next(call: Call, iterator: Value, parts: list[Value]) -> Value | None:
    if len(call.arguments) > 1:
        parts = [*parts, call.arguments[1]] if SOME in iterator.names or not parts else parts
    if not parts or elements(iterator) is None or not _once(call):
        found = one_of(parts)
        put(iterator, [maybe(part) for part in parts], frozenset([UNORDERED, SOME]))
        return found
    put(iterator, parts[1:], frozenset())
    return parts[0]


def _drawn(call: Call, first: Value, parts: list[Value]) -> Value | None:
    if not _are_paths(parts) and not any(part.all() for part in parts):
        return None
    if call.last == "choice":
        return one_of(parts)
    if call.last == "shuffle":
        first.names |= {UNORDERED}
        first.total = None
        return Value()
    count = literal(call.argument(1, "k") or Value(literal=... if call.last == "sample" else 1))
    if call.last in ("choices", "sample") and (call.last == "choices" or count != len(parts)):
        return listed([maybe(part) for part in parts], frozenset([UNORDERED, SOME]))
    return listed(parts, frozenset([UNORDERED]))


def _ordered(call: Call, first: Value, parts: list[Value]) -> Value | None:
    """Return a sorted list, or the first or last of it."""
    key, marks = call.named.get("key"), first.names & {SOME}
    keys = [literal(part if key is None else call.invoke(key, [part])) for part in parts]
    order: list[int] | None = None
    descending = literal(call.named.get("reverse", Value(literal=False)))
    if UNKNOWN_VALUE not in keys and isinstance(descending, bool):
        order = _positions(keys, descending=descending is not (call.last == "max"))
        if UNORDERED in first.names and len({repr(one) for one in keys}) < len(keys):
            order = None
    if call.last in ("max", "min"):
        if order is None or marks:
            default = [call.named["default"]] if "default" in call.named else []
            return one_of([*parts, *default])
        return parts[order[0]]
    return listed(parts, marks | {UNORDERED}) if order is None or marks else listed([parts[at] for at in order])


def _positions(keys: Sequence[Any], *, descending: bool) -> list[int] | None:
    try:
        return sorted(range(len(keys)), key=lambda at: keys[at], reverse=descending)
    except TypeError:
        return None


def _method(call: Call, receiver: Value) -> Value | None:
    if call.last == "keys" and receiver.mapping and receiver.closed and not receiver.taints:
        return listed([literal_value(key_of(name), NONE) for name in receiver.fields])
    parts = members(receiver)
    if parts is None or call.function.functions:
        return None
    first = call.arguments[0] if call.arguments else None
    marks = receiver.names & {UNORDERED, SOME}
    if call.last == "append" and first is not None:
        return _append(call, receiver, parts, first)
    if not parts or (call.last == "extend" and (call.context.loops or not _once(call))):
        return None
    if call.last == "copy":
        return listed(parts, marks)
    known = [literal(part) for part in parts]
    if call.last == "index" and len(call.arguments) == 1 and first is not None and not marks:
        wanted = literal(first)
        return literal_value(known.index(wanted), NONE) if UNKNOWN_VALUE not in known and wanted in known else None
    if call.last == "__getitem__" and first is not None:
        return subscript(receiver, first)
    of_constants = isinstance(receiver.literal, list)
    if call.last in _SETS and not of_constants:
        kept = _kept(call, parts, call.last)
        return _some(parts) if kept is None or SOME in marks else listed(kept, marks)
    if call.last in _SET_CHANGES and not of_constants and (UNORDERED in marks or call.last != "remove"):
        kept = _kept(call, parts, _SET_CHANGES[call.last]) if _once(call) else None
        if kept is None:
            put(receiver, [maybe(part) for part in parts], frozenset([UNORDERED, SOME]))
        else:
            put(receiver, kept, marks)
        return Value()
    change = _CHANGES.get(call.last)
    if change is None or (call.last == "remove" and of_constants):
        return None
    after = None
    if _once(call) and elements(receiver) is not None:
        after = change(call, parts)
    if after is None:
        found = one_of(parts)
        put(receiver, [maybe(part) for part in [*parts, *call.arguments]], frozenset([UNORDERED, SOME]))
        return found
    put(receiver, after, frozenset())
    gone = [part for part in parts if not any(part is other for other in after)]
    return gone[0] if call.last in ("pop", "popleft") and gone else Value()


def _some(parts: Sequence[Value]) -> Value:
    return listed([maybe(part) for part in parts], frozenset([UNORDERED, SOME]))


def _kept(call: Call, parts: list[Value], how: str) -> list[Value] | None:
    """Return the elements that an operation on sets keeps; None if that is not known."""
    known = [literal(part) for part in parts]
    others: list[Any] = []
    for argument in call.arguments:
        some = [argument] if how == "remove" else None if SOME in argument.names else members(argument)
        if some is None:
            return None
        others += [literal(one) for one in some]
    if UNKNOWN_VALUE in known or UNKNOWN_VALUE in others or not how or len(call.arguments) != 1:
        return None
    return [part for part, one in zip(parts, known, strict=True) if (one in others) is (how == "intersection")]


def _append(call: Call, receiver: Value, parts: list[Value], added: Value) -> Value | None:
    marks = receiver.names & {UNORDERED, SOME} | call.context.listing
    if not call.context.certain or call.context.loops or len(parts) >= MOST_ELEMENTS:
        return None
    put(receiver, [*parts, added], marks)
    return Value()


def _removed(call: Call, parts: list[Value]) -> list[Value] | None:
    wanted = literal(call.arguments[0])
    known = [literal(part) for part in parts]
    if wanted is UNKNOWN_VALUE or UNKNOWN_VALUE in known or wanted not in known:
        return None
    at = known.index(wanted)
    return [*parts[:at], *parts[at + 1 :]]


def _popped(call: Call, parts: list[Value]) -> list[Value] | None:
    at = literal(call.arguments[0]) if call.arguments else 0 if call.last == "popleft" else -1
    if not isinstance(at, int) or not -len(parts) <= at < len(parts):
        return None
    return [part for number, part in enumerate(parts) if number != at % len(parts)]


def _inserted(call: Call, parts: list[Value]) -> list[Value] | None:
    at = literal(call.arguments[0])
    if len(call.arguments) != 2 or not isinstance(at, int):
        return None
    changed = list(parts)
    changed.insert(at, call.arguments[1])
    return changed


def _rotated(call: Call, parts: list[Value]) -> list[Value] | None:
    by = literal(call.arguments[0]) if call.arguments else 1
    if not isinstance(by, int):
        return None
    at = -by % len(parts)
    return parts[at:] + parts[:at]


def _sorted(call: Call, parts: list[Value]) -> list[Value] | None:
    made = _ordered(replace(call, last="sorted"), listed(parts), parts)
    return None if made is None else elements(made)


def _extended(call: Call, parts: list[Value]) -> list[Value] | None:
    added = elements(call.arguments[0])
    return None if added is None else [*parts, *added]


_CHANGES: dict[str, Callable[[Call, list[Value]], list[Value] | None]] = {
    "remove": lambda call, parts: _removed(call, parts) if call.arguments else None,
    "pop": _popped,
    "popleft": _popped,
    "extend": lambda call, parts: _extended(call, parts) if call.arguments else None,
    "reverse": lambda _, parts: parts[::-1],
    "sort": _sorted,
    "rotate": lambda call, parts: _rotated(call, parts),
    "appendleft": lambda call, parts: [call.arguments[0], *parts] if call.arguments else None,
    "insert": lambda call, parts: _inserted(call, parts) if call.arguments else None,
    "clear": lambda _, _parts: [],
}


def _once(call: Call) -> bool:
    return call.context.certain and not call.context.loops and not call.context.listing
