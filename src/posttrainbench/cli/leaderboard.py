"""`ptb leaderboard` and `ptb compare`."""

import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json, print_text
from posttrainbench.cli.places import (
    ExperimentPath,
    complete_experiments,
    complete_runs,
    complete_suites,
    find_place,
)
from posttrainbench.errors import InputError, shell_quoted
from posttrainbench.files import require_directory, require_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posttrainbench.run import Run
    from posttrainbench.scoring import Cell, Leaderboard
    from posttrainbench.scoring.selection import Conditions


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
            metavar="FORM",
            help="Print only the leaderboard, as table, csv, json, markdown or latex.",
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
    selection = _select(path, exclude, suite, budget, rules, prompt)
    if form in (Format.CSV, Format.MARKDOWN, Format.LATEX):
        if html is not None:
            raise InputError(f"Give --html or --format {form.value}, not both.")
        return _print_formatted(selection, form)
    ranked = _show(selection, html, json)
    if json:
        return None
    from posttrainbench.report.text import plain

    given = shlex.quote(str(path))
    if len(ranked) > 1:
        command = f"ptb compare {given} {shlex.quote(ranked[0])} {shlex.quote(ranked[1])}"
    else:
        command = f"ptb status {given}"
    return print(f"\n  Next: {plain(command, 1000)}")


@dataclass(frozen=True)
class _Selection:
    """Runs of an experiment that the options select.

    Attributes:
        roots: directories of the runs that are not excluded, each with the state of its `run.json`.
        conditions: which of them count.
    """

    roots: "dict[str, str]"
    conditions: "Conditions"

    def load(self) -> "list[Cell]":
        """Read the runs.

        Raises:
            InputError: no run is left, or the files of a run are damaged.
        """
        from posttrainbench.scoring import load_cells

        return self.conditions.select(load_cells(map(Path, self.roots)))

    def rank(self) -> "tuple[Leaderboard, Sequence[Cell] | None]":
        """Return the leaderboard, and the runs if they were read."""
        from posttrainbench.report.board_index import rank_indexed

        return rank_indexed(self.roots, [self.conditions], self.load)


def _print_formatted(selection: _Selection, form: Format) -> None:
    """Print a leaderboard as text for other programs."""
    from posttrainbench.report.table_formats import FORMATS

    print_text(FORMATS[form.value](selection.rank()[0]))


def _select(
    path: Path,
    exclude: list[str] | None = None,
    suite: str | None = None,
    budget: str | None = None,
    rules: str | None = None,
    prompt: str | None = None,
) -> _Selection:
    """Select runs of an experiment by the options.

    Raises:
        InputError: an excluded run does not exist, or an option is invalid.
    """
    from posttrainbench.records.units import parse_budget
    from posttrainbench.run.directory import Run, root_states
    from posttrainbench.scoring.selection import Conditions

    conditions = Conditions(suite, parse_budget(budget) if budget else None, rules, prompt)
    roots, unknown = root_states(path), []
    for name in exclude or ():
        left = {root: state for root, state in roots.items() if name not in (Path(root).name, _run_id(Run(Path(root))))}
        if len(left) == len(roots):
            place = find_place(Path(name)).resolve()
            left = {root: state for root, state in roots.items() if Path(root) != place}
        if len(left) == len(roots):
            unknown.append(name)
        roots = left
    if unknown:
        raise InputError(
            f"{path} has no run {', '.join(unknown)}; `ptb status {shell_quoted(path)} --paths` lists the runs."
        )
    return _Selection(roots, conditions)


def _run_id(run: "Run") -> str:
    try:
        return run.spec.run
    except InputError:  # it can be excluded by its directory
        return ""


def show_leaderboard(path: Path, html: Path | None, json: bool) -> None:
    """Print the leaderboard of all runs of an experiment.

    Args:
        path: directory of the experiment.
        html: page to write.
        json: print JSON.
    """
    _show(_select(path), html, json)


def _show(selection: _Selection, html: Path | None, json: bool) -> list[str]:
    """Print a leaderboard. Return the names of its agents; see `_to_compare`."""
    from posttrainbench.cli.console import Console
    from posttrainbench.report.leaderboard_page import write_site
    from posttrainbench.report.tables import leaderboard_table
    from posttrainbench.scoring.selection import unique

    if html is not None:
        if html.is_dir():
            raise InputError(f"{html} is a directory; give the name of a file with --html.")
        require_directory(html.absolute().parent, "a --html FILE in an existing directory")
        require_writable(html.absolute().parent, "--html")
    result, cells = selection.rank()
    if html is not None:
        write_site(result, unique(cells or selection.load())[0], html)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        console = Console()
        console.print(leaderboard_table(result), soft_wrap=True)
        if html is not None:
            console.print(f"\n  Page: {html.resolve()}", markup=False, highlight=False, soft_wrap=True)
    return _to_compare(result)


def _to_compare(board: "Leaderboard") -> list[str]:
    """Return the names of the agents, best first; agents whose scores were reset come after all others."""
    rows = sorted(board.rows, key=lambda row: row.reset_cells > 0)  # stable
    return [row.agent for row in rows]


def compare(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT|RUN_A",
            help="Directory of an experiment or a run, or its name if it is in runs/.",
            callback=find_place,
            autocompletion=complete_experiments,
        ),
    ],
    agent_a: Annotated[
        str, typer.Argument(metavar="AGENT_A|RUN_B", help="Agent name as on the leaderboard; or another run.")
    ],
    agent_b: Annotated[
        str | None, typer.Argument(metavar="AGENT_B", help="Name of another agent.", show_default=False)
    ] = None,
    exclude: Exclude = None,
    suite: SuiteChoice = None,
    budget: BudgetChoice = None,
    rules: RulesChoice = None,
    prompt: PromptChoice = None,
    json: Json = False,
) -> None:
    """Test whether one agent is better than another, and estimate the difference; or compare two runs item by item.

    With an experiment and two agents: compares them on the base models and benchmarks that both have run, weighted as
    in the overall score. With two runs: compares their submissions on the items of the benchmark.

    Example:  [bold]ptb compare runs/demo recipe-sft recipe-noop[/bold]
    """
    from posttrainbench.cli.console import Console
    from posttrainbench.report.tables import comparison_table
    from posttrainbench.scoring import baselines_of
    from posttrainbench.scoring.comparison import compare as compare_agents

    if agent_b is None:
        if path.is_dir() and not (path / "run.json").is_file():
            given = f"{shlex.quote(str(path))} {shlex.quote(agent_a)}"
            raise InputError(f"{path} is an experiment; give a second agent: ptb compare {given} AGENT_B.")
        if exclude or suite or budget or rules or prompt:
            raise InputError("Options that select runs apply to agents; leave them out to compare two runs.")
        _compare_runs(path, find_place(Path(agent_a)), json)
        return
    if (path / "run.json").is_file():
        raise InputError(f"{path} is a run; give two runs, or an experiment and two agents.")
    cells = _select(path, exclude, suite, budget, rules, prompt).load()
    result = compare_agents(cells, baselines_of(cells), agent_a, agent_b)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        Console().print(comparison_table(result), soft_wrap=True)


def _compare_runs(run_a: Path, run_b: Path, json: bool) -> None:
    """Compare two runs item by item."""
    from posttrainbench.cli.console import Console
    from posttrainbench.report.tables import item_comparison_table
    from posttrainbench.run.directory import Run
    from posttrainbench.scoring import load_cells
    from posttrainbench.scoring.item_comparison import compare_items

    cells = load_cells([Run(run_a).root, Run(run_b).root])
    for path, cell in zip((run_a, run_b), cells, strict=True):
        if cell.status is None:
            raise InputError(
                f"{path} is not finished; `ptb status {shell_quoted(path)}` says whether it is being worked on."
            )
    result = compare_items(*cells)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        Console().print(item_comparison_table(result), soft_wrap=True)
