"""Working directories that `with` statements set and take back."""

from __future__ import annotations

import ast

from posttrainbench.audit.behavior.evaluator import Evaluator
from posttrainbench.audit.behavior.operations import attribute, defines
from posttrainbench.audit.behavior.values import Scope, Value


class Folders:
    """The working directory within a `with` statement and after it.

    Covers `contextlib.chdir`, generators that change it before they yield, and classes whose `__enter__` does.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._after: list[str] = []
        self._exits: list[Value] = []

    def enter(self, node: ast.expr, scope: Scope) -> Value:
        """Return the value of a context manager, and follow the directory that it sets."""
        context = self._evaluator.context
        before, moves = context.cwd, context.moves
        entered = self._evaluator.value(node, scope)
        if context.moves > moves and "contextlib.chdir()" in entered.names:
            self._after.append(before)
        elif context.moves > moves:  # a generator, of which all was interpreted
            self._after.append(context.cwd)
            context.cwd = context.yielded
        elif defines(entered, "__enter__") and _changes_directory(entered):
            self._exits.append(entered)
            return self._evaluator.call_value(attribute(entered, "__enter__"), [])
        return entered

    def leave(self) -> None:
        """Follow the directory that is set at the end of the statement."""
        for entered in reversed(self._exits):
            if defines(entered, "__exit__"):
                self._evaluator.call_value(attribute(entered, "__exit__"), [])
        if self._after:
            self._evaluator.context.cwd = self._after[0]


def _changes_directory(entered: Value) -> bool:
    return any("chdir" in ast.dump(one.node) for one in entered.fields["__enter__"].functions)
