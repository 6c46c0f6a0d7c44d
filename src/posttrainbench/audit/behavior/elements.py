"""Elements of sequences, of which some or all are known."""

from __future__ import annotations

from posttrainbench.audit.behavior import choices, known_lists, operations
from posttrainbench.audit.behavior.concrete import literal_value
from posttrainbench.audit.behavior.evaluator import Evaluator
from posttrainbench.audit.behavior.operations import attribute, defines, exact_text, unrolled
from posttrainbench.audit.behavior.rows import WITHOUT
from posttrainbench.audit.behavior.script_analysis import SPLITS
from posttrainbench.audit.behavior.values import EVERY, NONE, UNKNOWN, Value, key_of, text_value

MOST_ENTRIES = 30
_ANY_ROW = Value(names=frozenset([EVERY]))


def elements_of(evaluator: Evaluator, value: Value) -> list[Value]:
    """Return the elements of a short sequence whose elements are all known; [] for any other value."""
    if value.splits and value.fields.keys() <= set(SPLITS) and not value.taints:
        return [text_value(name) for name in SPLITS]  # the keys of a `DatasetDict`
    if defines(value, "__iter__") or defines(value, "__getitem__"):
        return []  # a data set of the script
    if evaluator.context.world is not None:
        if (parts := known_lists.members(value)) is not None:
            return parts
        keys = [name for name in value.fields if not name.isdigit() and name != UNKNOWN]
        if keys and len(keys) == len(value.fields) and len(keys) <= operations.MOST_UNROLLED:
            names = map(key_of, keys) if value.mapping else keys
            known = [text_value(one) if isinstance(one, str) else literal_value(one, NONE) for one in names]
            return [Value() if one.literal is ... and not one.texts else one for one in known]
        if not keys and value.total == len(value.fields) <= operations.MOST_UNROLLED and UNKNOWN not in value.fields:
            return list(value.fields.values())
    return unrolled(value) or _entries(value)


def _entries(value: Value) -> list[Value]:
    """Return the entries of a dictionary of settings, as pairs of a known key and a value."""
    pairs = unrolled(value, MOST_ENTRIES)
    keyed = [pair for pair in pairs if pair.fields.keys() == {"0", "1"} and exact_text(pair.fields["0"]) is not None]
    return pairs if pairs and len(keyed) == len(pairs) and not value.all() else []


def element_of(evaluator: Evaluator, value: Value) -> Value:
    """Return an element of a sequence: where one row is followed, that row."""
    if evaluator.context.world is not None:
        if UNKNOWN in value.fields:
            return value.fields[UNKNOWN]
        if WITHOUT in value.names and not value.fields:
            return Value(names=frozenset([choices.OTHER]))
        if defines(value, "__iter__"):  # a data set of the script
            made = evaluator.call_value(attribute(value, "__iter__"), [])
            if defines(made, "__next__"):  # which is often the data set itself
                one = evaluator.call_value(attribute(made, "__next__"), [])
                # A later call may return what the first one does not.
                evaluator.context.world.opaque |= bool(made.all() - one.all())
                return one
            if defines(made, "__iter__"):
                return evaluator.context.element(made, evaluator.script)
            return element_of(evaluator, made)
        if defines(value, "__getitem__"):
            return evaluator.call_value(attribute(value, "__getitem__"), [_ANY_ROW])
    return evaluator.context.element(value, evaluator.script)
