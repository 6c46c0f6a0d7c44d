"""Data files of a run's pages: scripts that hand one JSON value to the page.

A page that was opened from disk cannot fetch JSON, but it can load scripts. A data file is a call of `ptb.data` with
JSON that is pure ASCII and contains neither `<`, `>` nor `&`, so that no text in it can end the script or the string.
Pages insert the texts with `textContent` only. Texts go through `visible` first. Objects have fixed keys; keys that an
agent wrote are stored as text, since a key like `__proto__` has a meaning in JavaScript.
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from posttrainbench.report.site.shell import write_file

_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_ -/]?")
"""Color and cursor sequences, and the introducers of the others: text hidden in a title or a link becomes visible."""
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n") + b"\x7f"
_CONTROL_TABLE = dict.fromkeys(_CONTROL)
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_MARKS = 2
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def visible(text: str, limit: int | None = None) -> str:
    """Return a text with its lines and tabs, but without characters that hide, reorder or control anything.

    Removed are terminal sequences, control and format characters, lone surrogates, unassigned code points, and
    combining marks beyond two in a row.

    Args:
        text: written by anybody.
        limit: most characters; the number of omitted ones is added.
    """
    omitted = 0
    if limit is not None and len(text) > limit:
        text, omitted = text[:limit], len(text) - limit
    if not (text.isascii() and text.isprintable()):
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if "\x1b" in text or "\x9b" in text:
            text = _SEQUENCE.sub("", text)
        if text.isascii():  # much faster
            text = text.encode("ascii").translate(None, _CONTROL).decode("ascii")
        else:
            text = _FOREIGN.sub(_printable, text.translate(_CONTROL_TABLE))
    return f"{text}\n… {omitted:,} more characters" if omitted else text


def _printable(match: re.Match[str]) -> str:
    run = match[0]
    if run.isprintable() and not any(map(unicodedata.combining, run)):
        return run
    kept: list[str] = []
    marks = 0
    for character in run:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        if character.isprintable():
            if marks <= _MARKS:
                kept.append(character)
        elif character in "\u2028\u2029\x85":
            kept.append("\n")
        elif character.isspace():
            kept.append(" ")
    return "".join(kept)


def to_json(value: Any) -> str:
    """Return a value as JSON that is safe inside a script, in ASCII."""
    text = _ENCODE(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def script(key: str, value: str) -> str:
    """Return the content of a data file.

    Args:
        key: the name by which the page waits for the value.
        value: JSON from `to_json`.
    """
    return f"ptb.data({to_json(key)},{value});\n"


def write_data(path: Path, key: str, value: Any) -> int:
    """Write a data file, and return its size in bytes."""
    return write_file(path, script(key, to_json(value)).encode("ascii"))
