"""A call in a script, with what the analysis knows of its parts."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posttrainbench.audit.conduct import libraries as lib
from posttrainbench.audit.conduct.values import (
    NONE,
    UNKNOWN,
    Taints,
    Value,
)

if TYPE_CHECKING:
    from posttrainbench.audit.conduct.interpreter import Interpreter


@dataclass
class Call:
    """A call, its parts already read.

    Attributes:
        function: what is called.
        last: the last part of its name.
        receiver: what it is a method of.
    """

    reader: Interpreter
    node: ast.Call
    function: Value
    last: str
    receiver: Value | None
    arguments: list[Value]
    named: dict[str, Value]

    @property
    def line(self) -> int:
        """Where it stands."""
        return self.node.lineno

    def argument(self, place: int, *names: str) -> Value | None:
        """An argument by its place or its name."""
        for name in names:
            if name in self.named:
                return self.named[name]
        return self.arguments[place] if place < len(self.arguments) else None

    def given(self) -> list[Value]:
        """All arguments."""
        return [*self.arguments, *self.named.values()]

    def is_named(self, names: frozenset[str]) -> bool:
        """Whether it is one of these functions."""
        return bool(self.function.names & names)

    def passed(self) -> Taints:
        """Where the arguments came from: a model's answer may repeat what it was given."""
        return frozenset().union(*(value.all() for value in self.given())) if self.given() else NONE

    def shown(self) -> str:
        """The function's name as it stands there."""
        return ast.unparse(self.node.func)[:100] + "(...)"

    def read(self, value: Value | None) -> Taints:
        """Where the files that a value names came from."""
        found = NONE
        for text in texts_of(value):
            taints = self.reader.run.host.files.read(text, self.reader.script, self.line, self.reader.run.cwd)
            self.reader.run.result.sources |= {taint for taint in taints if taint.script == self.reader.script}
            found |= taints
        return found

    def read_value(self, where: Value | None) -> Value:
        """What is read from the files that a value names; of one that holds a dictionary, key by key."""
        taints = self.read(where)
        texts = texts_of(where)
        files, cwd = self.reader.run.host.files, self.reader.run.cwd
        parts = files.parts_of(texts[0], cwd) if len(texts) == 1 else {}
        rest = taints.difference(*parts.values()) | (where.all() if where is not None else NONE)
        return Value(rest, fields={key: Value(part, whole=True) for key, part in parts.items()}, whole=True)

    def write_value(self, target: Value | None, value: Value) -> None:
        """A value is written to the files that another one names, or has open."""
        taints = value.all()
        self.write_handles(target, taints)
        self.write(target, taints)
        parts = {key: part.all() for key, part in value.fields.items() if not key.isdigit() and key != UNKNOWN}
        if target is not None and len(parts) > 1 and not value.taints:
            for path in sorted(target.texts | {path for path, _ in target.handles}):
                self.reader.run.host.files.keep_parts(path, parts, self.reader.run.cwd)

    def write(self, value: Value | None, taints: Taints, *, append: bool = False) -> None:
        """Data of these origins is written to the files that a value names."""
        for text in sorted(value.texts) if value is not None else ():
            self.reader.run.host.files.write(text, taints, self.reader.run.cwd, append=append)

    def write_handles(self, value: Value | None, taints: Taints) -> None:
        """As `write`, through open files. What is written through one does not replace what came before."""
        for path, _ in sorted(value.handles) if value is not None else ():
            self.reader.run.host.files.write(path, taints, self.reader.run.cwd, append=True)

    def default(self) -> Value:
        """The result of a function that nothing is known of: it may hold all that went in."""
        given = self.given()
        taints = frozenset().union(*(value.all() for value in given)) if given else NONE
        if self.receiver is not None:
            taints |= self.receiver.all()
        handles = frozenset().union(*(value.handles for value in given)) if given else frozenset()
        for value in given:  # a file that holds tainted data, read by a function from elsewhere
            for text in value.texts:
                if lib.DATA_FILE.search(text) and not lib.SAVES.search(self.last):
                    taints |= self.read(Value(texts=frozenset([text])))
        for value in given:
            if value.functions:  # a callback's result may come out
                taints |= self.reader.call_value(value, [Value(taints)]).all()
        if lib.SAVES.search(self.last):
            for value in given:
                if any(lib.DATA_FILE.search(text) for text in value.texts):
                    self.write(value, taints)
            return Value()
        names = frozenset(f"{name}()"[:300] for name in self.function.names)
        splits = frozenset().union(*(value.all_splits() for value in given)) if given else frozenset()
        if self.receiver is not None:
            splits |= self.receiver.splits
        return Value(taints, names=names, handles=handles, splits=splits)


def texts_of(value: Value | None) -> list[str]:
    """All texts of a value and, two steps down, of what it holds."""
    if value is None:
        return []
    found = sorted(value.texts)
    for part in list(value.fields.values())[:20]:
        found += sorted(part.texts)
        for inner in list(part.fields.values())[:20]:
            found += sorted(inner.texts)
    return found
