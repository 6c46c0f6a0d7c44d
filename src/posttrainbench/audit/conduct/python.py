"""Follows data through a Python script without running it: which values may come from test data or a hosted model.

An abstract interpreter over the syntax tree. Statements are read in order, both sides of an unknown condition, bodies
of loops twice; calls of functions in the script, or in scripts that it imports, are read with their arguments.
Choosing among rows by comparing them with test data is no flow: what a condition says does not taint what it guards.

Covers: what `calls` knows of libraries, closures, classes and their instances, command lines (`argparse`), files.

Does not cover: `eval`, `exec`, `getattr` by computed names, decorators that replace functions, generators that receive
values, threads. What is not understood passes on the origins of its arguments.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from posttrainbench.audit.conduct.state import Files
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

LONGEST_SCRIPT = 2**20
MOST_VISITS = 150_000
DEEPEST_CALL = 10
DEEPEST_LOOP = 3
SHORTEST_ITEM = 20


class NotReadError(Exception):
    """A script cannot be analysed; the message says why."""


class _TooLongError(Exception):
    """The analysis has taken as many steps as it may."""


@dataclass(frozen=True)
class Sink:
    """A place where data is trained on.

    Attributes:
        how: such as `SFTTrainer(train_dataset=...)`.
    """

    script: str
    line: int
    how: str
    taints: Taints


@dataclass
class Read:
    """What an analysis of a script found.

    Attributes:
        sinks: where something was trained on, tainted or not.
        sources: what was taken from test data or hosted models, used or not.
        complete: False where the analysis ended early.
        output: origins of what it prints.
    """

    sinks: list[Sink] = field(default_factory=list)
    sources: set[Taint] = field(default_factory=set)
    complete: bool = True
    output: Taints = NONE


class Host(Protocol):
    """What surrounds a script: its files, its neighbours, its shell."""

    files: Files

    def module(self, name: str, cwd: str) -> tuple[str, str] | None:
        """(path, text) of a script that can be imported by this name."""
        ...

    def shell(self, text: str, cwd: str, env: dict[str, str]) -> Taints:
        """Run a command on the files; the origins of what it prints."""
        ...


@dataclass
class Run:
    """One analysis of one script.

    Attributes:
        argv: what follows the script's name on its command line; None where nobody knows.
        env: variables of its environment.
        stdin: origins of what it is fed with.
        literal_lines: lines on which test items are written out.
        literal: where these come from.
    """

    host: Host
    script: str
    cwd: str = ""
    argv: list[str] | None = None
    env: dict[str, str] = field(default_factory=dict)
    stdin: Taints = NONE
    literal_lines: frozenset[int] = frozenset()
    literal: Taint | None = None
    result: Read = field(default_factory=Read)
    visits: int = 0
    modules: dict[str, Scope] = field(default_factory=dict)


def parse(text: str) -> ast.Module:
    """The syntax tree of a script; lines that only a notebook understands are left out.

    Raises:
        NotReadError: it is too large, no Python 3, or nested too deeply.
    """
    if len(text) > LONGEST_SCRIPT:
        raise NotReadError("it is larger than 1 MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.parse(text)
            except SyntaxError:
                lines = text.split("\n")
                kept = [
                    line[: len(line) - len(bare)] + "pass" if (bare := line.lstrip()).startswith(("!", "%")) else line
                    for line in lines
                ]
                return ast.parse("\n".join(kept))
    except SyntaxError as error:
        raise NotReadError(f"it is no Python 3 (line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotReadError(f"it cannot be parsed ({type(error).__name__})") from None


def analyse(tree: ast.Module, run: Run) -> Read:
    """Follow the data of a script; files are read from and written to `run.host.files`."""
    reader = Interpreter(run, run.script)
    try:
        reader.block(tree.body, Scope({"__name__": text_value("__main__"), "__file__": text_value(run.script)}))
    except (_TooLongError, RecursionError):
        run.result.complete = False
    return run.result


class Interpreter:
    """Reads the statements and expressions of one script."""

    def __init__(self, run: Run, script: str, depth: int = 0) -> None:
        self.run = run
        self.script = script
        self.depth = depth
        self.returned: list[Value] = []
        self.loops = 0

    # --- statements ---

    def block(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        """Read statements in order."""
        for statement in body:
            self.statement(statement, scope)
            if isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break):
                break

    def statement(self, node: ast.stmt, scope: Scope) -> None:
        """Read one statement."""
        self._visit()
        match node:
            case ast.Expr(value):
                self.value(value, scope)
            case ast.Assign(targets, value):
                found = self.value(value, scope)
                for target in targets:
                    self.assign(target, found, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.assign(target, self.value(value, scope), scope)
            case ast.AugAssign(target, operator, value):
                added = self.value(value, scope)
                self._augment(target, operator, added, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._define(node, scope)
            case ast.Return(value):
                self.returned.append(self.value(value, scope) if value else Value())
            case ast.If(test, body, orelse):
                self._branch(test, body, orelse, scope)
            case ast.For(target, iterable, body, orelse) | ast.AsyncFor(target, iterable, body, orelse):
                over = self.element(self.value(iterable, scope))
                for _ in self._rounds():
                    self.assign(target, over, scope)
                    self._weak(body, scope)
                self.block(orelse, scope)
            case ast.While(test, body, orelse):
                if self.value(test, scope).truth is not False:
                    for _ in self._rounds():
                        self._weak(body, scope)
                self.block(orelse, scope)
            case ast.With(items, body) | ast.AsyncWith(items, body):
                for item in items:
                    opened = self.value(item.context_expr, scope)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, opened, scope)
                self.block(body, scope)
            case ast.Try(body, handlers, orelse, final) | ast.TryStar(body, handlers, orelse, final):
                self.block(body, scope)
                for handler in handlers:
                    self._weak(handler.body, scope)
                self.block(orelse, scope)
                self.block(final, scope)
            case ast.Import(names):
                for alias in names:
                    top = alias.name.split(".")[0]
                    bound = self._imported(alias.name if alias.asname else top)
                    scope.names[alias.asname or top] = bound
            case ast.ImportFrom(module, names, _):
                for alias in names:
                    self._import_from(module or "", alias, scope)
            case ast.Match(subject, cases):
                self.value(subject, scope)
                for case in cases:
                    self._weak(case.body, scope)
            case ast.Global(names) | ast.Nonlocal(names):
                outer = scope
                while outer.parent is not None:
                    outer = outer.parent
                for name in names:
                    scope.names.setdefault(name, outer.names.setdefault(name, Value()))
            case ast.Assert(test, _):
                self.value(test, scope)
            case _:
                pass

    def _rounds(self) -> Iterator[int]:
        """Bodies of loops are read twice, what one round leaves for the next; those deep inside of others once."""
        self.loops += 1
        yield from range(2 if self.loops <= DEEPEST_LOOP else 1)
        self.loops -= 1

    def _branch(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], scope: Scope) -> None:
        truth = self.value(test, scope).truth
        if truth is True:
            self.block(body, scope)
        elif truth is False:
            self.block(orelse, scope)
        else:
            self._weak(body, scope)
            self._weak(orelse, scope)

    def _weak(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        """Read statements that may not be reached: what they assign may also be what it was."""
        before = dict(scope.names)
        self.block(body, scope)
        for name, value in list(scope.names.items()):
            old = before.get(name)
            if old is not None and old is not value:
                scope.names[name] = joined(old, value)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: Scope) -> None:
        value = Value(functions=(Function(node, scope, self.script),), truth=True)
        if isinstance(node, ast.ClassDef):
            inner = Scope(parent=scope)
            self.block(node.body, inner)
            value.fields = inner.names
            value.names = frozenset(
                name for base in node.bases for name in self.value(base, scope).names or {ast.unparse(base)[:100]}
            )
        scope.names[node.name] = value

    def _imported(self, name: str) -> Value:
        found = self.run.host.module(name, self.run.cwd)
        if found is None:
            return Value(names=frozenset([name]), truth=True)
        path, text = found
        scope = self.run.modules.get(path)
        if scope is None:
            scope = self.run.modules[path] = Scope({"__name__": text_value(name), "__file__": text_value(path)})
            if self.depth < DEEPEST_CALL:
                try:
                    tree = parse(text)
                except NotReadError:
                    return Value(names=frozenset([name]), truth=True)
                Interpreter(self.run, path, self.depth + 1).block(tree.body, scope)
        return Value(names=frozenset([name]), fields=scope.names, truth=True)

    def _import_from(self, module: str, alias: ast.alias, scope: Scope) -> None:
        source = self._imported(module)
        if alias.name == "*":
            scope.names.update({name: value for name, value in source.fields.items() if not name.startswith("__")})
            return
        name = alias.asname or alias.name
        inner = source.fields.get(alias.name)
        scope.names[name] = (
            inner if inner is not None else Value(names=frozenset([f"{module}.{alias.name}"]), truth=True)
        )

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind a target to a value."""
        match target:
            case ast.Name(name):
                scope.names[name] = value
            case ast.Tuple(parts) | ast.List(parts):
                starred = any(isinstance(part, ast.Starred) for part in parts)
                for index, part in enumerate(parts):
                    inner = value.fields.get(str(index)) if not starred else None
                    self.assign(part, inner if inner is not None else self.element(value), scope)
            case ast.Starred(inner_target):
                self.assign(inner_target, value, scope)
            case ast.Attribute(base, name):
                owner = self.value(base, scope)
                owner.set_field(name, value)
                self._attribute_sink(owner, name, value, target.lineno)
            case ast.Subscript(base, key):
                owner, at = self.value(base, scope), self.value(key, scope)
                if "os.environ" in owner.names and value.texts:
                    self.run.env.update({name: next(iter(value.texts)) for name in at.texts})
                place = self._key(at)
                if place is not None:
                    owner.set_field(place, value)
                else:
                    owner.add(value)
                    owner.set_field(UNKNOWN, value)
            case _:
                pass

    def _augment(self, target: ast.expr, operator: ast.operator, added: Value, scope: Scope) -> None:
        old = self.value(target, scope)
        if isinstance(operator, ast.Sub):
            return
        if old.texts or old.number is not None:
            new = joined(old, added)
            new.texts = concatenated([old.texts, added.texts]) if old.texts else frozenset()
            self.assign(target, new, scope)
        else:
            old.add(added)

    def _attribute_sink(self, owner: Value, name: str, value: Value, line: int) -> None:
        if name == "train_dataset" and any(trainer.endswith("Trainer()") for trainer in owner.names):
            self.sink(line, f"trainer.{name} = ...", value)

    # --- expressions ---

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """What an expression may be."""
        self._visit()
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
                return Value(_all(values), texts)
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
        name = self._key(at)
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
            elif (name := self._key(self.value(key, scope))) is not None:
                whole.set_field(name, found)
            else:
                whole.add(found)
        return whole

    def _comprehension(self, elements: list[ast.expr], generators: list[ast.comprehension], scope: Scope) -> Value:
        inner = Scope(parent=scope)
        over = [Value()]
        for generator in generators:
            over.append(self.value(generator.iter, inner))
            self.assign(generator.target, self.element(over[-1]), inner)
            for test in generator.ifs:
                self.value(test, inner)
        found = [self.value(element, inner) for element in elements]
        whole = Value(_all(found), splits=frozenset().union(*(one.all_splits() for one in found)))
        whole.fields[UNKNOWN] = found[-1]
        whole.whole = len(over) == 2 and over[1].whole
        return whole

    def _key(self, value: Value) -> str | None:
        if len(value.texts) == 1 and not value.all() and UNKNOWN not in (text := next(iter(value.texts))):
            return text
        return None

    # --- calls ---

    def call(self, node: ast.Call, scope: Scope) -> Value:
        """What a call gives."""
        from posttrainbench.audit.conduct.calls import Call, known_call

        receiver = self.value(node.func.value, scope) if isinstance(node.func, ast.Attribute) else None
        if receiver is not None and isinstance(node.func, ast.Attribute):
            function = self.attribute(receiver, node.func.attr)
        else:
            function = self.value(node.func, scope)
        arguments = [self.value(one, scope) for one in node.args]
        named: dict[str, Value] = {}
        for keyword in node.keywords:
            found = self.value(keyword.value, scope)
            if keyword.arg is not None:
                named[keyword.arg] = found
            else:
                named.update(found.fields)
                if found.taints:
                    named[UNKNOWN] = Value(found.taints)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        call = Call(self, node, function, last, receiver, arguments, named)
        known = known_call(call)
        if known is not None:
            return known
        if function.functions:
            results = [self.apply(one, arguments, named) for one in function.functions[:3]]
            return joined(*results)
        return call.default()

    def apply(self, function: Function, arguments: list[Value], named: dict[str, Value]) -> Value:
        """Read the body of a function with these arguments."""
        node = function.node
        if self.depth >= DEEPEST_CALL:
            return Value(_all([*arguments, *named.values()]))
        inner = Interpreter(self.run, function.script, self.depth + 1)
        if isinstance(node, ast.ClassDef):
            return self._instance(function, node, arguments, named)
        scope = Scope(parent=function.scope)
        self._bind(node, scope, arguments, named, function.bound)
        if isinstance(node, ast.Lambda):
            return inner.value(node.body, scope)
        inner.block(node.body, scope)
        return joined(*inner.returned) if inner.returned else Value()

    def _instance(
        self, function: Function, node: ast.ClassDef, arguments: list[Value], named: dict[str, Value]
    ) -> Value:
        owner = function.scope.names.get(node.name)
        made = Value(truth=True)
        if owner is not None:
            made.names = frozenset(f"{name}()" for name in owner.names)
            made.fields = dict(owner.fields)
        init = made.fields.get("__init__")
        if init is not None and init.functions:
            self.apply(replace(init.functions[0], bound=made), arguments, named)
        else:
            for index, argument in enumerate(arguments):
                made.fields[f"argument {index}"] = argument
            made.fields.update(named)
        return made

    def _bind(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        scope: Scope,
        arguments: list[Value],
        named: dict[str, Value],
        bound: Value | None,
    ) -> None:
        given = list(arguments)
        static = not isinstance(node, ast.Lambda) and any(
            isinstance(one, ast.Name) and one.id == "staticmethod" for one in node.decorator_list
        )
        if bound is not None and not static:
            given.insert(0, bound)
        parameters = [*node.args.posonlyargs, *node.args.args]
        defaults = [None] * (len(parameters) - len(node.args.defaults)) + list(node.args.defaults)
        for index, (parameter, default) in enumerate(zip(parameters, defaults, strict=True)):
            if index < len(given):
                scope.names[parameter.arg] = given[index]
            elif parameter.arg in named:
                scope.names[parameter.arg] = named[parameter.arg]
            else:
                scope.names[parameter.arg] = self.value(default, scope) if default is not None else Value()
        for parameter, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            found = named.get(parameter.arg)
            if found is None:
                found = self.value(default, scope) if default is not None else Value()
            scope.names[parameter.arg] = found
        if node.args.vararg is not None:
            rest = Value()
            for index, argument in enumerate(given[len(parameters) :]):
                rest.fields[str(index)] = argument
            scope.names[node.args.vararg.arg] = rest
        if node.args.kwarg is not None:
            scope.names[node.args.kwarg.arg] = Value(fields=dict(named))

    def call_value(self, function: Value, arguments: list[Value]) -> Value:
        """The result of calling a value that was passed as an argument."""
        if function.functions:
            return joined(*(self.apply(one, arguments, {}) for one in function.functions[:2]))
        return Value(_all(arguments))

    def _is_item(self, node: ast.Constant) -> bool:
        """Whether a test item begins on a line of this text."""
        if self.script != self.run.script:
            return False
        return any(node.lineno <= line <= (node.end_lineno or node.lineno) for line in self.run.literal_lines)

    def _visit(self) -> None:
        self.run.visits += 1
        if self.run.visits > MOST_VISITS:
            raise _TooLongError


def _all(values: Sequence[Value]) -> Taints:
    return frozenset().union(*(value.all() for value in values)) if values else NONE


def _is_module(value: Value) -> bool:
    return "__name__" in value.fields
