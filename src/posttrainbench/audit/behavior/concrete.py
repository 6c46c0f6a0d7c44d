"""Compute pure operations on values that are known: comparisons, arithmetic, methods of texts, and few functions.

Operands come from hostile files and scripts, so what can take long or much memory is left unknown: long texts, large
numbers, and patterns with nested repetitions.
"""

from __future__ import annotations

import ast
import hashlib
import json
import operator
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from posttrainbench.audit.behavior.values import COLUMN, UNKNOWN, Taints, Value, key_of, text_value

UNKNOWN_VALUE = ...
MOST_FIELDS = 60
LONGEST = 20_000
_LARGEST = 10**40
_LONGEST_MATCHED = 2000
_LONGEST_REPLACEMENT = 40
_MOST_PARTS = 5000
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: lambda left, right: _same(left, right),
    ast.IsNot: lambda left, right: not _same(left, right),
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_WIDE = re.compile(r"%[^a-zA-Z%]*(\d{3}|\*)")
"""A conversion in a text that may make it very long."""
_TEXT_METHODS = frozenset(
    "lower upper casefold title capitalize strip lstrip rstrip startswith endswith split rsplit splitlines partition "
    "rpartition removeprefix removesuffix replace find rfind index count isdigit isalpha isalnum isnumeric islower "
    "isupper encode join format get keys".split()
)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "abs": abs,
    "min": min,
    "max": max,
    "sum": sum,
    "any": any,
    "all": all,
    "round": round,
    "math.floor": int,
    "math.ceil": lambda number: -int(-number // 1),
    "ord": ord,
    "json.loads": json.loads,
    "os.path.join": posixpath.join,
    "os.path.basename": posixpath.basename,
    "os.path.split": posixpath.split,
    "os.path.splitext": posixpath.splitext,
    "os.fspath": str,
    "pathlib.Path": PurePosixPath,
    "pathlib.PurePath": PurePosixPath,
    "pathlib.PosixPath": PurePosixPath,
    "pathlib.PurePosixPath": PurePosixPath,
    "fnmatch.fnmatch": fnmatchcase,
    "fnmatch.fnmatchcase": fnmatchcase,
    "operator.eq": operator.eq,
    "operator.ne": operator.ne,
}
_PATH_METHODS = frozenset("with_suffix with_name with_stem joinpath relative_to is_relative_to as_posix match".split())
_PATH_PARTS = frozenset("name stem suffix suffixes parent parts".split())
PATH = "pathlib.Path()"
"""Name of the values that are paths."""
_MATCHES = ("match", "search", "fullmatch")
_LISTS = ("findall", "split")


@dataclass(frozen=True)
class Match:
    """Result of a regular expression that matches: it is true, but neither None nor equal to `True`.

    Attributes:
        groups: the text that it matches, followed by those of its groups; None for a group that takes no part.
        names: (name, number) of the groups that have a name.
    """

    groups: tuple[str | None, ...]
    names: tuple[tuple[str, int], ...] = ()

    def group(self, key: int | str) -> str | None:
        """Return the text of a group.

        Raises:
            LookupError: it has no such group.
        """
        number = dict(self.names)[key] if isinstance(key, str) else key
        if number < 0:
            raise IndexError(number)
        return self.groups[number]


_HASHES = frozenset("md5 sha1 sha256 sha512 blake2b".split())


def _same(left: Any, right: Any) -> bool:
    """Return whether two values are one object.

    Raises:
        ValueError: that cannot be told, such as of equal texts.
    """
    if left == right and not isinstance(left, bool | None):
        raise ValueError("equal values need not be one object")
    return type(left) is type(right) and bool(left == right)


def literal_value(value: Any, taints: Taints, depth: int = 5) -> Value:
    """Return the abstract value of a Python value that has these origins."""
    if isinstance(value, bool) or value is None:
        return Value(taints, truth=bool(value), literal=value)
    if isinstance(value, str):
        return Value(taints, text_value(value).texts, truth=bool(value), literal=value)
    if isinstance(value, int | float):
        number = value if isinstance(value, int) else None
        return Value(taints, number=number, truth=bool(value), literal=value)
    if isinstance(value, PurePosixPath):
        return Value(taints, text_value(str(value)).texts, frozenset([PATH]), truth=True, literal=value)
    if isinstance(value, Match):
        return Value(taints, truth=True, literal=value)
    if not depth:
        return Value(taints)
    if isinstance(value, dict):
        parts = list(value.items())[:MOST_FIELDS]
        fields = {str(key): literal_value(part, taints, depth - 1) for key, part in parts}
        return Value(taints, fields=fields, closed=len(parts) == len(value), truth=bool(value))
    if isinstance(value, list | tuple | set | frozenset):
        parts = list(value)[:MOST_FIELDS]
        fields = {str(number): literal_value(part, taints, depth - 1) for number, part in enumerate(parts)}
        return Value(taints, fields=fields, total=len(value), truth=bool(value))
    return Value(taints)


def literal(value: Value) -> Any:
    """Return the Python value of an abstract value, `UNKNOWN_VALUE` if it is not known or has very many parts."""
    return _literal(value, iter(range(_MOST_PARTS)))


def _literal(value: Value, budget: Iterator[int]) -> Any:
    if value.literal is not ...:
        return value.literal
    if (
        value.ambiguous
        or value.handles
        or value.names - {COLUMN}
        or value.splits
        or value.functions
        or next(budget, None) is None
    ):
        return UNKNOWN_VALUE
    if value.number is not None:
        return value.number
    if len(value.texts) == 1 and UNKNOWN not in (text := next(iter(value.texts))) and not value.fields:
        return text
    if value.fields and all(name.isdigit() for name in value.fields):
        parts = []
        for part in value.fields.values():
            parts.append(_literal(part, budget))
            if parts[-1] is UNKNOWN_VALUE:
                return UNKNOWN_VALUE
        return UNKNOWN_VALUE if (value.total or 0) > len(parts) else parts
    return UNKNOWN_VALUE


def dictionary(value: Value) -> dict[Any, Any] | None:
    """Return the Python value of a dictionary with known content; None for any other value."""
    if not value.fields or UNKNOWN in value.fields:
        return None
    parts = {key_of(name) if value.mapping else name: literal(part) for name, part in value.fields.items()}
    return None if UNKNOWN_VALUE in parts.values() else parts


def truth(value: Value) -> bool | None:
    """Return the truth value; None if it is unknown."""
    if value.truth is not None:
        return value.truth
    known = literal(value)
    return None if known is UNKNOWN_VALUE else bool(known)


def compared(left: Any, comparison: ast.cmpop, right: Any) -> Any:
    """Return the result of a comparison."""
    return _computed(_COMPARISONS[type(comparison)], left, right)


def combined(left: Any, node: ast.operator, right: Any) -> Any:
    """Return the result of a binary operator."""
    if isinstance(left, PurePosixPath) or isinstance(right, PurePosixPath):
        return _computed(operator.truediv, left, right) if isinstance(node, ast.Div) else UNKNOWN_VALUE
    function = _OPERATORS.get(type(node))
    if function is None or (isinstance(node, ast.Mod) and isinstance(left, bytes)):
        return UNKNOWN_VALUE
    if isinstance(node, ast.Mod) and isinstance(left, str):
        if _WIDE.search(left):
            return UNKNOWN_VALUE
        right = tuple(right) if isinstance(right, list) else right
    if isinstance(node, ast.Mult) and not (isinstance(left, int | float) and isinstance(right, int | float)):
        return UNKNOWN_VALUE
    return _computed(function, left, right)


def method(owner: Any, name: str, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
    """Return the result of a method of a known value."""
    if isinstance(owner, re.Pattern) and name in (*_MATCHES, *_LISTS) and len(arguments) == 1 and not named:
        return found(owner.pattern, arguments[0], name, owner.flags)
    if isinstance(owner, Match) and not named:
        return _of_match(owner, name, arguments)
    if isinstance(owner, re.Pattern) and name == "sub" and len(arguments) == 2:
        known = all(isinstance(one, str) for one in arguments)
        return substituted(owner.pattern, arguments[0], arguments[1], owner.flags) if known else UNKNOWN_VALUE
    if isinstance(owner, PurePosixPath) and name in _PATH_METHODS and not named:
        return _computed(lambda: getattr(owner, name)(*arguments))
    if isinstance(owner, list) and name in ("index", "count") and len(arguments) == 1 and not named:
        return _computed(lambda: getattr(owner, name)(arguments[0]))
    if not isinstance(owner, str | bytes) or name not in _TEXT_METHODS:
        return UNKNOWN_VALUE
    sizes = [len(one) for one in arguments if isinstance(one, str | bytes)]
    if len(owner) > LONGEST or (name in ("replace", "join", "format") and len(owner) * max(sizes, default=1) > 10**6):
        return UNKNOWN_VALUE
    if name == "format" and re.search(r"\{[^}]*[:!.\[]", str(owner)):
        return UNKNOWN_VALUE
    if name in ("startswith", "endswith"):
        arguments = [tuple(one) if isinstance(one, list) else one for one in arguments]
    return _computed(lambda: getattr(owner, name)(*arguments, **named))


def function(names: frozenset[str], arguments: Sequence[Any]) -> Any:
    """Return the result of a function."""
    name = min(names, default="").removeprefix("builtins.")
    if name.startswith("re.") or name.startswith("regex."):
        kind, flags = name.partition(".")[2], 0
        if kind in _MATCHES and len(arguments) >= 2 and all(isinstance(one, str) for one in arguments[:2]):
            return found(arguments[0], arguments[1], kind, flags)
        if kind in _LISTS and len(arguments) == 2 and isinstance(arguments[0], str):
            return found(arguments[0], arguments[1], kind, flags)
        if kind == "sub" and len(arguments) == 3 and all(isinstance(one, str) for one in arguments):
            return substituted(arguments[0], arguments[1], arguments[2])
        return UNKNOWN_VALUE
    if name.startswith("hashlib.") and name.removeprefix("hashlib.") in _HASHES and len(arguments) == 1:
        return _computed(lambda: hashlib.new(name.removeprefix("hashlib."), arguments[0]).hexdigest())
    known = _FUNCTIONS.get(name)
    if name.startswith("fnmatch.") and not (isinstance(arguments[1], str) and arguments[1].count("*") < 5):
        return UNKNOWN_VALUE
    if known is None or any(isinstance(one, str | bytes | list) and len(one) > LONGEST for one in arguments):
        return UNKNOWN_VALUE
    return _computed(known, *arguments)


def path_part(value: Value, name: str) -> Value | None:
    """Return an attribute of a known path; None for others."""
    known = value.literal
    if not isinstance(known, PurePosixPath) or name not in _PATH_PARTS:
        return literal_value(str(known), value.all()) if isinstance(known, PurePosixPath) and name == "path" else None
    return literal_value(getattr(known, name), value.all())


def mapped(names: frozenset[str], arguments: Sequence[Value]) -> Value | None:
    """Return the result of a function of the standard library that is called by another one, such as `map`."""
    known = [literal(value) for value in arguments]
    if UNKNOWN_VALUE in known or not known:
        return None
    owner, _, last = min(names, default="").partition(".")
    result = method(known[0], last, known[1:], {}) if owner in ("str", "bytes") else function(names, known)
    return None if result is UNKNOWN_VALUE else literal_value(result, frozenset().union(*(v.all() for v in arguments)))


def matched(pattern: str, text: Any, kind: str, flags: int = 0) -> Any:
    """Return whether a pattern fits a text; unknown if that may take long."""
    if not isinstance(text, str) or len(text) > _LONGEST_MATCHED or not is_quick(pattern):
        return UNKNOWN_VALUE
    return _computed(lambda: bool(getattr(re, kind)(pattern, text, flags)))


def substituted(pattern: str, by: str, text: str, flags: int = 0) -> Any:
    """Return a text in which what a pattern fits is replaced; unknown if that may take long."""
    if len(text) > _LONGEST_MATCHED or len(by) > _LONGEST_REPLACEMENT or not is_quick(pattern):
        return UNKNOWN_VALUE
    return _computed(lambda: re.sub(pattern, by, text, flags=flags))


def found(pattern: str, text: Any, kind: str, flags: int = 0) -> Any:
    """Return what a function of a pattern returns; unknown if that may take long."""
    if not isinstance(text, str) or len(text) > _LONGEST_MATCHED or not is_quick(pattern):
        return UNKNOWN_VALUE
    return _computed(lambda: _plain(getattr(re.compile(pattern, flags), kind)(text)))


def _plain(result: Any) -> Any:
    """Return the result of a function of a pattern without the pattern."""
    if not isinstance(result, re.Match):
        return result
    return Match((result[0], *result.groups()), tuple(result.re.groupindex.items()))


def _of_match(match: Match, name: str, arguments: Sequence[Any]) -> Any:
    """Return the result of a method of a match."""
    if name == "groups" and not arguments:
        return list(match.groups[1:])
    if name == "groupdict" and not arguments:
        return {key: match.groups[number] for key, number in match.names}
    if name not in ("group", "__getitem__"):
        return UNKNOWN_VALUE
    return _computed(lambda: match.group(arguments[0] if arguments else 0)) if len(arguments) < 2 else UNKNOWN_VALUE


def is_quick(pattern: str) -> bool:
    """Return True if a pattern can be tried on a text in a time that grows at most with the square of its length.

    It repeats no group, repeats or leaves out at most two parts, and has few alternatives one after the other.
    """
    plain = re.sub(r"\\[^\d]|\[\^?\]?[^\]]*\]|\(\?P<\w+>|\(\?[:=!]|\(\?<[=!]", "x", pattern)
    repeated = re.findall(r"[*+?]|\{\d*,?\d*\}", plain)
    groups = pattern.count("(") if "|" in pattern else 0
    return len(pattern) < 300 and len(repeated) <= 2 and groups <= 3 and not re.search(r"\)\s*[*+{]|\\\d", pattern)


def _computed(compute: Callable[..., Any], *arguments: Any) -> Any:
    try:
        result = compute(*arguments)
    except Exception:  # as it would be raised in the script
        return UNKNOWN_VALUE
    large = isinstance(result, int) and abs(result) > _LARGEST and not isinstance(result, bool)
    return UNKNOWN_VALUE if large or (isinstance(result, str | bytes) and len(result) > 10 * LONGEST) else result
