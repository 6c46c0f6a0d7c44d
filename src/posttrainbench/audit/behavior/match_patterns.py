"""Patterns of `match` statements where one row is followed."""

from __future__ import annotations

import ast
from collections.abc import Callable

from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, truth
from posttrainbench.audit.behavior.conditions import comparison
from posttrainbench.audit.behavior.values import Value


def fits(subject: Value, node: ast.pattern, value: Callable[[ast.expr], Value]) -> bool | None:
    """Return whether a pattern of `match` fits a value; None if that is not known.

    Args:
        subject: the value.
        node: the pattern.
        value: returns the value of an expression.
    """
    match node:
        case ast.MatchAs(None, _):
            return True
        case ast.MatchAs(ast.pattern() as inner, _):
            return fits(subject, inner, value)
        case ast.MatchOr(patterns):
            answers = [fits(subject, one, value) for one in patterns]
            return True if True in answers else None if None in answers else False
        case ast.MatchValue(expected):
            return truth(comparison(subject, [ast.Eq()], [value(expected)]))
        case ast.MatchSingleton(expected_value):
            known = literal(subject)
            return None if known is UNKNOWN_VALUE else known is expected_value
        case ast.MatchMapping(keys, patterns):
            answers = []
            for key, one in zip(keys, patterns, strict=True):
                part = subject.fields.get(str(literal(value(key))))
                if part is None:
                    return False if subject.closed else None
                answers.append(fits(part, one, value))
            return False if False in answers else None if None in answers else True
        case ast.MatchSequence(patterns) if all(str(number) in subject.fields for number in range(len(patterns))):
            answers = [fits(subject.fields[str(number)], one, value) for number, one in enumerate(patterns)]
            return False if False in answers else None if None in answers else True
    return None


def captures(subject: Value, node: ast.pattern) -> dict[str, Value]:
    """Return the names that a pattern of `match` binds."""
    match node:
        case ast.MatchAs(inner, name):
            found = captures(subject, inner) if inner is not None else {}
            return found | ({name: subject} if name else {})
        case ast.MatchMapping(keys, patterns, rest):
            found = {rest: subject} if rest else {}
            for key, one in zip(keys, patterns, strict=True):
                name = str(key.value) if isinstance(key, ast.Constant) else ""
                found |= captures(subject.fields.get(name, Value(subject.all())), one)
            return found
        case ast.MatchSequence(patterns):
            found = {}
            for number, one in enumerate(patterns):
                found |= captures(subject.fields.get(str(number), Value(subject.all())), one)
            return found
    return {}
