"""Changes after which another part of a list or dictionary may be at a position or key, where one row is followed.

The parts of short lists and of dictionaries are known by their positions and keys. What these functions and methods do
with them is not computed: the script is then unclear as a whole.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from posttrainbench.audit.behavior.rows import is_collection
from posttrainbench.audit.behavior.values import UNKNOWN, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posttrainbench.audit.behavior.rows import World

_METHODS = frozenset(
    "reverse sort pop popleft insert remove clear rotate appendleft extendleft move_to_end "
    "__setitem__ __delitem__ __ior__ __imul__".split()
)
_FUNCTIONS = frozenset(
    "reversed sorted shuffle sample choices choice permutation permuted islice setitem delitem ior max min nlargest "
    "nsmallest filter filterfalse compress takewhile dropwhile".split()
)
_OF_DICTIONARIES = frozenset("__setitem__ __ior__ setitem ior move_to_end".split())


def note_call(world: World, name: str, receiver: Value | None, arguments: Sequence[Value]) -> None:
    """Note the call of a function or method with this name."""
    if name in _METHODS and receiver is not None and _may_move(receiver, name):
        world.opaque = True
    if name in _FUNCTIONS and any(_may_move(one, name) for one in arguments):
        world.opaque = True


def note_slice(world: World, base: Value, key: ast.Slice, *, changes: bool = False) -> None:
    """Note a slice of a list; one from the start keeps the positions, unless it is changed."""
    if _is_list_of_parts(base) and (changes or key.lower is not None or key.step is not None):
        world.opaque = True


def note_deletion(world: World, base: Value) -> None:
    """Note the deletion of an element of a list."""
    if _is_list_of_parts(base):
        world.opaque = True


def note_update(world: World, target: Value, operator: ast.operator) -> None:
    """Note a change by `|=` or `*=`."""
    moved = isinstance(operator, ast.BitOr) and _has_lists(target)
    if moved or (isinstance(operator, ast.Mult) and _is_list_of_parts(target)):
        world.opaque = True


def _may_move(value: Value, name: str) -> bool:
    return _is_list_of_parts(value) or (name in _OF_DICTIONARIES and _has_lists(value))


def _is_list_of_parts(value: Value) -> bool:
    """Return True for a list of which each part is known, that holds lists, tables or rows with the row in one."""
    parts = value.fields
    if not parts or value.mapping or not all(name.isdigit() for name in parts):
        return False
    return any(part.fields or part.total is not None for part in parts.values()) and bool(value.all())


def _has_lists(value: Value) -> bool:
    """Return True for a dictionary of lists or tables, one of which contains the row. A row itself is not one."""
    return UNKNOWN not in value.fields and any(is_collection(part) and part.all() for part in value.fields.values())
