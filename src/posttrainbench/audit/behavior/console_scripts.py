"""Programs that a package of the workspace installs, by the entry points that it declares."""

import ast
import re
import tomllib
from collections.abc import Callable
from typing import Any

_ENTRY = re.compile(r"([\w.]+):([\w.]+)")
_DECLARED = re.compile(r"['\"]([\w.-]+)\s*=\s*([\w.]+:[\w.]+)")
_NAME = re.compile(r"[\w.-]{1,60}")


def program_text(name: str, cwd: str, text_of: Callable[[str, str], str]) -> str:
    """Return a program that calls the entry point of this name; "" if the package in a directory declares none.

    Args:
        name: name of the program.
        cwd: the directory.
        text_of: returns the text of a file in a directory, or "".
    """
    if not _NAME.fullmatch(name):
        return ""
    entry = _of_project(name, text_of("pyproject.toml", cwd)) or _of_setup(name, text_of("setup.py", cwd))
    match = _ENTRY.fullmatch(entry.strip())
    if match is None:
        return ""
    module, function = match[1], match[2]
    return f"from {module} import {function.partition('.')[0]}\n{function}()\n"


def _of_project(name: str, text: str) -> str:
    try:
        data: Any = tomllib.loads(text)
    except ValueError:
        return ""
    tables = (
        data.get("project"),
        (data.get("tool") or {}).get("poetry") if isinstance(data.get("tool"), dict) else None,
    )
    for table in tables:
        scripts = table.get("scripts") if isinstance(table, dict) else None
        if isinstance(scripts, dict) and isinstance(entry := scripts.get(name), str):
            return entry
    return ""


def _of_setup(name: str, text: str) -> str:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    return next((entry for declared, entry in _DECLARED.findall(text) if declared == name), "")
