"""Compute output of `sed`, `base64`, `ls` and `find`, and the commands that `xargs`, `parallel` and `find` start."""

from __future__ import annotations

import base64
import re

MOST_STARTED = 50
"""Commands that one `xargs`, `parallel` or `find` starts."""
_SUBSTITUTION = re.compile(r"\s*s([/#|,:!@%~])((?:\\.|(?!\1).)*)\1((?:\\.|(?!\1).)*)\1([gI]*)\s*$", re.DOTALL)
_SPECIAL = re.compile(r"[\[\]*^$.]|\\[^/&.\[\]*$^-]")
_WITH_VALUE = frozenset("-I -i --replace -n -P -L -d -a -j --jobs".split())


def decoded(text: str) -> str | None:
    """Return the text that base64 encodes; None if it is none."""
    try:
        return base64.b64decode(text, validate=False).decode()
    except ValueError:
        return None


def edited(arguments: list[str], text: str) -> tuple[list[str], str | None]:
    """Return the files that a call of `sed` names, and the edited text.

    The text is None if the edits are not substitutions of plain text.
    """
    scripts: list[str] = []
    files: list[str] = []
    rest = iter(arguments)
    has_script = any(word in ("-e", "-f", "--expression", "--file") for word in arguments)
    for word in rest:
        if word in ("-e", "--expression") or word in ("-f", "--file"):
            scripts.append(next(rest, ""))
        elif not word.startswith("-"):
            (files if has_script or scripts else scripts).append(word)
    result: str | None = text
    for script in (part for whole in scripts for part in re.split(r";\s*(?=s[/#|,:!@%~])", whole)):
        match = _SUBSTITUTION.fullmatch(script)
        if match is None or result is None or _SPECIAL.search(match[2]) or "&" in match[3]:
            return files, None
        old, new = (re.sub(r"\\(.)", r"\1", part) for part in (match[2], match[3]))
        lines = result.split("\n") if old else []
        result = "\n".join(line.replace(old, new, -1 if "g" in match[4] else 1) for line in lines) if old else None
    return files, result


def searched(arguments: list[str]) -> tuple[list[str], str]:
    """Return the folders and the pattern of names of a call of `find`."""
    end = next((n for n, word in enumerate(arguments) if word.startswith(("-", "(", "!"))), len(arguments))
    pattern = next((arguments[n + 1] for n, word in enumerate(arguments[:-1]) if word in ("-name", "-iname")), "")
    return arguments[:end] or ["."], pattern


def started_by(program: str, arguments: list[str], text: str | None) -> list[list[str]]:
    """Return the commands that `xargs`, `parallel` or `find` starts.

    Args:
        program: its name.
        arguments: its arguments.
        text: its input, or for `find` the files that it finds; None if unknown.
    """
    inputs = text.split() if text else []
    if program == "find":
        commands: list[list[str]] = []
        for index, word in enumerate(arguments):
            if word in ("-exec", "-execdir"):
                rest = arguments[index + 1 :]
                end = next((n for n, one in enumerate(rest) if one in (";", "+")), len(rest))
                commands += [
                    [part.replace("{}", one) for part in rest[:end]] for one in inputs[:MOST_STARTED] or ["{}"]
                ]
        return [words for words in commands if words]
    if ":::" in arguments:
        index = arguments.index(":::")
        arguments, inputs = arguments[:index], [word for word in arguments[index + 1 :] if word != ":::"]
    mark = "{}"
    while arguments and arguments[0].startswith("-"):
        if arguments[0] in _WITH_VALUE:
            mark = arguments[1] if arguments[0] == "-I" and len(arguments) > 1 else mark
            arguments = arguments[2:]
        else:
            mark = arguments[0][2:] if arguments[0].startswith("-I") else mark
            arguments = arguments[1:]
    if not arguments:
        return []
    arguments = [part for word in arguments for part in (word.split() if len(arguments) == 1 else [word])]
    if any(mark in word for word in arguments):
        return [[word.replace(mark, one) for word in arguments] for one in inputs[:MOST_STARTED] or [mark]]
    if program == "parallel" and inputs:
        return [[*arguments, one] for one in inputs[:MOST_STARTED]]
    return [[*arguments, *inputs[:200]]]
