"""Read pickles of plain data without executing them.

Covers numbers, texts, truth values, `None`, lists, tuples and dictionaries, as `pickle.dump` writes them. Every other
opcode, such as those that import or call something, ends the reading. So do lists and dictionaries that are used in
several places, and texts that are used very often: a small file could stand for any amount of data.
"""

from __future__ import annotations

import pickletools
from typing import Any

MOST_STEPS = 10_000_000
MOST_REPEATED = 2**26
"""Characters of texts that are used again."""
_VALUES = frozenset(
    "BININT BININT1 BININT2 LONG1 LONG4 INT LONG FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES "
    "SHORT_BINBYTES BINBYTES8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": list}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = frozenset("PROTO FRAME".split())
_GETS = frozenset("GET BINGET LONG_BINGET".split())
_MARK = object()


def read_pickle(data: bytes) -> Any:
    """Return the value of a pickle of plain data, in which tuples are lists.

    Raises:
        ValueError: it is damaged, too large, or holds anything else.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    repeated = 0
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if number > MOST_STEPS:
                raise ValueError("too many steps")
            if opcode.name == "STOP":
                return stack[-1]
            _apply(opcode.name, argument, stack, memo)
            if opcode.name in _GETS:
                repeated += len(stack[-1]) if isinstance(stack[-1], str | bytes) else 0
                if isinstance(stack[-1], list | dict) or repeated > MOST_REPEATED:
                    raise ValueError("parts of it are used in several places")
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("damaged") from error
    raise ValueError("without an end")


def _apply(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in _VALUES:
        if isinstance(argument, int) and abs(argument) >= 2**63:
            raise ValueError("a large number")
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name == "MARK":
        stack.append(_MARK)
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in _GETS:
        stack.append(memo[argument])
    elif name in _TUPLES:
        count = _TUPLES[name]
        stack[-count:] = [stack[-count:]]
    elif name in ("TUPLE", "LIST"):
        stack.append(_since_mark(stack))
    elif name == "APPEND":
        part = stack.pop()
        stack[-1].append(part)
    elif name == "APPENDS":
        parts = _since_mark(stack)
        stack[-1].extend(parts)
    elif name == "SETITEM":
        value, key = stack.pop(), stack.pop()
        stack[-1][key] = value
    elif name in ("SETITEMS", "DICT"):
        parts = _since_mark(stack)
        pairs = dict(zip(parts[::2], parts[1::2], strict=True))
        if name == "DICT":
            stack.append(pairs)
        else:
            stack[-1].update(pairs)
    elif name not in _IGNORED:
        raise ValueError(f"it holds more than plain data ({name})")


def _since_mark(stack: list[Any]) -> list[Any]:
    """Take the values after the last mark, and the mark, from the stack."""
    at = next(index for index in range(len(stack) - 1, -1, -1) if stack[index] is _MARK)
    parts = stack[at + 1 :]
    del stack[at:]
    return parts
