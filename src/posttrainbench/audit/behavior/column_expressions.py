"""Expressions over columns of a table that is named later, as in polars and PySpark."""

from __future__ import annotations

import ast

_NO_ARGUMENTS = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


def as_function(node: ast.expr) -> ast.Lambda:
    """Return an expression as a function of the row."""
    return ast.copy_location(ast.Lambda(_NO_ARGUMENTS, node), node)


def names_columns(node: ast.expr) -> bool:
    """Return True for expressions over columns of a table that is named later, as in polars and PySpark."""
    if not isinstance(node, ast.Compare | ast.BoolOp | ast.BinOp | ast.UnaryOp | ast.Call):
        return False
    if isinstance(node, ast.Call):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        return _is_column(node) or (inner is not None and _starts_with_column(inner))
    parts = [node.left, *node.comparators] if isinstance(node, ast.Compare) else list(ast.iter_child_nodes(node))
    return any(isinstance(part, ast.expr) and (_starts_with_column(part) or names_columns(part)) for part in parts)


def _starts_with_column(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute | ast.Call):
        if _is_column(node):
            return True
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return False


def _is_column(node: ast.expr) -> bool:
    match node:
        case ast.Call(ast.Attribute(ast.Name(), "col" | "field" | "column"), [_]) | ast.Call(ast.Name("col"), [_]):
            return True
        case ast.Attribute(ast.Attribute(ast.Name(), "col"), _):
            return True
    return False
