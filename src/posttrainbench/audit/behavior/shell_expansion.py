"""Expansion of shell words and assignments of variables."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from tree_sitter import Node

from posttrainbench.audit.behavior.shell_commands import Host
from posttrainbench.audit.behavior.shell_syntax import RESERVED
from posttrainbench.audit.behavior.shell_words import (
    EMPTY,
    MOST_FIELDS,
    Stream,
    ansi_text,
    braced,
    modified,
    pieces,
    plain,
    source_of,
    unescaped,
    unquoted,
)
from posttrainbench.audit.behavior.values import NONE, Taints

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_EXPANSION = re.compile(r"\$\{([!#]?)(\w+|[@*#])(\[[^\]]*\])?(?::?-|:?=|:\+|%%?|##?|//?|\^\^|,,|:(?=\s*-?\d))?")
_ELEMENT = re.compile(r"(\[[^\]]+\])=")
_LIST = re.compile(r"\$@|\$\{(@(:.*)?|\w+\[@\].*)\}")
"""References that keep their words apart inside quotes."""
_SUBSTITUTIONS = frozenset(("command_substitution", "process_substitution"))
FOLDER = "/dev/fd/substitution"
"""Beginning of the names of process substitutions."""


@dataclass
class Expansion(ABC):
    """Variables of a shell, and the expansion of words.

    Attributes:
        host: its surroundings.
        cwd: working directory.
        variables: name -> values; one, except for arrays.
        positional: its arguments, or those of the function that is run.
        pending: name of a process substitution that reads -> its node.
        folders: stack of `pushd`.
        previous: working directory before the last change.
    """

    host: Host
    cwd: str = ""
    variables: dict[str, list[Stream]] = field(default_factory=dict)
    positional: list[Stream] = field(default_factory=list)
    pending: dict[str, Node] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    previous: str = ""

    @abstractmethod
    def evaluate(self, text: str, stdin: Stream) -> Stream:
        """Run a text, as `eval` does, and return its output."""

    @abstractmethod
    def substituted(self, node: Node) -> Stream:
        """Return the output of a command substitution."""

    def words(self, node: Node) -> list[Stream]:
        """Return the words that a node expands to."""
        words = self._fields(node)
        if node.type not in ("word", "concatenation", "brace_expression"):
            return words
        found: list[Stream] = []
        for word in words:
            for one in braced(word):
                text = one.text or ""
                names = self.host.matching(text, self.cwd) if re.search(r"[*?\[]", text) and "$" not in text else []
                found += [*(Stream(one.taints, name) for name in names), one]
        return found[:MOST_FIELDS]

    def assign(self, node: Node) -> None:
        """Run an assignment."""
        name, values = self.assigned(node)
        operator = node.children[1].type if node.child_count > 1 else "="
        known = self.variables.get(name)
        if known and operator == "+=":
            is_array = node.children[-1].type == "array"
            values = known + values if is_array else [known[0] + (values[0] if values else EMPTY), *known[1:]]
        elif known and node.children[0].type == "subscript":
            values = known + values
        if len(values) <= MOST_FIELDS:
            self.variables[name] = values
        if node.children[0].type == "subscript":
            self.variables[source_of(node.children[0])] = values[-1:]
        for value in values:
            if match := _ELEMENT.match(value.text or ""):  # of an associative array
                self.variables[f"{name}{match[1]}"] = [Stream(value.taints, (value.text or "")[match.end() :])]

    def assigned(self, node: Node) -> tuple[str, list[Stream]]:
        """Return the name and the values of an assignment."""
        target = node.child_by_field_name("name")
        name = re.split(r"\W", source_of(target), maxsplit=1)[0] if target is not None else ""
        value = node.child_by_field_name("value")
        if value is None:
            return name, [EMPTY]
        if value.type == "array":
            return name, [word for child in value.children if child.is_named for word in self.words(child)]
        fields = [Stream(field.taints, plain(field.text or "")) for field in self._fields(value, split=False)]
        whole = Stream(NONE.union(*(field.taints for field in fields)), " ".join(field.text or "" for field in fields))
        return name, [whole]

    def assign_words(self, words: list[Stream]) -> None:
        """Run the assignments among some words, as in `export $(cat .env)`."""
        for word in words:
            if match := _ASSIGNMENT.fullmatch(word.text or ""):
                self.variables[match[1]] = [Stream(word.taints, match[2])]

    def expand_inside(self, node: Node) -> Taints:
        """Run the substitutions inside a node, and return the taints of their output."""
        taints, nodes = NONE, [node]
        while nodes:
            inner = nodes.pop()
            if inner.type in _SUBSTITUTIONS:
                taints |= self._substitution(inner).taints
            else:
                nodes += reversed(inner.children)
        return taints

    def _fields(self, node: Node, *, split: bool = True) -> list[Stream]:
        """Return the fields of a node, in which unquoted braces are marked."""
        match node.type:
            case "word" | "extglob_pattern" | "regex":
                if not any(child.type == "ERROR" for child in node.children):
                    return [Stream(NONE, unescaped(source_of(node)))]
                return self._joined(node, split=split)
            case "string":
                return self._string(node)
            case "translated_string":
                return self._fields(node.children[-1])
            case "raw_string":
                return [Stream(NONE, source_of(node)[1:-1])]
            case "ansi_c_string":
                return [Stream(NONE, ansi_text(source_of(node)))]
            case "brace_expression":
                return [Stream(NONE, unescaped(source_of(node)))]
            case "concatenation":
                return self._joined(node, split=split)
            case "simple_expansion" | "expansion":
                values = self._variable(node)
                return _split(values) if split else values
            case "command_substitution" | "process_substitution":
                value = self._substitution(node)
                return _split([value]) if split and node.type == "command_substitution" else [value]
        self.expand_inside(node)
        return [Stream(NONE, source_of(node))]

    def _joined(self, node: Node, *, split: bool) -> list[Stream]:
        fields: list[Stream] = []
        for piece in pieces(node):
            parts = [Stream(NONE, unescaped(piece))] if isinstance(piece, str) else self._fields(piece, split=split)
            if not parts:
                continue
            first = fields.pop() + parts[0] if fields else parts[0]
            fields += [first, *parts[1:]]
        return fields[:MOST_FIELDS]

    def _string(self, node: Node) -> list[Stream]:
        inner = list(pieces(node))[1:-1]
        if len(inner) == 1 and isinstance(inner[0], Node) and _LIST.fullmatch(source_of(inner[0])):
            return self._variable(inner[0])
        word = EMPTY
        for piece in inner:
            if isinstance(piece, str):
                word += Stream(NONE, unquoted(piece))
            elif piece.type in ("simple_expansion", "expansion"):
                values = self._variable(piece)
                taints = NONE.union(*(value.taints for value in values))
                word += Stream(taints, " ".join(value.text or "" for value in values))
            elif piece.type in _SUBSTITUTIONS:
                word += self._substitution(piece)
            else:
                word += Stream(NONE, unquoted(source_of(piece)))
        return [word]

    def _variable(self, node: Node) -> list[Stream]:
        """Return the values of a reference; that of an unknown variable is the reference itself."""
        raw = source_of(node)
        match = _EXPANSION.match(raw if raw.startswith("${") else f"${{{raw[1:]}}}")
        if match is None:
            return [Stream(NONE, raw)]
        name, index, operator = match[2], match[3] or "", match[0].partition(match[3] or match[2])[2].strip()
        argument = raw[match.end() : -1] if raw.startswith("${") else ""
        values = self._values(name, index)
        if match[1] == "#" or name == "#":
            return [Stream(NONE, raw)]
        if match[1] == "!":
            values = self._values(values[0].text or "", "") if values and values[0].text else None
        if operator.lstrip(":") in ("-", "="):
            if values and (values[0].text or values[0].taints):
                return values
            default = [child for child in node.children if child.is_named][1:]
            return [word for child in default for word in self._fields(child)] or [Stream(NONE, argument)]
        if values is None:
            return [Stream(NONE, raw)]
        if operator == ":" and name in ("@", "*"):
            return values[int(argument) - 1 :] if argument.strip().isdigit() and int(argument) else values
        if operator:
            return [self._modified(value, operator, argument, raw) for value in values]
        return [value if value.text is not None else Stream(value.taints, raw) for value in values]

    def _modified(self, value: Stream, operator: str, argument: str, raw: str) -> Stream:
        text = modified(value.text, operator, argument) if value.text is not None and "$" not in value.text else None
        return Stream(value.taints, raw if text is None else text)

    def _values(self, name: str, index: str) -> list[Stream] | None:
        if name in ("@", "*"):
            return self.positional
        if name.isdigit() and name != "0":
            number = int(name[:4]) - 1
            return self.positional[number : number + 1] or None
        if index and (element := self.variables.get(f"{name}{index}")) is not None:
            return element
        values = self.variables.get(name)
        if values is None or index in ("[@]", "[*]"):
            return values
        key = index[1:-1]
        if key.isdigit() and int(key[:6]) < len(values):
            return [values[int(key[:6])]]
        return values[:1] if not index else [Stream(NONE.union(*(value.taints for value in values)))]

    def _substitution(self, node: Node) -> Stream:
        """Return the output of a command substitution, or the name of a process substitution."""
        if node.type == "process_substitution":
            name = f"{FOLDER}{node.start_byte}"
            if source_of(node).startswith(">"):
                self.pending[name] = node
            else:
                self.host.write_file(name, self.substituted(node), self.cwd, append=False)
            return Stream(NONE, name)
        output = self.substituted(node)
        if output.text is None:
            return Stream(output.taints, RESERVED.sub("", source_of(node)))
        return Stream(output.taints, output.text.rstrip("\n"))


def _split(values: list[Stream]) -> list[Stream]:
    """Return the words of unquoted values; unknown texts are kept whole."""
    words: list[Stream] = []
    for value in values:
        text = value.text or ""
        parts = [text] if "$(" in text or "`" in text else text.split()
        words += [Stream(value.taints, part) for part in parts]
    return words[:MOST_FIELDS]
