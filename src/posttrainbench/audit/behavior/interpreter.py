"""Abstract interpreter of Python scripts. See `script_analysis` for what is and is not followed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from posttrainbench.audit.behavior import (
    choices,
    known_lists,
    lost_flows,
    operations,
    reordering,
    row_operators,
    row_subscripts,
    selection,
    training_branches,
    unreached,
)
from posttrainbench.audit.behavior import libraries as lib
from posttrainbench.audit.behavior.call import LibraryModel
from posttrainbench.audit.behavior.displays import comprehension, dictionary_display, sequence_display
from posttrainbench.audit.behavior.elements import element_of, elements_of
from posttrainbench.audit.behavior.evaluator import MAYBE
from posttrainbench.audit.behavior.folders import Folders
from posttrainbench.audit.behavior.followed_changes import (
    assign_slice,
    change_rows,
    holds_rows,
    record_assignment,
    replace_slice,
)
from posttrainbench.audit.behavior.followed_expressions import followed_subscript, followed_value
from posttrainbench.audit.behavior.followed_statements import followed_statement
from posttrainbench.audit.behavior.function_calls import (
    call_function,
    define,
    defined,
    evaluate_call,
    inlined,
    read_attribute,
)
from posttrainbench.audit.behavior.imports import absolute_name, import_module, import_name
from posttrainbench.audit.behavior.operations import DICTIONARY, exact_text, taints_of
from posttrainbench.audit.behavior.row_loops import RowLoops
from posttrainbench.audit.behavior.script_analysis import ScriptContext, ScriptResult, TooLongError
from posttrainbench.audit.behavior.values import (
    UNKNOWN,
    Scope,
    Value,
    concatenated,
    cut,
    joined,
    sliced,
    text_value,
)

MOST_NESTED_LOOPS = 3
_VOCABULARY = re.compile(r"vocab|stoi|(char|word|token|tok)s?(_to_|2|_?to)_?(id|idx|ix|index|int)", re.IGNORECASE)
"""Names of variables that map words to their ids."""
_EXITS = frozenset(("sys.exit()", "exit()", "quit()", "os._exit()"))
"""Names of what functions return that end a program."""
_ENDS = {ast.Return: "return", ast.Raise: "return", ast.Continue: "continue", ast.Break: "break"}


def analyze(tree: ast.Module, context: ScriptContext, models: Sequence[LibraryModel]) -> ScriptResult:
    """Follow the data of a script; files are read from and written to `context.environment.files`.

    Args:
        tree: the script's syntax tree.
        context: the script's label, arguments and environment.
        models: models of library functions; the first one that knows a function decides.
    """
    interpreter = Interpreter(context, context.script, models)
    scope = Scope({"__name__": text_value("__main__"), "__file__": text_value(_place(context))})
    context.check_hazards(tree)
    try:
        interpreter.block(tree.body, scope)
    except (TooLongError, RecursionError):
        context.result.complete = False
    context.start()
    if context.explores:
        context.loads = context.result.others or bool(context.result.sources)
        unreached.interpret(interpreter, scope)
        lost_flows.suspect(context)
    elif not context.follows_everything:
        lost_flows.conclude(context)
    return context.result


def _place(context: ScriptContext) -> str:
    """Return the absolute path of a script."""
    name = context.script.partition(" (")[0]  # of one of several versions
    return context.environment.files.absolute(name) if name.endswith(".py") else name


def _named(owner: Value, node: ast.expr) -> Value:
    """Return a value with the name that it has in the script."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return replace(owner, names=owner.names | {DICTIONARY}) if _VOCABULARY.search(name) else owner


class Interpreter:
    """Interprets the statements and expressions of one script, or of one function call in it.

    Attributes:
        context: state of the analysis.
        script: label of the script that contains the code.
        models: models of library functions; the first one that knows a function decides.
        depth: number of enclosing calls and imports.
        returned: values that the function has returned or yielded.
        row_loops: loops over rows that contain the statement, where one row is followed.
    """

    def __init__(self, context: ScriptContext, script: str, models: Sequence[LibraryModel], depth: int = 0) -> None:
        self.context = context
        self.script = script
        self.returned: list[Value] = []
        self._yielded: dict[ast.Yield, int] = {}
        self._branches: dict[ast.stmt, ast.stmt] = {}
        self.models = models
        self.depth = depth
        self.row_loops = RowLoops()
        self._loops = 0
        self._targets: list[list[str]] = []
        self._world = context.world

    def nested(self, script: str) -> Interpreter:
        """Return an interpreter for a function that is called, or a module that is imported."""
        return Interpreter(self.context, script, self.models, self.depth + 1)

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
        if self._world is None:
            node = self._branches.get(node) or self._chosen_receiver(node)
        if self._world is not None and (left := followed_statement(self, node, scope)) is not None:
            return left
        match node:
            case ast.Expr(value):
                self.context.statement = value
                result = self.value(value, scope)
                if result.names & _EXITS and self.context.certain and not self.context.loops:
                    self.context.raised = True
            case ast.Assign(targets, value):
                named = lost_flows.enter(self.context, targets[0], value)
                result = self.value(value, scope)
                lost_flows.leave(self.context, named)
                for target in targets:
                    # Which part of a file's content a name gets is unknown.
                    unpacked = isinstance(target, ast.Tuple) and isinstance(value, ast.Call) and not result.fields
                    self._note(target, result)
                    self.assign(target, cut(result) if unpacked else result, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                named = lost_flows.enter(self.context, target, value)
                result = self.value(value, scope)
                lost_flows.leave(self.context, named)
                self._note(target, result)
                self.assign(target, result, scope)
            case ast.AugAssign(target, operator, value):
                self._augment(target, operator, self.value(value, scope), scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                define(self, node, scope)
            case ast.Return(value):
                result = self.value(value, scope) if value else Value()
                self.returned.append(self.context.doubted(result))
            case ast.If(test, body, orelse):
                truth = self.value(test, scope).truth
                if truth is not None:
                    taken = body if truth else orelse
                    left = self.block(taken, scope)
                    if left == "return" and not any(isinstance(one, ast.Raise) for one in taken):
                        return left
                else:
                    known = inlined(self, test, scope)
                    first = training_branches.position(self.context)
                    self._branch(body, scope, test, chosen=selection.keeps_training_rows(known))
                    second = training_branches.position(self.context)
                    self._branch(orelse, scope, test, chosen=selection.drops_training_rows(known))
                    training_branches.settle(self.context, first, second)
            case ast.For(target, iterable, body, orelse) | ast.AsyncFor(target, iterable, body, orelse):
                sequence = self.value(iterable, scope)
                elements = elements_of(self, sequence)
                self._targets.append([part.id for part in ast.walk(target) if isinstance(part, ast.Name)])
                for _ in range(1) if elements else self._rounds():
                    for element in elements or [element_of(self, sequence)]:
                        self.assign(target, element, scope)
                        self.weak_block(body, scope)
                self._targets.pop()
                self.block(orelse, scope)
            case ast.While(test, body, orelse):
                if self.value(test, scope).truth is not False:
                    for _ in self._rounds():
                        self.weak_block(body, scope)
                self.block(orelse, scope)
            case ast.With(items, body) | ast.AsyncWith(items, body):
                folders = Folders(self)
                for item in items:
                    entered = folders.enter(item.context_expr, scope)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, entered, scope)
                self.block(body, scope)
                folders.leave()
            case ast.Try(body, handlers, orelse, final) | ast.TryStar(body, handlers, orelse, final):
                self.block(body, scope)
                for handler in handlers:
                    self.weak_block(handler.body, scope)
                self.block(orelse, scope)
                self.block(final, scope)
            case ast.Import(names):
                for alias in names:
                    top = alias.name.split(".")[0]
                    scope.names[alias.asname or top] = import_module(self, alias.name if alias.asname else top)
            case ast.ImportFrom(module, names, level):
                for alias in names:
                    import_name(self, absolute_name(module or "", level or 0, self.script), alias, scope)
            case ast.Match(subject, cases):
                self.value(subject, scope)
                for case in cases:
                    self.weak_block(case.body, scope)
            case ast.Global(names) | ast.Nonlocal(names):
                for name in names:
                    scope.share(name, scope.outermost() if isinstance(node, ast.Global) else scope.owner(name))
            case ast.Assert(test, _):
                self.value(test, scope)
            case _:
                pass
        return _ENDS.get(type(node), "")

    def _note(self, target: ast.expr, value: Value) -> None:
        """Record what a name holds whose data may be lost later: see `lost_flows`."""
        match target:
            case ast.Name(name) | ast.Attribute(_, name):
                lost_flows.note(self.context, self.script, target.lineno, name, value)
            case ast.Tuple(parts):
                for index, part in enumerate(parts):
                    if (inner := value.fields.get(str(index))) is not None and isinstance(part, ast.Name):
                        lost_flows.note(self.context, self.script, part.lineno, part.id, inner)

    def _chosen_receiver(self, node: ast.stmt) -> ast.stmt:
        """Return a statement such as `(train if known else test).append(row)` as a condition with two branches."""
        match node:
            case ast.Expr(ast.Call(ast.Attribute(ast.IfExp(test, body, orelse), name), arguments, keywords)):
                calls = (
                    ast.Expr(ast.Call(ast.Attribute(one, name, ast.Load()), arguments, keywords))
                    for one in (body, orelse)
                )
                first, second = (ast.fix_missing_locations(ast.copy_location(call, node)) for call in calls)
                self._branches[node] = ast.copy_location(ast.If(test, [first], [second]), node)
                return self._branches[node]
        return node

    def _rounds(self) -> Iterator[int]:
        """Yield once per pass over a loop body: twice, so that effects of one pass reach the next; once if nested."""
        self._loops += 1
        yield from range(2 if self._loops <= MOST_NESTED_LOOPS else 1)
        self._loops -= 1

    def weak_block(self, body: Sequence[ast.stmt], scope: Scope) -> str:
        """Interpret statements that may not be executed: join assigned values with the values from before."""
        before, folder = dict(scope.names), self.context.cwd
        left = self.block(body, scope)
        if self.context.cwd != folder:
            self.context.cwd = UNKNOWN
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
        self.weak_block(body, scope)
        for name, value in within.items():
            if name in before and scope.names.get(name) is value:
                scope.names[name] = before[name]

    def _choose(self, test: ast.expr, scope: Scope) -> None:
        """Take test data out of the row that a condition is about."""
        names = [node.id for node in ast.walk(test) if isinstance(node, ast.Name)]
        rows = [name for name in names if name in scope.names and scope.names[name].all()]
        for name in (*rows, *(self._targets[-1] if rows and self._targets else ())):
            scope.names[name] = selection.without_test_data(scope.names[name])

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind a target to a value."""
        if self.context.doubt and choices.is_followed(value):
            value = self.context.doubted(value)
        match target:
            case ast.Name(name):
                self._bind(name, value, scope)
            case ast.Tuple(parts) | ast.List(parts):
                starred = any(isinstance(part, ast.Starred) for part in parts)
                if self._world is not None and (known := known_lists.unpacked(value, parts)) is not None:
                    for part, element in zip(parts, known, strict=True):
                        self.assign(part, element, scope)
                    return
                for index, part in enumerate(parts):
                    inner = value.fields.get(str(index)) if not starred else None
                    self.assign(part, inner if inner is not None else element_of(self, value), scope)
            case ast.Starred(inner_target):
                self.assign(inner_target, value, scope)
            case ast.Attribute(base, name):
                owner = self.value(base, scope)
                owner.set_field(name, value, certain=self.context.certain)
                record_assignment(self, target, owner, value, scope)
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
                if (
                    self._world is not None
                    and isinstance(key, ast.Slice)
                    and replace_slice(self, owner, key, value, scope)
                ):
                    return
                if self._world is not None and isinstance(key, ast.Slice):
                    if replace_slice(self, owner, key, value, scope):
                        return
                    reordering.note_slice(self._world, owner, key, changes=True)
                if self._world is not None and isinstance(key, ast.Slice) and holds_rows(owner, value):
                    assign_slice(self, owner, key, value, scope)
                elif self._world is not None:
                    row_subscripts.set_item(owner, key, index_value, value, certain=self.context.certain)
                    owner.closed &= not (owner.mapping and (self.context.loops or self.context.uncertain))
                    record_assignment(self, target, owner, value, scope)
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
            owner.names[name] = value if self.context.certain or old is None or old is value else joined(old, value)
        scope.names[name] = value

    def _augment(self, target: ast.expr, operator: ast.operator, added: Value, scope: Scope) -> None:
        old = self.value(target, scope)
        once = self.context.certain and not self.context.loops
        if self._world is not None:
            reordering.note_update(self._world, old, operator)
        sets = self._world is not None and once and isinstance(operator, ast.Sub | ast.BitAnd | ast.BitXor)
        if sets and (some := known_lists.set_of(old, operator, added)) is not None:
            known_lists.put(old, list(some.fields.values()), some.names)
            return
        if self._world is not None and choices.is_list(old) and not isinstance(operator, ast.Add | ast.BitOr):
            change_rows(self, old, row_operators.binary(old, operator, added))
            return
        if isinstance(operator, ast.Sub):
            return
        added = self.context.doubted(added)
        if once and isinstance(operator, ast.Add) and known_lists.extended(old, added, self.context.listing):
            return
        if self._world is not None and not old.texts and old.number is None and not old.handles:
            row_operators.extend(old, added)
            old.set_field(UNKNOWN, element_of(self, added)) if UNKNOWN not in old.fields and added.all() else None
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
        if self._world is not None and (result := followed_value(self, node, scope)) is not None:
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
                result = read_attribute(self, self.value(base, scope), name)
                if "sys.stdin" in result.names:
                    result.taints |= self.context.stdin
                return result
            case ast.Subscript(base, key):
                owner = self.value(base, scope)
                result = self._subscript(owner, key, scope, base)
                if self._world is not None or not isinstance(node.ctx, ast.Load) or isinstance(key, ast.Slice):
                    return result
                return operations.looked_up(_named(owner, base), self.value(key, scope), result)
            case ast.Call():
                return evaluate_call(self, node, scope)
            case ast.BinOp(left, operator, right):
                return operations.binary(self.value(left, scope), operator, self.value(right, scope))
            case ast.BoolOp(values=parts, op=operator):
                return operations.boolean([self.value(part, scope) for part in parts], operator)
            case ast.UnaryOp(op, operand):
                return operations.unary(op, self.value(operand, scope))
            case ast.Compare(left, [ast.Is() | ast.IsNot() as operator], [ast.Constant(None)]) if self._world is None:
                given = self._is_given(left, scope)
                return Value(truth=isinstance(operator, ast.IsNot) if given else None)
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
                result = sequence_display(self, parts, scope)
                of_set = self._world is not None and isinstance(node, ast.Set)
                return (known_lists.as_set(result) or result) if of_set else result
            case ast.Dict(keys, values):
                result = dictionary_display(self, keys, values, scope)
                lost_flows.describe(self.context, self.script, node.lineno, result.fields)
                return result
            case ast.ListComp(part, loops) | ast.SetComp(part, loops) | ast.GeneratorExp(part, loops):
                return comprehension(self, [part], loops, scope)
            case ast.DictComp(key, part, loops):
                return comprehension(self, [key, part], loops, scope)
            case ast.Lambda():
                return Value(functions=(defined(self, node, scope),), truth=True)
            case ast.NamedExpr(target, inner):
                result = self.value(inner, scope)
                self.assign(target, result, scope)
                return result
            case ast.Await(inner) | ast.Starred(inner):
                return self.value(inner, scope)
            case ast.YieldFrom(inner):
                result = self.value(inner, scope)
                self.returned.append(self.context.doubted(result))
                return result
            case ast.Yield(inner):
                result = self.value(inner, scope) if inner is not None else Value()
                generator, self.context.yielded = Value(), self.context.cwd
                generator.add(result)
                generator.fields[UNKNOWN] = result
                self._yields(node, self.context.doubted(generator))
                return Value()
        return Value()

    def _is_given(self, node: ast.expr, scope: Scope) -> bool:
        """Return True if a value is certainly not `None`: a function, a known text or list of settings."""
        value = self.value(node, scope)
        if value.functions:
            return value.truth is True
        return bool(value.texts or value.fields) and not value.ambiguous and not value.all()

    def _yields(self, node: ast.Yield, generator: Value) -> None:
        """Record what a generator yields; the same in each pass of a loop counts once, since joins know less."""
        before = self._yielded.get(node)
        if self.context.world is not None and before is not None and generator.all() == self.returned[before].all():
            self.returned[before] = generator
            return
        self._yielded[node] = len(self.returned)
        self.returned.append(generator)

    def _constant(self, node: ast.Constant) -> Value:
        result = operations.constant(node)
        if self.script == self.context.script:
            result.taints = self.context.literal_taints(node)
        return result

    def _subscript(self, base: Value, key: ast.expr, scope: Scope, owner: ast.expr) -> Value:
        if self._world is not None and isinstance(key, ast.Slice) and known_lists.members(base) is None:
            reordering.note_slice(self._world, base, key)
        if self._world is not None and (result := followed_subscript(self, base, key, scope)) is not None:
            return result
        if isinstance(key, ast.Slice):
            upper = self.value(key.upper, scope) if key.upper else Value()
            lower = self.value(key.lower, scope) if key.lower else Value(number=0)
            if "sys.argv" in base.names and lower.number is not None and key.step is None:
                words = [self.script, *(self.context.argv or ())][lower.number : upper.number if key.upper else None]
                return operations.words(words, self.context.argv_taints)
            if base.whole and upper.number is not None and upper.number >= 0:
                return cut(sliced(base, max(upper.number - max(lower.number or 0, 0), 0)))
            return operations.copied(cut(base) if operations.leaves_out_rows(key) else base)
        if selection.keeps_training_rows(key):
            base = selection.without_test_data(base)
        if "sys.modules" in base.names and isinstance(key, ast.Name) and key.id == "__name__":
            return Value(fields=scope.outermost().names, truth=True)
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
        element = element_of(self, base)
        if loaded := lost_flows.unknown_rows(self.context, self.script, owner, base, name):
            return joined(element, Value(loaded, whole=True))
        if name is None or not selection.names_training(name):
            return element
        # Of the keys of a file, or of groups by a label, one that is called a training split.
        return (selection.without_test_data if UNKNOWN in base.fields else selection.without_file_rows)(element)

    def call_value(self, function: Value, arguments: list[Value], named: dict[str, Value] | None = None) -> Value:
        """Return the result of calling `function`, such as a callback."""
        return call_function(self, function, arguments, named or {})
