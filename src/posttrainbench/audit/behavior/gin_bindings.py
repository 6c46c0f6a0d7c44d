"""Parameters that gin configuration files and command lines bind: `load.split = "train"`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from posttrainbench.audit.behavior.values import Scope, Value, text_value

_BINDING = re.compile(r"^\s*([\w./]+)\s*=\s*(.+?)\s*(#.*)?$", re.MULTILINE)
_REFERENCE = re.compile(r"@([\w./]+)(\(\))?")
MOST_BINDINGS = 1000


def read(argv: list[str], text_of: Callable[[str], str]) -> dict[str, str]:
    """Return the bindings of the gin files that a command line names, and of its own: name and expression."""
    words = [part for word in argv for part in (word, word.partition("=")[2]) if part]
    texts = [text_of(word) for word in words if word.endswith(".gin")]
    own = [word for word in words if re.match(r"[\w/]+\.\w+\s*=", word)]
    found = [match.groups() for text in [*texts, *own] for match in _BINDING.finditer(text)]
    return {name.rpartition("/")[2]: expression for name, expression, _ in found[:MOST_BINDINGS]}


def bound(
    bindings: dict[str, str], node: ast.FunctionDef | ast.AsyncFunctionDef, given: set[str], scopes: list[Scope]
) -> dict[str, Value]:
    """Return the parameters of a configurable function that a call does not give and a configuration binds.

    Args:
        bindings: the bindings.
        node: the function.
        given: the parameters that the call gives.
        scopes: the modules, in which functions are looked for that a configuration names.
    """
    if not bindings or not any("configurable" in ast.unparse(one) for one in node.decorator_list):
        return {}
    found = {}
    for parameter in [*node.args.args, *node.args.kwonlyargs]:
        expression = bindings.get(f"{node.name}.{parameter.arg}")
        if expression is None or parameter.arg in given:
            continue
        if (value := _value(expression, scopes)) is not None:
            found[parameter.arg] = value
    return found


def _value(expression: str, scopes: list[Scope]) -> Value | None:
    if match := _REFERENCE.fullmatch(expression):
        name = match[1].rpartition("/")[2].rpartition(".")[2]
        return next((scope.names[name] for scope in scopes if name in scope.names), None)
    try:
        literal = ast.literal_eval(expression)
    except (ValueError, SyntaxError):
        return None
    return text_value(literal) if isinstance(literal, str) else None
