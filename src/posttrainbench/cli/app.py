"""The root of `ptb` and its commands."""

from pathlib import Path
from typing import Annotated

import typer

from posttrainbench import __version__
from posttrainbench.cli import (
    agents,
    audit,
    board,
    catalog,
    compare,
    data,
    demo,
    doctor,
    evaluations,
    image,
    judge,
    lineage,
    published,
    runs,
    sandbox,
    scan,
    show,
    submission,
    trace,
)

app = typer.Typer(
    name="ptb",
    help="Measure whether AI agents can post-train language models, and whether they cheat.",
    epilog="Start here:  ptb doctor,  then  ptb demo --quick",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    catalogs: Annotated[
        list[Path] | None,
        typer.Option(
            "--catalog",
            envvar="PTB_CATALOG",
            metavar="DIR",
            help="Add a directory of your own catalog entries; repeatable.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure whether AI agents can post-train language models, and whether they cheat."""
    if catalogs:
        from posttrainbench.catalog import use_catalogs

        use_catalogs(catalogs)


app.command()(demo.demo)
app.command()(runs.run)
app.command()(runs.resume)
app.command()(show.status)
app.command()(trace.trace)
app.command()(audit.audit)
app.command()(audit.adjudicate)
app.command()(scan.scan)
app.command()(submission.check_submission)
app.command()(evaluations.evaluate)
app.command()(evaluations.baseline)
app.command()(board.leaderboard)
app.command()(compare.compare)
app.add_typer(judge.app, name="judge")
app.add_typer(lineage.app, name="lineage")
app.add_typer(data.app)
app.add_typer(agents.app)
app.add_typer(sandbox.app)
app.add_typer(image.app)
app.command()(catalog.catalog)
app.command()(published.published)
app.command()(published.score)
app.command()(doctor.doctor)
