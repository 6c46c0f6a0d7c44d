"""Dictionaries and comprehensions that are written out in a script, where one row is followed."""

from __future__ import annotations

import ast

from posttrainbench.audit.behavior import choices, concrete, conditions, known_lists
from posttrainbench.audit.behavior.elements import element_of, elements_of
from posttrainbench.audit.behavior.evaluator import Evaluator
from posttrainbench.audit.behavior.rows import WITHOUT, is_collection
from posttrainbench.audit.behavior.values import ANYWHERE, UNKNOWN, Scope, Value, joined, key_name, unclear


def followed_dictionary(
    evaluator: Evaluator, keys: list[ast.expr | None], values: list[ast.expr], scope: Scope
) -> Value:
    """Return a dictionary that is written out."""
    result = Value(truth=bool(values) or None, mapping=True, closed=bool(values))
    for key, node in zip(keys, values, strict=True):
        value = evaluator.value(node, scope)
        known = concrete.literal(evaluator.value(key, scope)) if key is not None else ...
        if known is not concrete.UNKNOWN_VALUE:
            result.set_field(key_name(known), value, certain=True)
            continue
        if key is None:
            result.fields.update(value.fields)
        result.closed &= key is None and value.closed
        result.add(value)
    return result


def followed_comprehension(
    evaluator: Evaluator, parts: list[ast.expr], generators: list[ast.comprehension], inner: Scope
) -> Value:
    """Return the result of a comprehension: without the row if a condition excludes it."""
    outer_doubt, source = evaluator.context.doubt, Value()
    result = _generated(evaluator, parts, generators, inner, [])
    evaluator.context.doubt = outer_doubt
    if len(generators) == 1 and all(map(conditions.is_blank, generators[0].ifs)):
        source = evaluator.value(generators[0].iter, inner)
        if is_collection(source) or source.total is not None:
            result.place, result.total = source.place, source.total
    elif UNKNOWN in result.fields and evaluator.value(generators[0].iter, inner).place == ANYWHERE:
        result.place = ANYWHERE
    return result


def _generated(
    evaluator: Evaluator, parts: list[ast.expr], generators: list[ast.comprehension], inner: Scope, done: list[str]
) -> Value:
    if not generators:
        values = [evaluator.value(part, inner) for part in parts]
        value = evaluator.context.doubted(values[-1])
        name = concrete.literal(values[0]) if len(values) == 2 else ...
        known = name is not concrete.UNKNOWN_VALUE
        return Value(fields={key_name(name) if known else UNKNOWN: value}, whole=True, mapping=known)
    generator, *rest = generators
    sequence = evaluator.value(generator.iter, inner)
    elements = elements_of(evaluator, sequence)
    outer_names = evaluator.row_loops.names
    if not elements and choices.is_followed(element_of(evaluator, sequence)):
        targets = [part.id for part in ast.walk(generator.target) if isinstance(part, ast.Name)]
        evaluator.row_loops.names |= frozenset(targets)
    results: list[Value] = []
    marks = sequence.names & {known_lists.UNORDERED, known_lists.SOME}
    for element in elements or [element_of(evaluator, sequence)]:
        doubt = evaluator.context.doubt
        evaluator.assign(generator.target, element, inner)
        excluded = unsure = False
        for test in generator.ifs:
            truth = concrete.truth(evaluator.value(test, inner))
            unsure |= truth is None and bool(elements)
            if truth is None and evaluator.row_loops.may_choose(test, inner):
                evaluator.context.doubt += 1
            excluded = excluded or truth is False
        if not excluded:
            made = _generated(evaluator, parts, rest, inner, done)
            results.append(known_lists.maybe(made) if unsure else made)
            marks |= {known_lists.UNORDERED, known_lists.SOME} if unsure else frozenset()
        elif not elements and choices.is_followed(carried := _of_others(evaluator, parts, generator, rest, inner)):
            results.append(unclear(carried))
        evaluator.context.doubt = doubt
    evaluator.row_loops.names = outer_names
    if not results:
        return Value(whole=True, names=frozenset([WITHOUT]), total=0 if elements else None)
    if elements and not rest and len(parts) == 1:
        return known_lists.listed([one.fields.get(UNKNOWN, one) for one in results], marks)
    merged = Value(whole=True, mapping=all(one.mapping for one in results))
    for one in results:
        for name, field in one.fields.items():
            earlier = merged.fields.get(name)
            if earlier is None or (name == UNKNOWN and choices.is_followed(field) and not choices.is_followed(earlier)):
                merged.fields[name] = field
            elif name != UNKNOWN or choices.is_followed(field) or not choices.is_followed(earlier):
                merged.fields[name] = joined(earlier, field)
        merged.taints |= one.taints
    return merged


def _of_others(
    evaluator: Evaluator,
    parts: list[ast.expr],
    generator: ast.comprehension,
    rest: list[ast.comprehension],
    inner: Scope,
) -> Value:
    """Return what a comprehension makes of the other rows: texts of the one that is followed may be put in."""
    named = [part.target for test in generator.ifs for part in ast.walk(test) if isinstance(part, ast.NamedExpr)]
    for target in (generator.target, *named):
        evaluator.assign(target, Value(names=frozenset([choices.OTHER])), inner)
    return _generated(evaluator, parts, rest, inner, [])
