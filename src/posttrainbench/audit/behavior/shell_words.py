"""Words of shell text: quotes, variables, substitutions and braces, with the origins of their contents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate

from tree_sitter import Node

from posttrainbench.audit.behavior.values import NONE, Taints

MOST_FIELDS = 200
"""Words that one word expands to."""
LONGEST_TEXT = 2**20
_OPEN, _COMMA, _CLOSE = "\ue002", "\ue003", "\ue004"
"""Unquoted `{`, `,` and `}` while a word is expanded."""
_MARKED = str.maketrans({"{": _OPEN, ",": _COMMA, "}": _CLOSE})
_PLAIN = str.maketrans({_OPEN: "{", _COMMA: ",", _CLOSE: "}"})
_BRACES = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_RANGE = re.compile(r"(-?\d{1,6}|[a-zA-Z])\.\.(-?\d{1,6}|[a-zA-Z])")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "e": "\x1b"}
_REFERENCE = re.compile(r"(?<!\\)\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Stream:
    """A text with the origins of its content: a word, a variable's value, or the output of a command.

    Attributes:
        taints: origins.
        text: the text; None if it is unknown. In a word, unknown variables stay as `$NAME`.
    """

    taints: Taints = NONE
    text: str | None = None

    def __add__(self, other: Stream) -> Stream:
        """Return the concatenation."""
        known = self.text is not None and other.text is not None
        text = f"{self.text}{other.text}" if known else None
        return Stream(self.taints | other.taints, text if text is None or len(text) <= LONGEST_TEXT else None)


EMPTY = Stream(NONE, "")


def source_of(node: Node) -> str:
    """Return the text of a node as it was written."""
    return (node.text or b"").decode(errors="replace")


def pieces(node: Node) -> Iterator[Node | str]:
    """Yield the children of a node and the text between them."""
    whole, position = node.text or b"", node.start_byte
    for child in node.children:
        if child.start_byte > position:
            yield whole[position - node.start_byte : child.start_byte - node.start_byte].decode(errors="replace")
        yield child
        position = child.end_byte
    if node.end_byte > position:
        yield whole[position - node.start_byte :].decode(errors="replace")


def unescaped(text: str) -> str:
    """Return an unquoted text without backslashes, with its braces marked."""
    if "\\" not in text:
        return text.translate(_MARKED)
    parts = re.split(r"\\(.)", text.replace("\\\n", ""), flags=re.DOTALL)
    return "".join(part if number % 2 else part.translate(_MARKED) for number, part in enumerate(parts))


def unquoted(text: str) -> str:
    """Return the content of a text in double quotes."""
    return re.sub(r"\\([\\\"$`])", r"\1", text.replace("\\\n", ""))


def ansi_text(text: str) -> str:
    """Return the content of `$'...'`."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text[2:-1], flags=re.DOTALL)


def plain(text: str) -> str:
    """Return a text with unmarked braces."""
    return text.translate(_PLAIN)


def braced(word: Stream) -> list[Stream]:
    """Return the words that the marked braces of a word expand to."""
    done: list[str] = []
    open_words = [word.text or ""]
    while open_words and len(done) + len(open_words) <= MOST_FIELDS:
        text = open_words.pop(0)
        match = next((m for m in _BRACES.finditer(text) if _COMMA in m[1] or _RANGE.fullmatch(m[1])), None)
        if match is None:
            done.append(text)
            continue
        choices = match[1].split(_COMMA) if _COMMA in match[1] else _counted(match[1])
        open_words = [f"{text[: match.start()]}{one}{text[match.end() :]}" for one in choices] + open_words
    return [Stream(word.taints, plain(text)) for text in [*done, *open_words][:MOST_FIELDS]]


def _counted(text: str) -> list[str]:
    first, _, last = text.partition("..")
    if first.lstrip("-").isdigit() and last.lstrip("-").isdigit():
        step = 1 if int(first) <= int(last) else -1
        return [str(number) for number in range(int(first), int(last) + step, step)[:MOST_FIELDS]]
    return [chr(code) for code in range(ord(first[0]), ord(last[0]) + 1)]


def modified(text: str, operator: str, argument: str) -> str | None:
    """Return the value of `${NAME OPERATOR ARGUMENT}` for a known value; None if the operator is not known."""
    if operator in ("%", "%%", "#", "##"):
        pattern = re.compile(translate(argument))
        cuts = range(len(text) + 1)
        if operator in ("%", "##"):
            cuts = cuts[::-1]
        for cut in cuts[:LONGEST_PATTERN]:
            removed, rest = (text[cut:], text[:cut]) if "%" in operator else (text[:cut], text[cut:])
            if pattern.match(removed):
                return rest
        return text
    if operator in ("/", "//"):
        old, _, new = argument.partition("/")
        return text.replace(old, new, 1 if operator == "/" else -1) if old and not re.search(r"[*?\[]", old) else None
    return {"^^": text.upper(), ",,": text.lower()}.get(operator)


LONGEST_PATTERN = 500
"""Characters from the ends of a value that a pattern is compared with."""


def with_variables(text: str, values: dict[str, list[Stream]]) -> Stream:
    """Return a heredoc's text with the values of its variables."""
    taints = NONE

    def value(match: re.Match[str]) -> str:
        nonlocal taints
        known = values.get(match[1] or match[2])
        if not known:
            return match[0]
        taints |= known[0].taints
        return match[0] if known[0].text is None else known[0].text

    expanded = _REFERENCE.sub(value, text)[:LONGEST_TEXT]
    return Stream(taints, re.sub(r"\\([$`\\])", r"\1", expanded))


def option_value(words: Sequence[str], *names: str) -> str | None:
    """Return the value of an option of a command line, given by any of its names; None if it is absent."""
    for index, word in enumerate(words):
        if word in names and index + 1 < len(words):
            return words[index + 1]
        for name in names:
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
    return None
