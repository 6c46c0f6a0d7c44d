"""`ptb catalog`."""

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InputError


def catalog(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="SECTION", help="suites, models, benchmarks, agents, rules or libraries.", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show this entry in full.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List the catalog: suites, models, benchmarks, agents, rule sets and libraries.

    Example:  [bold]ptb catalog benchmarks micro-math[/bold]
    """
    import yaml
    from rich.table import Table

    from posttrainbench import catalog as catalogs
    from posttrainbench.cli.console import Console
    from posttrainbench.cli.trivial import catalog_fields

    kinds: dict[str, Callable[[], Mapping[str, catalogs.Entry]]] = {
        "suites": catalogs.suites,
        "models": catalogs.models,
        "benchmarks": catalogs.benchmarks,
        "agents": catalogs.agents,
        "rules": catalogs.rule_sets,
        "libraries": catalogs.libraries,
    }
    if kind is not None and kind not in kinds:
        raise InputError(f"Unknown catalog section `{kind}`; choose one of: {', '.join(kinds)}.")
    console = Console(highlight=False)
    if kind is not None and name is not None:
        entry = catalogs.find(dict(kinds[kind]()), name, {"libraries": "library"}.get(kind, kind.removesuffix("s")))
        more = catalog_fields(entry) if isinstance(entry, catalogs.BenchmarkFacts) else {}
        if isinstance(entry, catalogs.Suite):
            more = {"baselines_note": _baselines_note(entry.id)}
        if json:
            return print_json(entry.model_dump(mode="json") | more)
        fields = entry.model_dump(mode="json", exclude_none=True) | {key: value for key, value in more.items() if value}
        return console.print(
            yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100), markup=False, soft_wrap=True
        )
    sections = {kind: kinds[kind]()} if kind else {section: load() for section, load in kinds.items()}
    if json:
        return print_json(
            {
                section: [entry.model_dump(mode="json") for entry in entries.values()]
                for section, entries in sections.items()
            }
        )
    table = Table(box=None)
    for column in ("section", "name", "title"):
        table.add_column(column, overflow="fold")
    for section, entries in sections.items():
        for entry in entries.values():
            table.add_row(section, entry.id, entry.title)
    console.print(table)
    shown = next(((section, entry) for section, entries in sections.items() for entry in entries), None)
    if shown:
        console.print(f"\n  Next: ptb catalog {shown[0]} {shown[1]}", markup=False, soft_wrap=True)
    return None


def _baselines_note(suite: str) -> str:
    """Return a sentence that says where the scores of a suite's base and instruct models come from."""
    from posttrainbench.scoring.published import published

    try:
        source = published(suite).source
    except InputError:
        return (
            "No scores of its base and instruct models are shipped. A run computes those that it needs and that are "
            f"not stored; `ptb baseline --suite {suite}` computes them in advance."
        )
    return f"The scores of its base and instruct models are published ({source}); `ptb published` recomputes them."
