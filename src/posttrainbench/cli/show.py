"""`ptb status` and `ptb trace`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InputError

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
    for column in ("run", "agent", "benchmark", "seed", "stage", "status", "score"):
        table.add_column(column, overflow="fold", no_wrap=column in ("benchmark", "stage", "status"))
    for row in rows:
        score = row["score"]
        cells = [
            os.path.relpath(str(row["path"])),
            row["agent"],
            row["benchmark"],
            row["seed"],
            row["stage"],
            row["status"],
        ]
        table.add_row(*(plain(str(cell)) for cell in cells), percent(score if isinstance(score, float) else None))
    Console().print(table)
    return None


def _row(run: "Run") -> dict[str, object]:
    result, stage = run.result(), run.next_stage()
    return {
        "path": str(run.root),
        "run": run.spec.run,
        "agent": run.spec.agent.name,
        "model": run.spec.model,
        "benchmark": run.spec.benchmark,
        "seed": run.spec.seed,
        "stage": str(stage) if stage else "done",
        "status": str(result.status) if result else "unfinished",
        "score": result.score if result else None,
    }


def trace(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    tail: Annotated[int | None, typer.Option(min=1, help="Only the last so many lines.", show_default=False)] = None,
    grep: Annotated[str | None, typer.Option(help="Only lines that contain this text.", show_default=False)] = None,
    prompt: Annotated[bool, typer.Option("--prompt", help="The prompt that the agent was given, first.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show what an agent printed, each line with its time; also while it is at work.

    Example:  [bold]ptb trace runs/demo/recipe-sft-micro-math-seed0 --tail 20[/bold]
    """
    import json as json_module
    from collections import deque

    from rich.console import Console
    from rich.text import Text

    from posttrainbench.report.text import plain
    from posttrainbench.run import Run
    from posttrainbench.trajectory import read_output

    run = Run(path)
    folder = next((run.root / name for name in ("solve", "solve.partial") if (run.root / name).is_dir()), None)
    if folder is None:
        raise InputError(f"The agent of {path} has not been started; continue the run with `ptb resume {path}`.")
    console = Console(highlight=False)
    if prompt:
        for line in (folder / "prompt.md").read_text().splitlines():
            console.print(Text(plain(line, 10_000), style="cyan"), soft_wrap=True)
    matching = (entry for entry in read_output(folder / "output.jsonl") if grep is None or grep in entry.line)
    for entry in deque(matching, maxlen=tail) if tail else matching:
        if json:
            typer.echo(json_module.dumps(entry.model_dump()))  # ASCII, as everywhere: see `print_json`
        else:
            style = "yellow" if entry.stream == "stderr" else ""
            text = Text.assemble((f"{entry.t:9.1f} s  ", "dim"), (plain(entry.line, 10_000), style))
            console.print(text, soft_wrap=True)
