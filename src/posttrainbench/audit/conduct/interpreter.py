"""Reads the statements of a script, its functions and classes. See `python` for the whole."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from posttrainbench.audit.conduct.call import Call
from posttrainbench.audit.conduct.calls import known_call
from posttrainbench.audit.conduct.expressions import Expressions, all_of
from posttrainbench.audit.conduct.python import NotReadError, parse
from posttrainbench.audit.conduct.values import (
    UNKNOWN,
    Function,
    Scope,
    Value,
    concatenated,
    joined,
    text_value,
)

DEEPEST_CALL = 10
DEEPEST_LOOP = 3


class Interpreter(Expressions):
    """Reads the statements and expressions of one script."""

    def block(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        """Read statements in order."""
        for statement in body:
            self.statement(statement, scope)
            if isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break):
                break

    def statement(self, node: ast.stmt, scope: Scope) -> None:
        """Read one statement."""
        self.visit()
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
                over = self.value(iterable, scope)
                few = self.unrolled(over)
                for _ in self._rounds() if not few else range(1):
                    for one in few or [self.element(over)]:
                        self.assign(target, one, scope)
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
                place = self.key(at)
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

    def call(self, node: ast.Call, scope: Scope) -> Value:
        """What a call gives."""
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
            return Value(all_of([*arguments, *named.values()]))
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
        return Value(all_of(arguments))
