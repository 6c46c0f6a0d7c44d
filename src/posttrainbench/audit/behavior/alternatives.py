"""Alternatives of which one was executed, where it is not known which one: data in only one of them may not be there.

If the other alternative has no data at all, it is not one: a program does not train on nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from posttrainbench.audit.behavior.values import UNKNOWN, Scope, Taint, Value

_DEPTH = 6
Place = tuple[str, str]
"""A name, and an attribute or a key of its value; "" for the value itself."""


@dataclass(frozen=True)
class Held:
    """The value of a name at one point of the analysis.

    Attributes:
        value: its value, which may be changed in place later.
        sources: the sources of the value at that time.
        filled: whether it held any data at that time.
    """

    value: Value | None = None
    sources: frozenset[Taint] = frozenset()
    filled: bool = False


def snapshot(scope: Scope, bodies: Iterable[Sequence[ast.stmt]]) -> dict[Place, Held]:
    """Return what the names hold that occur in some statements."""
    parts = (part for body in bodies for one in body for part in ast.walk(one))
    found: dict[Place, Held] = {}
    for name in sorted({part.id for part in parts if isinstance(part, ast.Name)}):
        value = scope.find(name)
        if value is None or (value.functions and not value.all()):
            continue
        keys = (
            [key for key in value.fields if not key.isdigit() and key != UNKNOWN] if UNKNOWN not in value.fields else []
        )
        for key in keys or [""]:
            found[name, key] = _held(value.fields[key] if key else value)
    return found


def _held(value: Value) -> Held:
    sources = frozenset(taint.source for taint in value.all() if taint.kind == "test")
    empty = value.truth is False or value.literal in (None, []) or (value.total == 0 and not value.fields)
    return Held(value, sources, bool(sources) or not empty)


def settle(
    scope: Scope, before: Mapping[Place, Held], first: Mapping[Place, Held], second: Mapping[Place, Held]
) -> None:
    """Mark data as unclear that only one of two alternatives leaves in a name.

    Args:
        scope: the names after both, with joined values.
        before: what they held before.
        first: what they held after the first alternative.
        second: what they held after the second one, which was interpreted after the first.
    """
    for place in {**first, **second}:
        old, one, other = (held.get(place, Held()) for held in (before, first, second))
        if one.value is other.value is old.value and one.sources == other.sources == old.sources:
            continue
        sources = other.sources
        if other.value is not None and other.value is one.value:  # changed in place, by the first one too
            sources = old.sources | (other.sources - one.sources)
        filled = bool(sources) or (old.filled if other.value is old.value else other.filled)
        doubtful = (one.sources - sources if filled else frozenset()) | (
            sources - one.sources if one.filled else frozenset()
        )
        name, key = place
        value = scope.find(name)
        if doubtful and value is not None and (not key or key in value.fields):
            part = value.fields[key] if key else value
            marked = _doubted(part, doubtful)
            part.taints, part.fields = marked.taints, marked.fields


def one_of(values: Sequence[Value]) -> list[Value]:
    """Return some values of which one is given: what is not in all of them is unclear."""
    held = [_held(value) for value in values]
    return [
        _doubted(value, frozenset(x for x in one.sources if any(x not in two.sources for two in held if two.filled)))
        for value, one in zip(values, held, strict=True)
    ]


def _doubted(value: Value, sources: frozenset[Taint], depth: int = _DEPTH) -> Value:
    """Return a value in which data of some sources is unclear."""
    if not sources:
        return value
    taints = value.taints if depth else value.all()
    return replace(
        value,
        taints=frozenset(replace(one, part="unclear") if one.source in sources else one for one in taints),
        fields={name: _doubted(part, sources, depth - 1) for name, part in value.fields.items()} if depth else {},
    )
