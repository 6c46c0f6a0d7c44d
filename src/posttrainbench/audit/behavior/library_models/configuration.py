"""Models of configuration files and of libraries that read the command line, besides `argparse`."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.training_arguments import LONGEST_CONFIG, options_of
from posttrainbench.audit.behavior.values import FILE, UNKNOWN, Value, joined, text_value

MOST_VALUES = 500
"""Values of a configuration file that are kept."""
MOST_COMMANDS = 20
"""Commands of one program that are interpreted if its command line names none of them."""
COMMANDS = "__commands__"
"""Name of the functions that are commands of an object that reads the command line."""
CONTENT = "content of "
"""Beginning of the name of a value that is the text of a file."""
_DEFAULTS = {"dataset_train_split": "train", "dataset_test_split": "test"}
"""Defaults of TRL's `ScriptArguments`."""


def configuration(call: Call) -> Value | None:
    """Model of functions that read configuration files or the command line."""
    names = call.function.names
    if call.is_in("settings"):
        return _loaded(call)
    if call.is_in("records") or any(name.endswith(("OmegaConf.create", "OmegaConf.structured")) for name in names):
        first = call.argument(0) or Value()
        if not call.function.functions:
            return Value(first.taints, fields=first.fields | {k: v for k, v in call.named.items() if k != UNKNOWN})
    if any(name.endswith("OmegaConf.merge") for name in names):
        fields = {key: part for value in call.arguments for key, part in value.fields.items()}
        return Value(call.argument_taints(), fields=fields)
    if any(name.endswith("OmegaConf.from_cli") for name in names):
        return Value(fields=dict(_given(call.context.argv)))
    if call.last in ("field", "Field", "Option", "Argument") and not call.function.functions:
        factory = call.named.get("default_factory")
        if factory is not None and factory.functions:
            return call.invoke(factory, [])
        return call.argument(0, "default") or Value()
    if call.last in ("HfArgumentParser", "TrlParser"):
        return Value(names=frozenset([f"{call.last}()"]), fields={"classes": call.argument(0) or Value()}, truth=True)
    parser = call.receiver.fields.get("classes") if call.receiver is not None else None
    if parser is not None and call.last.startswith("parse_"):
        return _parsed(call, parser)
    if call.last == "load_dotenv" and not call.function.functions:
        path = min((call.argument(0, "dotenv_path") or Value()).texts, default=".env")
        for line in call.text_of(path).splitlines()[:MOST_VALUES]:
            name, mark, value = line.removeprefix("export ").partition("=")
            if mark:
                call.context.env.setdefault(name.strip(), value.strip().strip("'\""))
        return Value()
    commands = call.function.fields.get(COMMANDS)
    if commands is not None:
        return _called_command(call, commands.fields)
    target = call.argument(0) if call.is_in("command_lines") else None
    return _called(call, target, call.context.argv) if target is not None and target.functions else None


def add_command(owner: Value, name: str, decorator: ast.expr, function: Value) -> None:
    """Record that a function is a command of an object that reads the command line, as decorators of Typer do."""
    if isinstance(decorator, ast.Call):
        named = [keyword.value for keyword in decorator.keywords if keyword.arg == "name"]
        given = [node.value for node in (*decorator.args[:1], *named) if isinstance(node, ast.Constant)]
        name = next((text for text in given if isinstance(text, str)), name)
    commands = owner.fields.setdefault(COMMANDS, Value())
    commands.fields[name.replace("_", "-")] = function


def _called_command(call: Call, commands: dict[str, Value]) -> Value:
    """Return the result of the command that the command line names, of all if it names none of them."""
    argv = call.context.argv
    chosen = next((word for word in argv or [] if not word.startswith("-")), "").replace("_", "-")
    if chosen in commands and argv is not None:
        rest = argv[[word.replace("_", "-") for word in argv].index(chosen) + 1 :]
        return _called(call, commands[chosen], rest)
    return joined(*(_called(call, function, argv) for function in list(commands.values())[:MOST_COMMANDS]))


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, argv: list[str] | None) -> dict[str, Value]:
    """Return the parameters of a function that a library calls with the command line's words."""
    given = dict(_given(argv))
    words = [value for name, value in options_of(argv or []) if not name]
    names = [parameter.arg for parameter in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
    found = {name: given[name] for name in names if name in given}
    required = names[: len(names) - len(node.args.defaults)]
    found |= {name: _word(word) for name, word in zip(required, words, strict=False) if name not in found}
    return found


def from_decorators(call: Call, node: ast.AST) -> dict[str, Value]:
    """Return the arguments that a decorator such as `@hydra.main` takes from the command line."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for decorator in node.decorator_list:
            text = ast.unparse(decorator)[:200]
            if text.startswith("hydra.main") and node.args.args:
                return {node.args.args[0].arg: _hydra_configuration(decorator, call)}
            if re.search(r"\bcommand\b|\bwrap\b", text):
                return parameters(node, call.context.argv)
    return {}


def _hydra_configuration(call_text: ast.expr, call: Call) -> Value:
    """Return the configuration that `@hydra.main(config_path=..., config_name=...)` passes to a function."""
    given = {
        keyword.arg: keyword.value.value
        for keyword in (call_text.keywords if isinstance(call_text, ast.Call) else ())
        if keyword.arg and isinstance(keyword.value, ast.Constant)
    }
    folder, name = str(given.get("config_path") or "."), str(given.get("config_name") or "config")
    text = call.text_of(f"{folder}/{name.removesuffix('.yaml')}.yaml")
    config = value_of(_parse(text, ".yaml"))
    for key, value in _given(call.context.argv):
        place = config
        *outer, last = key.split(".")
        for part in outer[:10]:
            place = place.fields.setdefault(part, Value())
        place.fields[last] = value
    return config


def value_of(data: Any) -> Value:
    """Return the value of a configuration file's content."""
    return _value(data, iter(range(MOST_VALUES)), 0)


def _value(data: Any, budget: Iterator[int], depth: int) -> Value:
    if depth > 8 or next(budget, None) is None:
        return Value()
    if isinstance(data, dict):
        return Value(fields={str(key)[:200]: _value(part, budget, depth + 1) for key, part in list(data.items())[:100]})
    if isinstance(data, list):
        return Value(fields={str(n): _value(part, budget, depth + 1) for n, part in enumerate(data[:100])})
    if isinstance(data, bool) or data is None:
        return Value(truth=bool(data))
    if isinstance(data, int | float):
        return Value(texts=frozenset([str(data)]), number=data if isinstance(data, int) else None, truth=bool(data))
    return text_value(data) if isinstance(data, str) else Value()


def _loaded(call: Call) -> Value | None:
    """Return the content of a small file that holds one dictionary and no test data; None for any other file."""
    source = call.argument(0) or Value()
    if any(not taint.what.startswith(FILE) for taint in source.all()):
        return None
    paths = {name.removeprefix(CONTENT) for name in source.names if name.startswith(CONTENT)}
    if "file" in source.names or any(name.endswith("OmegaConf.load") for name in call.function.names):
        paths |= source.texts
    if len(paths) != 1 or (path := paths.pop()).endswith("task.json"):
        return None
    data = _parse(call.text_of(path), path)
    settings = isinstance(data, dict) and (
        not source.all() or not any(isinstance(v, list | dict) for v in data.values())
    )
    return value_of(data) if settings else None


def _parse(text: str, path: str) -> Any:
    if not text or len(text) > LONGEST_CONFIG:
        return None
    try:
        return tomllib.loads(text) if path.endswith(".toml") else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _given(argv: list[str] | None) -> list[tuple[str, Value]]:
    return [(name, _word(value)) for name, value in options_of(argv or []) if name]


def _word(text: str) -> Value:
    value = text_value(text)
    value.number = int(text) if text.isdigit() and len(text) < 10 else None
    return value


def _parsed(call: Call, classes: Value) -> Value:
    """Return the records that `HfArgumentParser` or `TrlParser` fills from the command line and configuration files."""
    given: dict[str, Value] = {}
    argv = list(call.context.argv or [])
    files = [word for word in argv if word.endswith((".yaml", ".yml", ".json"))][:4]
    if call.last in ("parse_json_file", "parse_yaml_file"):
        files += [text for value in call.all_arguments() for text in sorted(value.texts)]
    for file in files:
        given |= value_of(_parse(call.text_of(file), file)).fields
    given |= dict(_given(argv))
    listed = [value for name, value in classes.fields.items() if name.isdigit()] or [classes]
    records = {}
    for number, one in enumerate(listed):
        own = {} if one.functions else {name: text_value(text) for name, text in _DEFAULTS.items()}
        records[str(number)] = Value(fields={**own, **one.fields, **given}, truth=True)
    return Value(fields=records)


def _called(call: Call, target: Value, argv: list[str] | None) -> Value:
    node = target.functions[0].node
    if isinstance(node, ast.ClassDef):
        return Value(fields={**target.fields, **dict(_given(argv))}, truth=True)
    if isinstance(node, ast.Lambda):
        return call.invoke(target, [])
    return call.invoke(target, [], parameters(node, argv))
