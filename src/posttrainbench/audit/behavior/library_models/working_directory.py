"""Model of functions that change or return the working directory or the module path, and of paths that depend on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.concrete import PATH
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Value, text_value

_CHANGES = frozenset(("os.chdir", "contextlib.chdir", "os.fchdir"))
_ABSOLUTE = frozenset(("os.path.abspath", "os.path.realpath"))


def working_directory(call: Call) -> Value | None:
    """Model of `os.chdir`, `contextlib.chdir`, `os.getcwd`, `os.path.abspath` and changes of `sys.path`."""
    context, names = call.context, call.function.names
    if names & _CHANGES:
        path = call.argument(0, "path") or Value()
        known = len(path.texts) == 1 and not path.ambiguous and "os.fchdir" not in names
        context.change_directory(min(path.texts) if known else UNKNOWN)
        return Value(names=frozenset(["contextlib.chdir()"]), truth=True)
    if names & {"os.getcwd", "pathlib.Path.cwd", "Path.cwd"}:
        here = text_value(_absolute(call, "."))
        return here if "os.getcwd" in names else _path(here)
    if names & {"sys.path.insert", "sys.path.append"} and call.arguments:
        places = {call.files.resolve(text, context.cwd) for text in call.arguments[-1].texts}
        context.archives |= call.read(call.arguments[-1]) if places & call.files.recorded else NONE
        return Value()
    if names & _ABSOLUTE and call.arguments:
        texts = frozenset(_absolute(call, text) for text in call.arguments[0].texts)
        return Value(call.arguments[0].taints, texts, truth=None)
    if call.last in ("absolute", "resolve") and call.receiver is not None and PATH in call.receiver.names:
        absolute = Value(NONE, frozenset(_absolute(call, text) for text in call.receiver.texts))
        return replace(_path(absolute), taints=call.receiver.taints, ambiguous=call.receiver.ambiguous)
    return None


def _absolute(call: Call, path: str) -> str:
    files = call.files
    resolved = files.resolve(path, call.context.cwd)
    if "://" in resolved or resolved.startswith(("hub:", UNKNOWN)):
        return resolved if "://" in resolved or resolved.startswith("hub:") else path if path != "." else UNKNOWN
    return files.absolute("" if resolved == "." else resolved).rstrip("/") or "."


def _path(value: Value) -> Value:
    known = len(value.texts) == 1 and UNKNOWN not in (text := min(value.texts))
    literal = PurePosixPath(text) if known else ...
    return Value(NONE, value.texts, frozenset([PATH]), literal=literal, truth=True)
