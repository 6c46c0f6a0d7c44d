"""Recognize scripts that change names or comparisons in ways that the analysis of single rows does not follow.

A selection of rows is computed from names and values as they are written. Code that changes names by their text,
comparisons of a class, or values while they are read makes such a computation worthless, whatever it results in.
"""

from __future__ import annotations

import ast

_COMPARISONS = frozenset("__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __contains__ __bool__ __getattribute__".split())
_CONTAINERS = frozenset("dict list str int tuple set UserDict UserList UserString Mapping".split())
_NAMES = frozenset(("globals", "locals", "vars"))
_HOOKS = frozenset("object_hook object_pairs_hook parse_constant converters".split())
_CHANGES = frozenset("replace eval where mask update clip fillna rename".split())
"""Methods of tables and columns that change values if they are called with `inplace=True`."""


def is_opaque(tree: ast.Module) -> bool:
    """Return True if what a script compares cannot be told from its names and values."""
    return any(map(_is_hazard, ast.walk(tree)))


def _is_hazard(node: ast.AST) -> bool:
    match node:
        case ast.Call(ast.Name("exec")):
            return True
        case ast.Call(ast.Name("setattr"), [_, name, _]):
            return not isinstance(name, ast.Constant)
        case ast.Call(ast.Attribute(base, "update" | "__setitem__" | "setdefault" | "pop")) if _is_namespace(base):
            return True
        case ast.Subscript(base, _, ast.Store() | ast.Del()):
            return _is_namespace(base)
        case ast.ClassDef():
            return _compares(node)
        case ast.Call(function, _, keywords):
            return _changes(function, keywords) or _filters_inverted(node)
        case ast.If(test) | ast.IfExp(test) | ast.While(test):
            return _is_inverted(test)
        case ast.comprehension():
            return any(map(_is_inverted, node.ifs))
        case ast.BoolOp(_, parts):
            return any(map(_is_inverted, parts))
        case ast.UnaryOp(ast.Not(), operand):
            return _is_inverted(operand)
    return False


def _is_namespace(node: ast.expr) -> bool:
    match node:
        case ast.Call(ast.Name(name)):
            return name in _NAMES
        case ast.Attribute(_, "__dict__") | ast.Attribute(ast.Name("sys"), "modules"):
            return True
    return False


def _compares(node: ast.ClassDef) -> bool:
    """Return True for classes with comparisons of their own, or containers with elements of their own."""
    methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    bases = {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}
    return bool(methods & _COMPARISONS or (bases & _CONTAINERS and methods & {"__getitem__", "get", "__new__"}))


def _changes(function: ast.expr, keywords: list[ast.keyword]) -> bool:
    """Return True if a call changes values while it reads them, or a table in place."""
    names = {keyword.arg for keyword in keywords}
    in_place = any(
        keyword.arg == "inplace" and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
        for keyword in keywords
    )
    last = function.attr if isinstance(function, ast.Attribute) else ""
    return bool(names & _HOOKS) or (in_place and last in _CHANGES) or (last in ("load", "loads") and "cls" in names)


def _is_inverted(test: ast.expr) -> bool:
    """Return True for `~` where a truth value is wanted: it makes -1 and -2 of False and True, both true."""
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Invert)


def _filters_inverted(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in ("filter", "filterfalse") and any(
        isinstance(argument, ast.Lambda) and _is_inverted(argument.body) for argument in call.args
    )
