"""Assignments to parts of values and deletions in them, where one row is followed."""

from __future__ import annotations

import ast

from posttrainbench.audit.behavior import choices, concrete, known_lists, reordering, row_operators
from posttrainbench.audit.behavior.choices import doubtful
from posttrainbench.audit.behavior.evaluator import Evaluator
from posttrainbench.audit.behavior.followed_expressions import row_slice
from posttrainbench.audit.behavior.in_place import leave_out
from posttrainbench.audit.behavior.rows import is_collection
from posttrainbench.audit.behavior.values import ANYWHERE, NONE, UNKNOWN, Scope, Value, key_name, unclear


def record_assignment(
    evaluator: Evaluator, target: ast.Attribute | ast.Subscript, owner: Value, value: Value, scope: Scope
) -> None:
    """Record an assignment to a part of a value that is lost, or that changes what selections read.

    Args:
        target: what is assigned to.
        owner: the value that it is a part of.
        value: what is assigned.
        scope: the names.
    """
    world = evaluator.context.world
    if world is None:
        return
    root: ast.expr = target
    while isinstance(root, ast.Attribute | ast.Subscript):
        root = root.value
    holder = scope.find(root.id) if isinstance(root, ast.Name) else None
    origins = {taint.source for taint in value.all() if taint.kind == "test"}
    lost = not origins <= {taint.source for taint in (holder or Value()).all()}
    if origins and (lost or choices.OTHER in owner.names):
        world.opaque = True
    elif isinstance(target, ast.Subscript):
        world.opaque |= owner.literal is not ... and not isinstance(owner.literal, dict | list)
    else:  # a class whose instances were made before, or a function of a library
        changed = any(isinstance(function.node, ast.ClassDef) for function in owner.functions)
        library = owner.names and not any(name.endswith(")") for name in owner.names)
        world.opaque |= changed or bool(value.functions and library)


def delete(evaluator: Evaluator, target: ast.expr, scope: Scope) -> None:
    """Interpret a `del` statement for one target."""
    match target:
        case ast.Name(name):
            scope.names.pop(name, None)
        case ast.Subscript(base, ast.Slice() as key):
            owner = evaluator.value(base, scope)
            if known_lists.replaced(owner, bounds_of(evaluator, key, scope), None, certain=_once(evaluator)):
                return
            if not is_collection(owner):
                if evaluator.context.world is not None:
                    reordering.note_slice(evaluator.context.world, owner, key, changes=True)
                return
            kept = row_slice(evaluator, owner, key, scope)
            parts = {taint.part for taint in kept.all()}
            if not choices.is_followed(kept) and evaluator.context.loops and choices.is_followed(owner):
                doubtful(owner)
            elif not choices.is_followed(kept):
                place = owner.place
                gone = kept.total or 0
                if place is not None and place >= 0 and key.lower is None:
                    owner.place = place - gone
                owner.total = None if owner.total is None or kept.total is None else owner.total - kept.total
            elif parts & {"slice", "unclear"} or not evaluator.context.certain or evaluator.context.loops:
                owner.fields[UNKNOWN] = unclear(owner.fields[UNKNOWN])
            else:
                leave_out(owner)
        case ast.Subscript(base, key):
            index, owner = evaluator.value(key, scope), evaluator.value(base, scope)
            known = concrete.literal(index)
            if not owner.mapping and known_lists.replaced(owner, [index], None, certain=_once(evaluator)):
                return
            if evaluator.context.world is not None:
                reordering.note_deletion(evaluator.context.world, owner)
            if owner.mapping and known is not concrete.UNKNOWN_VALUE and evaluator.context.certain:
                owner.fields.pop(key_name(known), None)
            elif owner.mapping:
                owner.fields = unclear(owner).fields
            elif isinstance(known, str) and known in owner.fields and not evaluator.context.certain:
                owner.fields[known] = unclear(owner.fields[known])
            elif isinstance(known, str):
                owner.fields.pop(known, None)
                row = owner.fields.get(UNKNOWN)
                if row is not None:
                    row.fields.pop(known, None)
            elif is_collection(owner):
                doubtful(owner)
            elif isinstance(concrete.literal(owner), list) and not choices.is_followed(owner):
                owner.literal, owner.fields, owner.truth, owner.total = ..., {UNKNOWN: Value()}, None, None


def bounds_of(evaluator: Evaluator, key: ast.Slice, scope: Scope) -> list[Value | None]:
    """Return the values of the start, the end and the step of a slice; None for those that it does not name."""
    return [None if one is None else evaluator.value(one, scope) for one in (key.lower, key.upper, key.step)]


def replace_slice(evaluator: Evaluator, owner: Value, key: ast.Slice, value: Value, scope: Scope) -> bool:
    """Assign to a slice of a list of which all elements are known; return False for other lists."""
    return known_lists.replaced(owner, bounds_of(evaluator, key, scope), value, certain=_once(evaluator))


def _once(evaluator: Evaluator) -> bool:
    return evaluator.context.certain and not evaluator.context.loops and not evaluator.context.listing


def change_rows(evaluator: Evaluator, owner: Value, changed: Value | None) -> None:
    """Replace the rows of a list by others, such as those of a difference."""
    if changed is None:
        return
    if not evaluator.context.certain:
        changed = unclear(changed if choices.is_followed(changed) else owner)
    owner.fields, owner.taints, owner.names = dict(changed.fields), changed.taints, changed.names
    owner.place, owner.total = changed.place, changed.total


def holds_rows(owner: Value, value: Value) -> bool:
    """Return True if a list gets or holds rows, not only constants."""
    return choices.is_list(owner) and (choices.is_followed(owner) or choices.is_followed(value))


def assign_slice(evaluator: Evaluator, owner: Value, key: ast.Slice, value: Value, scope: Scope) -> None:
    """Assign to a slice of a list."""
    whole = key.lower is None and key.upper is None and key.step is None
    if not evaluator.context.certain or evaluator.context.loops:
        doubtful(owner)
        row_operators.extend(owner, unclear(value))
        return
    if choices.is_followed(owner):
        kept = row_slice(evaluator, owner, key, scope)
        if whole or (choices.is_followed(kept) and not any(taint.part for taint in kept.all())):
            leave_out(owner)
        elif choices.is_followed(kept):
            doubtful(owner)
    if whole:
        owner.fields, owner.taints, owner.total, owner.place = {}, NONE, 0, None
    else:
        owner.place, owner.total = ANYWHERE if owner.place == ANYWHERE else None, None
    if choices.is_followed(value) or whole:
        row_operators.extend(owner, value)
