"""`ptb status`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json

if TYPE_CHECKING:
    from posttrainbench.run import Run


def status(
    path: Annotated[Path, typer.Argument(metavar="[DIR]", help="A run, an experiment, or all of them.")] = Path("runs"),
    json: Json = False,
) -> None:
    """Show where runs stand.

    Example:  [bold]ptb status runs/demo[/bold]
    """
    from rich.console import Console
    from rich.table import Table

    from posttrainbench.report.tables import percent
    from posttrainbench.report.text import plain
    from posttrainbench.run import find_runs

    rows = [_row(run) for run in find_runs(path)]
    if json:
        return print_json(rows)
    table = Table(box=None, pad_edge=False)
    for column in ("run", "agent", "benchmark", "seed", "stage", "agent's end", "status", "score"):
        table.add_column(column, overflow="fold", no_wrap=column in ("benchmark", "stage", "agent's end", "status"))
    for row in rows:
        score = row["score"]
        cells = [
            os.path.relpath(str(row["path"])),
            row["agent"],
            row["benchmark"],
            row["seed"],
            row["stage"],
            row["agent_state"],
            row["status"],
        ]
        table.add_row(*(plain(str(cell)) for cell in cells), percent(score if isinstance(score, float) else None))
    Console().print(table)
    return None


def _row(run: "Run") -> dict[str, object]:
    from posttrainbench.run.standing import agent_state

    result, stage = run.result(), run.next_stage()
    return {
        "path": str(run.root),
        "run": run.spec.run,
        "agent": run.spec.agent.name,
        "model": run.spec.model,
        "benchmark": run.spec.benchmark,
        "seed": run.spec.seed,
        "stage": str(stage) if stage else "done",
        "agent_state": agent_state(run),
        "status": str(result.status) if result else "unfinished",
        "score": result.score if result else None,
    }
