"""Rewrite the tables in `docs/` that repeat the catalog, the engines, the command line or the records.

    python scripts/generate_docs.py           # rewrite them
    python scripts/generate_docs.py --check   # exit 1 and name those that are out of date

A generated table is delimited by `<!-- generated: NAME -->` and `<!-- end -->`, where NAME is a key of `TABLES` or
`record CLASS` for the fields of a class in `posttrainbench.records`.
"""

import argparse
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import typer.main

from posttrainbench import catalog, records
from posttrainbench.agents.recipes.recipe_settings import SETTINGS
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.cli.app import app
from posttrainbench.engines import load_engine

DOCS = Path(__file__).parent.parent / "docs"
_BLOCK = re.compile(r"(<!-- generated: ([^\n]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_ATTRIBUTE = re.compile(r"^    (\w+): (.*)$")


def main() -> int:
    """Rewrite or check all pages; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a table is out of date")
    outdated = rewrite(DOCS, write=not parser.parse_args().check)
    for page, name in outdated:
        print(f"{page}: {name}")
    return int(bool(outdated)) if "--check" in sys.argv else 0


def rewrite(docs: Path, write: bool) -> list[tuple[str, str]]:
    """Generate the tables of every page below a directory.

    Args:
        docs: directory of Markdown pages.
        write: whether to write the pages that change.

    Returns:
        (page, table) for each table that was out of date.
    """
    outdated = []
    for page in sorted(docs.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        changed = text
        for match in _BLOCK.finditer(text):
            block = f"{match[1]}{generate(match[2])}\n{match[3]}"
            if block != match[0]:
                outdated.append((page.name, match[2]))
                changed = changed.replace(match[0], block)
        if write and changed != text:
            page.write_text(changed, encoding="utf-8")
    return outdated


def generate(name: str) -> str:
    """Return a table as Markdown.

    Raises:
        ValueError: there is no table of that name.
    """
    kind, _, argument = name.partition(" ")
    if kind == "record" and hasattr(records, argument):
        return record(getattr(records, argument))
    if name not in TABLES:
        raise ValueError(f"unknown table `{name}`; choose from {', '.join(TABLES)} or `record CLASS`")
    return TABLES[name]()


def suites() -> str:
    """Suites with what their scores depend on."""
    everything = list(dict.fromkeys(name for suite in catalog.suites().values() for name in _official(suite)))
    rows = []
    for suite in catalog.suites().values():
        missing = [name for name in everything if name not in suite.benchmarks] if _official(suite) else []
        names = f"{len(suite.benchmarks)}, without {_codes(missing)}" if missing else len(suite.benchmarks)
        rows.append(
            (
                _code(suite.id),
                len(suite.models),
                names,
                _duration(suite.budget),
                suite.gpus,
                _code(suite.engine),
                " ".join(map(str, suite.evaluation_seeds)),
                ", ".join(map(str, suite.tries)),
                _code(suite.rules),
            )
        )
    head = ("suite", "base models", "benchmarks", "budget", "GPUs", "engine", "evaluation seeds", "tries", "rules")
    return table(head, rows)


def _official(suite: catalog.Suite) -> list[str]:
    return [name for name in suite.benchmarks if not catalog.benchmarks()[name].mirrors]


def rules() -> str:
    """Rules by rule set: the level from which a finding counts."""
    sets = catalog.rule_sets()
    names = dict.fromkeys(name for rule_set in sets.values() for name in rule_set.rules)
    rows = [(_code(name), *(_rule(rule_set.rules.get(name)) for rule_set in sets.values())) for name in names]
    return table(("rule", *(_code(name) for name in sets)), rows)


def _rule(rule: catalog.Rule | None) -> str:
    if rule is None:
        return ""
    parts = [rule.level.name]
    if rule.tolerance:
        parts.append(f"more than {rule.tolerance}")
    if rule.attempts:
        parts.append("attempts too")
    if rule.effect == "report":
        parts.append("reported only")
    return ", ".join(parts)


def models() -> str:
    """Base models of the Hub with their instruct counterparts."""
    rows = []
    for base in catalog.models().values():
        if base.instruct and base.hub:
            instruct = catalog.models()[base.instruct]
            commits = ", ".join(str(model.revision)[:8] for model in (base, instruct))
            rows.append((_code(base.id), base.title, _code(instruct.id), commits))
    return table(("base model", "what it is", "instruct counterpart", "commits on the Hub"), rows)


def benchmarks() -> str:
    """The published benchmarks' facts."""
    rows = []
    for facts in catalog.benchmarks().values():
        if not facts.mirrors:
            tokens = ", ".join(map(str, (facts.max_tokens, *facts.retry_max_tokens)))
            items = (facts.test_items, facts.train_items or "")
            rows.append((_code(facts.id), facts.title, *items, facts.metric, tokens))
    return table(("id", "task", "test items", "train items", "score", "max tokens, then"), rows)


def trivial() -> str:
    """The scores of trivial answers in the catalog, in percent."""
    rows = [
        (_code(facts.id), *(f"{100 * facts.trivial.get(answer, 0):.1f}" for answer in records.TrivialAnswer))
        for facts in catalog.benchmarks().values()
        if facts.trivial
    ]
    return table(("score, %", *(str(answer).replace("_", " ") for answer in records.TrivialAnswer)), rows)


def sources() -> str:
    """Where the published benchmarks' files are."""
    rows = []
    for name in catalog.benchmarks():
        for split, source in load_benchmark(name).sources.items():
            gated = ", gated" if source.gated else ""
            files = [file.partition("#")[0].rsplit("/", 1)[-1] if "://" in file else file for file in source.files]
            place = f"{source.repository} @ {source.revision[:8]}{gated}"
            rows.append((_code(name), split, place, _codes(files)))
    return table(("id", "split", "repository and commit", "files"), rows)


def agents() -> str:
    """The catalog's agents."""
    rows = [
        (_code(agent.id), _code(agent.scaffold), agent.title, _codes(f"{k}={v}" for k, v in agent.settings.items()))
        for agent in catalog.agents().values()
    ]
    return table(("agent", "scaffold", "what it is", "settings"), rows)


def engines() -> str:
    """The built-in engines' settings."""
    rows: list[Sequence[object]] = []
    for point in sorted(entry_points(group="posttrainbench.engines"), key=lambda point: point.name):
        if point.value.startswith("posttrainbench."):
            settings = load_engine(point.name).settings
            rows += [(_code(point.name), _code(name), text) for name, text in settings.items()]
            if not settings:
                rows.append((_code(point.name), "none", ""))
    return table(("engine", "setting", "meaning"), rows)


def recipes() -> str:
    """The shipped recipes' settings."""
    rows: list[Sequence[object]] = []
    for agent in catalog.agents().values():
        for name, setting in SETTINGS.get(agent.settings.get("script", ""), {}).items():
            default = "" if setting.default is None else f"{setting.default}"
            rows.append((_code(agent.id), _code(name), setting.expected, default, setting.help))
    return table(("agent", "setting", "value", "default", "meaning"), rows)


def commands() -> str:
    """The command line: every command with the first sentence of its help."""
    return table(("command", "what it does"), list(_commands("ptb", typer.main.get_command(app))))


def _commands(name: str, command: Any) -> Iterable[tuple[str, str]]:
    # Typer may bring its own copy of click, so its classes cannot be named here.
    groups: dict[str, Any] | None = getattr(command, "commands", None)
    if not command.hidden and name != "ptb" and (groups is None or command.invoke_without_command):
        yield _command(name, command)
    for subcommand, inner in (groups or {}).items():
        yield from _commands(f"{name} {subcommand}", inner)


def _command(name: str, command: Any) -> tuple[str, str]:
    paragraph = " ".join((command.help or "").strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=\.)\s", re.sub(r"\[/?\w+\]", "", paragraph))[0]
    return _code(name), sentence


def record(kind: type[records.Record]) -> str:
    """The fields of a record: name in the file, type, and meaning as its docstring says."""
    meanings = _attributes(kind)
    rows = [
        (_code(info.serialization_alias or name), _code(_type(info.annotation)), meanings.get(name, ""))
        for name, info in kind.model_fields.items()
    ]
    return table(("field", "type", "meaning"), rows)


def _attributes(kind: type) -> dict[str, str]:
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    name = ""
    for line in section.split("\n"):
        if match := _ATTRIBUTE.match(line):
            name = match[1]
            found[name] = match[2]
        elif name and line.startswith(" " * 8):
            found[name] += f" {line.strip()}"
        else:
            name = ""
    return {name: re.sub(r"\bNone\b", "null", text.removesuffix(".")) for name, text in found.items()}


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in parts)
    if origin in (Union, types.UnionType):
        return " | ".join(_type(part) for part in parts)
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _type(origin)
    if origin is not None:
        return f"{origin.__name__}[{', '.join(_type(part) for part in parts)}]"
    if annotation is type(None):
        return "null"
    return getattr(annotation, "__name__", str(annotation))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _code(text: object) -> str:
    return f"`{text}`"


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(map(_code, texts))


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds:g} s"


TABLES: dict[str, Callable[[], str]] = {
    "suites": suites,
    "rules": rules,
    "models": models,
    "benchmarks": benchmarks,
    "trivial": trivial,
    "sources": sources,
    "agents": agents,
    "engines": engines,
    "recipes": recipes,
    "commands": commands,
}

if __name__ == "__main__":
    sys.exit(main())
