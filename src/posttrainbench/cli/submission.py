"""`ptb check-submission`: would this checkpoint count?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.audit import Sarif
from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InputError

if TYPE_CHECKING:
    from posttrainbench.audit.validation import Validation

EXIT_CODES = {"clean": 0, "flagged": 1}


def check_submission(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the saved model.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="BASE", help="The base model; the one whose architecture it has, if not given."),
    ] = None,
    json: Json = False,
    sarif: Sarif = False,
) -> None:
    """Check a checkpoint as a run checks `final_model`: architecture, weights, and what would be left behind.

    Ends with 0 when it would be accepted, 1 when it would not, 2 when it could not be checked. Nothing in it is run.

    Example:  [bold]ptb check-submission final_model --model micro-base[/bold]
    """
    from posttrainbench import __version__
    from posttrainbench.audit.validation import as_sarif, validate

    if json and sarif:
        raise InputError("Give --json or --sarif, not both.")
    found = validate(path, model)
    if json:
        print_json(found.model_dump(mode="json"))
    elif sarif:
        print_json(as_sarif(found, __version__))
    else:
        _show(found)
    raise typer.Exit(EXIT_CODES[found.verdict])


def _show(found: "Validation") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from posttrainbench.report.text import plain

    console = Console(highlight=False)
    manifest = found.manifest
    style = "green" if found.verdict == "clean" else "bold red"
    console.print(Text.assemble((manifest.state, style), f"  {plain(found.path, 1000)} as {plain(found.model)}"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for problem in manifest.problems:
        table.add_row(Text("problem", style="red"), Text(plain(problem, 400)))
    for name, calls in found.pickles.items():
        table.add_row(Text("runs code", style="red"), Text(f"{plain(name)}: {plain(calls, 300)}"))
    for name in found.taken:
        table.add_row(Text("taken", style="green"), Text(plain(name)))
    for one in manifest.refused:
        table.add_row(Text("left behind", style="yellow"), Text(f"{plain(one.path)}: {plain(one.reason, 300)}"))
    for fact in manifest.facts:
        table.add_row(Text("fact", style="dim"), Text(plain(fact, 400)))
    console.print(table)
