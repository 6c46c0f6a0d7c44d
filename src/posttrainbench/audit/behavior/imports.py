"""Imports of a script: modules of the workspace are interpreted, others are known by name."""

from __future__ import annotations

import ast

from posttrainbench.audit.behavior.evaluator import MOST_NESTED_CALLS, Evaluator
from posttrainbench.audit.behavior.script_analysis import NotReadError, parse
from posttrainbench.audit.behavior.values import Scope, Value, text_value


def import_module(evaluator: Evaluator, name: str) -> Value:
    """Return a module; one of the workspace is interpreted when it is first imported."""
    found = _found(evaluator, name)
    if found is None:
        return Value(evaluator.context.archives, names=frozenset([name]), truth=True)
    path, text = found
    scope = evaluator.context.modules.get(path)
    if scope is None:
        scope = Scope(
            {"__name__": text_value(name), "__file__": text_value(evaluator.context.environment.files.absolute(path))}
        )
        evaluator.context.modules[path] = scope
        if evaluator.depth < MOST_NESTED_CALLS:
            try:
                tree = parse(text)
            except NotReadError:
                return Value(names=frozenset([name]), truth=True)
            evaluator.context.check_hazards(tree)
            evaluator.nested(path).block(tree.body, scope)
    return Value(names=frozenset([name]), fields=scope.names, truth=True)


def import_matching(evaluator: Evaluator, pattern: str) -> None:
    """Import the modules of the workspace that a name with unknown parts may mean."""
    for name in evaluator.context.environment.modules(pattern, evaluator.context.home):
        import_module(evaluator, name)


def _found(evaluator: Evaluator, name: str) -> tuple[str, str] | None:
    """Return (path, text) of a module: beside the program that was started, else in the working directory."""
    context = evaluator.context
    folder = context.script.rpartition("/")[0]
    beside = context.environment.module(name, folder) if folder and folder != context.cwd else None
    return beside if beside is not None else context.environment.module(name, context.home)


def import_name(evaluator: Evaluator, module: str, alias: ast.alias, scope: Scope) -> None:
    """Bind what `from module import name` imports."""
    source = import_module(evaluator, module)
    if alias.name == "*":
        scope.names.update({name: value for name, value in source.fields.items() if not name.startswith("__")})
        return
    value = source.fields.get(alias.name)
    if value is None and (
        "__file__" in source.fields or _found(evaluator, f"{module}.{alias.name}") is not None
    ):  # a module of the package, which may have no `__init__.py`
        value = import_module(evaluator, f"{module}.{alias.name}")
    if value is None:
        value = Value(source.taints, names=frozenset([f"{module}.{alias.name}"]), truth=True)
    scope.names[alias.asname or alias.name] = value


def absolute_name(module: str, level: int, script: str) -> str:
    """Return the dotted name of a module that a script imports with this number of leading dots."""
    if not level:
        return module
    folder = script.rpartition("/")[0].strip("/").split("/")
    parts = [part for part in folder[: len(folder) - level + 1] if part not in ("", ".")]
    return ".".join([*parts, *filter(None, [module])])
