"""`ptb leaderboard` and `ptb compare`."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json, print_text
from posttrainbench.cli.places import ExperimentPath, complete_runs, complete_suites, find_place
from posttrainbench.errors import InputError
from posttrainbench.files import require_directory

if TYPE_CHECKING:
    from posttrainbench.run import Run
    from posttrainbench.scoring import Cell


class Format(StrEnum):
    """Forms of the leaderboard."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"
    LATEX = "latex"


Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RUN",
        help="Leave out this run: its directory, the name of its directory, or its id. Repeatable.",
        show_default=False,
        autocompletion=complete_runs,
    ),
]
SuiteChoice = Annotated[
    str | None, typer.Option(help="Only runs of this suite.", show_default=False, autocompletion=complete_suites)
]
BudgetChoice = Annotated[
    str | None, typer.Option(help="Only runs with this time limit, such as 10h.", show_default=False)
]
RulesChoice = Annotated[str | None, typer.Option(help="Only runs under this rule set.", show_default=False)]
PromptChoice = Annotated[
    str | None, typer.Option(metavar="HASH", help="Only runs with this prompt (first digits).", show_default=False)
]


def leaderboard(
    path: ExperimentPath,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the leaderboard as an HTML page.", show_default=False),
    ] = None,
    exclude: Exclude = None,
    suite: SuiteChoice = None,
    budget: BudgetChoice = None,
    rules: RulesChoice = None,
    prompt: PromptChoice = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Print only the leaderboard, in this form.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Rank the agents of an experiment.

    Runs of an agent with different time limits, rule sets or prompts, and runs of several suites, are not counted
    together: choose with the options.

    Example:  [bold]ptb leaderboard runs/demo --html board.html[/bold]

    Example:  [bold]ptb leaderboard runs/demo --format latex[/bold]
    """
    if json and form not in (None, Format.JSON):
        raise InputError("Give --json or --format, not both.")
    json = json or form is Format.JSON
    cells = _cells(path, exclude, suite, budget, rules, prompt)
    if form in (Format.CSV, Format.MARKDOWN, Format.LATEX):
        if html is not None:
            raise InputError(f"Give --html or --format {form.value}, not both.")
        _print_formatted(cells, form)
        return
    ranked = show_leaderboard(path, html, json, cells)
    if json:
        return
    from posttrainbench.report.text import plain

    given = shlex.quote(str(path))
    if len(ranked) > 1:
        command = f"ptb compare {given} {shlex.quote(ranked[0])} {shlex.quote(ranked[1])}"
    else:
        command = f"ptb status {given}"
    print(f"\n  Next: {plain(command, 1000)}")


def _print_formatted(cells: "list[Cell]", form: Format) -> None:
    """Print a leaderboard as text for other programs."""
    from posttrainbench.report.ranking import rank_with_trivial
    from posttrainbench.report.table_formats import FORMATS

    print_text(FORMATS[form.value](rank_with_trivial(cells)))


def _cells(
    path: Path,
    exclude: list[str] | None = None,
    suite: str | None = None,
    budget: str | None = None,
    rules: str | None = None,
    prompt: str | None = None,
) -> "list[Cell]":
    """Read the runs of an experiment that are selected by the options.

    Raises:
        InputError: an excluded run does not exist, no run is left, or the files of a run are damaged.
    """
    from posttrainbench.records.units import parse_budget
    from posttrainbench.run import find_runs
    from posttrainbench.scoring import load_cells
    from posttrainbench.scoring.selection import Conditions

    conditions = Conditions(suite, parse_budget(budget) if budget else None, rules, prompt)
    runs, unknown = find_runs(path), []
    for name in exclude or ():
        place = find_place(Path(name)).resolve()
        left = [run for run in runs if name not in (run.root.name, _run_id(run)) and run.root != place]
        if len(left) == len(runs):
            unknown.append(name)
        runs = left
    if unknown:
        raise InputError(f"{path} has no run {', '.join(unknown)}; `ptb status {path} --paths` lists the runs.")
    return conditions.select(load_cells(run.root for run in runs))


def _run_id(run: "Run") -> str:
    try:
        return run.spec.run
    except InputError:  # it can be excluded by its directory
        return ""


def show_leaderboard(path: Path, html: Path | None, json: bool, cells: "list[Cell] | None" = None) -> list[str]:
    """Print a leaderboard. Return the names of its agents, best first.

    Args:
        path: directory of an experiment.
        html: page to write.
        json: print JSON.
        cells: its runs; None for all.
    """
    from posttrainbench.cli.console import Console
    from posttrainbench.report.leaderboard_page import write_site
    from posttrainbench.report.ranking import rank_with_trivial
    from posttrainbench.report.tables import leaderboard_table
    from posttrainbench.scoring.selection import unique

    if html is not None:
        if html.is_dir():
            raise InputError(f"{html} is a directory; give the name of a file with --html.")
        require_directory(html.absolute().parent, "a --html FILE in an existing directory")
    cells = _cells(path) if cells is None else cells
    result = rank_with_trivial(cells)
    if html is not None:
        write_site(result, unique(cells)[0], html)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        console = Console()
        console.print(leaderboard_table(result), soft_wrap=True)
        if html is not None:
            console.print(f"\n  Page: {html.resolve()}", markup=False, highlight=False, soft_wrap=True)
    return [row.agent for row in result.rows]


def compare(
    path: ExperimentPath,
    agent_a: Annotated[str, typer.Argument(metavar="AGENT_A", help="Agent name as on the leaderboard.")],
    agent_b: Annotated[str, typer.Argument(metavar="AGENT_B", help="Name of another agent.")],
    exclude: Exclude = None,
    suite: SuiteChoice = None,
    budget: BudgetChoice = None,
    rules: RulesChoice = None,
    prompt: PromptChoice = None,
    json: Json = False,
) -> None:
    """Test whether one agent is better than another, and estimate the difference.

    Compares the agents on the base models and benchmarks that both have run, weighted as in the overall score.

    Example:  [bold]ptb compare runs/demo recipe-sft recipe-noop[/bold]
    """
    from posttrainbench.cli.console import Console
    from posttrainbench.report.tables import comparison_table
    from posttrainbench.scoring import baselines_of
    from posttrainbench.scoring.comparison import compare as compare_agents

    cells = _cells(path, exclude, suite, budget, rules, prompt)
    result = compare_agents(cells, baselines_of(cells), agent_a, agent_b)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        Console().print(comparison_table(result), soft_wrap=True)
