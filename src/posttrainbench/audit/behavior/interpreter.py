"""Abstract interpreter of Python scripts. See `script_analysis` for what is and is not followed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from posttrainbench.audit.behavior import choices, concrete, operations, row_operators, row_subscripts, selection
from posttrainbench.audit.behavior import libraries as lib
from posttrainbench.audit.behavior.call import Call, LibraryModel
from posttrainbench.audit.behavior.concrete import literal_value
from posttrainbench.audit.behavior.followed import MAYBE, FollowedRows
from posttrainbench.audit.behavior.library_models.configuration import from_decorators
from posttrainbench.audit.behavior.operations import attribute, exact_text, taints_of, unrolled
from posttrainbench.audit.behavior.rows import WITHOUT
from posttrainbench.audit.behavior.script_analysis import (
    SPLITS,
    NotReadError,
    ScriptContext,
    ScriptResult,
    TooLongError,
    parse,
)
from posttrainbench.audit.behavior.values import (
    EVERY,
    NONE,
    UNKNOWN,
    Function,
    Scope,
    Value,
    concatenated,
    cut,
    joined,
    key_of,
    sliced,
    text_value,
    unclear,
)

ANY_ROW = Value(names=frozenset([EVERY]))
MOST_NESTED_CALLS = 10
MOST_NESTED_LOOPS = 3
_ENDS = {ast.Return: "return", ast.Raise: "return", ast.Continue: "continue", ast.Break: "break"}
_IMPORTS = frozenset(("importlib.import_module", "__import__"))


def analyze(tree: ast.Module, context: ScriptContext, models: Sequence[LibraryModel]) -> ScriptResult:
    """Follow the data of a script; files are read from and written to `context.environment.files`.

    Args:
        tree: the script's syntax tree.
        context: the script's label, arguments and environment.
        models: models of library functions; the first one that knows a function decides.
    """
    interpreter = Interpreter(context, context.script, models)
    scope = Scope({"__name__": text_value("__main__"), "__file__": text_value(context.script)})
    interpreter.check(tree)
    try:
        interpreter.block(tree.body, scope)
    except (TooLongError, RecursionError):
        context.result.complete = False
    context.start()
    return context.result


class Interpreter(FollowedRows):
    """Interprets the statements and expressions of one script, or of one function call in it.

    Attributes:
        context: state of the analysis.
        script: label of the script that contains the code.
        returned: values that the function has returned or yielded.
    """

    def __init__(self, context: ScriptContext, script: str, models: Sequence[LibraryModel], depth: int = 0) -> None:
        self.context = context
        self.script = script
        self.returned: list[Value] = []
        self._models = models
        self._depth = depth
        self._loops = 0
        self._targets: list[list[str]] = []
        self._world = context.world

    # --- statements ---

    def block(self, body: Sequence[ast.stmt], scope: Scope) -> str:
        """Interpret statements in order, and return how control leaves them before their end: "" if it does not."""
        doubt, left = self.context.doubt, ""
        for statement in body:
            self.context.step()
            ended = self.statement(statement, scope)
            if self.context.raised:
                ended = "raise"
            if ended and ended != MAYBE:
                left = ended
                break
            if ended:
                left = MAYBE
                self.context.doubt += 1
            match statement if self._world is None else None:
                case ast.If(test, [*_, ast.Return() | ast.Raise() | ast.Continue() | ast.Break()]):
                    if selection.drops_training_rows(test):
                        self._choose(test, scope)
        self.context.doubt = doubt
        return left

    def statement(self, node: ast.stmt, scope: Scope) -> str:
        """Interpret one statement, and return how control leaves the block that it is in, as in `block`."""
        if self._world is not None and (left := self.followed_statement(node, scope)) is not None:
            return left
        match node:
            case ast.Expr(value):
                self.context.statement = value
                self.value(value, scope)
            case ast.Assign(targets, value):
                result = self.value(value, scope)
                for target in targets:
                    # Which part of a file's content a name gets is unknown.
                    unpacked = isinstance(target, ast.Tuple) and isinstance(value, ast.Call) and not result.fields
                    self.assign(target, cut(result) if unpacked else result, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.assign(target, self.value(value, scope), scope)
            case ast.AugAssign(target, operator, value):
                self._augment(target, operator, self.value(value, scope), scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._define(node, scope)
            case ast.Return(value):
                result = self.value(value, scope) if value else Value()
                self.returned.append(unclear(result) if self.context.doubt else result)
            case ast.If(test, body, orelse):
                truth = self.value(test, scope).truth
                if truth is not None:
                    self.block(body if truth else orelse, scope)
                else:
                    self._branch(body, scope, test, chosen=selection.keeps_training_rows(test))
                    self._branch(orelse, scope, test, chosen=selection.drops_training_rows(test))
            case ast.For(target, iterable, body, orelse) | ast.AsyncFor(target, iterable, body, orelse):
                sequence = self.value(iterable, scope)
                elements = self._elements(sequence)
                self._targets.append([part.id for part in ast.walk(target) if isinstance(part, ast.Name)])
                for _ in range(1) if elements else self._rounds():
                    for element in elements or [self._element(sequence)]:
                        self.assign(target, element, scope)
                        self._weak(body, scope)
                self._targets.pop()
                self.block(orelse, scope)
            case ast.While(test, body, orelse):
                if self.value(test, scope).truth is not False:
                    for _ in self._rounds():
                        self._weak(body, scope)
                self.block(orelse, scope)
            case ast.With(items, body) | ast.AsyncWith(items, body):
                for item in items:
                    entered = self.value(item.context_expr, scope)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, entered, scope)
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
                    scope.names[alias.asname or top] = self._import(alias.name if alias.asname else top)
            case ast.ImportFrom(module, names, level):
                for alias in names:
                    self._import_from(_absolute(module or "", level or 0, self.script), alias, scope)
            case ast.Match(subject, cases):
                self.value(subject, scope)
                for case in cases:
                    self._weak(case.body, scope)
            case ast.Global(names) | ast.Nonlocal(names):
                for name in names:
                    scope.share(name, scope.outermost() if isinstance(node, ast.Global) else scope.owner(name))
            case ast.Assert(test, _):
                self.value(test, scope)
            case _:
                pass
        return _ENDS.get(type(node), "")

    def _rounds(self) -> Iterator[int]:
        """Yield once per pass over a loop body: twice, so that effects of one pass reach the next; once if nested."""
        self._loops += 1
        yield from range(2 if self._loops <= MOST_NESTED_LOOPS else 1)
        self._loops -= 1

    def _weak(self, body: Sequence[ast.stmt], scope: Scope) -> str:
        """Interpret statements that may not be executed: join assigned values with the values from before."""
        before = dict(scope.names)
        left = self.block(body, scope)
        for name, value in list(scope.names.items()):
            old = before.get(name)
            if old is not None and old is not value:
                scope.names[name] = joined(old, value)
        return left

    def _branch(self, body: Sequence[ast.stmt], scope: Scope, test: ast.expr, *, chosen: bool) -> None:
        """Interpret a branch; `chosen`: it is only for rows of the training split."""
        before = dict(scope.names)
        if chosen:
            self._choose(test, scope)
        within = dict(scope.names)
        self._weak(body, scope)
        for name, value in within.items():
            if name in before and scope.names.get(name) is value:
                scope.names[name] = before[name]

    def _choose(self, test: ast.expr, scope: Scope) -> None:
        """Take test data out of the row that a condition is about."""
        names = [node.id for node in ast.walk(test) if isinstance(node, ast.Name)]
        rows = [name for name in names if name in scope.names and scope.names[name].all()]
        for name in (*rows, *(self._targets[-1] if rows and self._targets else ())):
            scope.names[name] = selection.without_test_data(scope.names[name])

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: Scope) -> None:
        value = Value(functions=(Function(node, scope, self.script),), truth=True)
        if isinstance(node, ast.ClassDef):
            inner = Scope(parent=scope)
            self.block(node.body, inner)
            value.fields = inner.names
            value.names = frozenset(
                name for base in node.bases for name in self.value(base, scope).names or {ast.unparse(base)[:100]}
            )
        for decorator in node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(called, ast.Attribute) and called.attr in ("command", "callback"):
                self.value(called.value, scope).fields["__command__"] = value
        if self._world is not None and not isinstance(node, ast.ClassDef):
            value = self._decorated(value, node, scope)
        scope.names[node.name] = value

    def _decorated(self, value: Value, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Value:
        """Return a function as decorators of the script make it."""
        for decorator in reversed(node.decorator_list):
            made = self.value(decorator, scope)
            if made.functions:
                value = self.call_value(made, [value])
        return value

    def _import(self, name: str) -> Value:
        found = self.context.environment.module(name, self.context.cwd)
        if found is None:
            return Value(names=frozenset([name]), truth=True)
        path, text = found
        scope = self.context.modules.get(path)
        if scope is None:
            scope = Scope({"__name__": text_value(name), "__file__": text_value(path)})
            self.context.modules[path] = scope
            if self._depth < MOST_NESTED_CALLS:
                try:
                    tree = parse(text)
                except NotReadError:
                    return Value(names=frozenset([name]), truth=True)
                self.check(tree)
                Interpreter(self.context, path, self._models, self._depth + 1).block(tree.body, scope)
        return Value(names=frozenset([name]), fields=scope.names, truth=True)

    def _import_from(self, module: str, alias: ast.alias, scope: Scope) -> None:
        source = self._import(module)
        if alias.name == "*":
            scope.names.update({name: value for name, value in source.fields.items() if not name.startswith("__")})
            return
        value = source.fields.get(alias.name)
        if value is None and "__file__" in source.fields:  # a module of the package
            value = self._import(f"{module}.{alias.name}")
        if value is None:
            value = Value(names=frozenset([f"{module}.{alias.name}"]), truth=True)
        scope.names[alias.asname or alias.name] = value

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind a target to a value."""
        if self.context.doubt and choices.is_followed(value):
            value = unclear(value)
        match target:
            case ast.Name(name):
                self._bind(name, value, scope)
            case ast.Tuple(parts) | ast.List(parts):
                starred = any(isinstance(part, ast.Starred) for part in parts)
                for index, part in enumerate(parts):
                    inner = value.fields.get(str(index)) if not starred else None
                    self.assign(part, inner if inner is not None else self._element(value), scope)
            case ast.Starred(inner_target):
                self.assign(inner_target, value, scope)
            case ast.Attribute(base, name):
                owner = self.value(base, scope)
                owner.set_field(name, value, certain=self._certain)
                self.stored(target, owner, value, scope)
                owner.label = None if name == "index" else owner.label
                if name in lib.ADDRESS and owner.names & lib.tables().clients.keys() and value.texts:
                    self.context.env["OPENAI_BASE_URL"] = min(value.texts)
            case ast.Subscript(base, key):
                owner, index_value = self.value(base, scope), self.value(key, scope)
                for path, _ in sorted(owner.handles) if value.all() else ():  # rows of an array in a file
                    self.context.environment.files.write(path, value.all(), self.context.cwd, append=True)
                if "os.environ" in owner.names and value.texts:
                    self.context.env.update({name: next(iter(value.texts)) for name in index_value.texts})
                field = exact_text(index_value)
                if self._world is not None and isinstance(key, ast.Slice) and self._holds_rows(owner, value):
                    self._set_slice(owner, key, value, scope)
                elif self._world is not None:
                    row_subscripts.set_item(owner, key, index_value, value, certain=self._certain)
                    owner.closed &= not (owner.mapping and (self.context.loops or self.context.uncertain))
                    self.stored(target, owner, value, scope)
                elif field is not None:
                    owner.set_field(field, value)
                else:
                    owner.add(value)
                    owner.set_field(UNKNOWN, value)
            case _:
                pass

    def _bind(self, name: str, value: Value, scope: Scope) -> None:
        """Bind a name, which may be declared as `global` or `nonlocal`."""
        if (owner := scope.shared.get(name)) is not None:
            old = owner.names.get(name)
            owner.names[name] = value if self._certain or old is None or old is value else joined(old, value)
        scope.names[name] = value

    def _augment(self, target: ast.expr, operator: ast.operator, added: Value, scope: Scope) -> None:
        old = self.value(target, scope)
        if self._world is not None and choices.is_list(old) and not isinstance(operator, ast.Add | ast.BitOr):
            self._change(old, row_operators.binary(old, operator, added))
            return
        if isinstance(operator, ast.Sub):
            return
        if self.context.doubt:
            added = unclear(added)
        if self._world is not None and not old.texts and old.number is None and not old.handles:
            row_operators.extend(old, added)
            old.set_field(UNKNOWN, self._element(added)) if UNKNOWN not in old.fields and added.all() else None
            return
        if old.texts or old.number is not None:
            new = joined(old, added)
            new.texts = concatenated([old.texts, added.texts]) if old.texts else frozenset()
            self.assign(target, new, scope)
        else:
            old.add(added)

    # --- expressions ---

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """Return the abstract value of an expression."""
        self.context.step()
        if self._world is not None and (result := self.followed_value(node, scope)) is not None:
            return result
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name(name):
                return scope.find(name) or Value(names=frozenset([name]))
            case ast.JoinedStr(parts):
                values = [self.value(part, scope) for part in parts]
                return Value(taints_of(values), concatenated([value.texts for value in values]))
            case ast.FormattedValue(value=inner):
                return self.value(inner, scope)
            case ast.Attribute(base, name):
                result = attribute(self.value(base, scope), name)
                if "sys.stdin" in result.names:
                    result.taints |= self.context.stdin
                return result
            case ast.Subscript(base, key):
                return self._subscript(self.value(base, scope), key, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.BinOp(left, operator, right):
                return operations.binary(self.value(left, scope), operator, self.value(right, scope))
            case ast.BoolOp(values=parts, op=operator):
                return operations.boolean([self.value(part, scope) for part in parts], operator)
            case ast.UnaryOp(op, operand):
                return operations.unary(op, self.value(operand, scope))
            case ast.Compare(left, operators, others):
                return operations.compare(
                    self.value(left, scope), operators, [self.value(one, scope) for one in others]
                )
            case ast.IfExp(test, body, orelse):
                truth = self.value(test, scope).truth
                if truth is not None:
                    return self.value(body if truth else orelse, scope)
                return joined(self.value(body, scope), self.value(orelse, scope))
            case ast.Tuple(parts) | ast.List(parts) | ast.Set(parts):
                return self._sequence(parts, scope)
            case ast.Dict(keys, values):
                return self._dictionary(keys, values, scope)
            case ast.ListComp(part, loops) | ast.SetComp(part, loops) | ast.GeneratorExp(part, loops):
                return self._comprehension([part], loops, scope)
            case ast.DictComp(key, part, loops):
                return self._comprehension([key, part], loops, scope)
            case ast.Lambda():
                return Value(functions=(Function(node, scope, self.script),), truth=True)
            case ast.NamedExpr(target, inner):
                result = self.value(inner, scope)
                self.assign(target, result, scope)
                return result
            case ast.Await(inner) | ast.Starred(inner):
                return self.value(inner, scope)
            case ast.YieldFrom(inner):
                result = self.value(inner, scope)
                self.returned.append(unclear(result) if self.context.doubt else result)
                return result
            case ast.Yield(inner):
                result = self.value(inner, scope) if inner is not None else Value()
                generator = Value()
                generator.add(result)
                generator.fields[UNKNOWN] = result
                self.returned.append(unclear(generator) if self.context.doubt else generator)
                return Value()
        return Value()

    def _constant(self, node: ast.Constant) -> Value:
        result = operations.constant(node)
        if self.script == self.context.script:
            result.taints = self.context.literal_taints(node)
        return result

    def _subscript(self, base: Value, key: ast.expr, scope: Scope) -> Value:
        if self._world is not None and (result := self.followed_subscript(base, key, scope)) is not None:
            return result
        if isinstance(key, ast.Slice):
            upper = self.value(key.upper, scope) if key.upper else Value()
            lower = self.value(key.lower, scope) if key.lower else Value(number=0)
            if "sys.argv" in base.names and lower.number is not None and key.step is None:
                words = [self.script, *(self.context.argv or ())][lower.number : upper.number if key.upper else None]
                return operations.words(words, self.context.argv_taints)
            if base.whole and upper.number is not None and upper.number >= 0:
                return cut(sliced(base, max(upper.number - max(lower.number or 0, 0), 0)))
            return cut(base) if operations.leaves_out_rows(key) else base
        if selection.keeps_training_rows(key):
            base = selection.without_test_data(base)
        index = self.value(key, scope)
        if "os.environ" in base.names:
            return self.context.variable(index)
        argv = [self.script, *(self.context.argv or ())] if "sys.argv" in base.names else []
        if index.number and -len(argv) < index.number < len(argv):
            return replace(text_value(argv[index.number]), taints=self.context.argv_taints)
        if base.splits:
            return self.context.select_split(base, index, self.script, key.lineno)
        name = exact_text(index)
        if name is not None and name in base.fields:
            return base.fields[name]
        if base.names & row_subscripts.DEFAULT_DICTS and (name is None or UNKNOWN not in base.fields):
            return base.fields.setdefault(UNKNOWN if name is None else name, Value())
        element = self._element(base)
        if name is None or not selection.names_training(name):
            return element
        # Of the keys of a file, or of groups by a label, one that is called a training split.
        return (selection.without_test_data if UNKNOWN in base.fields else selection.without_file_rows)(element)

    def _elements(self, value: Value) -> list[Value]:
        """Return the elements of a short sequence whose elements are all known; [] for any other value."""
        if value.splits and not value.fields and not value.taints:
            return [text_value(name) for name in SPLITS]  # the keys of a `DatasetDict`
        if self._world is not None:
            keys = [name for name in value.fields if not name.isdigit() and name != UNKNOWN]
            if keys and len(keys) == len(value.fields) and len(keys) <= operations.MOST_UNROLLED:
                names = map(key_of, keys) if value.mapping else keys
                known = [text_value(one) if isinstance(one, str) else literal_value(one, NONE) for one in names]
                return [Value() if one.literal is ... and not one.texts else one for one in known]
        return unrolled(value)

    def _element(self, value: Value) -> Value:
        if self._world is not None:
            if UNKNOWN in value.fields:
                return value.fields[UNKNOWN]
            if WITHOUT in value.names and not value.fields:
                return Value(names=frozenset([choices.OTHER]))
            for name in ("__iter__", "__getitem__"):  # of a data set of the script
                if (known := value.fields.get(name)) is not None and known.functions:
                    made = self.call_value(attribute(value, name), [] if name == "__iter__" else [ANY_ROW])
                    return self._element(made) if name == "__iter__" else made
        return self.context.element(value, self.script)

    def _sequence(self, parts: list[ast.expr], scope: Scope) -> Value:
        result = Value(truth=bool(parts) or None, total=len(parts))
        if len(parts) > 200:  # a table of constants
            for part in parts[:2000]:
                result.add(self.value(part, scope))
            return result
        for index, part in enumerate(parts):
            element = self.value(part, scope)
            if isinstance(part, ast.Starred) and self._world is not None:
                row_operators.extend(result, element)
            elif isinstance(part, ast.Starred):
                result.add(element)
                result.set_field(UNKNOWN, self._element(element))
            else:
                result.fields[str(index)] = element
        return result

    def _dictionary(self, keys: list[ast.expr | None], values: list[ast.expr], scope: Scope) -> Value:
        result = Value(truth=bool(values) or None)
        if self._world is not None and len(values) <= 2000:
            return self.followed_dictionary(keys, values, scope)
        for key, node in list(zip(keys, values, strict=True))[:2000]:
            value = self.value(node, scope)
            if key is not None and (name := exact_text(self.value(key, scope))) is not None:
                result.set_field(name, value)
                continue
            if key is None:
                result.fields.update(value.fields)
                result.closed = value.closed
            result.add(value)
        return result

    def _comprehension(self, parts: list[ast.expr], generators: list[ast.comprehension], scope: Scope) -> Value:
        inner = Scope(parent=scope)
        if self._world is not None:
            return self.followed_comprehension(parts, generators, inner)
        sequence = self.value(generators[0].iter, inner)
        if any(map(selection.keeps_training_rows, generators[0].ifs)):
            sequence = selection.without_test_data(sequence)
        if len(generators) == 1 and (elements := self._elements(sequence)):
            return self._unrolled_comprehension(parts, generators[0], elements, inner)
        for generator in generators:
            over = sequence if generator is generators[0] else self.value(generator.iter, inner)
            self.assign(generator.target, self._element(over), inner)
            for test in generator.ifs:
                self.value(test, inner)
        values = [self.value(part, inner) for part in parts]
        result = Value(taints_of(values), splits=frozenset().union(*(value.all_splits() for value in values)))
        result.fields[UNKNOWN] = values[-1]
        result.whole = len(generators) == 1 and sequence.whole
        return result

    def _unrolled_comprehension(
        self, parts: list[ast.expr], generator: ast.comprehension, elements: list[Value], inner: Scope
    ) -> Value:
        result = Value()
        for number, element in enumerate(elements):
            self.assign(generator.target, element, inner)
            if any(self.value(test, inner).truth is False for test in generator.ifs):
                continue
            values = [self.value(part, inner) for part in parts]
            name = exact_text(values[0]) if len(values) == 2 else str(number)
            if name is None:
                result.add(values[-1])
            else:
                result.fields[name] = values[-1]
        return result

    # --- calls ---

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        receiver = None
        if isinstance(node.func, ast.Attribute):
            receiver = self.value(node.func.value, scope)
            function, last = attribute(receiver, node.func.attr), node.func.attr
        else:
            function, last = self.value(node.func, scope), getattr(node.func, "id", "")
        arguments = self._arguments(node, scope)
        named: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg is not None:
                named[keyword.arg] = value
            else:
                named.update(value.fields)
                if value.taints:
                    named[UNKNOWN] = Value(value.taints)
        if function.names & _IMPORTS and arguments and (module := exact_text(arguments[0])) is not None:
            return self._import(module)
        call = Call(self, node, function, last, receiver, arguments, named, scope)
        result = call.result(self._models)
        if result is not None:
            return result
        if function.functions:
            if not arguments and not named:
                named = from_decorators(call, function.functions[0].node)
            return joined(*(self._apply(target, arguments, named) for target in function.functions[:3]))
        return call.default()

    def _arguments(self, node: ast.Call, scope: Scope) -> list[Value]:
        """Return the positional arguments of a call, those of a known sequence one by one."""
        arguments = []
        for argument in node.args:
            value = self.value(argument, scope)
            several = isinstance(argument, ast.Starred) and self._world is not None and unrolled(value)
            arguments += several or [value]
        return arguments

    def call_value(self, function: Value, arguments: list[Value], named: dict[str, Value] | None = None) -> Value:
        """Return the result of calling `function`, such as a callback."""
        if function.functions:
            return joined(*(self._apply(target, arguments, named or {}) for target in function.functions[:2]))
        if self._world is not None and (known := concrete.mapped(function.names, arguments)) is not None:
            return known
        if self._world is not None and function.names & {"len", "builtins.len"}:
            return Value()
        return Value(taints_of(arguments))

    def _apply(self, function: Function, arguments: list[Value], named: dict[str, Value]) -> Value:
        """Interpret the body of a function with these arguments and return its result."""
        node = function.node
        if self._depth >= MOST_NESTED_CALLS:
            return Value(taints_of([*arguments, *named.values()]))
        if isinstance(node, ast.ClassDef):
            return self._instance(function, node, arguments, named)
        inner = Interpreter(self.context, function.script, self._models, self._depth + 1)
        scope = Scope(parent=function.scope)
        scope.names = operations.bind(
            node, arguments, named, function.bound, lambda default: self._default(default, scope)
        )
        if isinstance(node, ast.Lambda):
            return inner.value(node.body, scope)
        left = inner.block(node.body, scope)
        self.context.raised |= self._world is not None and left == "raise" and self._certain
        if self._world is not None and left != "return" and not any(one.fields.get(UNKNOWN) for one in inner.returned):
            inner.returned.append(Value(truth=False, literal=None))
        return joined(*inner.returned) if inner.returned else Value()

    def _default(self, default: ast.expr, scope: Scope) -> Value:
        """Return the default of a parameter, which all calls share."""
        if self._world is None:
            return self.value(default, scope)
        if default not in self.context.defaults:
            self.context.defaults[default] = self.value(default, scope)
        return self.context.defaults[default]

    def _instance(
        self, function: Function, node: ast.ClassDef, arguments: list[Value], named: dict[str, Value]
    ) -> Value:
        owner = function.scope.names.get(node.name)
        instance = Value(truth=True)
        if owner is not None:
            instance.names = frozenset(f"{name}()" for name in owner.names)
            instance.fields = dict(owner.fields)
        init = instance.fields.get("__init__")
        if init is not None and init.functions:
            self._apply(replace(init.functions[0], bound=instance), arguments, named)
        else:
            instance.fields |= {f"argument {index}": argument for index, argument in enumerate(arguments)} | named
            declared = operations.declared(node)
            instance.fields |= dict(zip(declared, arguments, strict=False))
        after = instance.fields.get("__post_init__")
        if after is not None and after.functions:
            self._apply(replace(after.functions[0], bound=instance), [], {})
        return instance


def _absolute(module: str, level: int, script: str) -> str:
    """Return the dotted name of a module that a script imports with this number of leading dots."""
    if not level:
        return module
    folder = script.rpartition("/")[0].strip("/").split("/")
    parts = [part for part in folder[: len(folder) - level + 1] if part not in ("", ".")]
    return ".".join([*parts, *filter(None, [module])])
