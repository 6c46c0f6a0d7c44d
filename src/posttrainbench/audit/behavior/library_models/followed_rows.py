"""Models of functions that read, choose and rearrange rows, for an analysis in which one row is followed.

Covers parsers of JSON and CSV, known values, columns, lists and iterators; `followed_tables` covers tables and data
sets, `databases` SQL.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from posttrainbench.audit.behavior import choices, concrete, conditions, row_operators, row_subscripts
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.choices import chosen, is_followed, mask_truth
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.in_place import ITERATOR, advance, in_place, once
from posttrainbench.audit.behavior.library_models.followed_readers import conversions, read_tables
from posttrainbench.audit.behavior.library_models.followed_tables import (
    changed_in_place,
    choosing_keywords,
    rearranged,
    tables,
)
from posttrainbench.audit.behavior.library_models.positions import numbered, positions
from posttrainbench.audit.behavior.rows import DOCUMENT, WITHOUT, collection, is_collection
from posttrainbench.audit.behavior.values import (
    ANY_KEY,
    ANYWHERE,
    COLUMN,
    EVERY,
    NONE,
    UNKNOWN,
    Function,
    Scope,
    Value,
    joined,
    key_name,
    key_of,
    unclear,
)

_TEXT_READS = frozenset("read readlines splitlines read_text decode strip".split())
_MOVES = frozenset("shift roll ffill bfill lag lead rolling expanding forward_fill backward_fill".split())
"""Methods that put values of some rows into others."""
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


def followed_rows(call: Call) -> Value | None:
    """Model of functions that read and choose rows; None if no row is followed, or if it knows nothing."""
    if call.context.world is None:
        return None
    for model in (
        choosing_keywords,
        read_tables,
        conversions,
        positions,
        _known,
        _parsed,
        _columns,
        _sequences,
        _dictionaries,
        tables,
        rearranged,
    ):
        result = model(call)
        if result is not None:
            return changed_in_place(call, result)
    return None


def _known(call: Call) -> Value | None:
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
        owner.set_field(arguments[1], value, certain=not call.context.doubt and not call.context.uncertain)
        if call.context.world is not None and (owner.functions or is_followed(value)):
            call.context.world.opaque = True
        return Value(truth=False, literal=None)
    if call.last in _MOVES and call.context.world is not None:
        moved = [value for value in (call.receiver, *call.arguments) if value is not None]
        call.context.world.opaque |= any(map(is_followed, moved))
    if call.last in ("partial", "itemgetter", "attrgetter"):
        return _made_function(call)
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


def _parsed(call: Call) -> Value | None:
    """Model of parsers, on the content of the file that is followed or on one of its lines."""
    first = call.argument(0) or Value()
    source = call.receiver if call.receiver is not None and DOCUMENT in call.receiver.fields else first
    if call.last in ("loads", "load", "safe_load", "parse", "decode", "read_json", "read_csv", "DictReader", "Reader"):
        known = literal(first)
        if call.last in ("loads", "parse", "decode") and isinstance(known, str | bytes):
            try:
                return literal_value(json.loads(known), first.all())
            except (ValueError, RecursionError):
                return None
        if DOCUMENT in first.fields:
            return first.fields[DOCUMENT]
        return replace(first, texts=frozenset(), names=frozenset()) if is_collection(first) else None
    if call.last == "reader" and DOCUMENT in first.fields and is_collection(first.fields[DOCUMENT]):
        row = first.fields[DOCUMENT].fields[UNKNOWN]
        fields = {str(number): part for number, part in enumerate(row.fields.values())}
        return collection(Value(fields=fields, closed=True))
    if DOCUMENT in source.fields:
        if call.last in _TEXT_READS or (call.last == "split" and literal(first) == "\n"):
            return source
        if call.last in ("next", "readline") and is_collection(source):
            inner = source.fields[UNKNOWN]
            document = source.fields[DOCUMENT]
            advance(source, 1, certain=once(call))
            if is_collection(document):
                advance(document, 1, certain=once(call))
            source.fields[DOCUMENT] = document
            return Value(unclear(inner).all() if call.last == "next" else inner.all())
    return None


def _columns(call: Call) -> Value | None:
    """Model of methods of columns, of which the value in the row that is followed is known."""
    receiver = call.receiver
    if call.last in ("col", "column", "field") and call.context.columns is not None:
        name = literal(call.argument(0) or Value())
        return call.context.columns.fields.get(name) if isinstance(name, str) else None
    if receiver is None or call.function.functions:
        return None
    if is_collection(receiver) and receiver.fields[UNKNOWN].literal is not ... and call.last in _COLUMN_TESTS:
        receiver = receiver.fields[UNKNOWN]
    value = receiver.literal
    if value is ... or isinstance(value, re.Pattern):
        return None
    first = call.argument(0) or Value()
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


def _sequences(call: Call) -> Value | None:
    """Model of built-in functions on sequences, and of `itertools`."""
    first, second = call.argument(0) or Value(), call.argument(1) or Value()
    if call.receiver is not None and not call.receiver.names & {"itertools", "builtins", "more_itertools"}:
        return None
    if call.function.functions:
        return None
    if call.last == "range" and any(value.place is not None and value.place >= 0 for value in call.arguments):
        bounds = [literal(value) for value in call.arguments]
        place = next(value.place for value in call.arguments if value.place is not None)
        if all(isinstance(one, int) for one in bounds) and place is not None and bounds[-1] != 0:
            if len(bounds) == 3 and bounds[2] != 1:
                return None
            inside = range(*bounds)
            index = literal_value(place, NONE)
            return collection(index if place in inside else Value(names=frozenset([choices.OTHER])))
    if call.last in ("set", "list", "tuple", "sorted", "frozenset") and WITHOUT in first.names:
        return first
    if call.last in _DICTIONARIES and not call.arguments[call.last == "defaultdict" :]:
        return Value(total=0, fields=dict(call.named) if call.last == "dict" else {}, mapping=True)
    if call.last in ("set", "list", "deque") and (not call.arguments or first.total == 0) and not first.mapping:
        return Value(total=0)
    if call.last in ("sorted", "list", "tuple", "min", "max", "iter", "set") and row_subscripts.open_mapping(first):
        return _keys(call, first)
    if call.last in ("range", "arange") and call.function.names & {"range", "builtins.range", "numpy.arange"}:
        bounds = [literal(value) for value in call.arguments]
        if bounds and all(isinstance(one, int) for one in bounds) and not (len(bounds) == 3 and bounds[2] == 0):
            span = range(*bounds)
            return collection(Value(span=span), total=len(span)) if span else Value(total=0, whole=True)
    if call.last == "enumerate" and (choices.is_list(first) or first.place is not None):
        number = numbered(first)
        if first.place is not None and first.place >= 0:
            start = literal(call.argument(1, "start") or Value(number=0))
            number = literal_value(first.place + start, NONE) if isinstance(start, int) else Value()
        pair = Value(fields={"0": number, "1": _element(call, first)})
        return replace(collection(pair, first.place, first.total))
    if call.last in ("zip", "zip_longest") and any(
        choices.is_list(one) or one.place is not None for one in call.arguments
    ):
        return _zipped(call)
    if call.last in ("filter", "filterfalse", "compress") and is_collection(
        rows := first if call.last == "compress" else second
    ):
        if call.last == "compress":
            return chosen(rows, mask_truth(second))
        element = call.element(rows)
        verdict = mask_truth(call.invoke(first, [element]) if first.functions else element)
        return chosen(rows, None if verdict is None else verdict is (call.last == "filter"))
    if call.last == "map" and len(call.arguments) == 2 and is_collection(second):
        return collection(call.invoke(first, [call.element(second)]), second.place, second.total)
    if (
        call.last in ("max", "min", "sum", "mean", "median", "fmean")
        and len(call.arguments) == 1
        and is_collection(first)
    ) and isinstance(literal(first.fields[UNKNOWN]), int | float):
        return Value()  # such as the largest length
    if call.last in ("any", "all") and is_collection(first):
        verdict = mask_truth(first)
        return (
            literal_value(verdict, NONE) if verdict is (call.last == "any") else Value(names=frozenset([choices.MASK]))
        )
    if call.last == "groupby" and len(call.arguments) + len(call.named) == 2 and is_collection(first):
        key = call.argument(1, "key") or Value()
        group = {"0": call.invoke(key, [call.element(first)]), "1": replace(first, place=None, total=None)}
        return collection(Value(fields=group))
    if call.last == "islice" and choices.is_list(first):
        ends = [value if literal(value) is not None else None for value in call.arguments[1:]]
        ends = [None, *ends] if len(ends) == 1 else ends
        node = ast.Slice(*(None if one is None else ast.Name("bound", ast.Load()) for one in [*ends, None][:2]))
        taken = row_subscripts.window(first, node, [*ends, None, None][:3])
        if ITERATOR in first.names and is_followed(first):
            first_end = ends[1] if len(ends) > 1 else None
            advance(first, None if first_end is None else literal(first_end), certain=once(call))
        return replace(taken, names=taken.names - {ITERATOR})
    if call.last == "next" and ITERATOR in first.names and is_followed(first):
        inner = first.fields[UNKNOWN]
        advance(first, 1, certain=once(call))
        return inner if first.place == ANYWHERE else unclear(inner)
    if call.last == "iter" and is_collection(first) and len(call.arguments) == 1:
        return replace(first, fields=dict(first.fields), names=first.names | {ITERATOR})
    if call.last == "sum" and len(call.arguments) + len(call.named) == 2 and first.fields:  # lists, joined
        parts = [first.fields[UNKNOWN]] if is_collection(first) else list(first.fields.values())
        joined_lists = row_operators.concatenated(parts)
        return replace(joined_lists, place=None, total=None) if is_collection(first) else joined_lists
    if call.last in ("takewhile", "dropwhile") and is_collection(second):
        return unclear(second)
    if call.last in ("sorted", "reversed") and first.literal is not ... and is_followed(first):
        return collection(Value(first.all()))  # the values of a column
    if call.last in ("sorted", "reversed") and choices.is_list(first):
        after: int | None = ANYWHERE if first.place == ANYWHERE else None
        if call.last == "reversed" and first.place is not None and first.place >= 0 and first.total is not None:
            after = first.total - 1 - first.place
        return replace(first, fields=dict(first.fields), place=after)
    return None


_DICTIONARIES = frozenset("dict Counter defaultdict OrderedDict".split())


def _keys(call: Call, dictionary: Value) -> Value:
    """Return some or all keys of a dictionary that may have more keys than those that are known."""
    if call.last in ("min", "max"):
        return Value(names=frozenset([choices.MASK]))
    known = [literal_value(key_of(name), NONE) for name in dictionary.fields]
    return Value(names=frozenset([choices.KEYS]), fields={UNKNOWN: joined(*known)} if known else {})


def _zipped(call: Call) -> Value:
    """Return pairs of elements; of lists with the row at different positions, which belongs to which is not known."""
    first = next((value for value in call.arguments if is_followed(value)), call.arguments[0])
    fields: dict[str, Value] = {}
    mixed = False
    for number, value in enumerate(call.arguments):
        own = is_followed(value) or (is_collection(value) and literal(value.fields[UNKNOWN]) is not UNKNOWN_VALUE)
        mixed |= own and is_followed(value) and value.place != first.place
        if isinstance(value.literal, list):
            at = first.place if first.place is not None and first.place >= 0 else len(value.literal)
            fields[str(number)] = literal_value(value.literal[at], NONE) if at < len(value.literal) else Value()
        else:
            fields[str(number)] = _element(call, value)
    if mixed:
        fields = {name: unclear(Value(part.all())) for name, part in fields.items()}
    return collection(Value(fields=fields), first.place, first.total)


def _element(call: Call, value: Value) -> Value:
    """Return the element of a sequence, or of a column, that belongs to the row."""
    if WITHOUT in value.names and not value.fields:
        return Value(names=frozenset([choices.OTHER]))
    if isinstance(value.literal, list):
        return Value()
    cell = replace(value, place=None, names=value.names - {COLUMN})
    return cell if value.literal is not ... else call.element(value)


def _dictionaries(call: Call) -> Value | None:
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
    known = literal(first)
    if call.last in ("keys", "popitem") and row_subscripts.open_mapping(receiver):
        if call.last == "keys":
            return _keys(call, receiver)
        parts = joined(*receiver.fields.values()) if receiver.fields else Value()
        return Value(fields={"0": Value(), "1": unclear(parts)})
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
            if call.last == "pop":
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
        return Value(fields={str(number): part for number, part in enumerate(receiver.fields.values())})
    if call.last == "update" and not is_collection(receiver) and (first.fields or call.named):
        certain = not call.context.doubt and not call.context.uncertain
        for name, part in {**first.fields, **call.named}.items():
            receiver.set_field(name, part, certain=certain)
        return Value()
    if call.last == "update" and is_collection(receiver) and is_followed(receiver) and receiver.fields[UNKNOWN].fields:
        choices.blur(receiver)  # values of a table, by another one
        return Value()
    if call.last == "insert" and len(call.arguments) >= 3 and is_collection(receiver):  # a column into a table
        name, cell = literal(call.arguments[1]), choices.column(call.arguments[2])
        receiver.fields[UNKNOWN].set_field(name if isinstance(name, str) else UNKNOWN, cell, certain=True)
        return Value()
    if call.last in ("append", "extend", "add", "appendleft", "extendleft", "insert", "put") and call.arguments:
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
    if call.last == "clear" and not call.context.doubt and not call.context.uncertain:
        receiver.fields.clear()
        receiver.taints, receiver.total = NONE, 0
        return Value()
    return in_place(call)


def _added(call: Call, receiver: Value, added: Value) -> Value:
    """Add one element or the elements of a collection to a list."""
    if call.context.doubt and (is_followed(added) or EVERY in added.names):
        added = unclear(added)
    if call.last in ("extend", "extendleft"):
        row_operators.extend(receiver, added)
        if not is_collection(added) and added.all() and not added.fields:
            receiver.set_field(UNKNOWN, call.element(added))
        return Value()
    loop = getattr(call.caller, "_row_loop", None)
    fresh = UNKNOWN not in receiver.fields and not receiver.fields
    known = receiver.fields.get(UNKNOWN)
    keeps = loop is not None and not loop[1] and not call.context.uncertain
    if is_followed(added) or (known is None and added.fields):
        before = known is not None and is_followed(known)
        receiver.fields[UNKNOWN] = joined(known, added) if before and known is not None else added
    elif known is None:
        receiver.fields[UNKNOWN] = added
    if keeps and loop is not None and (fresh or receiver.place == loop[0].place):
        receiver.place, receiver.total = loop[0].place, loop[0].total
    elif receiver.place != ANYWHERE:
        receiver.place, receiver.total = None, None
    return Value()
