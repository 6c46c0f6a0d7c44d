"""Lists, dictionaries and comprehensions that are written out in a script."""

from __future__ import annotations

import ast

from posttrainbench.audit.behavior import row_operators, selection
from posttrainbench.audit.behavior.elements import element_of, elements_of
from posttrainbench.audit.behavior.evaluator import Evaluator
from posttrainbench.audit.behavior.followed_displays import followed_comprehension, followed_dictionary
from posttrainbench.audit.behavior.function_calls import inlined
from posttrainbench.audit.behavior.operations import DICTIONARY, exact_text, taints_of, unrolled
from posttrainbench.audit.behavior.values import UNKNOWN, Scope, Value

MOST_KEYS = 60
"""Keys of a dictionary that a comprehension makes, which are all known."""


def sequence_display(evaluator: Evaluator, parts: list[ast.expr], scope: Scope) -> Value:
    """Return a list, tuple or set that is written out."""
    result = Value(truth=bool(parts) or None, total=len(parts))
    if len(parts) > 200:  # a table of constants
        for part in parts[:2000]:
            result.add(evaluator.value(part, scope))
        return result
    for index, part in enumerate(parts):
        element = evaluator.value(part, scope)
        if isinstance(part, ast.Starred) and evaluator.context.world is not None:
            row_operators.extend(result, element)
        elif isinstance(part, ast.Starred):
            result.add(element)
            result.set_field(UNKNOWN, element_of(evaluator, element))
        else:
            result.fields[str(index)] = element
    return result


def dictionary_display(
    evaluator: Evaluator, keys: list[ast.expr | None], values: list[ast.expr], scope: Scope
) -> Value:
    """Return a dictionary that is written out."""
    result = Value(names=frozenset([DICTIONARY]), truth=bool(values) or None)
    if evaluator.context.world is not None and len(values) <= 2000:
        return followed_dictionary(evaluator, keys, values, scope)
    for key, node in list(zip(keys, values, strict=True))[:2000]:
        value = evaluator.value(node, scope)
        if key is not None and (name := exact_text(evaluator.value(key, scope))) is not None:
            result.set_field(name, value)
            continue
        if key is None:
            result.fields.update(value.fields)
            result.closed = value.closed
        result.add(value)
    return result


def comprehension(
    evaluator: Evaluator, parts: list[ast.expr], generators: list[ast.comprehension], scope: Scope
) -> Value:
    """Return the result of a comprehension or a generator expression."""
    inner = Scope(parent=scope)
    if evaluator.context.world is not None:
        return followed_comprehension(evaluator, parts, generators, inner)
    sequence = evaluator.value(generators[0].iter, inner)
    if _keeps_training_rows(evaluator, generators[0], sequence, inner):
        sequence = selection.without_test_data(sequence)
    elements = elements_of(evaluator, sequence) if len(generators) == 1 else []
    if len(generators) == 1 and (elements := elements or (unrolled(sequence, MOST_KEYS) if len(parts) == 2 else [])):
        return _unrolled(evaluator, parts, generators[0], elements, inner)
    for generator in generators:
        over = sequence if generator is generators[0] else evaluator.value(generator.iter, inner)
        evaluator.assign(generator.target, element_of(evaluator, over), inner)
        for test in generator.ifs:
            evaluator.value(test, inner)
    values = [evaluator.value(part, inner) for part in parts]
    result = Value(taints_of(values), splits=frozenset().union(*(value.all_splits() for value in values)))
    result.fields[UNKNOWN] = values[-1]
    result.names = frozenset([DICTIONARY] if len(parts) > 1 else [])
    result.whole = len(generators) == 1 and sequence.whole
    return result


def _keeps_training_rows(evaluator: Evaluator, generator: ast.comprehension, sequence: Value, inner: Scope) -> bool:
    """Return True if a condition of a comprehension excludes rows of the test split."""
    if any(map(selection.keeps_training_rows, generator.ifs)):
        return True
    evaluator.assign(generator.target, element_of(evaluator, sequence), inner)
    return any(selection.keeps_training_rows(inlined(evaluator, test, inner)) for test in generator.ifs)


def _unrolled(
    evaluator: Evaluator, parts: list[ast.expr], generator: ast.comprehension, elements: list[Value], inner: Scope
) -> Value:
    result = Value()
    for number, element in enumerate(elements):
        evaluator.assign(generator.target, element, inner)
        if any(evaluator.value(test, inner).truth is False for test in generator.ifs):
            continue
        values = [evaluator.value(part, inner) for part in parts]
        name = exact_text(values[0]) if len(values) == 2 else str(number)
        if name is None:
            result.add(values[-1])
        else:
            result.fields[name] = values[-1]
    return result
