"""`ptb image`: the images that agents work in."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from posttrainbench.cli.options import Json, print_json

app = typer.Typer(name="image", help="Build the images that agents work in, and check them.", no_args_is_help=True)

Variant = Annotated[
    Literal["full", "small"], typer.Option(help="full: CUDA and everything; small: no GPU, one command line.")
]
Base = Annotated[
    str | None, typer.Option(metavar="IMAGE", help="Base image; the pinned one if not given.", show_default=False)
]


@app.callback()
def image() -> None:
    """Build the images that agents work in, and check them."""


@app.command()
def show(
    variant: Variant = "full",
    format: Annotated[Literal["containerfile", "apptainer"], typer.Option(help="Of which builder.")] = "containerfile",
    base: Base = None,
) -> None:
    """Print the definition of an image, as `build` uses it.

    Example:  [bold]ptb image show --format apptainer > agent.def[/bold]
    """
    from posttrainbench.images.definition import apptainer_definition, containerfile
    from posttrainbench.images.pins import load_variant

    make = containerfile if format == "containerfile" else apptainer_definition
    print(make(load_variant(variant), variant, base), end="")


@app.command(context_settings={"allow_extra_args": True})
def build(
    context: typer.Context,
    tag: Annotated[str, typer.Option(help="Name of the image; for apptainer the file to write, such as agent.sif.")],
    engine: Annotated[Literal["podman", "docker", "apptainer"], typer.Option(help="What builds it.")] = "podman",
    variant: Variant = "full",
    base: Base = None,
) -> None:
    """Build an image; what stands behind `--` is for the engine.

    Example:  [bold]ptb image build --variant small --tag agent-small -- --network host[/bold]
    """
    from posttrainbench.images.build import build_image

    build_image(variant, engine, tag, base, context.args)


@app.command()
def check(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="As `ptb run --image` takes it.")],
    sandbox: Annotated[str, typer.Option(metavar="NAME", help="podman, docker, apptainer or bubblewrap.")] = "podman",
    variant: Variant = "full",
    json: Json = False,
) -> None:
    """Start an image as a run would, and look for all that is pinned; run the kit's evaluation in it.

    Ends with 0 when everything is there, 1 when something is not.

    Example:  [bold]ptb image check agent-small --variant small[/bold]
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from posttrainbench.images.check import check_image
    from posttrainbench.report.text import plain

    checked = check_image(image, sandbox, variant)
    if json:
        print_json([asdict(one) for one in checked])
    else:
        table = Table(box=None)
        for column in ("", "what", "wanted", "found"):
            table.add_column(column)
        for one in checked:
            mark = Text("pass", style="green") if one.ok else Text("FAIL", style="red")
            table.add_row(mark, Text(one.what), Text(one.wanted), Text(plain(one.found or "nothing", 100), style="dim"))
        Console().print(table)
    if not all(one.ok for one in checked):
        raise typer.Exit(1)
