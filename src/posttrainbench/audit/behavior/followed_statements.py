"""Statements of a script where one row is followed: see `rows.World` and `choices`."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace

from posttrainbench.audit.behavior import (
    alternatives,
    choices,
    concrete,
    conditions,
    known_lists,
    known_paths,
    match_patterns,
)
from posttrainbench.audit.behavior.elements import element_of, elements_of
from posttrainbench.audit.behavior.evaluator import MAYBE, Evaluator
from posttrainbench.audit.behavior.folders import Folders
from posttrainbench.audit.behavior.followed_changes import delete
from posttrainbench.audit.behavior.loop_syntax import breaks, changes, empties_list, returns, stored_names
from posttrainbench.audit.behavior.row_loops import RowLoops
from posttrainbench.audit.behavior.values import UNKNOWN, Scope, Value, joined, key_name

_IGNORES = ast.ExceptHandler(None, None, [ast.Pass()])


def followed_statement(evaluator: Evaluator, node: ast.stmt, scope: Scope) -> str | None:
    """Interpret a statement that may choose rows, and return how control leaves the block; None for others."""
    match node:
        case ast.If(test, body, orelse):
            return _if(evaluator, test, body, orelse, scope)
        case ast.For(target, iterable, body, orelse) | ast.AsyncFor(target, iterable, body, orelse):
            sequence = evaluator.value(iterable, scope)
            if sequence.total == 0 and not (sequence.fields or sequence.all() or sequence.all_splits()):
                return evaluator.block(orelse, scope)
            return _for(evaluator, target, sequence, body, scope) or evaluator.block(orelse, scope)
        case ast.While(test, body, orelse):
            return _while(evaluator, test, body, scope) or evaluator.block(orelse, scope)
        case ast.With(items, body) | ast.AsyncWith(items, body):
            suppresses, folders = False, Folders(evaluator)
            for item in items:
                entered = folders.enter(item.context_expr, scope)
                suppresses |= any(name.endswith("suppress()") for name in entered.names)
                if item.optional_vars is not None:
                    evaluator.assign(item.optional_vars, entered, scope)
            left = _try(evaluator, body, [_IGNORES], [], [], scope) if suppresses else evaluator.block(body, scope)
            folders.leave()
            return left
        case ast.Try(body, handlers, orelse, final) | ast.TryStar(body, handlers, orelse, final):
            return _try(evaluator, body, handlers, orelse, final, scope)
        case ast.Assert(test):
            truth = concrete.truth(evaluator.value(test, scope))
            if truth is None and evaluator.row_loops.may_choose(test, scope):
                return MAYBE
            return "raise" if truth is False else ""
        case ast.Match(subject, cases):
            return _match(evaluator, evaluator.value(subject, scope), cases, scope)
        case ast.Delete(targets):
            for target in targets:
                delete(evaluator, target, scope)
            return ""
    return None


def _try(
    evaluator: Evaluator,
    body: Sequence[ast.stmt],
    handlers: Sequence[ast.ExceptHandler],
    orelse: Sequence[ast.stmt],
    final: Sequence[ast.stmt],
    scope: Scope,
) -> str:
    """Interpret a block whose exceptions are caught."""
    left = evaluator.block(body, scope)
    evaluator.context.raised = False
    parts = [part for one in body for part in ast.walk(one)] if handlers and not left else []
    answers = [_raises(evaluator, part, scope) for part in parts if isinstance(part, ast.expr)]
    raised = left == "raise" or True in answers
    maybe = not raised and (left == MAYBE or None in answers)
    evaluator.context.doubt += not raised
    evaluator.context.uncertain += 1
    ways = [evaluator.weak_block(handler.body, scope) for handler in handlers]
    evaluator.context.doubt -= not raised
    evaluator.context.uncertain -= 1
    if raised and handlers:
        left = ways[0] if left == "raise" and len(set(ways)) == 1 else MAYBE
    elif not left and not maybe:
        left = evaluator.block(orelse, scope)
    elif not left:
        left = evaluator.weak_block(orelse, scope) or MAYBE
    return evaluator.block(final, scope) or left


def _raises(evaluator: Evaluator, node: ast.expr, scope: Scope) -> bool | None:
    """Return whether an expression raises an exception for the row that is followed; None if it may."""
    match node:
        case ast.Subscript(base, key, ast.Load()) if not isinstance(key, ast.Slice | ast.Constant):
            owner, known = evaluator.value(base, scope), concrete.literal(evaluator.value(key, scope))
            if owner.all() or (owner.closed and known is not concrete.UNKNOWN_VALUE):
                return owner.closed and owner.mapping and key_name(known) not in owner.fields
            missing = known is concrete.UNKNOWN_VALUE or str(known) not in owner.fields
            return None if missing and not (owner.mapping and key_name(known) in owner.fields) else False
        case ast.Call(ast.Name("int" | "float" as name), [argument]):
            value = evaluator.value(argument, scope)
            known = concrete.literal(value)
            if known is concrete.UNKNOWN_VALUE:
                return None if choices.is_followed(value) else False
            return concrete.function(frozenset([name]), [known]) is concrete.UNKNOWN_VALUE
        case ast.Call(ast.Attribute(base, "index" | "remove"), [argument]):
            value = evaluator.value(argument, scope)
            inside = conditions.contains(evaluator.value(base, scope), concrete.literal(value))
            return None if not isinstance(inside, bool) and choices.is_followed(value) else inside is False
        case ast.Call(ast.Attribute(_, "pop"), [_]) | ast.Call(ast.Name("next"), [_]):
            return None if evaluator.row_loops.may_choose(node, scope) else False
        case ast.BinOp(_, ast.Div() | ast.FloorDiv() | ast.Mod(), right):
            return concrete.literal(evaluator.value(right, scope)) in (0, False)
    return False


def _if(
    evaluator: Evaluator, test: ast.expr, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt], scope: Scope
) -> str:
    truth = concrete.truth(evaluator.value(test, scope))
    if not conditions.is_blank(test):
        evaluator.row_loops.conditional = True
    if truth is not None:
        return evaluator.block(body if truth else orelse, scope)
    doubtful = evaluator.row_loops.may_choose(test, scope)
    evaluator.context.doubt += doubtful
    evaluator.context.among_files |= doubtful and evaluator.row_loops.may_choose_files(test)
    evaluator.context.uncertain += 1
    ways = _either(evaluator, body, orelse, scope)
    evaluator.context.doubt -= doubtful
    evaluator.context.uncertain -= 1
    if all(ways) and MAYBE not in ways:
        return ways[0]
    return MAYBE if doubtful and any(ways) else ""


def _either(evaluator: Evaluator, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt], scope: Scope) -> list[str]:
    """Interpret two blocks of which one is executed, and return how control leaves them."""
    folder = evaluator.context.cwd
    names, held = dict(scope.names), alternatives.snapshot(scope, (body, orelse))
    ways = [evaluator.block(body, scope)]
    after, first = dict(scope.names), alternatives.snapshot(scope, (body, orelse))
    scope.names.clear()
    scope.names.update(names)
    moved, evaluator.context.cwd = evaluator.context.cwd, folder
    ways.append(evaluator.block(orelse, scope))
    second = alternatives.snapshot(scope, (body, orelse))
    for name, value in after.items():
        other = scope.names.get(name, value)
        scope.names[name] = value if other is value else joined(value, other)
    if moved != folder or evaluator.context.cwd != folder:
        evaluator.context.cwd = UNKNOWN
    if not any(way in ("return", "raise", "continue", "break") for way in ways):
        alternatives.settle(scope, held, first, second)
    return ways


def _for(evaluator: Evaluator, target: ast.expr, sequence: Value, body: Sequence[ast.stmt], scope: Scope) -> str:
    elements = elements_of(evaluator, sequence)
    if elements:
        return _unrolled(evaluator, target, sequence, elements, body, scope)
    element = element_of(evaluator, sequence)
    followed = choices.is_followed(element)
    outer = evaluator.row_loops
    names = stored_names(body) | {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
    _forget(names, scope)  # from the row before
    evaluator.row_loops = RowLoops(outer.names | names, outer.files - names, sequence) if followed else replace(outer)
    counter = target.elts[0] if isinstance(target, ast.Tuple) and element.fields.get("0", Value()).number else None
    doubtful = followed and breaks(body, counter)
    evaluator.context.doubt += doubtful
    left = ""
    drains, evaluator.context.drains = evaluator.context.drains, False
    evaluator.context.loops += 1
    for _ in range(2):
        evaluator.assign(target, element, scope)
        left = evaluator.weak_block(body, scope)
        if followed:
            evaluator.row_loops.conditional = False
        raised, evaluator.context.raised = evaluator.context.raised, False
        left = "raise" if raised else left
    evaluator.context.loops -= 1
    evaluator.context.drains = drains
    evaluator.context.doubt -= doubtful
    if followed and _carries(body, names, scope):
        _pass_of_others(evaluator, target, body, scope)
    evaluator.row_loops = outer
    return MAYBE if left == "raise" or (left in ("return", MAYBE) and returns(body)) else ""


def _unrolled(
    evaluator: Evaluator,
    target: ast.expr,
    sequence: Value,
    elements: Sequence[Value],
    body: Sequence[ast.stmt],
    scope: Scope,
) -> str:
    """Interpret a loop over known elements, one by one."""
    outer, doubt, among_files = evaluator.context.listing, evaluator.context.doubt, evaluator.context.among_files
    marks = sequence.names & {known_lists.UNORDERED, known_lists.SOME}
    evaluator.context.listing |= marks
    early = bool(marks) and len(elements) > 1 and (breaks(body, None) or returns(body))  # in an unknown pass
    if known_paths.WALK in sequence.names and isinstance(target, ast.Tuple) and len(target.elts) > 1:
        early |= changes(body, target.elts[1])  # which leaves out folders
    evaluator.context.doubt += early
    loops = evaluator.row_loops
    if any(element.texts or choices.is_followed(element) for element in elements):
        targets = {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
        own = targets | stored_names([one for one in body if not isinstance(one, ast.For | ast.While)])
        evaluator.row_loops = replace(loops, names=loops.names | targets | stored_names(body), files=loops.files | own)
        evaluator.context.among_files |= early and any(element.texts for element in elements)
    left = maybe = ""
    for element in elements:
        before = dict(scope.names) if marks else {}
        evaluator.assign(target, element, scope)
        left = evaluator.block(body, scope)
        _join_overwritten(before, scope)
        if left in ("break", "return", MAYBE) and (early or maybe or left == MAYBE):
            evaluator.context.doubt, maybe = evaluator.context.doubt + (not maybe and not early), MAYBE
        elif left in ("break", "return"):
            break
        else:
            left = ""
    evaluator.context.listing, evaluator.context.doubt, evaluator.row_loops = outer, doubt, loops
    evaluator.context.among_files = among_files
    if maybe:
        return MAYBE if returns(body) else ""
    return "return" if left == "return" else ""


def _join_overwritten(before: Mapping[str, Value], scope: Scope) -> None:
    """Join values that a pass of a loop overwrote, where another pass may be the last one."""
    for name, old in before.items():
        value = scope.names.get(name, old)
        kept = {taint.source for taint in old.all()} <= {taint.source for taint in value.all()}
        if value is not old and not (kept and old.texts == value.texts):
            scope.names[name] = joined(known_lists.maybe(old), known_lists.maybe(value))


def _carries(body: Sequence[ast.stmt], own: set[str], scope: Scope) -> bool:
    """Return True if a loop makes something of texts of the row that do not come from its own element."""
    read = {part.id for one in body for part in ast.walk(one) if isinstance(part, ast.Name)} - own
    stores = any(
        isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "append"
        for one in body
        for part in ast.walk(one)
    )
    known = [scope.find(name) for name in read]
    return stores and any(value is not None and not value.functions and choices.is_followed(value) for value in known)


def _pass_of_others(evaluator: Evaluator, target: ast.expr, body: Sequence[ast.stmt], scope: Scope) -> None:
    """Interpret the body of a loop for the other rows, which keep the positions in all lists."""
    kept = [(value, value.place, value.total) for value in scope.names.values()]
    evaluator.context.doubt += 1
    evaluator.context.uncertain += 1
    evaluator.assign(target, Value(names=frozenset([choices.OTHER])), scope)
    evaluator.weak_block(body, scope)
    evaluator.context.doubt -= 1
    evaluator.context.uncertain -= 1
    for value, place, total in kept:
        value.place, value.total = place, total


def _forget(names: set[str], scope: Scope) -> None:
    """Forget the known values of names that a loop binds."""
    for name in names & scope.names.keys():
        if scope.names[name].literal is not ... or scope.names[name].number is not None:
            scope.names[name] = Value(scope.names[name].taints)


def _while(evaluator: Evaluator, test: ast.expr, body: Sequence[ast.stmt], scope: Scope) -> str:
    if concrete.truth(evaluator.value(test, scope)) is False:
        return ""
    for _ in range(known_lists.MOST_ELEMENTS if empties_list(test) else 0):
        if not isinstance(test, ast.Name) or not known_lists.members(evaluator.value(test, scope)):
            break
        if left := evaluator.block(body, scope):
            return "" if left == "break" else left
        if concrete.truth(evaluator.value(test, scope)) is False:
            return ""
    _forget(stored_names(body), scope)
    if concrete.truth(evaluator.value(test, scope)) is False:
        return ""
    left = ""
    drains, evaluator.context.drains = evaluator.context.drains, empties_list(test)
    evaluator.context.loops += 1
    for _ in range(2):
        left = evaluator.weak_block(body, scope)
    evaluator.context.loops -= 1
    evaluator.context.drains = drains
    return MAYBE if left in ("return", MAYBE) and returns(body) else ""


def _match(evaluator: Evaluator, subject: Value, cases: Sequence[ast.match_case], scope: Scope) -> str:
    maybe = ""
    for case in cases:
        fits = match_patterns.fits(subject, case.pattern, lambda node: evaluator.value(node, scope))
        if fits is False:
            continue
        scope.names.update(match_patterns.captures(subject, case.pattern))
        if case.guard is not None:
            guard = concrete.truth(evaluator.value(case.guard, scope))
            fits = False if guard is False else fits if guard else None
            if fits is False:
                continue
        if fits and not maybe:
            return evaluator.block(case.body, scope)
        evaluator.context.doubt += 1
        evaluator.context.uncertain += 1
        maybe = MAYBE if evaluator.weak_block(case.body, scope) or maybe else ""
        evaluator.context.doubt -= 1
        evaluator.context.uncertain -= 1
        if fits:
            break
    return maybe
