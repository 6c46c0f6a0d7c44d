"""Models of built-in functions and methods, and of functions that start other programs."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from keyword import iskeyword
from typing import cast

from posttrainbench.audit.behavior import libraries as lib
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.library_models.arguments import argument
from posttrainbench.audit.behavior.library_models.parsed_arguments import (
    commands_of,
    forget,
    made_command,
    made_parser,
    note,
    parsed,
)
from posttrainbench.audit.behavior.operations import ASSUMED, attribute, exact_text, looked_up, unrolled
from posttrainbench.audit.behavior.script_analysis import SPLITS
from posttrainbench.audit.behavior.selection import (
    function_keeps_training_rows,
    keeps_training_rows,
    names_training,
    query_keeps_training_rows,
    without_test_data,
)
from posttrainbench.audit.behavior.values import (
    ARGV_INDEX,
    LONGEST_TEXT,
    MOST_TEXTS,
    NONE,
    PARTS,
    UNKNOWN,
    Function,
    Scope,
    Value,
    joined,
    text_value,
    unclear,
)


def processes(call: Call) -> Value | None:
    """Model of functions that run a command, such as `subprocess.run`."""
    if not call.is_in("shells"):
        return None
    command = call.argument(0, "args", "cmd") or Value()
    texts = [text for text in command.texts if text]
    arguments = [value for name, value in command.fields.items() if name.isdigit()]
    if not texts and arguments:
        texts = [
            shlex.join(min(value.texts, default=UNKNOWN) if value.texts else _program(value) for value in arguments)
        ]
    elif call.last == "create_subprocess_exec":
        texts = [shlex.join(min(value.texts, default=UNKNOWN) for value in call.arguments)]
    cwd = min((call.named.get("cwd") or Value()).texts, default="")
    taints = call.argument_taints() if any(value.all() for value in call.named.values()) else NONE
    for text in texts[:4]:
        taints |= call.shell(text, cwd)
    stdout = call.named.get("stdout")
    call.write_handles(stdout, taints)
    return Value(taints)


def _program(value: Value) -> str:
    return "python" if "sys.executable" in value.names else UNKNOWN


def _each(call: Call, function: Value, sequence: Value, *, spread: bool = False) -> Value:
    """Return the results of a function for the elements of a sequence, one by one if they are all known."""
    elements = unrolled(sequence)
    if not elements:
        inner = call.invoke(function, [call.element(sequence)])
        return Value(inner.all(), fields={UNKNOWN: inner})
    inputs = [[element] if not spread else list(element.fields.values()) for element in elements]
    return Value(fields={str(number): call.invoke(function, given) for number, given in enumerate(inputs)})


def builtins(call: Call) -> Value | None:
    """Model of built-in functions and of similar functions of the standard library."""
    name = min(call.function.names, default="")
    if call.function.functions:
        return None
    if call.is_named(frozenset(["sys.argv.index"])):
        return _argv_index(call)
    if name == "isinstance" and len(call.arguments) == 2:
        return Value(truth=_is_instance(*call.arguments))
    if call.last in lib.OF_TENSORS and _is_of_tensor(call):
        return None
    if call.last in lib.COUNTS and not (call.last == "index" and call.receiver is None):
        number = (call.argument(0) or Value()).number if name in ("int", "range") else None
        if name == "range" and len(call.arguments) > 1:  # as many as from 0 on
            number = call.arguments[1].number if number == 0 else None
        return Value(number=number)
    first = call.argument(0)
    if name in (
        "list",
        "sorted",
        "reversed",
        "tuple",
        "iter",
        "set",
        "deepcopy",
        "copy.deepcopy",
        "frozenset",
        "tqdm",
    ) or (call.last in ("tqdm", "track", "batched", "chunked", "shuffled", "cycle") and first is not None):
        if first is None:
            return Value(truth=None)
        if name in ("set", "frozenset", "list", "tuple", "sorted"):
            copy = Value(
                first.taints, first.texts, fields=dict(first.fields), splits=first.splits, handles=first.handles
            )
            if not copy.fields and copy.taints:
                copy.fields[UNKNOWN] = call.element(first)
            copy.whole = first.whole
            return copy
        return first
    if name == "dict" and not call.arguments:
        return Value(fields=dict(call.named))
    if call.last in ("dict", "OrderedDict") and name in _DICTIONARIES and first is not None:
        pairs = _pairs(first) if call.context.world is None else {}
        return Value(first.taints, fields=(pairs or first.fields) | call.named)
    if name == "inspect.getmembers" and first is not None and call.context.world is None:
        members = {key: part for key, part in list(first.fields.items())[:200] if key != UNKNOWN}
        listed = [Value(fields={"0": text_value(key), "1": part}) for key, part in members.items()]
        return Value(fields={str(number): pair for number, pair in enumerate(listed)})
    if name == "globals" and call.scope is not None and call.context.world is None:
        return Value(fields=call.scope.outermost().names, truth=True)
    if call.context.world is None and "args" in call.named and (started := _started(call)) is not None:
        return started
    if name == "enumerate" and first is not None:
        return Value(fields={UNKNOWN: Value(fields={"0": Value(), "1": call.element(first)})})
    if name in ("zip", "zip_longest", "itertools.product", "product"):
        parts = {str(index): call.element(value) for index, value in enumerate(call.arguments)}
        return Value(fields={UNKNOWN: Value(fields=parts)})
    if name == "map" and len(call.arguments) == 2 and first is not None and unrolled(call.arguments[1]):
        return _each(call, first, call.arguments[1])
    if name == "map" and len(call.arguments) > 1 and first is not None:
        inner = call.invoke(first, [call.element(value) for value in call.arguments[1:]])
        return Value(fields={UNKNOWN: inner})
    if name == "filter" and len(call.arguments) > 1:
        call.invoke(call.arguments[0], [call.element(call.arguments[1])])
        chosen = any(function_keeps_training_rows(one.node) for one in _functions(call))
        return without_test_data(call.arguments[1]) if chosen else call.arguments[1]
    if name == "next" and first is not None:
        return unclear(call.element(first)) if PARTS in first.names else call.element(first)
    if name in ("dataclasses.replace", "copy.replace", "attrs.evolve") and first is not None:
        return replace(first, fields=first.fields | call.named)
    if name in ("typing.cast", "cast") and len(call.arguments) == 2:
        return call.arguments[1]
    if name == "functools.partial" and first is not None and call.context.world is None:
        return partial(first, call.arguments[1:], call.named)
    if name in ("asyncio.run", "asyncio.gather", "functools.partial") and first is not None:
        return call.default()
    if call.last in ("random", "choice", "choices", "shuffle") and first is not None:
        if call.last == "shuffle":
            return first
        return Value(fields={UNKNOWN: call.element(first)}) if call.last == "choices" else call.element(first)
    if call.last in ("gethostname", "getfqdn") and name.startswith("socket."):
        return text_value("localhost")
    if name in ("vars", "dataclasses.asdict", "asdict", "attrs.asdict") and first is not None:
        return first
    if name == "setattr" and len(call.arguments) == 3 and (key := exact_text(call.arguments[1])) is not None:
        call.arguments[0].set_field(key, call.arguments[2])
        return Value()
    if name == "setattr" and len(call.arguments) == 3 and call.context.world is None:
        _set_unknown(call.arguments[0], call.arguments[2])
        return Value()
    if name.endswith("getattr") and len(call.arguments) > 1:
        return _named_attribute(call.arguments[0], call.arguments[1])
    return None


_DICTIONARIES = frozenset(("dict", "OrderedDict", "collections.OrderedDict"))


def _pairs(value: Value) -> dict[str, Value]:
    """Return the entries of a list of pairs whose keys are all known; {} for any other value."""
    parts = [part for key, part in value.fields.items() if key.isdigit()]
    keys = [exact_text(part.fields.get("0", Value())) for part in parts]
    if not parts or len(parts) != len(value.fields) or value.taints:
        return {}
    return {key: part.fields.get("1", Value()) for key, part in zip(keys, parts, strict=True) if key is not None}


def _started(call: Call) -> Value | None:
    """Model of functions that call another one in processes or threads, with arguments that they are given."""
    target = call.named.get("target") or call.named.get("fn") or call.named.get("function") or call.argument(0)
    if target is None or not target.functions:
        return None
    given = list(call.named["args"].fields.values())
    return call.invoke(target, [Value(), *given] if call.last == "spawn" else given)


def partial(function: Value, given: Sequence[Value], named: Mapping[str, Value]) -> Value:
    """Return a function with some of its arguments, as a function of the script that passes them on."""
    own = next((one.node for one in function.functions), None)
    name = getattr(own, "name", "") or min(function.names, default="function").rpartition(".")[2]
    name = name if name.isidentifier() and not iskeyword(name) else "function"
    text = f"lambda *_given, **_named: {name}(*_first, *_given, **_fixed, **_named)"
    node = cast(ast.Lambda, ast.parse(text, mode="eval").body)
    first = Value(fields={str(number): value for number, value in enumerate(given)}, total=len(given))
    scope = Scope({name: function, "_first": first, "_fixed": Value(fields=dict(named))})
    passed = NONE.union(*(value.all() for value in (*given, *named.values())))
    made = Function(node, scope, function.functions[0].script if function.functions else "")
    return Value(passed, names=function.names, functions=(made,), truth=True)


def _set_unknown(owner: Value, value: Value) -> None:
    """Set an attribute whose name is not known: any setting of the object may have another value than before."""
    owner.add(value)
    for name, known in list(owner.fields.items()):
        if not known.functions and not name.startswith("__"):
            owner.fields[name] = replace(joined(known, value), truth=None, ambiguous=True)


def _named_attribute(owner: Value, name: Value) -> Value:
    """Return the attribute with a computed name: all that it may be if it is not known in full."""
    known = min(name.texts, default=UNKNOWN)
    if UNKNOWN not in known or not owner.fields:
        return attribute(owner, known if UNKNOWN not in known else "")
    fits = [key for key in owner.fields if fnmatchcase(key, known.replace(UNKNOWN, "*")) and not key.startswith("__")]
    return joined(*(attribute(owner, key) for key in fits[:MOST_TEXTS])) if fits else Value(owner.all())


def _is_of_tensor(call: Call) -> bool:
    """Return True if a sum or a mean may be a loss: of a tensor or a list, not of a column of a table."""
    names = call.function.names
    if call.receiver is None:
        return call.last == "sum"
    if any(name.startswith(lib.TENSORS) for name in names):
        return True
    return not call.receiver.whole and not any(name.startswith(lib.TABLES) for name in names)


def _is_instance(value: Value, kind: Value) -> bool | None:
    """Return the truth of `isinstance` for a data set of which no split was chosen, which is a `DatasetDict`."""
    kinds = {name.rpartition(".")[2] for name in kind.names}
    if not value.splits or value.taints or not kinds:
        return None
    if kinds <= {"DatasetDict", "IterableDatasetDict", "dict", "Mapping"}:
        return True
    return False if kinds <= {"Dataset", "IterableDataset"} else None


def _functions(call: Call) -> list[Function]:
    return [function for value in call.all_arguments() for function in value.functions]


def _argv_index(call: Call) -> Value:
    argv, word = call.context.argv or [], min((call.argument(0) or Value()).texts, default="")
    return Value(number=argv.index(word) + 1 if word in argv else None, names=frozenset([ARGV_INDEX]))


def methods(call: Call) -> Value | None:
    """Model of methods of containers, strings, executors and argument parsers."""
    receiver = call.receiver
    if call.last == "ArgumentParser" and not call.function.functions:
        return made_parser(call)
    if call.last == "add_argument":
        return argument(call)
    if call.last in ("add_argument_group", "add_mutually_exclusive_group") and receiver is not None:
        return receiver
    if call.last == "add_subparsers" and (commands := commands_of(call)) is not None:
        return commands
    if call.last == "add_parser" and (command := made_command(call)) is not None:
        return command
    if call.last in ("add_subparsers", "_add_action"):
        forget(call)
    if call.last in ("parse_args", "parse_known_args", "parse_intermixed_args") and (known := parsed(call)) is not None:
        return known
    if call.last in ("parse_args", "parse_known_args") and receiver is not None:
        fields = {name: value for name, value in receiver.fields.items() if not name.startswith("__")}
        namespace = Value(fields=fields)
        return namespace if call.last == "parse_args" else Value(fields={"0": namespace, "1": Value()})
    if not call.function.functions and lib.CHOOSES.search(call.last):
        return call.argument(0) or receiver or Value()
    if receiver is None or call.function.functions:
        return None
    if call.last in ("submit", "apply_async", "starmap", "imap", "imap_unordered", "run_in_executor") or (
        call.last == "map" and lib.POOLS.search(" ".join(receiver.names))
    ):
        function = next((value for value in call.arguments if value.functions), None)
        if function is not None:
            inputs = [value for value in call.arguments if value is not function]
            if call.last in ("map", "imap", "imap_unordered", "starmap") and len(inputs) == 1:
                return _each(call, function, inputs[0], spread=call.last == "starmap")
            if call.last in ("map", "imap", "imap_unordered"):
                inputs = [call.element(value) for value in inputs]
            inner = call.invoke(function, inputs)
            return Value(inner.all(), fields={UNKNOWN: inner})
    if call.last in lib.ADDS and not any(name.startswith((*lib.TENSORS, "numpy.")) for name in call.function.names):
        for value in call.arguments:
            receiver.add(value)
            inner = value
            if call.last in ("extend", "update", "extendleft"):
                if call.last == "update":
                    receiver.fields.update(value.fields)
                inner = call.element(value)
            receiver.set_field(UNKNOWN, inner)
        return Value()
    if call.last == "save_hyperparameters" and call.scope is not None:  # of Lightning
        settings = next((value.fields for value in call.arguments if value.fields), None)
        if settings is None:
            settings = {key: value for key, value in call.scope.names.items() if value is not receiver}
        receiver.set_field("hparams", Value(fields=dict(settings), truth=True))
        return Value()
    if call.last == "merge" and "indicator" in call.named:
        return receiver  # marks rows, to drop those that are in both
    if call.last == "set_defaults":
        note(call, [], call.named)
        receiver.fields |= call.named
        return Value()
    if call.last in lib.KEEPS:
        if (
            any(map(keeps_training_rows, call.node.args))
            or any(query_keeps_training_rows(text) for value in call.arguments for text in value.texts)
            or any(function_keeps_training_rows(one.node) for one in _functions(call))
        ):
            return without_test_data(receiver)
        for value in call.arguments:
            if value.functions:
                call.invoke(value, [call.element(receiver)])
        return receiver
    if call.last in ("items", "values", "keys", "copy", "shuffle", "read", "readlines", "tolist", "strip", "iterrows"):
        return _content(call, receiver)
    if call.last == "get_group" and call.arguments and (name := exact_text(call.arguments[0])) is not None:
        return without_test_data(receiver) if names_training(name) else receiver
    if call.last == "get" and call.arguments:
        name = min(call.arguments[0].texts, default="")
        if name in receiver.fields:
            return receiver.fields[name]
        return looked_up(receiver, call.arguments[0], call.element(receiver))
    if call.last in ("split", "rsplit") and (listed := _split(call, receiver)) is not None:
        return listed
    if call.last in ("format", "replace", "join", "split", "splitlines", "lower", "encode", "decode"):
        if call.last == "join":
            return Value(receiver.all() | call.argument_taints(), truth=None)
        texts = receiver.texts if call.last in ("strip", "lower", "encode", "decode") else frozenset()
        if call.last == "replace" and len(call.arguments) == 2 and not receiver.handles:
            old, new = (exact_text(value) for value in call.arguments)
            if old and new is not None:
                texts = frozenset(text.replace(old, new)[:LONGEST_TEXT] for text in receiver.texts)
        if call.last == "format":
            texts = frozenset(_formatted(text, call) for text in receiver.texts)
        return Value(receiver.all() | call.argument_taints(), texts)
    return None


def _content(call: Call, receiver: Value) -> Value:
    counts = any(name.rpartition(".")[2] == "Counter()" for name in receiver.names)  # its keys are what it counts
    if receiver.splits and receiver.fields.keys() <= set(SPLITS) and call.last in ("items", "values", "keys"):
        rows = call.context.split_rows(receiver, call.caller.script, call.line)
        items: dict[str, Value] = {}
        for number, (split, part) in enumerate(rows.items()):
            pair = Value(fields={"0": text_value(split), "1": part})
            items[str(number)] = pair if call.last == "items" else part if call.last == "values" else pair.fields["0"]
        return Value(receiver.taints, names=frozenset([ASSUMED]), fields=items)
    if call.last == "items":
        pairs = [Value(fields={"0": text_value(key), "1": part}) for key, part in list(receiver.fields.items())[:40]]
        if pairs and not receiver.taints and not receiver.splits:
            return Value(fields={str(number): pair for number, pair in enumerate(pairs)})
        key = Value(receiver.all()) if counts else Value()
        pairs.append(Value(fields={"0": key, "1": Value(receiver.taints)}))
        return Value(fields={UNKNOWN: joined(*pairs)}, splits=receiver.splits)
    if call.last == "values":
        parts = list(receiver.fields.values())[:40]
        return Value(receiver.taints, fields={UNKNOWN: joined(*parts)} if parts else {}, splits=receiver.splits)
    if call.last == "keys":
        return Value(receiver.all()) if counts else Value()
    if call.last == "iterrows":
        return Value(fields={UNKNOWN: Value(fields={"0": Value(), "1": Value(receiver.all())})})
    return receiver


def _split(call: Call, receiver: Value) -> Value | None:
    """Return the parts of a known text, None if it is not known."""
    text, separator = exact_text(receiver), [exact_text(value) for value in call.arguments[:1]]
    if text is None or len(call.arguments) > 1 or call.named or call.context.world is not None or "" in separator:
        return None
    if not receiver.texts or separator == [None]:
        return None
    parts = text.split(separator[0] if separator else None)[:20]
    return Value(fields={str(number): text_value(part) for number, part in enumerate(parts)}, total=len(parts))


def _formatted(text: str, call: Call) -> str:
    for name, value in call.named.items():
        text = text.replace(f"{{{name}}}", min(value.texts, default=UNKNOWN))
    for value in call.arguments:
        text = text.replace("{}", min(value.texts, default=UNKNOWN), 1)
    return text
