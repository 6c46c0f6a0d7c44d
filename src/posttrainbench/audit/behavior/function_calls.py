"""Functions and classes of a script, and calls."""

from __future__ import annotations

import ast
from dataclasses import replace

from posttrainbench.audit.behavior import alternatives, concrete, gin_bindings, lost_flows, operations, reordering
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.evaluator import MOST_NESTED_CALLS, Evaluator
from posttrainbench.audit.behavior.imports import import_module
from posttrainbench.audit.behavior.known_lists import members
from posttrainbench.audit.behavior.library_models.configuration import add_command, from_decorators
from posttrainbench.audit.behavior.library_models.followed_lists import known_lists
from posttrainbench.audit.behavior.operations import attribute, exact_text, taints_of, unrolled
from posttrainbench.audit.behavior.values import NONE, PARTS, UNKNOWN, Function, Scope, Taints, Value, joined

_IMPORTS = frozenset(("importlib.import_module", "__import__"))
MOST_RECURSIONS = 4
"""Calls of a function within itself that are interpreted."""
MOST_TARGETS = 3
"""Functions that one call may reach, of those that it may be."""
_COPIES = frozenset("copy deepcopy list sorted tuple set frozenset dict deque reversed tolist".split())
"""Functions and methods whose results are containers of their own."""
_COPIED_LEVELS = 6
_PROPERTIES = frozenset("property cached_property".split())


def defined(
    evaluator: Evaluator, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda, scope: Scope
) -> Function:
    """Return a function or a class, with the defaults of its parameters."""
    function = Function(node, scope, evaluator.script)
    if evaluator.context.world is not None and not isinstance(node, ast.ClassDef):
        defaults = (one for one in (*node.args.defaults, *node.args.kw_defaults) if one is not None)
        function.defaults = {one: evaluator.value(one, scope) for one in defaults}
    return function


def define(evaluator: Evaluator, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: Scope) -> None:
    """Bind the name of a function or a class."""
    value = Value(functions=(defined(evaluator, node, scope),), truth=True)
    if isinstance(node, ast.ClassDef):
        _define_class(evaluator, value, node, scope)
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Attribute) and called.attr in ("command", "callback"):
            add_command(evaluator.value(called.value, scope), node.name, decorator, value)
    if evaluator.context.world is not None and not isinstance(node, ast.ClassDef):
        value = _decorated(evaluator, value, node, scope)
    scope.names[node.name] = value
    if evaluator.context.world is None:
        _register(evaluator, value, node, scope)


def _register(
    evaluator: Evaluator, value: Value, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: Scope
) -> None:
    """Call the decorators of the script on a function or a class, which may put it into a registry."""
    for decorator in reversed(node.decorator_list):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Name | ast.Attribute) and (made := evaluator.value(called, scope)).functions:
            made = evaluator.value(decorator, scope) if isinstance(decorator, ast.Call) else made
            if made.functions and any(_registers(one.node) for one in made.functions):
                evaluator.call_value(made, [value])


def _registers(node: ast.AST) -> bool:
    """Return True if a function stores something under a key or in a list."""
    for part in ast.walk(node):
        match part:
            case ast.Assign([ast.Subscript(), *_], _) | ast.Call(ast.Attribute(_, "append" | "setdefault" | "update")):
                return True
            case ast.Call(ast.Name("setattr")) | ast.Call(ast.Attribute(_, "register" | "add" | "_register")):
                return True
    return False


def _define_class(evaluator: Evaluator, value: Value, node: ast.ClassDef, scope: Scope) -> None:
    """Fill in the methods and attributes of a class, also those that it inherits from classes of the script."""
    bases = [evaluator.value(base, scope) for base in node.bases]
    inherited: dict[str, Value] = {}
    for base in reversed(bases):
        inherited |= base.fields if base.functions else {}
    inner = Scope(parent=scope, inherited=inherited)
    evaluator.block(node.body, inner)
    value.fields = inherited | inner.names if inherited else inner.names
    value.names = frozenset(
        name for node, base in zip(node.bases, bases, strict=True) for name in base.names or {ast.unparse(node)[:100]}
    )


def read_attribute(evaluator: Evaluator, base: Value, name: str) -> Value:
    """Return an attribute of a value: of a property, what its function returns."""
    result = attribute(base, name)
    decorators = [one for function in result.functions for one in getattr(function.node, "decorator_list", [])]
    if any(ast.unparse(one).rpartition(".")[2] in _PROPERTIES for one in decorators):
        return call_function(evaluator, result, [], {})
    return result


def inlined(evaluator: Evaluator, test: ast.expr, scope: Scope) -> ast.expr:
    """Return a condition in which an expression stands for the functions and properties that only return it."""
    match test:
        case ast.UnaryOp(operator, operand):
            return ast.UnaryOp(operator, inlined(evaluator, operand, scope))
        case ast.BoolOp(operator, parts):
            return ast.BoolOp(operator, [inlined(evaluator, part, scope) for part in parts])
        case ast.Call(ast.Attribute(base, name)) | ast.Attribute(base, name):
            functions = attribute(evaluator.value(base, scope), name).functions
        case ast.Call(ast.Name() as called):
            functions = evaluator.value(called, scope).functions
        case _:
            return test
    bodies = [getattr(one.node, "body", None) for one in functions]
    if len(bodies) == 1 and isinstance(bodies[0], list):
        match [one for one in bodies[0] if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]:
            case [ast.Return(ast.expr() as result)]:
                return result
    return test


def _parent(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Value | None:
    """Return what `super()` gives: the methods of the bases of the class, bound to the instance."""
    if not isinstance(node.func, ast.Name) or node.func.id != "super":
        return None
    instance = evaluator.value(node.args[1], scope) if len(node.args) > 1 else scope.find("self") or scope.find("cls")
    fields = {
        name: replace(known, functions=tuple(replace(one, bound=instance) for one in known.functions))
        for name, known in scope.bases().items()
        if known.functions
    }
    # Attributes of a value with a name are not bound to it again.
    return Value(names=frozenset(["super()"]), fields=fields | {"__name__": Value()}, truth=True)


def _decorated(evaluator: Evaluator, value: Value, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Value:
    """Return a function as decorators of the script make it."""
    for decorator in reversed(node.decorator_list):
        made = evaluator.value(decorator, scope)
        if made.functions:
            value = evaluator.call_value(made, [value])
    return value


def evaluate_call(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Value:
    """Return the result of a call: by a library model, or by interpreting the function."""
    receiver = None
    if (parent := _parent(evaluator, node, scope)) is not None:
        return parent
    if isinstance(node.func, ast.Attribute):
        receiver = evaluator.value(node.func.value, scope)
        function, last = attribute(receiver, node.func.attr), node.func.attr
    else:
        function, last = evaluator.value(node.func, scope), getattr(node.func, "id", "")
    arguments = _arguments(evaluator, node, scope)
    if _binarizes(node) and receiver is not None and evaluator.context.world is None:
        receiver = Value(_compared(evaluator, node, scope))
        function = attribute(receiver, last)
    named: dict[str, Value] = {}
    for keyword in node.keywords:
        entered = lost_flows.enter_name(evaluator.context, keyword.arg or "", keyword.value)
        value = evaluator.value(keyword.value, scope)
        lost_flows.leave(evaluator.context, entered)
        if keyword.arg is not None:
            named[keyword.arg] = value
        else:
            named.update(value.fields)
            if value.taints:
                named[UNKNOWN] = Value(value.taints)
    lost_flows.note_all(evaluator.context, evaluator.script, node.lineno, named)
    lost_flows.describe(evaluator.context, evaluator.script, node.lineno, named)
    if function.names & _IMPORTS and arguments and (module := exact_text(arguments[0])) is not None:
        return import_module(evaluator, module)
    if function.names & _IMPORTS and arguments and evaluator.context.world is None:
        evaluator.context.computed_modules |= {text for text in arguments[0].texts if UNKNOWN in text}
    call = Call(evaluator, node, function, last, receiver, arguments, named, scope)
    if evaluator.context.world is not None and not function.functions:
        if (known := known_lists(call)) is not None:
            return known
        reordering.note_call(evaluator.context.world, last, receiver, [*arguments, *named.values()])
    result = call.result(evaluator.models)
    if result is None and function.functions:
        if not arguments and not named:
            named = from_decorators(call, function.functions[0].node)
        result = joined(*(_apply(evaluator, target, arguments, named) for target in function.functions[:MOST_TARGETS]))
        unclear = len(function.functions) > MOST_TARGETS
        if (unclear or (receiver is not None and receiver.ambiguous)) and (loaded := _of_held_out_split(call)):
            result = joined(result, Value(loaded, whole=True))
        result = replace(result, ambiguous=True) if unclear else result
    if result is not None and evaluator.context.world is not None and last in _COPIES:
        result = operations.copied(result, 0 if last != "deepcopy" else _COPIED_LEVELS)
    library = _library_call(call)
    if library is None:
        return result if result is not None else _of_unknown_function(call)
    other = library.result(evaluator.models) or library.default()
    return other if result is None else joined(result, other)


def _of_unknown_function(call: Call) -> Value:
    """Return the result of a function of which only the name and the arguments are known."""
    loaded = _of_held_out_split(call)
    result = call.default()
    return replace(result, taints=result.taints | loaded, whole=True) if loaded else result


def _of_held_out_split(call: Call) -> Taints:
    """Return a taint for what an unknown function loads as training data, if it is given a held-out split's name."""
    values = {str(number): value for number, value in enumerate(call.arguments)} | call.named
    return lost_flows.unknown_split(call.context, call.caller.script, call.node, call.last, values)


def _binarizes(node: ast.Call) -> bool:
    """Return True if the result of comparing values is used as numbers: the pixels of a picture, say."""
    match node.func:
        case ast.Attribute(ast.Compare(_, [ast.Gt() | ast.Lt() | ast.GtE() | ast.LtE()], _), "astype" | "to" | "float"):
            return True
    return False


def _compared(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Taints:
    """Return the taints of the first operand of a comparison."""
    match node.func:
        case ast.Attribute(ast.Compare(left), _):
            return evaluator.value(left, scope).all()
    return NONE


def _library_call(call: Call) -> Call | None:
    """Return the call of a library's function that one of the script stands in for if it cannot be imported."""
    function = call.function
    if not function.names or not function.functions:
        return None
    if any(isinstance(one.node, ast.ClassDef) for one in function.functions):
        return None  # the names are those of its bases
    return replace(call, function=replace(function, functions=()))


def _arguments(evaluator: Evaluator, node: ast.Call, scope: Scope) -> list[Value]:
    """Return the positional arguments of a call, those of a known sequence one by one."""
    arguments = []
    for argument in node.args:
        value = evaluator.value(argument, scope)
        if isinstance(argument, ast.Starred):
            known = members(value) if evaluator.context.world is not None else None
            arguments += [] if value.total == 0 else known or unrolled(value) or [value]
        else:
            arguments.append(value)
    return arguments


def call_function(evaluator: Evaluator, function: Value, arguments: list[Value], named: dict[str, Value]) -> Value:
    """Return the result of calling `function`, such as a callback."""
    if function.functions:
        return joined(*(_apply(evaluator, target, arguments, named) for target in function.functions[:2]))
    if evaluator.context.world is not None and (known := concrete.mapped(function.names, arguments)) is not None:
        return known
    if evaluator.context.world is not None and function.names & {"len", "builtins.len"}:
        return Value()
    return Value(taints_of(arguments))


def _apply(evaluator: Evaluator, function: Function, arguments: list[Value], named: dict[str, Value]) -> Value:
    """Interpret the body of a function with these arguments and return its result."""
    node = function.node
    recurs = evaluator.context.world is None and evaluator.context.active.count(node) >= MOST_RECURSIONS
    if evaluator.depth >= MOST_NESTED_CALLS or recurs:
        return Value(taints_of([*arguments, *named.values()]))
    evaluator.context.entered.add(node)
    if isinstance(node, ast.ClassDef):
        return _instance(evaluator, function, node, arguments, named)
    inner = evaluator.nested(function.script)
    scope = Scope(parent=function.scope)
    scope.names = operations.bind(
        node, arguments, named, function.bound, lambda default: _default(evaluator, function, default, scope)
    )
    if isinstance(node, ast.Lambda):
        return inner.value(node.body, scope)
    if (bindings := evaluator.context.bindings) and evaluator.context.world is None:
        passed = {parameter.arg for parameter in node.args.args[: len(arguments)]} | named.keys()
        scope.names |= gin_bindings.bound(bindings, node, passed, list(evaluator.context.modules.values()))
    lost_flows.note_all(evaluator.context, function.script, node.lineno, scope.names)
    evaluator.context.active.append(node)
    entered = lost_flows.enter_function(evaluator.context, node, scope.names)
    left = inner.block(node.body, scope)
    lost_flows.leave(evaluator.context, entered)
    evaluator.context.active.pop()
    evaluator.context.raised |= left == "raise" and evaluator.context.certain
    if (
        evaluator.context.world is not None
        and left != "return"
        and not any(one.fields.get(UNKNOWN) for one in inner.returned)
    ):
        inner.returned.append(Value(truth=False, literal=None))
    if evaluator.context.world is not None and len(inner.returned) > 1 and not _yields(node):
        inner.returned = alternatives.one_of(inner.returned)
    result = joined(*inner.returned) if inner.returned else Value()
    if evaluator.context.world is not None and len(inner.returned) > 1 and _yields(node):
        return replace(result, names=result.names | {PARTS})
    return result


def _yields(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node))


def _default(evaluator: Evaluator, function: Function, default: ast.expr, scope: Scope) -> Value:
    """Return the default of a parameter, which all calls share."""
    if evaluator.context.world is None:
        return evaluator.value(default, scope)
    if default not in function.defaults:
        function.defaults[default] = evaluator.value(default, scope)
    return function.defaults[default]


def _instance(
    evaluator: Evaluator, function: Function, node: ast.ClassDef, arguments: list[Value], named: dict[str, Value]
) -> Value:
    owner = function.scope.names.get(node.name)
    instance = Value(truth=True)
    if evaluator.context.world is not None and len(arguments) == 1 and not named and _is_enumeration(node):
        return arguments[0]
    if owner is not None:
        instance.names = frozenset(f"{name}()" for name in owner.names)
        instance.fields = dict(owner.fields)
    init = instance.fields.get("__init__")
    if init is not None and init.functions:
        _apply(evaluator, replace(init.functions[0], bound=instance), arguments, named)
    else:
        instance.fields |= {f"argument {index}": argument for index, argument in enumerate(arguments)} | named
        declared = operations.declared(node)
        instance.fields |= dict(zip(declared, arguments, strict=False))
    after = instance.fields.get("__post_init__")
    if after is not None and after.functions:
        _apply(evaluator, replace(after.functions[0], bound=instance), [], {})
    return instance


def _is_enumeration(node: ast.ClassDef) -> bool:
    names = {getattr(base, "attr", getattr(base, "id", "")) for base in node.bases}
    return bool(names & {"Enum", "StrEnum", "IntEnum"})
