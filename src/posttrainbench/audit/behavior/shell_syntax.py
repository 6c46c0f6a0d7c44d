"""Syntax trees of shell text, from tree-sitter-bash.

Heredocs and here-strings are replaced before parsing by `< NAME`, whose name stands for the text: the grammar does not
accept them everywhere that bash does (`python - <<END 2>&1 | tail`), and their contents are not shell text.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

LONGEST = 2**20
"""Characters of the longest text that is parsed, without heredocs."""
MOST_BRACKETS = 4000
"""Brackets, redirections and references of a text. The time to parse malformed text grows with their square."""
DEEPEST = 80
"""Nesting of statements that is followed."""
HEREDOC, HERE_STRING = "\ue000", "\ue001"
"""Beginnings of the names that replace heredocs and here-strings."""
_LANGUAGE = Language(tree_sitter_bash.language())
_MARK = re.compile(r"<<(-?)[ \t]*((?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s;|&<>()'\"\\])+)")
_FUNCTION = re.compile(r"([\w-]\s*\(\s*\))([ \t]*\n\s*)\{")
"""A function whose brace is on the next line, which the grammar does not know."""
RESERVED = re.compile("[\ue000-\ue004\x00]")
"""Characters that stand for something else in the text that is parsed."""


class UnreadShellError(Exception):
    """A text is not parsed. The message gives the reason."""


@dataclass(frozen=True)
class Heredoc:
    """A heredoc: its text, and whether the shell expands variables in it."""

    text: str
    expands: bool


@dataclass(frozen=True)
class ShellSyntax:
    """The syntax of a text.

    Attributes:
        root: the syntax tree.
        heredocs: number in the name that replaced it -> heredoc.
        broken: line, 1-based, of the first part that is not valid shell text; None if there is none.
    """

    root: Node
    heredocs: dict[int, Heredoc]
    broken: int | None


@lru_cache(maxsize=64)
def syntax_of(text: str) -> ShellSyntax:
    """Return the syntax of a text.

    Raises:
        UnreadShellError: the text is too long, or has too many brackets.
    """
    code, heredocs = _without_heredocs(RESERVED.sub("", text.replace("\r\n", "\n")))
    if len(code) > LONGEST:
        raise UnreadShellError("larger than 1 MiB")
    parser = Parser(_LANGUAGE)
    root = parser.parse(code.encode(errors="replace")).root_node
    if root.has_error and (joined := _FUNCTION.sub(r"\1 {\2", code)) != code:
        other = parser.parse(joined.encode(errors="replace")).root_node
        root = other if not other.has_error or _first_error(other) > _first_error(root) else root
    return ShellSyntax(root, heredocs, _first_error(root) if root.has_error else None)


def _first_error(root: Node) -> int:
    node = root
    while not (node.is_error or node.is_missing):
        child = next((child for child in node.children if child.has_error or child.is_missing), None)
        if child is None:
            break
        node = child
    return node.start_point.row + 1


def _without_heredocs(text: str) -> tuple[str, dict[int, Heredoc]]:
    """Return the text with the same lines and without heredocs, and the heredocs.

    Raises:
        UnreadShellError: it has more than `MOST_BRACKETS` brackets, redirections and references.
    """
    parts: list[str] = []
    heredocs: dict[int, Heredoc] = {}
    pending: list[tuple[str, bool, bool]] = []
    context: list[str] = []  # open `"`, `(`, and `((` of arithmetic
    position = copied = brackets = 0
    while (match := _SPECIAL.search(text, position)) is not None:
        start, char = match.start(), match[0]
        position = match.end()
        inside = context[-1] if context else ""
        if char[0] == "\\" or (inside == '"' and char not in '"$`\n' and char != "$("):
            position = start + 2 if char[0] == "\\" else start + 1
            continue
        brackets += len(char) if char not in "\n'\"#" else 0
        if brackets > MOST_BRACKETS:
            raise UnreadShellError(f"more than {MOST_BRACKETS} brackets, redirections and references")
        if char == '"':
            if inside == '"':
                context.pop()
            else:
                context.append('"')
        elif char in ("'", "$'"):
            position = _quote_end(text, position, escapes=char == "$'")
        elif char == "#":
            if start == 0 or text[start - 1] in " \t\n;(":
                end = text.find("\n", position)
                position = len(text) if end < 0 else end
        elif char in ("$(", "(", "((", "$(("):
            context.append("((" if char.endswith("((") else "(")
        elif char == ")":
            if inside == "((" and text.startswith(")", position):
                position += 1
            if inside in ("(", "(("):
                context.pop()
        elif char == "<<<" and inside != "((":
            end = position
            while text[end : end + 1] in (" ", "\t"):
                end += 1
            parts += [text[copied:start], "< ", HERE_STRING]
            position = copied = end
        elif char == "<<" and inside != "((" and (mark := _MARK.match(text, start)):
            parts += [text[copied:start], f"< {HEREDOC}{len(heredocs) + len(pending)} "]
            position = copied = mark.end()
            word = re.sub(r"\\(.)|['\"]", r"\1", mark[2])
            pending.append((word, bool(mark[1]), word == mark[2]))
        elif char == "\n" and pending:
            bodies, end = _bodies(text, position, pending)
            heredocs |= {len(heredocs) + number: body for number, body in enumerate(bodies)}
            parts += [text[copied:position], "\n" * text.count("\n", position, end)]
            pending = []
            position = copied = end
    if pending:
        heredocs |= {len(heredocs) + number: Heredoc("", expands=False) for number, _ in enumerate(pending)}
    return "".join([*parts, text[copied:]]), heredocs


_SPECIAL = re.compile(r"\\|\$'|'|\"|\$\(\(|\$\(|\(\(|<<<|<<|[()\[\]{}<>`\n$#]")


def _quote_end(text: str, position: int, *, escapes: bool) -> int:
    if not escapes:
        end = text.find("'", position)
        return len(text) if end < 0 else end + 1
    match = re.compile(r"(?:[^'\\]|\\.)*'?", re.DOTALL).match(text, position)
    return match.end() if match else position


def _bodies(text: str, position: int, pending: list[tuple[str, bool, bool]]) -> tuple[list[Heredoc], int]:
    """Return the heredocs that begin at `position`, and the position after them."""
    bodies = []
    for mark, strip, expands in pending:
        lines: list[str] = []
        while position < len(text):
            end = text.find("\n", position)
            end = len(text) if end < 0 else end
            line = text[position:end].lstrip("\t") if strip else text[position:end]
            position = min(end + 1, len(text))
            if line.rstrip() == mark:
                break
            lines.append(line)
        bodies.append(Heredoc("".join(f"{line}\n" for line in lines), expands))
    return bodies, position
