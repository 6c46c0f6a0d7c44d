"""Command lines that are parsed as `argparse` itself does it, if all arguments of the parser are known."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NoReturn

from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.known_lists import listed, members
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Taints, Value, text_value

ARGUMENTS = "__arguments__"
"""Field of a parser: its arguments, as they were added."""
COMMANDS = "__subcommands__"
"""Field of what `add_subparsers` returns: name -> arguments of the parser of a command."""
MOST_WORDS = 200
MOST_ARGUMENTS = 100
STEPS = 5
"""Steps that an argument or a word counts as."""
_ACTIONS = frozenset("store store_true store_false store_const append append_const extend count".split())
_PLAIN = frozenset("prog usage description epilog formatter_class add_help exit_on_error".split())
_OF_COMMANDS = frozenset("dest required help title description metavar".split())
_TYPES: dict[str, Any] = {"int": int, "float": float, "bool": bool}
_TEXTS = frozenset(("str", "Path", "pathlib.Path"))


@dataclass(frozen=True)
class _Known:
    """A default or constant, which is passed through."""

    value: Value


class _RejectedError(Exception):
    """A command line does not fit, or the parser is not understood."""


class _Parser(argparse.ArgumentParser):
    """A parser that prints nothing."""

    def error(self, message: str) -> NoReturn:
        raise _RejectedError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise _RejectedError(message)


def made_parser(call: Call) -> Value:
    """Model of `ArgumentParser`."""
    names = frozenset(f"{name}()" for name in call.function.names)
    known = None if call.arguments[1:] else _inherited(call, _PLAIN | {"parents"})
    return Value(names=names, fields={ARGUMENTS: Value(literal=known)}, truth=True)


def commands_of(call: Call) -> Value | None:
    """Model of `add_subparsers`; None if the parser is not known."""
    held = call.receiver.fields.get(ARGUMENTS) if call.receiver is not None else None
    if held is None or not isinstance(held.literal, list) or call.arguments or not call.named.keys() <= _OF_COMMANDS:
        forget(call)
        return None
    commands: dict[str, Any] = {}
    held.literal.append((call.node, [COMMANDS], {**call.named, COMMANDS: Value(literal=commands)}))
    return Value(names=frozenset([COMMANDS]), fields={COMMANDS: Value(literal=commands), ARGUMENTS: held}, truth=True)


def made_command(call: Call) -> Value | None:
    """Model of `add_parser`; None for other methods of this name."""
    if call.receiver is None or COMMANDS not in call.receiver.names:
        return None
    name, known = literal(call.argument(0, "name") or Value()), _inherited(call, _PLAIN | {"parents", "help", "name"})
    held = call.receiver.fields[COMMANDS]
    context = call.context
    sure = context.world is None or (context.certain and not context.listing)
    if isinstance(name, str) and known is not None and len(call.arguments) < 2 and sure:
        held.literal[name] = known
    else:
        forget(call)
    return Value(names=frozenset(["argparse.ArgumentParser()"]), fields={ARGUMENTS: Value(literal=known)}, truth=True)


def _inherited(call: Call, allowed: Collection[str]) -> list[Any] | None:
    """Return the arguments that a new parser has from its parents; None if they, or what it is, are not known."""
    if not call.named.keys() <= set(allowed):
        return None
    inherited: list[Any] = []
    if "parents" in call.named:
        parents = members(call.named["parents"])
        held = [parent.fields.get(ARGUMENTS, Value()).literal for parent in parents or ()]
        if not held or not all(isinstance(one, list) for one in held):
            return None
        inherited = [entry for one in held for entry in one]
    return inherited


def note(call: Call, options: list[str], named: dict[str, Value]) -> None:
    """Record an argument of a parser; without options, record its defaults."""
    held = call.receiver.fields.get(ARGUMENTS) if call.receiver is not None else None
    if held is None or not isinstance(held.literal, list):
        return
    context = call.context
    if context.world is not None and (not context.certain or context.listing):
        held.literal = None
    elif not any(node is call.node and one == options for node, one, _ in held.literal):  # loops are interpreted twice
        held.literal.append((call.node, options, named))


def forget(call: Call) -> None:
    """Note that a parser has arguments that are not known, such as those of commands."""
    if call.receiver is not None and ARGUMENTS in call.receiver.fields:
        call.receiver.fields[ARGUMENTS].literal = None


def parsed(call: Call) -> Value | None:
    """Return the namespace that a call of `parse_args` gives, and the rest of `parse_known_args`; None if unknown."""
    held = call.receiver.fields.get(ARGUMENTS) if call.receiver is not None else None
    words: Any = call.context.argv
    given = call.argument(0, "args")
    if given is not None and literal(given) is not None:
        words = literal(given)
    if held is None or not isinstance(held.literal, list) or len(held.literal) > MOST_ARGUMENTS:
        return None
    if not isinstance(words, list) or len(words) > MOST_WORDS or not all(isinstance(word, str) for word in words):
        return None
    call.context.steps += STEPS * (len(held.literal) + len(words))
    try:
        parser, unknown = _parser(held.literal)
        read = parser.parse_known_args if call.last == "parse_known_args" else parser.parse_args
        result = read(list(words))
    except (Exception, SystemExit):  # as the program would end
        return None
    found, rest = result if isinstance(result, tuple) else (result, [])
    taints = call.context.argv_taints
    fields = {
        name: Value(texts=frozenset([UNKNOWN]))
        if name in unknown and not isinstance(value, _Known)
        else _value(value, taints)
        for name, value in vars(found).items()
    }
    namespace = Value(fields=fields, truth=True)
    if call.last != "parse_known_args":
        return namespace
    return listed([namespace, listed([_value(word, taints) for word in rest])])


def _parser(arguments: list[Any]) -> tuple[_Parser, set[str]]:
    """Return a parser with some arguments, and the names of those whose values are made by unknown functions."""
    parser = _Parser(add_help=False, exit_on_error=False)
    return parser, _fill(parser, arguments)


def _fill(parser: argparse.ArgumentParser, arguments: list[Any]) -> set[str]:
    """Add arguments to a parser; return the names of those whose values are made by unknown functions."""
    unknown, several = set[str](), 0
    for _, options, named in arguments:
        if options == [COMMANDS]:
            commands = parser.add_subparsers(dest=_text(named, "dest", argparse.SUPPRESS), required=False)
            for name, own in named[COMMANDS].literal.items():
                unknown |= _fill(commands.add_parser(name, add_help=False, exit_on_error=False), own)
            continue
        if not options:
            parser.set_defaults(**{name: _Known(value) for name, value in named.items()})
            continue
        action = _text(named, "action", "store")
        wanted: Any = action
        if "BooleanOptionalAction" in " ".join(named.get("action", Value()).names):
            wanted = argparse.BooleanOptionalAction
        elif action not in _ACTIONS:
            raise _RejectedError(action)
        settings: dict[str, Any] = {"action": wanted}
        if "nargs" in named:
            settings["nargs"] = "..." if "argparse.REMAINDER" in named["nargs"].names else literal(named["nargs"])
            several += settings["nargs"] in ("*", "+", "...")
        if "dest" in named:
            settings["dest"] = _text(named, "dest", "")
        if "const" in named:
            settings["const"] = _Known(named["const"])
        if "default" in named:
            settings["default"] = _default(action, named["default"])
        if action in ("store", "append", "extend"):
            settings["type"], is_known = _type(named.get("type"))
        else:
            is_known = True
        if UNKNOWN_VALUE in settings.values() or several > 2:
            raise _RejectedError
        made = parser.add_argument(*options, **settings)
        unknown |= set() if is_known else {made.dest}
    return unknown


def _text(named: dict[str, Value], name: str, default: str) -> str:
    known = literal(named[name]) if name in named else default
    if not isinstance(known, str):
        return ""
    return known


def _default(action: str, value: Value) -> Any:
    """Return a default: a list or number to which more is added must be known."""
    known = literal(value)
    if action in ("append", "extend", "append_const", "count"):
        return list(known) if isinstance(known, list) else known
    return _Known(value)


def _type(value: Value | None) -> tuple[Any, bool]:
    """Return what makes values of words, and whether it is known."""
    names = value.names if value is not None and not value.functions else frozenset()
    if value is None or (names and names <= _TEXTS):
        return str, True
    name = min(names, default="")
    return _TYPES.get(name, str), name in _TYPES


def _value(value: Any, taints: Taints) -> Value:
    if isinstance(value, _Known):
        return value.value
    if isinstance(value, list):
        return listed([_value(part, taints) for part in value])
    if isinstance(value, str):
        made = text_value(value)
        made.taints, made.number = taints, int(value) if value.isdigit() and len(value) < 20 else None
        return made
    made = literal_value(value, NONE if isinstance(value, bool) or value is None else taints)
    if isinstance(value, int) and not isinstance(value, bool):
        made.texts = frozenset([str(value)[:40]])
    return made
