"""Statements and expressions of a script where one row is followed: see `rows.World` and `choices`."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from posttrainbench.audit.behavior import (
    choices,
    concrete,
    conditions,
    match_patterns,
    operations,
    row_operators,
    row_subscripts,
)
from posttrainbench.audit.behavior.choices import doubtful
from posttrainbench.audit.behavior.concrete import literal_value
from posttrainbench.audit.behavior.hazards import is_opaque
from posttrainbench.audit.behavior.in_place import leave_out
from posttrainbench.audit.behavior.rows import INDEX, WITHOUT, collection, is_collection
from posttrainbench.audit.behavior.script_analysis import ScriptContext
from posttrainbench.audit.behavior.values import (
    ANYWHERE,
    COLUMN,
    EVERY,
    NONE,
    UNKNOWN,
    Function,
    Scope,
    Value,
    joined,
    key_name,
    unclear,
)

LABELS = "rows by label"
"""Name of the attribute `loc` of a table, which chooses rows by their labels."""
MAYBE = "maybe"
"""Control may have left a block for the row that is followed."""
_IGNORES = ast.ExceptHandler(None, None, [ast.Pass()])
_EXPRESSION = ast.Lambda(
    ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]), ast.Constant(None)
)


class FollowedRows(ABC):
    """The part of the interpreter for an analysis in which one row is followed.

    Attributes:
        context: state of the analysis.
        script: label of the script that contains the code.
    """

    context: ScriptContext
    script: str
    _loop_names: frozenset[str] = frozenset()
    _row_loop: tuple[Value, bool] | None = None

    @abstractmethod
    def block(self, body: Sequence[ast.stmt], scope: Scope) -> str:
        """Interpret statements in order."""

    @abstractmethod
    def value(self, node: ast.expr, scope: Scope) -> Value:
        """Return the abstract value of an expression."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind a target to a value."""

    @abstractmethod
    def call_value(self, function: Value, arguments: list[Value], named: dict[str, Value] | None = None) -> Value:
        """Return the result of calling `function`."""

    @abstractmethod
    def _weak(self, body: Sequence[ast.stmt], scope: Scope) -> str: ...

    @abstractmethod
    def _element(self, value: Value) -> Value: ...

    @abstractmethod
    def _elements(self, value: Value) -> list[Value]: ...

    @property
    def _certain(self) -> bool:
        """True if a change of a value certainly happens, for the row that is followed."""
        return self.context.world is not None and not self.context.doubt and not self.context.uncertain

    def check(self, tree: ast.Module) -> None:
        """Record whether a script does what is not followed; see `hazards`."""
        world = self.context.world
        if world is not None and not world.opaque:
            world.opaque = is_opaque(tree)

    def stored(self, target: ast.Attribute | ast.Subscript, owner: Value, value: Value, scope: Scope) -> None:
        """Record an assignment to a part of a value that is lost, or that changes what selections read.

        Args:
            target: what is assigned to.
            owner: the value that it is a part of.
            value: what is assigned.
            scope: the names.
        """
        world = self.context.world
        if world is None:
            return
        root: ast.expr = target
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        holder = scope.find(root.id) if isinstance(root, ast.Name) else None
        origins = {taint.source for taint in value.all() if taint.kind == "test"}
        lost = not origins <= {taint.source for taint in (holder or Value()).all()}
        if origins and (lost or choices.OTHER in owner.names):
            world.opaque = True
        elif isinstance(target, ast.Subscript):
            world.opaque |= owner.literal is not ... and not isinstance(owner.literal, dict | list)
        else:  # a class whose instances were made before, or a function of a library
            changed = any(isinstance(function.node, ast.ClassDef) for function in owner.functions)
            library = owner.names and not any(name.endswith(")") for name in owner.names)
            world.opaque |= changed or bool(value.functions and library)

    # --- statements ---

    def followed_statement(self, node: ast.stmt, scope: Scope) -> str | None:
        """Interpret a statement that may choose rows, and return how control leaves the block; None for others."""
        match node:
            case ast.If(test, body, orelse):
                return self._if(test, body, orelse, scope)
            case ast.For(target, iterable, body, orelse) | ast.AsyncFor(target, iterable, body, orelse):
                sequence = self.value(iterable, scope)
                if sequence.total == 0 and not (sequence.fields or sequence.all() or sequence.all_splits()):
                    return self.block(orelse, scope)
                return self._for(target, sequence, body, scope) or self.block(orelse, scope)
            case ast.While(test, body, orelse):
                return self._while(test, body, scope) or self.block(orelse, scope)
            case ast.With(items, body) | ast.AsyncWith(items, body):
                suppresses = False
                for item in items:
                    entered = self.value(item.context_expr, scope)
                    suppresses |= any(name.endswith("suppress()") for name in entered.names)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, entered, scope)
                return self._try(body, [_IGNORES], [], [], scope) if suppresses else self.block(body, scope)
            case ast.Try(body, handlers, orelse, final) | ast.TryStar(body, handlers, orelse, final):
                return self._try(body, handlers, orelse, final, scope)
            case ast.Assert(test):
                truth = concrete.truth(self.value(test, scope))
                if truth is None and self._chooses(test, scope):
                    return MAYBE
                return "raise" if truth is False else ""
            case ast.Match(subject, cases):
                return self._match(self.value(subject, scope), cases, scope)
            case ast.Delete(targets):
                for target in targets:
                    self._delete(target, scope)
                return ""
        return None

    def _try(
        self,
        body: Sequence[ast.stmt],
        handlers: Sequence[ast.ExceptHandler],
        orelse: Sequence[ast.stmt],
        final: Sequence[ast.stmt],
        scope: Scope,
    ) -> str:
        """Interpret a block whose exceptions are caught."""
        left = self.block(body, scope)
        self.context.raised = False
        parts = [part for one in body for part in ast.walk(one)] if handlers and not left else []
        answers = [self._raises(part, scope) for part in parts if isinstance(part, ast.expr)]
        raised = left == "raise" or True in answers
        maybe = not raised and (left == MAYBE or None in answers)
        self.context.doubt += not raised
        self.context.uncertain += 1
        ways = [self._weak(handler.body, scope) for handler in handlers]
        self.context.doubt -= not raised
        self.context.uncertain -= 1
        if raised and handlers:
            left = ways[0] if left == "raise" and len(set(ways)) == 1 else MAYBE
        elif not left and not maybe:
            left = self.block(orelse, scope)
        elif not left:
            left = self._weak(orelse, scope) or MAYBE
        return self.block(final, scope) or left

    def _raises(self, node: ast.expr, scope: Scope) -> bool | None:
        """Return whether an expression raises an exception for the row that is followed; None if it may."""
        match node:
            case ast.Subscript(base, key, ast.Load()) if not isinstance(key, ast.Slice | ast.Constant):
                owner, known = self.value(base, scope), concrete.literal(self.value(key, scope))
                if owner.all() or (owner.closed and known is not concrete.UNKNOWN_VALUE):
                    return owner.closed and owner.mapping and key_name(known) not in owner.fields
                missing = known is concrete.UNKNOWN_VALUE or str(known) not in owner.fields
                return None if missing and not (owner.mapping and key_name(known) in owner.fields) else False
            case ast.Call(ast.Name("int" | "float" as name), [argument]):
                value = self.value(argument, scope)
                known = concrete.literal(value)
                if known is concrete.UNKNOWN_VALUE:
                    return None if choices.is_followed(value) else False
                return concrete.function(frozenset([name]), [known]) is concrete.UNKNOWN_VALUE
            case ast.Call(ast.Attribute(base, "index" | "remove"), [argument]):
                value = self.value(argument, scope)
                inside = conditions.contains(self.value(base, scope), concrete.literal(value))
                return None if not isinstance(inside, bool) and choices.is_followed(value) else inside is False
            case ast.Call(ast.Attribute(_, "pop"), [_]) | ast.Call(ast.Name("next"), [_]):
                return None if self._chooses(node, scope) else False
            case ast.BinOp(_, ast.Div() | ast.FloorDiv() | ast.Mod(), right):
                return concrete.literal(self.value(right, scope)) in (0, False)
        return False

    def _if(self, test: ast.expr, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt], scope: Scope) -> str:
        truth = concrete.truth(self.value(test, scope))
        if self._row_loop is not None and not conditions.is_blank(test):
            self._row_loop = (self._row_loop[0], True)
        if truth is not None:
            return self.block(body if truth else orelse, scope)
        doubtful = self._chooses(test, scope)
        self.context.doubt += doubtful
        self.context.uncertain += 1
        ways = [self._weak(part, scope) for part in (body, orelse)]
        self.context.doubt -= doubtful
        self.context.uncertain -= 1
        if all(ways) and MAYBE not in ways:
            return ways[0]
        return MAYBE if doubtful and any(ways) else ""

    def _chooses(self, test: ast.expr, scope: Scope) -> bool:
        """Return True if a condition that is not known may choose among rows."""
        if conditions.is_neutral(test):
            return False
        names = [node.id for node in ast.walk(test) if isinstance(node, ast.Name)]
        known = [(name, scope.find(name)) for name in names]
        return any(
            name in self._loop_names
            or (value is not None and value.literal is ... and (EVERY in value.names or value.span is not None))
            or (value is not None and not value.functions and choices.is_followed(value))
            for name, value in known
        )

    def _for(self, target: ast.expr, sequence: Value, body: Sequence[ast.stmt], scope: Scope) -> str:
        elements = self._elements(sequence)
        if elements:
            for element in elements:
                self.assign(target, element, scope)
                left = self.block(body, scope)
                if left == "break":
                    return ""
                if left in ("return", MAYBE):
                    return left
            return ""
        element = self._element(sequence)
        followed = choices.is_followed(element)
        outer = self._loop_names, self._row_loop
        names = {part.id for one in body for part in ast.walk(one) if _is_stored(part) and isinstance(part, ast.Name)}
        names |= {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
        for name in names & scope.names.keys():  # from the row before
            if scope.names[name].literal is not ... or scope.names[name].number is not None:
                scope.names[name] = Value(scope.names[name].taints)
        if followed:
            self._loop_names |= names
            self._row_loop = (sequence, False)
        counter = target.elts[0] if isinstance(target, ast.Tuple) and element.fields.get("0", Value()).number else None
        doubtful = followed and _breaks(body, counter)
        self.context.doubt += doubtful
        left = ""
        drains, self.context.drains = self.context.drains, False
        self.context.loops += 1
        for _ in range(2):
            self.assign(target, element, scope)
            left = self._weak(body, scope)
            if self._row_loop is not None and followed:
                self._row_loop = (sequence, False)
            raised, self.context.raised = self.context.raised, False
            left = "raise" if raised else left
        self.context.loops -= 1
        self.context.drains = drains
        self.context.doubt -= doubtful
        if followed and self._carries(body, names, scope):
            self._pass_of_others(target, body, scope)
        self._loop_names, self._row_loop = outer
        return MAYBE if left == "raise" or (left in ("return", MAYBE) and _returns(body)) else ""

    def _carries(self, body: Sequence[ast.stmt], own: set[str], scope: Scope) -> bool:
        """Return True if a loop makes something of texts of the row that do not come from its own element."""
        read = {part.id for one in body for part in ast.walk(one) if isinstance(part, ast.Name)} - own
        stores = any(
            isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "append"
            for one in body
            for part in ast.walk(one)
        )
        known = [scope.find(name) for name in read]
        return stores and any(
            value is not None and not value.functions and choices.is_followed(value) for value in known
        )

    def _pass_of_others(self, target: ast.expr, body: Sequence[ast.stmt], scope: Scope) -> None:
        """Interpret the body of a loop for the other rows, which keep the positions in all lists."""
        kept = [(value, value.place, value.total) for value in scope.names.values()]
        self.context.doubt += 1
        self.context.uncertain += 1
        self.assign(target, Value(names=frozenset([choices.OTHER])), scope)
        self._weak(body, scope)
        self.context.doubt -= 1
        self.context.uncertain -= 1
        for value, place, total in kept:
            value.place, value.total = place, total

    def _while(self, test: ast.expr, body: Sequence[ast.stmt], scope: Scope) -> str:
        if concrete.truth(self.value(test, scope)) is False:
            return ""
        names = {part.id for one in body for part in ast.walk(one) if _is_stored(part) and isinstance(part, ast.Name)}
        for name in names & scope.names.keys():
            if scope.names[name].literal is not ... or scope.names[name].number is not None:
                scope.names[name] = Value(scope.names[name].taints)
        if concrete.truth(self.value(test, scope)) is False:
            return ""
        left = ""
        drains, self.context.drains = self.context.drains, _drains(test)
        self.context.loops += 1
        for _ in range(2):
            left = self._weak(body, scope)
        self.context.loops -= 1
        self.context.drains = drains
        return MAYBE if left in ("return", MAYBE) and _returns(body) else ""

    def _match(self, subject: Value, cases: Sequence[ast.match_case], scope: Scope) -> str:
        maybe = ""
        for case in cases:
            fits = match_patterns.fits(subject, case.pattern, lambda node: self.value(node, scope))
            if fits is False:
                continue
            scope.names.update(match_patterns.captures(subject, case.pattern))
            if case.guard is not None:
                guard = concrete.truth(self.value(case.guard, scope))
                fits = False if guard is False else fits if guard else None
                if fits is False:
                    continue
            if fits and not maybe:
                return self.block(case.body, scope)
            self.context.doubt += 1
            self.context.uncertain += 1
            maybe = MAYBE if self._weak(case.body, scope) or maybe else ""
            self.context.doubt -= 1
            self.context.uncertain -= 1
            if fits:
                break
        return maybe

    def _delete(self, target: ast.expr, scope: Scope) -> None:
        match target:
            case ast.Name(name):
                scope.names.pop(name, None)
            case ast.Subscript(base, ast.Slice() as key):
                owner = self.value(base, scope)
                if not is_collection(owner):
                    return
                kept = self._window(owner, key, scope)
                parts = {taint.part for taint in kept.all()}
                if not choices.is_followed(kept) and self.context.loops and choices.is_followed(owner):
                    doubtful(owner)
                elif not choices.is_followed(kept):
                    place = owner.place
                    gone = kept.total or 0
                    if place is not None and place >= 0 and key.lower is None:
                        owner.place = place - gone
                    owner.total = None if owner.total is None or kept.total is None else owner.total - kept.total
                elif parts & {"slice", "unclear"} or not self._certain or self.context.loops:
                    owner.fields[UNKNOWN] = unclear(owner.fields[UNKNOWN])
                else:
                    leave_out(owner)
            case ast.Subscript(base, key):
                known = concrete.literal(self.value(key, scope))
                owner = self.value(base, scope)
                if owner.mapping and known is not concrete.UNKNOWN_VALUE and self._certain:
                    owner.fields.pop(key_name(known), None)
                elif owner.mapping:
                    owner.fields = unclear(owner).fields
                elif isinstance(known, str):
                    owner.fields.pop(known, None)
                    row = owner.fields.get(UNKNOWN)
                    if row is not None:
                        row.fields.pop(known, None)
                elif is_collection(owner):
                    owner.fields[UNKNOWN] = unclear(owner.fields[UNKNOWN])

    def _change(self, owner: Value, changed: Value | None) -> None:
        """Replace the rows of a list by others, such as those of a difference."""
        if changed is None:
            return
        if not self._certain:
            changed = unclear(changed if choices.is_followed(changed) else owner)
        owner.fields, owner.taints, owner.names = dict(changed.fields), changed.taints, changed.names
        owner.place, owner.total = changed.place, changed.total

    def _holds_rows(self, owner: Value, value: Value) -> bool:
        """Return True if a list gets or holds rows, not only constants."""
        return choices.is_list(owner) and (choices.is_followed(owner) or choices.is_followed(value))

    def _set_slice(self, owner: Value, key: ast.Slice, value: Value, scope: Scope) -> None:
        """Assign to a slice of a list."""
        whole = key.lower is None and key.upper is None and key.step is None
        if not self._certain or self.context.loops:
            doubtful(owner)
            row_operators.extend(owner, unclear(value))
            return
        if choices.is_followed(owner):
            kept = self._window(owner, key, scope)
            if whole or (choices.is_followed(kept) and not any(taint.part for taint in kept.all())):
                leave_out(owner)
            elif choices.is_followed(kept):
                doubtful(owner)
        if whole:
            owner.fields, owner.taints, owner.total, owner.place = {}, NONE, 0, None
        else:
            owner.place, owner.total = ANYWHERE if owner.place == ANYWHERE else None, None
        if choices.is_followed(value) or whole:
            row_operators.extend(owner, value)

    # --- expressions ---

    def followed_dictionary(self, keys: list[ast.expr | None], values: list[ast.expr], scope: Scope) -> Value:
        """Return a dictionary that is written out."""
        result = Value(truth=bool(values) or None, mapping=True, closed=bool(values))
        for key, node in zip(keys, values, strict=True):
            value = self.value(node, scope)
            known = concrete.literal(self.value(key, scope)) if key is not None else ...
            if known is not concrete.UNKNOWN_VALUE:
                result.set_field(key_name(known), value, certain=True)
                continue
            if key is None:
                result.fields.update(value.fields)
            result.closed &= key is None and value.closed
            result.add(value)
        return result

    def followed_value(self, node: ast.expr, scope: Scope) -> Value | None:
        """Return the value of an expression that may choose rows; None for others."""
        if self.context.columns is None and _names_columns(node):
            return Value(functions=(Function(replace_body(node), scope, self.script),))
        match node:
            case ast.Constant(str() | int() | float() | bool() | None as constant):
                plain = literal_value(constant, NONE)
                if isinstance(constant, int) and not isinstance(constant, bool):
                    plain.texts = frozenset([str(constant)[:40]])
                return plain if not isinstance(constant, str) else None
            case ast.Attribute(base, name):
                return self._attribute(self.value(base, scope), name)
            case ast.BinOp(left, operator, right):
                first, second = self.value(left, scope), self.value(right, scope)
                result = row_operators.binary(first, operator, second)
                return operations.binary(first, operator, second) if result is None else result
            case ast.BoolOp(operator, parts):
                return self._boolean(operator, parts, scope)
            case ast.UnaryOp(ast.Not() | ast.Invert(), operand):
                truth = choices.mask_truth(self.value(operand, scope))
                return Value(names=frozenset([choices.MASK])) if truth is None else literal_value(not truth, NONE)
            case ast.Compare(left, operators, others):
                operands = [self.value(part, scope) for part in (left, *others)]
                result = conditions.comparison(operands[0], operators, operands[1:])
                world = self.context.world
                if world is not None and result.truth is None:
                    world.compared |= world.is_other(operations.taints_of(operands))
                return result
            case ast.IfExp(test, body, orelse):
                truth = concrete.truth(self.value(test, scope))
                if truth is not None:
                    return self.value(body if truth else orelse, scope)
                both = joined(self.value(body, scope), self.value(orelse, scope))
                return unclear(both) if self._chooses(test, scope) else both
            case ast.JoinedStr(parts):
                values = [self.value(part, scope) for part in parts]
                known = [concrete.literal(value) for value in values]
                plain_parts = not any(isinstance(part, ast.FormattedValue) and part.format_spec for part in parts)
                short = sum(len(one) for one in known if isinstance(one, str)) <= concrete.LONGEST
                if plain_parts and short and all(isinstance(one, str | int) for one in known):
                    return literal_value("".join(map(str, known)), operations.taints_of(values))
        return None

    def _attribute(self, base: Value, name: str) -> Value | None:
        row = base.fields.get(UNKNOWN)
        if name in row_subscripts.VIEWS and (row is not None or base.literal is not ...):
            if name == "loc" and row is not None:
                return replace(base, names=base.names | {LABELS})
            return replace(base, names=base.names - {COLUMN}) if name in ("str", "dt") else base
        if name == "index" and row is not None and INDEX in row.fields:
            return replace(base, fields={UNKNOWN: row.fields[INDEX]})
        if name == "index" and row is not None and base.label is not None and "index" not in row.fields:
            return replace(base, fields={UNKNOWN: literal_value(base.label, row.all())})
        if name == "index" and row is not None and choices.is_followed(row) and "index" not in row.fields:
            every = replace(row, fields={}, names=frozenset([EVERY]), texts=frozenset(), literal=...)
            return replace(base, fields={UNKNOWN: every})
        if name == "index" and WITHOUT in base.names:
            return base
        if name == "value" and isinstance(concrete.literal(base), str):  # of an enumeration
            return base
        if self.context.columns is not None and "polars.col" in base.names:
            return self.context.columns.fields.get(name)
        if row is not None and name in row.fields and name not in base.fields:
            cell = row.fields[name]
            return replace(cell, names=cell.names | {COLUMN}, place=base.place, total=base.total)
        return None

    def _boolean(self, operator: ast.boolop, parts: Sequence[ast.expr], scope: Scope) -> Value:
        deciding = isinstance(operator, ast.Or)
        unknown: list[Value] = []
        for part in parts:
            value = self.value(part, scope)
            truth = concrete.truth(value)
            if truth is deciding:
                return replace(joined(*unknown, value), truth=deciding, literal=...) if unknown else value
            if truth is None or part is parts[-1]:
                unknown.append(value)
        if len(unknown) == 1 and concrete.truth(unknown[0]) is not None:
            return unknown[0]
        result = joined(*unknown)
        return replace(result, truth=None, literal=...)

    def followed_subscript(self, base: Value, key: ast.expr, scope: Scope) -> Value | None:
        """Return the result of a subscript of known rows; None for other values."""
        if "sys.argv" in base.names or "os.environ" in base.names or base.splits:
            return None
        if isinstance(key, ast.Tuple) and is_collection(base) and key.elts:  # rows and columns
            rows = self.followed_subscript(base, key.elts[0], scope) or base
            columns = concrete.literal(self.value(key.elts[1], scope)) if len(key.elts) > 1 else ...
            row = rows.fields.get(UNKNOWN)
            return replace(rows, fields={UNKNOWN: row.fields[columns]}) if row and columns in row.fields else rows
        if isinstance(key, ast.Slice):
            known = concrete.literal(base) if not base.fields else ...
            bounds = [self.value(one, scope) if one is not None else None for one in (key.lower, key.upper, key.step)]
            if COLUMN in base.names:
                cell = replace(base, names=base.names - {COLUMN})
                return self._window(collection(cell, base.place, base.total), key, scope)
            if isinstance(known, str | bytes):
                numbers = [None if one is None else concrete.literal(one) for one in bounds]
                if all(one is None or isinstance(one, int) for one in numbers) and numbers[2] != 0:
                    return literal_value(known[slice(*numbers)], base.all())
                return Value(base.all())
            if base.fields and all(name.isdigit() for name in base.fields):
                return None
            if LABELS in base.names:
                return row_subscripts.labeled(replace(base, names=base.names - {LABELS}), key, bounds)
            return self._window(base, key, scope) if choices.is_list(base) or is_collection(base) else None
        index = self.value(key, scope)
        if LABELS in base.names:
            base = replace(base, names=base.names - {LABELS})
            if isinstance(known := concrete.literal(index), int) and not isinstance(known, bool):
                return choices.chosen(base, None if base.label is None else base.label == known)
        if index.functions and is_collection(base):
            return choices.chosen(base, choices.mask_truth(self.on_row(index, base)))
        return row_subscripts.item(base, index, key)

    def on_row(self, function: Value, rows: Value) -> Value:
        """Return the result of an expression or a function for the row that is followed in a table."""
        outer, self.context.columns = self.context.columns, rows.fields.get(UNKNOWN, Value())
        try:
            return self.call_value(function, [rows])
        finally:
            self.context.columns = outer

    def _window(self, base: Value, key: ast.Slice, scope: Scope) -> Value:
        bounds = [self.value(one, scope) if one is not None else None for one in (key.lower, key.upper, key.step)]
        return row_subscripts.window(base, key, bounds)

    def followed_comprehension(self, parts: list[ast.expr], generators: list[ast.comprehension], inner: Scope) -> Value:
        """Return the result of a comprehension: without the row if a condition excludes it."""
        outer_doubt, source = self.context.doubt, Value()
        result = self._generated(parts, generators, inner, [])
        self.context.doubt = outer_doubt
        if len(generators) == 1 and all(map(conditions.is_blank, generators[0].ifs)):
            source = self.value(generators[0].iter, inner)
            if is_collection(source) or source.total is not None:
                result.place, result.total = source.place, source.total
        elif UNKNOWN in result.fields and self.value(generators[0].iter, inner).place == ANYWHERE:
            result.place = ANYWHERE
        return result

    def _generated(
        self, parts: list[ast.expr], generators: list[ast.comprehension], inner: Scope, done: list[str]
    ) -> Value:
        if not generators:
            values = [self.value(part, inner) for part in parts]
            value = unclear(values[-1]) if self.context.doubt else values[-1]
            name = concrete.literal(values[0]) if len(values) == 2 else ...
            known = name is not concrete.UNKNOWN_VALUE
            return Value(fields={key_name(name) if known else UNKNOWN: value}, whole=True, mapping=known)
        generator, *rest = generators
        sequence = self.value(generator.iter, inner)
        elements = self._elements(sequence)
        outer_names = self._loop_names
        if not elements and choices.is_followed(self._element(sequence)):
            targets = [part.id for part in ast.walk(generator.target) if isinstance(part, ast.Name)]
            self._loop_names |= frozenset(targets)
        results: list[Value] = []
        for element in elements or [self._element(sequence)]:
            doubt = self.context.doubt
            self.assign(generator.target, element, inner)
            excluded = False
            for test in generator.ifs:
                truth = concrete.truth(self.value(test, inner))
                if truth is None and self._chooses(test, inner):
                    self.context.doubt += 1
                excluded = excluded or truth is False
            if not excluded:
                results.append(self._generated(parts, rest, inner, done))
            elif not elements and choices.is_followed(carried := self._of_others(parts, generator, rest, inner)):
                results.append(unclear(carried))
            self.context.doubt = doubt
        self._loop_names = outer_names
        if not results:
            return Value(whole=True, names=frozenset([WITHOUT]), total=0 if elements else None)
        if elements and not rest and len(parts) == 1:
            return Value(
                fields={str(number): one.fields.get(UNKNOWN, one) for number, one in enumerate(results)},
                total=len(results),
            )
        merged = Value(whole=True, mapping=all(one.mapping for one in results))
        for one in results:
            for name, field in one.fields.items():
                merged.fields[name] = joined(merged.fields[name], field) if name in merged.fields else field
            merged.taints |= one.taints
        return merged

    def _of_others(
        self, parts: list[ast.expr], generator: ast.comprehension, rest: list[ast.comprehension], inner: Scope
    ) -> Value:
        """Return what a comprehension makes of the other rows: texts of the one that is followed may be put in."""
        named = [part.target for test in generator.ifs for part in ast.walk(test) if isinstance(part, ast.NamedExpr)]
        for target in (generator.target, *named):
            self.assign(target, Value(names=frozenset([choices.OTHER])), inner)
        return self._generated(parts, rest, inner, [])


def replace_body(node: ast.expr) -> ast.Lambda:
    """Return an expression as a function of the row."""
    return ast.copy_location(ast.Lambda(_EXPRESSION.args, node), node)


def _names_columns(node: ast.expr) -> bool:
    """Return True for expressions over columns of a table that is named later, as in polars and PySpark."""
    if not isinstance(node, ast.Compare | ast.BoolOp | ast.BinOp | ast.UnaryOp | ast.Call):
        return False
    if isinstance(node, ast.Call):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        return _is_column(node) or (inner is not None and _starts_with_column(inner))
    parts = [node.left, *node.comparators] if isinstance(node, ast.Compare) else list(ast.iter_child_nodes(node))
    return any(isinstance(part, ast.expr) and (_starts_with_column(part) or _names_columns(part)) for part in parts)


def _starts_with_column(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute | ast.Call):
        if _is_column(node):
            return True
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return False


def _is_column(node: ast.expr) -> bool:
    match node:
        case ast.Call(ast.Attribute(ast.Name(), "col" | "field" | "column"), [_]) | ast.Call(ast.Name("col"), [_]):
            return True
        case ast.Attribute(ast.Attribute(ast.Name(), "col"), _):
            return True
    return False


def _drains(test: ast.expr) -> bool:
    """Return True for the condition of a loop that goes on until a list is empty."""
    match test:
        case ast.Name() | ast.Attribute() | ast.Constant(value=True) | ast.Constant(value=1):
            return True
        case ast.Call(ast.Name("len"), [_]) | ast.Compare(ast.Call(ast.Name("len"), [_]), [_], [ast.Constant(value=0)]):
            return True
    return False


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _returns(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(part, ast.Return | ast.Raise) for one in body for part in ast.walk(one))


def _breaks(body: Sequence[ast.stmt], counter: ast.expr | None) -> bool:
    """Return True if a loop may end early, for other reasons than its counter."""
    for statement in body:
        if isinstance(statement, ast.For | ast.While | ast.FunctionDef):
            continue
        if isinstance(statement, ast.Break):
            return True
        if isinstance(statement, ast.If):
            counts = isinstance(counter, ast.Name) and any(
                isinstance(part, ast.Name) and part.id == counter.id for part in ast.walk(statement.test)
            )
            if (
                not counts
                and not conditions.is_blank(statement.test)
                and _breaks([*statement.body, *statement.orelse], counter)
            ):
                return True
        if isinstance(statement, ast.With | ast.Try) and _breaks(statement.body, counter):
            return True
    return False
