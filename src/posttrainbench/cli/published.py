"""`ptb published` and `ptb score`: recompute the numbers of the official benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from posttrainbench.cli.options import Json, print_json

Suite = Annotated[str, typer.Option(help="Suite whose published tables are used.")]


def published(suite: Suite = "v1", json: Json = False) -> None:
    """Recompute the published leaderboard of a suite from its benchmark columns. Scores in percent.

    Example:  [bold]ptb published --suite v1 --json[/bold]
    """
    from rich.table import Table

    from posttrainbench.cli.console import Console
    from posttrainbench.records import Baseline
    from posttrainbench.scoring.published import published as load
    from posttrainbench.scoring.published import recompute

    tables = load(suite)
    result = recompute(tables)
    if json:
        return print_json(result.model_dump(mode="json"))
    ranks = {row.method: row.rank for row in tables.table1}
    ranking = Table(box=None, title=f"Suite {suite}, {tables.source}", title_justify="left")
    ranking.add_column("rank", justify="right")
    ranking.add_column("method", overflow="fold")
    for column in ("recomputed", "published", "difference"):
        ranking.add_column(column, justify="right")
    for row in result.rows:
        rank = ranks[row.method]
        ranking.add_row(
            "" if rank is None else str(rank),
            row.method,
            f"{row.avg:.2f}",
            f"{row.avg_published:.1f}" + ("" if row.avg_std is None else f" ± {row.avg_std:.1f}"),
            f"{row.avg - row.avg_published:+.2f}",
            style="dim" if rank is None else None,
        )
    columns = Table(box=None)
    columns.add_column("benchmark")
    for column in ("weight", "zero-shot", "few-shot", "instruct"):
        columns.add_column(column, justify="right")
    zero_shot, few_shot, instruct = (tables.baseline_means(kind) for kind in Baseline)
    for name, weight in result.weights.items():
        means = (f"{baseline[name]:.1f}" for baseline in (zero_shot, few_shot, instruct))
        columns.add_row(name, f"{weight:.4f}", *means)
    console = Console(highlight=False)
    console.print(ranking)
    console.print()
    return console.print(columns)


def score(
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE.csv", help="CSV file with the header model,BENCHMARK,... and fractions 0-1."),
    ],
    suite: Suite = "v1",
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="BASE.csv",
            help="Use these zero-shot base scores, in the same form, instead of the published ones. If the table "
            "also has rows of the instruct models, compute the weights from it too.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Compute the overall score of one agent from a table in the official CSV form.

    Missing scores are replaced by those of the base model.

    Example:  [bold]ptb score final_results.csv --baseline baseline.csv[/bold]
    """
    from rich.table import Table

    from posttrainbench.cli.console import Console
    from posttrainbench.scoring.published import published as load
    from posttrainbench.scoring.score_table import score_table

    result = score_table(table, load(suite), baseline)
    if json:
        return print_json(result.model_dump(mode="json"))
    scores = Table(box=None, title=f"Suite {suite}, scores in percent", title_justify="left")
    scores.add_column("benchmark")
    for column in ("weight", "score", "replaced"):
        scores.add_column(column, justify="right")
    for name, mean in result.benchmarks.items():
        replaced = sum(cell.benchmark == name for cell in result.fallback_cells)
        scores.add_row(name, f"{result.weights[name]:.4f}", f"{100 * mean:.2f}", str(replaced or ""))
    scores.add_row("overall", "", f"{100 * result.overall:.2f}", str(result.fallbacks or ""), style="bold")
    console = Console(highlight=False)
    console.print(scores)
    for cell in result.fallback_cells:
        console.print(
            f"  line {cell.line}: {cell.model} on {cell.benchmark} is {cell.text or 'empty'}; "
            f"replaced by the base score {100 * cell.score:.2f}.",
            style="dim",
            markup=False,
            soft_wrap=True,
        )
    return None
