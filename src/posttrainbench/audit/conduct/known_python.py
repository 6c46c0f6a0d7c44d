"""Python's own functions and methods, and other programs that a script starts."""

from __future__ import annotations

import shlex

from posttrainbench.audit.conduct import libraries as lib
from posttrainbench.audit.conduct.call import Call
from posttrainbench.audit.conduct.expressions import ARGV_INDEX
from posttrainbench.audit.conduct.known_arguments import argument
from posttrainbench.audit.conduct.values import (
    NONE,
    UNKNOWN,
    Value,
    joined,
    text_value,
)


def processes(call: Call) -> Value | None:
    """Commands that are run."""
    if not call.is_named(lib.SHELLS):
        return None
    words = call.argument(0, "args", "cmd") or Value()
    texts = [text for text in words.texts if text]
    listed = [value for name, value in words.fields.items() if name.isdigit()]
    if not texts and listed:
        texts = [shlex.join(min(value.texts, default=UNKNOWN) if value.texts else _program(value) for value in listed)]
    elif call.last == "create_subprocess_exec":
        texts = [shlex.join(min(value.texts, default=UNKNOWN) for value in call.arguments)]
    cwd = min((call.named.get("cwd") or Value()).texts, default="")
    taints = call.passed() if any(value.all() for value in call.named.values()) else NONE
    for text in texts[:4]:
        taints |= call.reader.run.host.shell(text, cwd or call.reader.run.cwd, call.reader.run.env)
    stdout = call.named.get("stdout")
    call.write_handles(stdout, taints)
    return Value(taints)


def _program(value: Value) -> str:
    return "python" if "sys.executable" in value.names else UNKNOWN


def builtins(call: Call) -> Value | None:
    """Functions of the language."""
    name = min(call.function.names, default="")
    if call.function.functions:
        return None
    if call.is_named(frozenset(["sys.argv.index"])):
        return _argv_index(call)
    if call.last in lib.COUNTS and not (call.last == "index" and call.receiver is None):
        number = (call.argument(0) or Value()).number if name in ("int", "range") else None
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
                copy.fields[UNKNOWN] = call.reader.element(first)
            copy.whole = first.whole
            return copy
        return first
    if name == "dict" and not call.arguments:
        return Value(fields=dict(call.named))
    if name == "dict" and first is not None:
        return Value(first.taints, fields=first.fields | call.named)
    if name == "enumerate" and first is not None:
        return Value(fields={UNKNOWN: Value(fields={"0": Value(), "1": call.reader.element(first)})})
    if name in ("zip", "zip_longest", "itertools.product", "product"):
        parts = {str(index): call.reader.element(value) for index, value in enumerate(call.arguments)}
        return Value(fields={UNKNOWN: Value(fields=parts)})
    if name == "map" and len(call.arguments) > 1 and first is not None:
        inner = call.reader.call_value(first, [call.reader.element(value) for value in call.arguments[1:]])
        return Value(fields={UNKNOWN: inner})
    if name == "filter" and len(call.arguments) > 1:
        call.reader.call_value(call.arguments[0], [call.reader.element(call.arguments[1])])
        return call.arguments[1]
    if name == "next" and first is not None:
        return call.reader.element(first)
    if name in ("asyncio.run", "asyncio.gather", "functools.partial") and first is not None:
        return call.default()
    if call.last in ("random", "choice", "choices", "shuffle") and first is not None:
        if call.last == "shuffle":
            return first
        return (
            Value(fields={UNKNOWN: call.reader.element(first)})
            if call.last == "choices"
            else call.reader.element(first)
        )
    if name.endswith("getattr") and len(call.arguments) > 1:
        return call.reader.attribute(call.arguments[0], min(call.arguments[1].texts, default=""))
    return None


def _argv_index(call: Call) -> Value:
    argv, word = call.reader.run.argv or [], min((call.argument(0) or Value()).texts, default="")
    return Value(number=argv.index(word) + 1 if word in argv else None, names=frozenset([ARGV_INDEX]))


def methods(call: Call) -> Value | None:
    """Methods of containers, texts, pools and parsers."""
    receiver = call.receiver
    if call.last == "add_argument":
        return argument(call)
    if call.last in ("parse_args", "parse_known_args") and receiver is not None:
        fields = {name: value for name, value in receiver.fields.items() if not name.startswith("__")}
        space = Value(fields=fields)
        return space if call.last == "parse_args" else Value(fields={"0": space, "1": Value()})
    if not call.function.functions and lib.CHOOSES.search(call.last):
        return call.argument(0) or receiver or Value()
    if receiver is None or call.function.functions:
        return None
    if call.last in ("submit", "apply_async", "starmap", "imap", "imap_unordered", "run_in_executor") or (
        call.last == "map" and any("Pool" in name or "Executor" in name for name in receiver.names)
    ):
        function = next((value for value in call.arguments if value.functions), None)
        if function is not None:
            rest = [value for value in call.arguments if value is not function]
            if call.last in ("map", "imap", "imap_unordered"):
                rest = [call.reader.element(value) for value in rest]
            inner = call.reader.call_value(function, rest)
            return Value(inner.all(), fields={UNKNOWN: inner})
    if call.last in lib.ADDS:
        for value in call.arguments:
            receiver.add(value)
            inner = value
            if call.last in ("extend", "update", "extendleft"):
                if call.last == "update":
                    receiver.fields.update(value.fields)
                inner = call.reader.element(value)
            receiver.set_field(UNKNOWN, inner)
        return Value()
    if call.last in lib.KEEPS:
        for value in call.arguments:
            if value.functions:
                call.reader.call_value(value, [call.reader.element(receiver)])
        return receiver
    if call.last in ("items", "values", "keys", "copy", "shuffle", "read", "readlines", "tolist", "strip", "iterrows"):
        return _same(call, receiver)
    if call.last == "get" and call.arguments:
        name = min(call.arguments[0].texts, default="")
        if name in receiver.fields:
            return receiver.fields[name]
        return call.reader.element(receiver)
    if call.last in ("format", "replace", "join", "split", "splitlines", "lower", "encode", "decode"):
        if call.last == "join":
            return Value(receiver.all() | call.passed(), truth=None)
        texts = receiver.texts if call.last in ("strip", "lower") else frozenset()
        if call.last == "format":
            texts = frozenset(_formatted(text, call) for text in receiver.texts)
        return Value(receiver.all() | call.passed(), texts)
    return None


def _same(call: Call, receiver: Value) -> Value:
    if call.last == "items":
        pairs = [Value(fields={"0": text_value(key), "1": part}) for key, part in list(receiver.fields.items())[:40]]
        if pairs and not receiver.taints and not receiver.splits:
            return Value(fields={str(number): pair for number, pair in enumerate(pairs)})
        pairs.append(Value(fields={"0": Value(), "1": Value(receiver.taints)}))
        return Value(fields={UNKNOWN: joined(*pairs)}, splits=receiver.splits)
    if call.last == "values":
        parts = list(receiver.fields.values())[:40]
        return Value(receiver.taints, fields={UNKNOWN: joined(*parts)} if parts else {}, splits=receiver.splits)
    if call.last == "keys":
        return Value()
    if call.last == "iterrows":
        return Value(fields={UNKNOWN: Value(fields={"0": Value(), "1": Value(receiver.all())})})
    return receiver


def _formatted(text: str, call: Call) -> str:
    for name, value in call.named.items():
        text = text.replace(f"{{{name}}}", min(value.texts, default=UNKNOWN))
    for value in call.arguments:
        text = text.replace("{}", min(value.texts, default=UNKNOWN), 1)
    return text
