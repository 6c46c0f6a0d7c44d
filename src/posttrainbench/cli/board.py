"""`ptb leaderboard`."""

from pathlib import Path
from typing import Annotated

import typer

from posttrainbench.cli.options import Json, print_json


def leaderboard(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="An experiment's directory.")],
    html: Annotated[Path | None, typer.Option(help="Also write the page there.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Aggregate the settled runs of an experiment into a leaderboard.

    Example:  [bold]ptb leaderboard runs/demo --html board.html[/bold]
    """
    from rich.console import Console

    from posttrainbench.report import leaderboard_table, write_site
    from posttrainbench.run import find_runs
    from posttrainbench.scoring import baselines_of, load_cells
    from posttrainbench.scoring import leaderboard as aggregate

    cells = load_cells(run.root for run in find_runs(path))
    result = aggregate(cells, baselines_of(cells))
    if html is not None:
        write_site(result, cells, html)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        console = Console()
        console.print(leaderboard_table(result))
        if html is not None:
            console.print(f"\n  Page: {html.resolve()}", markup=False, highlight=False, soft_wrap=True)
