"""`ptb plot`: one chart as a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from posttrainbench.cli.leaderboard import BudgetChoice, PromptChoice, RulesChoice, SuiteChoice
from posttrainbench.cli.report import Experiments
from posttrainbench.errors import InputError
from posttrainbench.files import require_directory, require_writable

MISSING = "Charts need Altair and vl-convert; install them with `pip install 'posttrainbench[report]'`."


def plot(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="score-time, score-cost, benchmarks, gap, flags, budgets, efforts, models or base-sizes.",
        ),
    ],
    experiments: Experiments,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", help="A file whose name ends with .svg, .png or .pdf; one that exists is replaced."
        ),
    ],
    suite: SuiteChoice = None,
    budget: BudgetChoice = None,
    rules: RulesChoice = None,
    prompt: PromptChoice = None,
) -> None:
    """Draw a chart of experiments for a paper: the same as on the site of `ptb report`.

    Runs under different conditions are not plotted together. Without the options, the largest group of runs is plotted.

    Example:  [bold]ptb plot gap runs/demo --out gap.pdf[/bold]
    """
    from posttrainbench.cli.console import Console
    from posttrainbench.records.units import parse_budget
    from posttrainbench.report.site.charts_page import has_charts
    from posttrainbench.report.site.groups import group_runs, select
    from posttrainbench.report.site.runs import read_experiments
    from posttrainbench.report.site.standings import table
    from posttrainbench.report.text import plain
    from posttrainbench.scoring.selection import Conditions

    if not has_charts():
        raise InputError(MISSING)
    from posttrainbench.report.charts.render import FORMATS, write_figure
    from posttrainbench.report.charts.specs import NAMES, chart

    if name not in NAMES:
        raise InputError(f"Unknown chart `{plain(name)}`; choose from {', '.join(NAMES)}.")
    if out.suffix.lower().removeprefix(".") not in FORMATS:
        *most, last = (f".{each}" for each in FORMATS)
        raise InputError(f"The name of {out} must end with {', '.join(most)} or {last}.")
    require_directory(out.absolute().parent, "an --out FILE in an existing directory")
    require_writable(out.absolute().parent, "--out")
    conditions = Conditions(suite, parse_budget(budget) if budget else None, rules, prompt)
    read = read_experiments(experiments)
    for damaged in read.damaged:
        text = f"ptb: {plain(damaged.name)} cannot be read and does not count: {plain(damaged.reason, 1000)}"
        print(text, file=sys.stderr)
    groups = group_runs(select(read.runs, conditions))
    drawn = chart(name, [table(group) for group in groups if group.board is not None])
    write_figure(drawn.spec, out)
    several = len(groups) > 1 and name != "budgets"
    others = f", the largest of {len(groups)} groups (--suite and --budget choose another)" if several else ""
    console = Console(highlight=False)
    console.print(plain(f"{out}: {drawn.title}, {groups[0].name}{others}", 4000), markup=False, soft_wrap=True)
