"""Commands of the shell itself that change its variables or its working directory."""

from __future__ import annotations

import re
from collections.abc import Callable
from posixpath import join, normpath

from posttrainbench.audit.behavior.shell_commands import SimpleCommand, printed
from posttrainbench.audit.behavior.shell_expansion import Expansion
from posttrainbench.audit.behavior.shell_words import EMPTY, Stream

_READ = frozenset("-d -i -n -N -p -t -u".split())
_MAPFILE = frozenset("-c -C -d -n -O -s -u".split())
"""Options with a value."""


def _cd(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    folders = [word for word in command.words[1:] if not word.startswith("-") or word == "-"]
    target = folders[0] if folders else "~"
    if command.words[0] == "pushd":
        shell.folders.append(shell.cwd)
    elif target == "-":
        target = shell.previous
    shell.previous = shell.cwd
    if not target.startswith("$"):
        shell.cwd = normpath(join(shell.cwd, target)) if target else ""
    return EMPTY


def _popd(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    if shell.folders:
        shell.cwd = shell.folders.pop()
    return EMPTY


def _read(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    names = _operands(command.words[1:], _READ)
    words = command.words[1:]
    ends = next((words[index + 1] for index, word in enumerate(words[:-1]) if re.fullmatch(r"-\w*d", word)), "\n")
    line = (stdin.text.split(ends, 1)[0] if ends else stdin.text) if stdin.text is not None else None
    array = any(word.startswith("-") and "a" in word for word in command.words[1:])
    if array and names:
        parts = line.split() if line is not None else []
        shell.variables[names[0]] = [Stream(stdin.taints, part) for part in parts] or [Stream(stdin.taints)]
        return EMPTY
    fields = line.split(None, len(names) - 1) if line is not None and len(names) > 1 else [line or ""]
    for number, name in enumerate(names or ["REPLY"]):
        text = None if line is None else fields[number].strip() if number < len(fields) else ""
        shell.variables[name] = [Stream(stdin.taints, text)]
    return EMPTY


def _mapfile(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    name = next(iter(_operands(command.words[1:], _MAPFILE)), "MAPFILE")
    lines = stdin.text.splitlines()[:200] if stdin.text is not None else []
    shell.variables[name] = [Stream(stdin.taints, line) for line in lines] or [Stream(stdin.taints)]
    return EMPTY


def _set(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    if "--" in command.words:
        shell.positional = [Stream(command.taints, word) for word in command.words[command.words.index("--") + 1 :]]
    return EMPTY


def _shift(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    count = int(command.words[1]) if command.words[1:] and command.words[1].isdigit() else 1
    shell.positional = shell.positional[count:]
    return EMPTY


def _export(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    shell.assign_words([Stream(command.taints, word) for word in command.words[1:]])
    return EMPTY


def _eval(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    return shell.evaluate(" ".join(command.words[1:]), stdin)


def _printf(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    if len(command.words) > 3:
        shell.variables[command.words[2]] = [Stream(command.taints, printed(["printf", *command.words[3:]], stdin))]
    return EMPTY


def _nothing(shell: Expansion, command: SimpleCommand, stdin: Stream) -> Stream:
    return EMPTY


def _operands(words: list[str], with_value: frozenset[str]) -> list[str]:
    operands, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in with_value
        else:
            operands.append(word)
    return operands


BUILTINS: dict[str, Callable[[Expansion, SimpleCommand, Stream], Stream]] = {
    "cd": _cd,
    "pushd": _cd,
    "popd": _popd,
    "read": _read,
    "mapfile": _mapfile,
    "readarray": _mapfile,
    "set": _set,
    "shift": _shift,
    "export": _export,
    "declare": _export,
    "local": _export,
    "readonly": _export,
    "typeset": _export,
    "eval": _eval,
    "printf -v": _printf,
    ":": _nothing,
}
"""Name -> function of (shell, command, input) that returns the output."""
