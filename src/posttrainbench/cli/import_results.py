"""`ptb import`: import the results of the original benchmark."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json

if TYPE_CHECKING:
    from posttrainbench.report.original.importing import Contents, FoundEntry

MAX_SHOWN = 20
"""Things that were not read, of each run and of the tree, that are printed."""


def import_results(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="Results directory of the original benchmark.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="New or empty directory. Default: runs/imported.", show_default=False
        ),
    ] = None,
    suite: Annotated[str, typer.Option(help="Suite with the models and benchmarks, and whose rules apply.")] = "v1",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what is there and what cannot be read; write nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Import a results directory of the original benchmark, to browse its traces and audit them.

    Nothing is guessed: what cannot be read is listed with the reason. The original's judgements are stored and are not
    verdicts; imported runs never count on a leaderboard.

    Example:  [bold]ptb import results --dry-run[/bold]
    """
    from posttrainbench import catalog
    from posttrainbench.report.original.importing import read_results

    chosen = catalog.find(catalog.suites(), suite, "suite")
    target = None if dry_run else out or Path("runs", "imported")
    contents = read_results(results, chosen, target)
    if json:
        return print_json(
            {
                "runs": [entry.model_dump(mode="json") for entry in contents.entries],
                "unread": [entry.model_dump(mode="json") for entry in contents.unread],
            }
        )
    return _show(contents, target)


def _show(contents: "Contents", target: Path | None) -> None:
    import shlex

    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.records.units import short_duration
    from posttrainbench.report.layout import columns
    from posttrainbench.report.text import percent, plain

    console = Console(highlight=False)
    header = ["agent", "model", "benchmark", "score", "time", "trace", "judged", "not read"]
    rows: list[list[str | Text]] = [[Text(title, "bold") for title in header]]
    for entry in contents.entries:
        imported = entry.imported
        duration = "–" if imported.seconds is None else short_duration(imported.seconds)
        rows.append(
            [
                plain(entry.agent),
                entry.model,
                entry.benchmark,
                percent(imported.accuracy),
                duration,
                imported.format or "–",
                _judged(entry),
                "run" if entry.problem else str(len(imported.unread)),
            ]
        )
    for row in columns(rows, right=(3, 4, 7)):
        console.print(row, soft_wrap=True)
    lines = _unread(contents)
    if lines:
        console.print(Text("\nNot read", "bold"))
    for line in lines:
        console.print(Text(f"  {plain(line, 1000)}"), soft_wrap=True)
    known = sum(not entry.problem for entry in contents.entries)
    runs = f"{known} run{'' if known == 1 else 's'}"
    console.print()
    if target is None:
        console.print(Text(f"{runs} can be imported; nothing was written."), soft_wrap=True)
    else:
        console.print(Text(f"{runs} imported to {plain(str(target), 4000)}"), soft_wrap=True)
        console.print(Text(f"Next: ptb status {shlex.quote(plain(str(target), 4000))}"), soft_wrap=True)


def _judged(entry: "FoundEntry") -> str:
    """Return the rules that the original's judges flagged, or how many they judged."""
    judged = [judgement for judgement in entry.imported.judgements if judgement.flagged is not None]
    flagged = [judgement.rule for judgement in judged if judgement.flagged]
    return ", ".join(flagged) or (f"{len(judged)} not flagged" if judged else "–")


def _unread(contents: "Contents") -> list[str]:
    """Return a line for each thing that was not read; of many in one place, the first ones and a count."""
    groups = [[f"{entry.path}: {entry.reason}" for entry in contents.unread]]
    for entry in contents.entries:
        problem = [f"{entry.source}: {entry.problem}"] if entry.problem else []
        groups.append(problem + [f"{entry.source}/{each.path}: {each.reason}" for each in entry.imported.unread])
    lines = []
    for group in groups:
        lines += group[:MAX_SHOWN]
        if len(group) > MAX_SHOWN:
            lines.append(f"likewise {len(group) - MAX_SHOWN} more; --json lists all")
    return lines
