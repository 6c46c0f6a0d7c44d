"""Read the code cells of a Jupyter notebook as one Python script.

Covers: line magics that run a statement (`%time`, `%timeit`, `%prun`), a script (`%run`) or shell text (`!`, `!!`,
`%sx`, `%system`, `%pip`), that set variables of the environment (`%env`) or the directory (`%cd`), their use in
assignments (`files = !ls`); cell magics that run Python (`%%time`, `%%capture`, `%%python`) or shell text (`%%bash`,
`%%!`), or write a file (`%%writefile`); Python values in shell text (`{name}`, `$name`); lines that ask for
help (`x?`).

Does not cover: cells in other languages, magics that extensions define and that give a line of Python another meaning.
A cell that is still not Python becomes a comment.
"""

import ast
import json
import re
import warnings
from collections.abc import Set as AbstractSet

_CELL = re.compile(r"\s*%%(!|\w+)([^\n]*)\n?")
_LINE = re.compile(
    r"^(?P<indent>\s*)(?:(?P<target>[\w.,\[\]'\" ]+?)\s*=\s*)?(?P<mark>!!?|%(?=\w))(?P<text>.*)$", re.DOTALL
)
_NAMED = re.compile(r"(\w+)[ \t]*(.*)", re.DOTALL)
_ASSIGNED = re.compile(r"^\s*([A-Za-z_]\w*)\s*(?::[^=\n]+)?=(?!=)|^\s*for\s+(\w+)\s+in\b", re.MULTILINE)
_VALUE = re.compile(r"\{([A-Za-z_][\w.\[\]'\"]*)\}|\$(\w+)")
_HELP = re.compile(r"^\s*(\?{1,2}\s*[\w.*%]+|[\w.*%]+\s*\?{1,2})\s*$")
_OPTION = re.compile(r"-\w+(?:[ =]?(?:\d+|[\w.]+\.\w+))?\s+")
_SHELLS = frozenset("bash sh zsh dash ksh system sx !".split())
_TIMERS = frozenset("time timeit prun memit mprun lprun".split())
"""Magics that run a Python statement and tell about it."""
_OTHER_LANGUAGES = frozenset(
    "html HTML javascript js latex markdown svg SVG R ruby perl sql bigquery cypher cython cuda cpp julia".split()
)


def notebook_code(text: str) -> str:
    """Return the code cells of a notebook, in order; "" if the text is not a notebook."""
    try:
        cells = [cell["source"] for cell in json.loads(text)["cells"] if cell.get("cell_type") == "code"]
        codes = [code if isinstance(code, str) else "".join(map(str, code)) for code in cells]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    known = {name for code in codes for names in _ASSIGNED.findall(code) for name in names if name}
    return "\n".join(_cell(code, known) for code in codes)


def _cell(code: str, known: AbstractSet[str]) -> str:
    """Return a cell as Python.

    Args:
        code: the cell's text.
        known: names that are assigned in the notebook, which may stand in shell text.
    """
    magic = _CELL.match(code)
    if magic is None:
        return _python(code, known)
    name, body, words = magic[1], code[magic.end() :], magic[2].split()
    if name == "script":
        name = next((word.rpartition("/")[2] for word in words if not word.startswith("-") and "env" not in word), "")
        if name not in _SHELLS and not name.startswith("python"):
            return _comment(code)  # such as `%%script false`, which skips the cell
    if name in _SHELLS:
        return _system(
            f"{magic[2]}\n{body}" if name in ("!", "sx", "system") else body, known if name == "!" else set()
        )
    if name in ("writefile", "file") and words:
        return f"open({words[-1]!r}, {'a' if '-a' in words else 'w'!r}).write({body!r})"
    return _comment(code) if name in _OTHER_LANGUAGES else _python(body, known)


def _python(code: str, known: AbstractSet[str]) -> str:
    """Return the text of a cell with its magics replaced; a comment if it is not Python."""
    if _is_python(code):
        return code
    lines: list[str] = []
    parts = iter(code.split("\n"))
    for line in parts:
        if line.lstrip().startswith(("!", "%")) or _LINE.match(line):
            while line.endswith("\\") and (following := next(parts, None)) is not None:
                line = f"{line[:-1]} {following.lstrip()}"
        is_idle = _HELP.match(line) or line.lstrip().startswith("%%")
        lines.append("pass" if is_idle else _magic(line, known))
    text = "\n".join(lines)
    return text if _is_python(text) else _comment(code)


def _magic(line: str, known: AbstractSet[str]) -> str:
    """Return a line as Python."""
    found = _LINE.match(line)
    if found is None:
        return line
    before = found["indent"] + (f"{found['target']} = " if found["target"] else "")
    if found["mark"] != "%":
        return before + _system(found["text"], known)
    named = _NAMED.match(found["text"])
    name, rest = (named[1], named[2]) if named is not None else ("", "")
    if name in _TIMERS:
        while option := _OPTION.match(rest):
            rest = rest[option.end() :]
        return before + (rest if rest.strip() and _is_python(rest) else "pass")
    if name in ("sx", "system", "pip", "conda", "mamba", "uv"):
        return before + _system(rest if name in ("sx", "system") else f"{name} {rest}", known)
    if name == "run":
        while option := re.match(r"-[iendtpGN]\s+", rest):
            rest = rest[option.end() :]
        is_notebook = rest.split(" ")[0].endswith(".ipynb")
        return before + _system(f"jupyter nbconvert --execute {rest}" if is_notebook else f"python {rest}", known)
    if name in ("env", "set_env") and (pair := re.match(r"(\w+)[= ]\s*(.+)", rest)):
        return f"{before}__import__('os').environ[{pair[1]!r}] = {_text(pair[2].strip(), known)}"
    if name == "cd" and rest.strip():
        return f"{before}__import__('os').chdir({_text(rest.strip(), known)})"
    return before + ("None" if found["target"] else "pass")


def _system(text: str, known: AbstractSet[str]) -> str:
    return f"get_ipython().system({_text(text, known)})"


def _text(text: str, known: AbstractSet[str]) -> str:
    """Return shell text as a Python literal in which the values of known names stand for `{name}` and `$name`."""
    parts, end = [], 0
    for found in _VALUE.finditer(text):
        expression = found[1] or found[2]
        is_known = re.split(r"\W", expression)[0] in known and text[: found.start()][-1:] not in ("$", "\\", "{")
        if is_known and _is_python(expression):
            parts += [repr(text[end : found.start()]), f"str({expression})"]
            end = found.end()
    return " + ".join([*parts, repr(text[end:])] if parts else [repr(text)])


def _comment(code: str) -> str:
    return "\n".join(f"# {line}" for line in code.split("\n"))


def _is_python(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
