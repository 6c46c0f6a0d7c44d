"""What the expressions of a script may be. See `python` for the whole."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from posttrainbench.audit.conduct.python import Run, Sink, TooLongError
from posttrainbench.audit.conduct.values import (
    NONE,
    UNKNOWN,
    Function,
    Scope,
    Taint,
    Taints,
    Value,
    bounded,
    concatenated,
    joined,
    sliced,
    text_value,
)

MOST_VISITS = 150_000
SHORTEST_ITEM = 20
ARGV_INDEX = "sys.argv.index()"
"""Names the place of a word on the command line; other sums may be counted up in loops, and have no known number."""
UNROLLED = 8
"""Elements of a written-out sequence that a loop goes through one by one."""


class Expressions(ABC):
    """Reads expressions; `Interpreter` adds the statements and the calls."""

    def __init__(self, run: Run, script: str, depth: int = 0) -> None:
        self.run = run
        self.script = script
        self.depth = depth
        self.returned: list[Value] = []
        self.loops = 0

    @abstractmethod
    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind a target to a value."""

    @abstractmethod
    def call(self, node: ast.Call, scope: Scope) -> Value:
        """What a call gives."""

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """What an expression may be."""
        self.visit()
        match node:
            case ast.Constant(str() as text):
                found = text_value(text)
                if self.run.literal is not None and len(text) >= SHORTEST_ITEM and self._is_item(node):
                    found.taints = self.source(self.run.literal)
                return found
            case ast.Constant(bool() | None as truth):
                return Value(truth=bool(truth))
            case ast.Constant(int() as number):
                return Value(number=number, truth=bool(number), texts=frozenset([str(number)[:40]]))
            case ast.Constant():
                return Value(truth=True)
            case ast.Name(name):
                return scope.find(name) or Value(names=frozenset([name]))
            case ast.JoinedStr(parts):
                values = [self.value(part, scope) for part in parts]
                texts = concatenated([value.texts for value in values])
                return Value(all_of(values), texts)
            case ast.FormattedValue(value=inner):
                return self.value(inner, scope)
            case ast.Attribute(base, name):
                return self.attribute(self.value(base, scope), name)
            case ast.Subscript(base, key):
                return self.subscript(self.value(base, scope), key, scope)
            case ast.Call():
                return self.call(node, scope)
            case ast.BinOp(left, operator, right):
                return self._binary(self.value(left, scope), operator, self.value(right, scope))
            case ast.BoolOp(values=parts, op=operator):
                return self._boolean([self.value(part, scope) for part in parts], operator)
            case ast.UnaryOp(op, operand):
                inner_value = self.value(operand, scope)
                if isinstance(op, ast.Not):
                    return Value(truth=None if inner_value.truth is None else not inner_value.truth)
                if isinstance(op, ast.USub) and inner_value.number is not None:
                    return Value(number=-inner_value.number)
                return Value()
            case ast.Compare(left, operators, others):
                return self._compared(self.value(left, scope), operators, [self.value(o, scope) for o in others])
            case ast.IfExp(test, body, orelse):
                truth = self.value(test, scope).truth
                if truth is not None:
                    return self.value(body if truth else orelse, scope)
                return joined(self.value(body, scope), self.value(orelse, scope))
            case ast.Tuple(parts) | ast.List(parts) | ast.Set(parts):
                return self._sequence(parts, scope)
            case ast.Dict(keys, values):
                return self._dictionary(keys, values, scope)
            case ast.ListComp(element, generators) | ast.SetComp(element, generators):
                return self._comprehension([element], generators, scope)
            case ast.GeneratorExp(element, generators):
                return self._comprehension([element], generators, scope)
            case ast.DictComp(key, element, generators):
                return self._comprehension([key, element], generators, scope)
            case ast.Lambda():
                return Value(functions=(Function(node, scope, self.script),), truth=True)
            case ast.NamedExpr(target, inner):
                found = self.value(inner, scope)
                self.assign(target, found, scope)
                return found
            case ast.Await(inner) | ast.Starred(inner) | ast.YieldFrom(inner):
                found = self.value(inner, scope)
                if isinstance(node, ast.YieldFrom):
                    self.returned.append(found)
                return found
            case ast.Yield(inner):
                found = self.value(inner, scope) if inner is not None else Value()
                holder = Value()
                holder.add(found)
                holder.fields[UNKNOWN] = found
                self.returned.append(holder)
                return Value()
        return Value()

    def attribute(self, base: Value, name: str) -> Value:
        """An attribute of a value."""
        known = base.fields.get(name)
        if known is not None:
            if known.functions and not _is_module(base):
                bound = tuple(replace(one, bound=base) for one in known.functions)
                return Value(known.taints, known.texts, known.names, bound, known.fields)
            return known
        names = frozenset(f"{one}.{name}"[:300] for one in base.names)
        texts = (
            base.texts if name in ("name", "stem", "parent", "path") and base.handles == frozenset() else frozenset()
        )
        if name == "parent":
            texts = frozenset(text.rpartition("/")[0] or "." for text in base.texts)
        return Value(base.all(), texts, names, splits=base.splits, handles=base.handles)

    def subscript(self, base: Value, key: ast.expr, scope: Scope) -> Value:
        """A part of a value."""
        if isinstance(key, ast.Slice):
            upper = self.value(key.upper, scope) if key.upper else Value()
            lower = self.value(key.lower, scope) if key.lower else Value(number=0)
            if base.whole and upper.number is not None and upper.number >= 0:
                return sliced(base, max(upper.number - max(lower.number or 0, 0), 0))
            return base
        at = self.value(key, scope)
        if "os.environ" in base.names:
            return self.variable(at)
        words = [self.script, *(self.run.argv or ())] if "sys.argv" in base.names else []
        if at.number and -len(words) < at.number < len(words):
            return text_value(words[at.number])
        name = self.key(at)
        if base.splits:
            return self.split(base, at, key.lineno)
        if name is not None and name in base.fields:
            return base.fields[name]
        return self.element(base)

    def variable(self, name: Value) -> Value:
        """A variable of the environment."""
        texts = frozenset(self.run.env[one] for one in name.texts if one in self.run.env)
        return Value(texts=texts, names=frozenset(f"os.environ[{one}]" for one in name.texts))

    def split(self, base: Value, name: Value, line: int) -> Value:
        """A split of data sets of which none has been chosen so far."""
        taints = base.taints
        for repo, config in base.splits:
            for text in name.texts or {UNKNOWN}:
                taints |= self.test_rows(repo, config, text, line)
        return Value(taints, whole=True)

    def test_rows(self, repo: str, config: str, split: str, line: int) -> Taints:
        """The taint of a data set's split, if its rows are test items."""
        answer = self.run.host.files.test_data.repository(repo, config, split)
        if answer is False:
            return NONE
        shown = split.replace(UNKNOWN, "?")
        items = None
        if "[:" in split and (end := split.partition("[:")[2].rstrip("]")).isdigit():
            items = int(end)
        return self.source(
            Taint("test", f"load_dataset({repo!r}, split={shown!r})", self.script, line, items, answer is True)
        )

    def source(self, taint: Taint) -> Taints:
        """Note a source."""
        self.run.result.sources.add(taint)
        return frozenset([taint])

    def sink(self, line: int, how: str, value: Value) -> None:
        """Note that a value is trained on."""
        taints = value.all()
        for repo, config in value.all_splits():
            taints |= self.test_rows(repo, config, UNKNOWN, line)
        self.run.result.sinks.append(Sink(self.script, line, how, taints))

    def unrolled(self, value: Value) -> list[Value]:
        """The elements of a short sequence that is known element by element; [] for any other."""
        parts = [part for name, part in value.fields.items() if name.isdigit()]
        if len(parts) != len(value.fields) or len(parts) > UNROLLED or value.taints or value.splits:
            return []
        return parts

    def element(self, value: Value) -> Value:
        """What iterating over a value gives."""
        inner = value.fields.get(UNKNOWN)
        if value.splits:
            return joined(Value(value.all(), handles=value.handles), self.split(value, Value(), 0))
        if inner is not None:
            return joined(inner, Value(value.taints)) if value.taints - inner.all() else inner
        if value.fields:
            parts = [part for name, part in value.fields.items() if name.isdigit()]
            if parts and not value.taints:
                return joined(*parts[:20])
        return Value(
            value.all(), texts=frozenset(t for t in value.texts if "/" in t or "*" in t), handles=value.handles
        )

    def _binary(self, left: Value, operator: ast.operator, right: Value) -> Value:
        if isinstance(operator, ast.Sub):
            return Value(left.all(), fields={k: v for k, v in left.fields.items() if k == UNKNOWN})
        texts: frozenset[str] = frozenset()
        if ARGV_INDEX in left.names and isinstance(operator, ast.Add) and None not in (left.number, right.number):
            return Value(number=(left.number or 0) + (right.number or 0))
        if isinstance(operator, ast.Div) and (left.texts or "pathlib.Path()" in left.names or right.texts):
            texts = bounded(frozenset(f"{a}/{b}" for a in left.texts or {UNKNOWN} for b in right.texts or {UNKNOWN}))
            return Value(left.all() | right.all(), texts, left.names)
        if isinstance(operator, ast.Add) and (left.texts or right.texts) and left.number is None:
            texts = concatenated([left.texts, right.texts])
        if isinstance(operator, ast.Mod) and left.texts:
            texts = frozenset(UNKNOWN.join(text.replace("%s", UNKNOWN).split(UNKNOWN)) for text in left.texts)
        if isinstance(operator, ast.Mult):
            return left if left.all() or not right.all() else right
        whole = Value(left.all() | right.all(), texts, splits=left.all_splits() | right.all_splits())
        inner = [value.fields[UNKNOWN] for value in (left, right) if UNKNOWN in value.fields]
        if len(inner) == 2:
            whole.fields[UNKNOWN] = joined(*inner)
        return whole

    def _boolean(self, values: list[Value], operator: ast.boolop) -> Value:
        wanted = isinstance(operator, ast.Or)
        for value in values:
            if value.truth is wanted:
                return Value(truth=wanted) if not value.all() else value
        truths = {value.truth for value in values}
        whole = joined(*values)
        whole.truth = (not wanted) if truths == {not wanted} else None
        return whole

    def _compared(self, left: Value, operators: list[ast.cmpop], others: list[Value]) -> Value:
        if len(others) == 1 and len(left.texts) == 1 and len(others[0].texts) == 1:
            one, other = next(iter(left.texts)), next(iter(others[0].texts))
            if UNKNOWN not in one + other and not left.number and isinstance(operators[0], ast.Eq | ast.NotEq):
                return Value(truth=(one == other) is isinstance(operators[0], ast.Eq))
        return Value()

    def _sequence(self, parts: list[ast.expr], scope: Scope) -> Value:
        whole = Value(truth=bool(parts) or None)
        if len(parts) > 200:  # a table of constants
            for part in parts[:2000]:
                whole.add(self.value(part, scope))
            return whole
        for index, part in enumerate(parts):
            found = self.value(part, scope)
            if isinstance(part, ast.Starred):
                whole.add(found)
                whole.set_field(UNKNOWN, self.element(found))
            else:
                whole.fields[str(index)] = found
        return whole

    def _dictionary(self, keys: list[ast.expr | None], values: list[ast.expr], scope: Scope) -> Value:
        whole = Value(truth=bool(values) or None)
        for key, node in list(zip(keys, values, strict=True))[:2000]:
            found = self.value(node, scope)
            if key is None:
                whole.fields.update(found.fields)
                whole.add(found)
            elif (name := self.key(self.value(key, scope))) is not None:
                whole.set_field(name, found)
            else:
                whole.add(found)
        return whole

    def _comprehension(self, elements: list[ast.expr], generators: list[ast.comprehension], scope: Scope) -> Value:
        inner = Scope(parent=scope)
        first = self.value(generators[0].iter, inner)
        if len(generators) == 1 and (few := self.unrolled(first)):
            return self._listed(elements, generators[0], few, inner)
        over = [Value()]
        for generator in generators:
            over.append(first if generator is generators[0] else self.value(generator.iter, inner))
            self.assign(generator.target, self.element(over[-1]), inner)
            for test in generator.ifs:
                self.value(test, inner)
        found = [self.value(element, inner) for element in elements]
        whole = Value(all_of(found), splits=frozenset().union(*(one.all_splits() for one in found)))
        whole.fields[UNKNOWN] = found[-1]
        whole.whole = len(over) == 2 and over[1].whole
        return whole

    def _listed(self, elements: list[ast.expr], generator: ast.comprehension, few: list[Value], inner: Scope) -> Value:
        """A comprehension over a short sequence, element by element."""
        whole = Value()
        for number, one in enumerate(few):
            self.assign(generator.target, one, inner)
            if any(self.value(test, inner).truth is False for test in generator.ifs):
                continue
            found = [self.value(element, inner) for element in elements]
            name = self.key(found[0]) if len(found) == 2 else str(number)
            if name is None:
                whole.add(found[-1])
            else:
                whole.fields[name] = found[-1]
        return whole

    def key(self, value: Value) -> str | None:
        """The text that a value is for sure."""
        if len(value.texts) == 1 and not value.all() and UNKNOWN not in (text := next(iter(value.texts))):
            return text
        return None

    def _is_item(self, node: ast.Constant) -> bool:
        """Whether a test item begins on a line of this text."""
        if self.script != self.run.script:
            return False
        return any(node.lineno <= line <= (node.end_lineno or node.lineno) for line in self.run.literal_lines)

    def visit(self) -> None:
        """Count a step."""
        self.run.visits += 1
        if self.run.visits > MOST_VISITS:
            raise TooLongError


def all_of(values: Sequence[Value]) -> Taints:
    """The taints of some values together."""
    return frozenset().union(*(value.all() for value in values)) if values else NONE


def _is_module(value: Value) -> bool:
    return "__name__" in value.fields
