"""Code that the analysis of a script did not reach, such as classes that a registry makes by computed names.

Functions and classes of the script and its modules are interpreted with arguments that are not known. What they load
and train on is what the program may do, so it is never certain.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from posttrainbench.audit.behavior import operations
from posttrainbench.audit.behavior.evaluator import Evaluator
from posttrainbench.audit.behavior.imports import import_matching
from posttrainbench.audit.behavior.script_analysis import TooLongError
from posttrainbench.audit.behavior.values import Function, Scope, Value

MOST_STEPS = 150_000
"""Statements and expressions interpreted in code that was not reached."""
STEPS_OF_ONE = 20_000
"""Those of one function."""
_NOT_CALLED = ("__getattr__", "__getattribute__", "__setattr__", "__del__", "__repr__", "__str__")


def interpret(evaluator: Evaluator, main: Scope) -> None:
    """Interpret the functions and classes that were not reached, until a limit on steps."""
    context = evaluator.context
    files = context.environment.files
    context.unreached = files.frozen = True
    try:
        _interpret_all(evaluator, main)
    finally:
        files.frozen = False


def _interpret_all(evaluator: Evaluator, main: Scope) -> None:
    context = evaluator.context
    last, context.steps = MOST_STEPS, 0
    for name in sorted(context.computed_modules):
        try:
            import_matching(evaluator, name)
        except (TooLongError, RecursionError):
            return
    for scope in [main, *context.modules.values()]:
        for value in list(scope.names.values()):
            for function in value.functions[:1]:
                if context.steps > last or not _is_unreached(function.node, context.entered):
                    continue
                if (function.scope is scope) and not isinstance(function.node, ast.Lambda):
                    _try(evaluator, function)


def _try(evaluator: Evaluator, function: Function) -> None:
    context = evaluator.context
    before, context.steps = context.steps, 0
    context.roles.clear()
    context.active.clear()
    context.most_steps = STEPS_OF_ONE
    try:
        instance = evaluator.call_value(Value(functions=(function,)), [])
        if isinstance(function.node, ast.ClassDef):
            for method in _methods(instance):
                bound = operations.attribute(instance, method)
                if bound.functions and bound.functions[0].node not in context.entered:
                    evaluator.call_value(bound, [])
    except (TooLongError, RecursionError):
        pass
    finally:
        context.steps += before


def _is_unreached(node: ast.AST, entered: Collection[ast.AST]) -> bool:
    """Return True for a function, or for a class with a method, that was not interpreted."""
    methods: list[ast.AST] = []
    if isinstance(node, ast.ClassDef):
        methods += [one for one in node.body if isinstance(one, ast.FunctionDef)]
    return any(one not in entered for one in methods or [node])


def _methods(instance: Value) -> Iterator[str]:
    for name, value in list(instance.fields.items()):
        if value.functions and name not in _NOT_CALLED:
            yield name
