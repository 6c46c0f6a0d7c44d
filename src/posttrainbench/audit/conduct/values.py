"""What the analysis of scripts knows of a value: where it may come from, and which texts it may be."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

UNKNOWN = "\x00"
"""Stands in a text for a part that is not known."""
MOST_TEXTS = 8
LONGEST_TEXT = 4000
_DEPTH = 6


@dataclass(frozen=True)
class Taint:
    """Where data came from.

    Attributes:
        kind: `test`: the benchmark's test items; `hosted`: what a hosted model wrote.
        what: the source, as a person would name it.
        script: the script that took it from there.
        line: of that script.
        items: how many items at most; None for all.
        sure: False where it depends on something unknown, such as a split that is chosen elsewhere.
        host: of a hosted model; "" where it is not known.
    """

    kind: Literal["test", "hosted"]
    what: str
    script: str
    line: int
    items: int | None = None
    sure: bool = True
    host: str = ""


Taints = frozenset[Taint]
NONE: Taints = frozenset()


@dataclass
class Function:
    """A function, method or class of a script, with the names that it can see."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
    scope: Scope
    script: str
    bound: Value | None = None


@dataclass
class Scope:
    """Names and their values."""

    names: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None

    def find(self, name: str) -> Value | None:
        """The value of a name, or None."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None


@dataclass
class Value:
    """What a value may be. Containers are changed in place, as they are in Python.

    Attributes:
        taints: its own; those of its fields come beside them.
        texts: what it may be, as text or path.
        names: dotted names of what it is: `datasets.load_dataset`, `openai.OpenAI()` for an instance.
        functions: code of the script that a call would run.
        fields: attributes, keys and places whose values are known apart.
        splits: (repository, configuration) of data sets of which no split has been chosen.
        handles: (path, appended) of files that are written through it.
        truth: whether it is true.
        number: an integer.
        whole: it is a collection of rows as it was read, so that a slice of it is so many items.
    """

    taints: Taints = NONE
    texts: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    functions: tuple[Function, ...] = ()
    fields: dict[str, Value] = field(default_factory=dict)
    splits: frozenset[tuple[str, str]] = frozenset()
    handles: frozenset[tuple[str, bool]] = frozenset()
    truth: bool | None = None
    number: int | None = None
    whole: bool = False

    def all(self, depth: int = _DEPTH) -> Taints:
        """Its taints and those of all that it holds."""
        found = self.taints
        if depth:
            for part in self.fields.values():
                found |= part.all(depth - 1)
        return found

    def all_splits(self, depth: int = _DEPTH) -> frozenset[tuple[str, str]]:
        """The data sets without a chosen split in it."""
        found = self.splits
        if depth:
            for part in self.fields.values():
                found |= part.all_splits(depth - 1)
        return found

    def add(self, other: Value) -> None:
        """It holds `other` too from here on, nobody knows where."""
        self.taints |= other.all()
        self.splits |= other.all_splits()
        self.handles |= other.handles

    def set_field(self, name: str, value: Value, *, certain: bool = False) -> None:
        """A field has this value, or may have it."""
        old = self.fields.get(name)
        if old is None or certain:
            if len(self.fields) < 200:
                self.fields[name] = value
            else:
                self.add(value)
        elif old is not value:
            self.fields[name] = joined(old, value)


def text_value(text: str) -> Value:
    """A known text."""
    return Value(texts=frozenset([text[:LONGEST_TEXT]]), truth=bool(text))


def joined(*values: Value) -> Value:
    """What may be any of these."""
    if len(values) == 1:
        return values[0]
    fields: dict[str, Value] = {}
    for value in values:
        for name, part in value.fields.items():
            if len(fields) < 200:
                fields[name] = part if name not in fields or fields[name] is part else _join_field(fields[name], part)
    truths = {value.truth for value in values}
    numbers = {value.number for value in values}
    return Value(
        taints=frozenset().union(*(value.taints for value in values)),
        texts=bounded(frozenset().union(*(value.texts for value in values))),
        names=frozenset(sorted(frozenset().union(*(value.names for value in values)))[:MOST_TEXTS]),
        functions=_distinct(values),
        fields=fields,
        splits=frozenset().union(*(value.splits for value in values)),
        handles=frozenset().union(*(value.handles for value in values)),
        truth=truths.pop() if len(truths) == 1 else None,
        number=numbers.pop() if len(numbers) == 1 else None,
        whole=all(value.whole for value in values),
    )


def _join_field(one: Value, other: Value) -> Value:
    """Shallow: fields of fields are joined by their taints alone."""
    return Value(
        taints=one.all() | other.all(),
        texts=bounded(one.texts | other.texts),
        names=one.names | other.names,
        functions=_distinct((one, other)),
        splits=one.all_splits() | other.all_splits(),
        handles=one.handles | other.handles,
    )


def _distinct(values: tuple[Value, ...]) -> tuple[Function, ...]:
    found: list[Function] = []
    for value in values:
        found += [one for one in value.functions if not any(one is other for other in found)]
    return tuple(found[:MOST_TEXTS])


def bounded(texts: frozenset[str]) -> frozenset[str]:
    """At most `MOST_TEXTS` of them, always the same ones."""
    return texts if len(texts) <= MOST_TEXTS else frozenset(sorted(texts)[:MOST_TEXTS])


def concatenated(parts: list[frozenset[str]]) -> frozenset[str]:
    """All texts that one of each, in order, makes; nothing known of a part leaves `UNKNOWN` in its place."""
    lists = [sorted(part)[:2] or [UNKNOWN] for part in parts[:40]]
    size = 1
    for index, choices in enumerate(lists):
        size *= len(choices)
        if size > MOST_TEXTS:
            lists[index] = choices[:1]
            size //= len(choices)
    return frozenset("".join(combination)[:LONGEST_TEXT] for combination in product(*lists))


def sliced(value: Value, items: int, depth: int = 3) -> Value:
    """As `value`, a collection of rows, cut to so many."""
    fields = {name: sliced(part, items, depth - 1) for name, part in value.fields.items()} if depth else {}
    taints = few(value.taints if depth else value.all(), items)
    return Value(taints, value.texts, value.names, fields=fields, splits=value.splits, whole=True)


def few(taints: Taints, items: int) -> Taints:
    """As `taints`, of at most so many items."""
    return frozenset(
        replace(taint, items=items if taint.items is None else min(items, taint.items)) for taint in taints
    )


def unsure(taints: Taints) -> Taints:
    """As `taints`, if it is so at all."""
    return frozenset(replace(taint, sure=False) for taint in taints)
