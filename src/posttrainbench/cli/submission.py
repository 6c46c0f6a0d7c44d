"""`ptb check-submission`: check whether a checkpoint would be accepted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.audit import Sarif
from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InputError

if TYPE_CHECKING:
    from posttrainbench.submission.validation import Validation

INDENT = len("left behind  ")
EXIT_CODES = {"clean": 0, "flagged": 1}


def check_submission(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the saved model.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="BASE", help="The base model. Default: the one with the same architecture and sizes."),
    ] = None,
    json: Json = False,
    sarif: Sarif = False,
) -> None:
    """Check a checkpoint as a run checks `final_model`: architecture, weights, and which files would be left behind.

    Nothing in the checkpoint is run.

    Exit codes: 0 it would be accepted, 1 it would not, 2 it could not be checked.

    Example:  [bold]ptb check-submission final_model --model micro-base[/bold]
    """
    from posttrainbench import __version__
    from posttrainbench.submission.validation import as_sarif, validate

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
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import Paragraph
    from posttrainbench.report.text import plain

    console = Console(highlight=False)
    manifest = found.manifest
    style = "green" if found.verdict == "clean" else "bold red"
    title = Text.assemble((manifest.state, style), f"  {plain(found.path, 1000)} as {plain(found.model)}")
    console.print(title, soft_wrap=True)
    rows = [("problem", "red", plain(problem, 400)) for problem in manifest.problems]
    rows += [("runs code", "red", f"{plain(name)}: {plain(calls, 300)}") for name, calls in found.pickles.items()]
    rows += [("taken", "green", plain(name)) for name in found.taken]
    rows += [("left behind", "yellow", f"{plain(one.path)}: {plain(one.reason, 300)}") for one in manifest.refused]
    rows += [("fact", "dim", plain(fact, 400)) for fact in manifest.facts]
    for kind, color, text in rows:
        console.print(Paragraph(Text(text), INDENT, Text(kind, style=color)), soft_wrap=True)
