"""Load catalogs: the built-in one, the user's directories, and those of installed packages."""

import difflib
import importlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from posttrainbench.catalog.entries import Agent, BenchmarkFacts, Entry, Model, RuleSet, Suite
from posttrainbench.catalog.libraries import Library
from posttrainbench.errors import InputError, one_line
from posttrainbench.files import require_existing
from posttrainbench.records import Record

HERE = Path(__file__).parent
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is faster, where PyYAML has it
VARIABLE = "PTB_CATALOG"
SHELVES: dict[str, type[Entry]] = {
    "suites": Suite,
    "models": Model,
    "benchmarks": BenchmarkFacts,
    "agents": Agent,
    "rules": RuleSet,
    "libraries": Library,
}
_NOUNS: dict[type[Entry], str] = {
    Suite: "suite",
    Model: "model",
    BenchmarkFacts: "benchmark",
    Agent: "agent",
    RuleSet: "rule set",
    Library: "library",
}

EntryT = TypeVar("EntryT", bound=Entry)


def use_catalogs(directories: list[Path]) -> None:
    """Add catalogs for this process and its child processes.

    Args:
        directories: each contains at least one of the folders suites, models, benchmarks, agents, rules and libraries.
    """
    os.environ[VARIABLE] = os.pathsep.join(str(directory.resolve()) for directory in directories)


def catalogs() -> tuple[Path, ...]:
    """Return the directories of all catalogs, the built-in one first.

    Raises:
        InputError: a directory of the user is not a catalog, or a package's catalog cannot be imported.
    """
    chosen = tuple(Path(name).expanduser() for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name)
    for directory in chosen:
        require_existing(directory, "the directory of a catalog")
        if not any((directory / shelf).is_dir() for shelf in SHELVES):
            raise InputError(
                f"{directory} is not a catalog; it needs at least one of the folders {', '.join(SHELVES)}."
            )
    return (HERE, *chosen, *_installed())


@cache
def _installed() -> tuple[Path, ...]:
    found = []
    for point in entry_points(group="posttrainbench.catalogs"):
        try:
            package = importlib.import_module(point.module)
            found.append(Path(package.__path__[0]))
        except Exception as error:  # code of another package: it may raise anything on import
            broken = f"The catalog `{point.name}` ({point.value}) of an installed package cannot be loaded"
            raise InputError(f"{broken}: {one_line(error)}") from error
    return tuple(found)


@cache
def load_shelf(shelf: str, directories: tuple[Path, ...]) -> dict[str, Entry]:
    """Return all entries of a section of several catalogs, by id.

    Raises:
        InputError: a file is invalid, two have the same id, or a reference is unknown; the message names the files,
            the keys and the expected values.
    """
    kind = SHELVES[shelf]
    found: dict[str, Entry] = {}
    files: dict[str, Path] = {}
    for directory in directories:
        entries = [path for path in (directory / shelf).glob("*") if path.suffix in (".yaml", ".yml")]
        for file in sorted(entries, key=lambda path: path.stem):  # v1 before v1.1
            entry = _read(kind, file, directory)
            if entry.id in found:
                raise InputError(
                    f"The {_NOUNS[kind]} `{entry.id}` is defined in {files[entry.id]} and in {file}; rename one."
                )
            found[entry.id], files[entry.id] = entry, file
    for name, entry in found.items():
        _refuse(_NOUNS[kind], files[name], list(_dangling(entry, directories, found)))
    return found


def _read(kind: type[EntryT], file: Path, home: Path) -> EntryT:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _YAML)  # noqa: S506 - safe in either form
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file} cannot be read as YAML: {yaml_problem(error)}") from None
    if not isinstance(content, dict):
        raise InputError(
            f"{file} is not a valid {_NOUNS[kind]}: it should contain keys with values, such as `id: {file.stem}`."
        )
    try:
        entry = kind.model_validate(content, context={"home": home})
    except ValidationError as error:
        _refuse(_NOUNS[kind], file, [describe_problem(kind, dict(problem)) for problem in error.errors()])
        raise
    if entry.id != file.stem:
        _refuse(_NOUNS[kind], file, [f"`id` should be `{file.stem}`, the name of the file"])
    return entry


def yaml_problem(error: Exception) -> str:
    """Return why a file cannot be read as YAML, with the line and column if they are known, as one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}."
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    return one_line(error) if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {problem}."


def _refuse(noun: str, file: Path, problems: list[str]) -> None:
    if problems:
        raise InputError(f"{file} is not a valid {noun}: {'; '.join(problems)}.")


def describe_problem(kind: type[Record], problem: dict[str, Any]) -> str:
    """Return one validation error as a clause: the key and the expected value."""
    place = [str(part) for part in problem["loc"]]
    key, said = ".".join(place), str(problem["msg"])
    if problem["type"] == "missing":
        return f"`{key}` is missing"
    if problem["type"] == "extra_forbidden":
        if len(place) > 1:
            return f"`{key}` is an unknown key"
        near = difflib.get_close_matches(key, kind.model_fields, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"choose from {', '.join(kind.model_fields)}"
        return f"`{key}` is an unknown key ({hint})"
    said = said.removeprefix("Value error, ").replace("Input should", "should", 1).replace("String should", "should", 1)
    said = f"{said[0].lower()}{said[1:]}"
    return f"`{key}` {said}" if key else said


def _dangling(entry: Entry, directories: tuple[Path, ...], own: Mapping[str, Entry]) -> Iterator[str]:
    """Yield clauses about unknown names in an entry."""
    if isinstance(entry, Model):
        yield from _unknown("instruct", [entry.instruct] if entry.instruct else [], own)
        if entry.tools_template_file and not entry.tools_template_file.is_file():
            yield f"`tools_template` names {entry.tools_template}, which is not in {entry.home / 'templates'}"
    if isinstance(entry, Suite):
        models, benchmarks, agents, rules = (
            load_shelf(shelf, directories) for shelf in ("models", "benchmarks", "agents", "rules")
        )
        yield from _unknown("models", entry.models, models)
        for name in entry.models:
            model = models.get(name)
            if isinstance(model, Model) and model.instruct is None:
                yield f"`models` should name base models, but `{name}` has no `instruct`"
        yield from _unknown("benchmarks", entry.benchmarks, benchmarks)
        yield from _unknown("rules", [entry.rules], rules)
        rule_set = rules.get(entry.rules)
        if isinstance(rule_set, RuleSet):
            yield from _unknown("required", entry.required, rule_set.rules)
        if entry.demo:
            yield from _unknown("demo.agents", entry.demo.agents, agents)
            yield from _unknown("demo.benchmarks", entry.demo.benchmarks, dict.fromkeys(entry.benchmarks))


def _unknown(key: str, names: list[str], known: Mapping[str, object]) -> Iterator[str]:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"choose from {', '.join(known)}"
            yield f"`{key}` names the unknown `{name}` ({hint})"
