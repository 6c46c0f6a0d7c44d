"""Syntax of loops: the names that they bind, and how they may end."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from posttrainbench.audit.behavior import conditions


def empties_list(test: ast.expr) -> bool:
    """Return True for the condition of a loop that goes on until a list is empty."""
    match test:
        case ast.Name() | ast.Attribute() | ast.Constant(value=True) | ast.Constant(value=1):
            return True
        case ast.Call(ast.Name("len"), [_]) | ast.Compare(ast.Call(ast.Name("len"), [_]), [_], [ast.Constant(value=0)]):
            return True
    return False


def stored_names(body: Sequence[ast.stmt]) -> set[str]:
    """Return the names that statements bind."""
    parts = (part for one in body for part in ast.walk(one))
    return {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def changes(body: Sequence[ast.stmt], target: ast.expr) -> bool:
    """Return True if statements may change the list that has a name in place."""
    if not isinstance(target, ast.Name):
        return True
    for part in (part for one in body for part in ast.walk(one)):
        match part:
            case ast.Subscript(ast.Name(name), ctx=ast.Store() | ast.Del()) if name == target.id:
                return True
            case ast.Call(ast.Attribute(ast.Name(name), method)) if name == target.id:
                if method not in ("copy", "sort"):
                    return True
            case ast.AugAssign(ast.Name(name)) if name == target.id:
                return True
    return False


def returns(body: Sequence[ast.stmt]) -> bool:
    """Return True if statements may return from a function or raise an exception."""
    return any(isinstance(part, ast.Return | ast.Raise) for one in body for part in ast.walk(one))


def breaks(body: Sequence[ast.stmt], counter: ast.expr | None) -> bool:
    """Return True if a loop may end early, for other reasons than its counter."""
    for statement in body:
        if isinstance(statement, ast.For | ast.While | ast.FunctionDef):
            continue
        if isinstance(statement, ast.Break):
            return True
        if isinstance(statement, ast.If):
            counts = isinstance(counter, ast.Name) and any(
                isinstance(part, ast.Name) and part.id == counter.id for part in ast.walk(statement.test)
            )
            if (
                not counts
                and not conditions.is_blank(statement.test)
                and breaks([*statement.body, *statement.orelse], counter)
            ):
                return True
        if isinstance(statement, ast.With | ast.Try) and breaks(statement.body, counter):
            return True
    return False
