"""Model of built-in functions on sequences and of `itertools`, where one row is followed."""

from __future__ import annotations

import ast
from dataclasses import replace

from posttrainbench.audit.behavior import choices, row_operators, row_subscripts
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.choices import chosen, is_followed, mask_truth
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.in_place import ITERATOR, advance, once
from posttrainbench.audit.behavior.library_models.followed_dictionaries import keys_of
from posttrainbench.audit.behavior.library_models.positions import numbered
from posttrainbench.audit.behavior.rows import WITHOUT, collection, is_collection
from posttrainbench.audit.behavior.values import ANYWHERE, COLUMN, NONE, UNKNOWN, Value, unclear


def sequences(call: Call) -> Value | None:
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
        return keys_of(call, first)
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
    pairs = collection(Value(fields=fields), first.place, first.total)
    lengths = [value.total for value in call.arguments if value is not first and value.total is not None]
    if not lengths or call.last != "zip" or not is_followed(first) or first.total == min(lengths):
        return pairs
    if first.place is not None and first.place >= 0:
        return pairs if first.place < min(lengths) else choices.without_row(pairs)
    return choices.as_slice(pairs)


def _element(call: Call, value: Value) -> Value:
    """Return the element of a sequence, or of a column, that belongs to the row."""
    if WITHOUT in value.names and not value.fields:
        return Value(names=frozenset([choices.OTHER]))
    if isinstance(value.literal, list):
        return Value()
    cell = replace(value, place=None, names=value.names - {COLUMN})
    return cell if value.literal is not ... else call.element(value)
