"""The interpreter as its parts see it: see `interpreter`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Protocol

from posttrainbench.audit.behavior.call import Caller, LibraryModel
from posttrainbench.audit.behavior.values import Scope, Value

MAYBE = "maybe"
"""Control may have left a block for the row that is followed."""
MOST_NESTED_CALLS = 10


class Evaluator(Caller, Protocol):
    """Interprets the statements and expressions of one script, or of one function call in it.

    Attributes:
        models: models of library functions; the first one that knows a function decides.
        depth: number of enclosing calls and imports.
        returned: values that the function has returned or yielded.
    """

    models: Sequence[LibraryModel]
    depth: int
    returned: list[Value]

    def nested(self, script: str) -> Evaluator:
        """Return an evaluator for a function that is called, or a module that is imported."""
        ...

    def block(self, body: Sequence[ast.stmt], scope: Scope) -> str:
        """Interpret statements in order, and return how control leaves them before their end: "" if it does not."""
        ...

    def weak_block(self, body: Sequence[ast.stmt], scope: Scope) -> str:
        """Interpret statements that may not be executed: join assigned values with the values from before."""
        ...

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind a target to a value."""
        ...
