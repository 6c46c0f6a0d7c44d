"""Loops over rows that a statement is in, where one row is followed."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from posttrainbench.audit.behavior.choices import is_followed
from posttrainbench.audit.behavior.conditions import is_neutral, is_of_nothing
from posttrainbench.audit.behavior.values import EVERY, Scope, Value


@dataclass
class RowLoops:
    """Loops over rows that contain a statement.

    Attributes:
        names: names that such loops bind.
        files: those that loops over known elements bind, such as names of files, which any condition may choose by.
        rows: the collection that the innermost of them goes over.
        conditional: whether a condition in that loop was met, which may leave rows out.
    """

    names: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    rows: Value | None = None
    conditional: bool = False

    def may_choose_files(self, test: ast.expr) -> bool:
        """Return True if a condition is about the name of a file in a loop."""
        return any(isinstance(node, ast.Name) and node.id in self.files for node in ast.walk(test))

    def may_choose(self, test: ast.expr, scope: Scope) -> bool:
        """Return True if a condition that is not known may choose among rows."""
        names = [node.id for node in ast.walk(test) if isinstance(node, ast.Name)]
        if is_neutral(test) and (self.files.isdisjoint(names) or is_of_nothing(test)):
            return False
        known = [(name, scope.find(name)) for name in names]
        return any(
            name in self.names
            or (value is not None and value.literal is ... and (EVERY in value.names or value.span is not None))
            or (value is not None and not value.functions and is_followed(value))
            for name, value in known
        )
