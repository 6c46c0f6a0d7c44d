"""Models of configuration files and of libraries that read the command line, besides `argparse`."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import yaml

from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.concrete import MOST_FIELDS, literal_value
from posttrainbench.audit.behavior.hydra_configurations import Composer
from posttrainbench.audit.behavior.known_lists import listed
from posttrainbench.audit.behavior.operations import exact_text, words
from posttrainbench.audit.behavior.training_arguments import LONGEST_CONFIG, options_of
from posttrainbench.audit.behavior.values import FILE, NONE, UNKNOWN, Scope, Taints, Value, joined, text_value

MOST_VALUES = 500
"""Values of a configuration file that are kept."""
MOST_LEVELS = 6
LONGEST_NAME = 300
"""Longest text in a configuration file that names files."""
MOST_COMMANDS = 20
"""Commands of one program that are interpreted if its command line names none of them."""
COMMANDS = "__commands__"
"""Name of the functions that are commands of an object that reads the command line."""
CONTENT = "content of "
"""Beginning of the name of a value that is the text of a file."""
_HYDRA_KEYS = frozenset("_target_ _partial_ _recursive_ _convert_ _args_".split())
_PARSERS = ("HfArgumentParser()", "TrlParser()")
_RECORD = "record "
"""Field of a parser: a record that it fills, by the name under which it returns it."""
_DEFAULTS = {"dataset_train_split": "train", "dataset_test_split": "test"}
"""Defaults of TRL's `ScriptArguments`."""


def configuration(call: Call) -> Value | None:
    """Model of functions that read configuration files or the command line."""
    names = call.function.names
    if (made := instantiated(call)) is not None:
        return made
    if any(name.endswith(("OmegaConf.to_container", "OmegaConf.to_object")) for name in names):
        return call.argument(0)
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
    if call.last.startswith("parse") and call.context.world is None and (own := _own_parser(call.receiver)) is not None:
        records = _parsed(call, own)
        return records.fields["0"] if len(records.fields) == 1 and call.function.functions else records
    if call.context.world is None and (passed := _passes_parser(call)) is not None:
        return passed
    if call.last == "load_dotenv" and not call.function.functions:
        path = min((call.argument(0, "dotenv_path") or Value()).texts, default=".env")
        for line in call.text_of(path).splitlines()[:MOST_VALUES]:
            name, mark, value = line.removeprefix("export ").partition("=")
            if mark:
                call.context.env.setdefault(name.strip(), value.strip().strip("'\""))
        return Value()
    if call.context.world is None and (parsed := _of_simple_parsing(call)) is not None:
        return parsed
    commands = call.function.fields.get(COMMANDS)
    if commands is not None:
        return _called_command(call, commands.fields)
    if not call.is_in("command_lines"):
        return None
    target, argv = call.argument(0), call.context.argv
    if target is None and call.scope is not None and argv and not argv[0].startswith("-"):  # one of the script's
        target, argv = call.scope.find(argv[0].replace("-", "_")), argv[1:]
    if target is not None and not target.functions and argv:  # a dictionary of commands
        target, argv = target.fields.get(argv[0], target), argv[1:]
    return _called(call, target, argv) if target is not None and target.functions else None


def _passes_parser(call: Call) -> Value | None:
    """Return the parser that a library's function is given, to which it adds arguments; None for other functions."""
    if call.function.functions or call.last.startswith("parse") or call.receiver is None or len(call.arguments) != 1:
        return None
    known = any(name.endswith("ArgumentParser()") for name in call.arguments[0].names)
    return call.arguments[0] if known and "arg" in call.last else None


def _of_simple_parsing(call: Call) -> Value | None:
    """Model of `add_arguments(RECORD, dest=...)` of a parser, and of the result of such a parser."""
    parser = call.receiver
    if parser is None or call.function.functions:
        return None
    if call.last == "add_arguments" and (record := call.argument(0)) is not None and record.functions:
        for dest in (call.argument(1, "dest") or Value()).texts:
            parser.set_field(f"{_RECORD}{dest}", record)
        return Value()
    records = {name.removeprefix(_RECORD): part for name, part in parser.fields.items() if name.startswith(_RECORD)}
    if call.last != "parse_args" or not records:
        return None
    argv = call.context.argv or []
    given = _flags(argv) | {name.rpartition(".")[2]: value for name, value in _given(argv)}
    return Value(fields={dest: _filled(record, given) for dest, record in records.items()}, truth=True)


def _own_parser(value: Value | None) -> Value | None:
    """Return the data classes that an instance of a class of the script, derived from a parser, was given."""
    if value is None or not any(name.endswith(_PARSERS) for name in value.names):
        return None
    return value.fields.get("dataclass_types") or value.fields.get("argument 0")


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
    plain = [value for name, value in options_of(argv or []) if not name]
    names = [parameter.arg for parameter in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
    found = {name: given[name] for name in names if name in given}
    required = names[: len(names) - len(node.args.defaults)]
    found |= {name: _word(word) for name, word in zip(required, plain, strict=False) if name not in found}
    return {**_option_defaults(node), **given, **found} if node.args.kwarg is not None else found


def _option_defaults(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, Value]:
    """Return the defaults of the options that decorators declare, as those of Click do."""
    found = {}
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and decorator.args and ast.unparse(decorator.func).endswith("option"):
            name, default = decorator.args[0], [one.value for one in decorator.keywords if one.arg == "default"]
            if isinstance(name, ast.Constant) and default and isinstance(default[0], ast.Constant):
                text = default[0].value
                found[str(name.value).lstrip("-").replace("-", "_")] = (
                    text_value(text) if isinstance(text, str) else Value()
                )
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
    argv = call.context.argv or []
    options = dict(pairwise(argv))
    folder = next((options[key] for key in ("--config-path", "-cp") if key in options), given.get("config_path"))
    name = next((options[key] for key in ("--config-name", "-cn") if key in options), given.get("config_name"))
    root = call.caller.script.rpartition("/")[0]
    inside = str(folder or ".")
    read = partial(_hydra_file, call, [f"{root}/{inside}" if root else inside, inside])
    composer = Composer(read, env=call.context.env)
    overrides = [word for word in argv if "=" in word and not word.startswith("-")]
    return value_of(composer.compose(str(name or "config").removesuffix(".yaml"), options_of(overrides)))


def _hydra_file(call: Call, folders: list[str], path: str) -> str:
    """Return the text of a file of a configuration, which lies beside the script or below the working directory."""
    texts = (call.text_of(f"{folder}/{path}.yaml") for folder in folders)
    return next((text for text in texts if text), "")


def instantiated(call: Call) -> Value | None:
    """Model of `hydra.utils.instantiate` and its relatives, which call what a configuration names as `_target_`."""
    if call.last not in ("instantiate", "call", "get_class", "get_method", "get_object", "get_obj_from_str"):
        return None
    first = call.argument(0, "config", "path")
    if first is None or call.function.functions or call.context.world is not None:
        return None
    target = first.fields.get("_target_", Value()) if first.fields else first
    name = exact_text(target)
    if name is None or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", name):
        return None
    function = _imported(call, name)
    if not first.fields:
        return function
    nested = (call.named.get("_recursive_") or Value()).truth is not False
    named = {key: part for key, part in first.fields.items() if key not in _HYDRA_KEYS}
    named |= {key: part for key, part in call.named.items() if key not in _HYDRA_KEYS}
    if nested:
        named = {key: _inner(call, part, 0) for key, part in named.items()}
    if (first.fields.get("_partial_") or Value()).truth:
        return Value(names=function.names, functions=function.functions, fields=function.fields, truth=True)
    return _called_by_name(call, name, function, call.arguments[1:], named)


def _inner(call: Call, value: Value, depth: int) -> Value:
    if depth > 4 or not value.fields:
        return value
    if "_target_" in value.fields:
        made = instantiated(replace(call, arguments=[value], named={}, last="instantiate"))
        return made if made is not None else value
    return replace(value, fields={key: _inner(call, part, depth + 1) for key, part in value.fields.items()})


def _imported(call: Call, name: str) -> Value:
    """Return what a dotted name stands for."""
    module, _, last = name.rpartition(".")
    scope = Scope({})
    node = ast.parse(f"importlib.import_module({module!r}).{last}", mode="eval").body
    scope.names["importlib"] = Value(names=frozenset(["importlib"]))
    found = call.caller.value(node, scope)
    return found if found.functions or found.names else Value(names=frozenset([name]), truth=True)


def _called_by_name(call: Call, name: str, function: Value, arguments: list[Value], named: dict[str, Value]) -> Value:
    last = name.rpartition(".")[2]
    given = Value(fields={str(number): value for number, value in enumerate(arguments)}, total=len(arguments))
    scope = Scope({last: function, "_given": given, "_named": Value(fields=named)})
    node = ast.parse(f"{last}(*_given, **_named)", mode="eval").body
    return call.caller.value(ast.copy_location(node, call.node), scope)


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
    if (known := _as_read(call, path, source.all())) is not None:
        return known
    data = _parse(call.text_of(path), path)
    settings = isinstance(data, dict) and (
        not source.all() or not any(isinstance(v, list | dict) for v in data.values())
    )
    return value_of(data) if settings else None


def _as_read(call: Call, path: str, taints: Taints) -> Value | None:
    """Return the whole content of a file that names others, as it was when the program read it; None if unknown."""
    world = call.context.world
    text = world.texts.get(call.files.resolve(path, call.context.cwd), "") if world is not None else ""
    data = _parse(text, path)
    if world is None or not isinstance(data, dict | list) or (taints and not _names_files(data, world.paths or ())):
        return None
    return _document(data, taints, iter(range(MOST_VALUES)), 0)


def _names_files(data: Any, paths: Collection[str]) -> bool:
    """Return True for settings that name a file, False for rows."""
    texts = list(_texts(data))
    ends = {path.rsplit("/", 1)[-1] for path in paths}
    return all(len(text) <= LONGEST_NAME for text in texts) and any(
        text in paths or text.rsplit("/", 1)[-1] in ends for text in texts
    )


def _texts(data: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list) and depth <= MOST_LEVELS:
        for part in data.values() if isinstance(data, dict) else data:
            yield from _texts(part, depth + 1)


def _document(data: Any, taints: Taints, budget: Iterator[int], depth: int) -> Value | None:
    """Return the value of a document of which all parts are known; None if it is too large."""
    if depth > MOST_LEVELS or next(budget, None) is None:
        return None
    if not isinstance(data, dict | list):
        return literal_value(data, taints) if isinstance(data, str | int | float | None) else None
    parts = [_document(part, taints, budget, depth + 1) for part in (data.values() if isinstance(data, dict) else data)]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or len(parts) > MOST_FIELDS:
        return None
    if isinstance(data, list):
        return listed(known)
    names = [key if isinstance(key, str) and not key.isdigit() else "" for key in data]
    if "" in names:
        return None
    return Value(fields=dict(zip(names, known, strict=True)), closed=True, truth=bool(data))


def _parse(text: str, path: str) -> Any:
    if not text or len(text) > LONGEST_CONFIG:
        return None
    try:
        return tomllib.loads(text) if path.endswith(".toml") else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _given(argv: list[str] | None) -> list[tuple[str, Value]]:
    """Return the options of a command line; the value of an option with several words is a list."""
    found: dict[str, list[str]] = {}
    for name, value in options_of(argv or []):
        if name:
            found.setdefault(name, []).append(value)
    return [(name, _word(texts[0]) if len(texts) == 1 else words(texts, NONE)) for name, texts in found.items()]


def _listed(record: Value, fields: dict[str, Value]) -> dict[str, Value]:
    """Return the fields of a record, in which a single word of an option that takes several is a list."""
    nodes = [one.node for one in record.functions if isinstance(one.node, ast.ClassDef)]
    kinds = {
        part.target.id: ast.unparse(part.annotation)
        for node in nodes
        for part in node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    lists = {name for name, kind in kinds.items() if re.search(r"\b(list|List|Sequence|tuple)\[", kind)}
    return {
        name: Value(fields={"0": value}, total=1) if name in lists and value.texts and not value.fields else value
        for name, value in fields.items()
    }


def _word(text: str) -> Value:
    value = text_value(text)
    value.number = int(text) if text.isdigit() and len(text) < 10 else None
    if text.lower() in ("false", "true"):
        value.truth = text.lower() == "true"
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
    given |= _flags(argv) | dict(_given(argv))
    listed = [value for name, value in classes.fields.items() if name.isdigit()] or [classes]
    records = {}
    for number, one in enumerate(listed):
        derived = not one.functions or any(name.endswith("ScriptArguments") for name in one.names)
        own = {name: text_value(text) for name, text in _DEFAULTS.items()} if derived else {}
        records[str(number)] = Value(fields={**own, **one.fields, **_listed(one, given)}, truth=True)
    return Value(fields=records)


def _filled(record: Value, given: dict[str, Value]) -> Value:
    """Return a record with what the command line gives, also to records inside it: `--data.split=train`."""
    fields = {**record.fields, **given}
    for name, value in given.items():
        outer, _, inner = name.partition(".")
        if inner and (held := fields.get(outer)) is not None and held.fields:
            fields[outer] = _filled(held, {inner: value})
    return Value(fields=fields, truth=True)


def _flags(argv: list[str]) -> dict[str, Value]:
    """Return the options of a command line that have no value."""
    pairs = pairwise([*argv, "--"])
    bare = [word for word, after in pairs if re.fullmatch(r"--[A-Za-z][\w.-]*", word) and after.startswith("--")]
    return {word.removeprefix("--").replace("-", "_"): Value(truth=True) for word in bare}


def _called(call: Call, target: Value, argv: list[str] | None) -> Value:
    node = target.functions[0].node
    if isinstance(node, ast.ClassDef):
        return _filled(target, _flags(argv or []) | dict(_given(argv)))
    if isinstance(node, ast.Lambda):
        return call.invoke(target, [])
    if call.last == "run" and len(node.args.args) == 1:  # of Abseil: all words as one list
        return call.invoke(target, [words([call.caller.script, *(argv or [])], call.context.argv_taints)])
    return call.invoke(target, [], parameters(node, argv))
