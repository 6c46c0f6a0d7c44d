"""`ptb image`: build and check the images for agents."""

from typing import Annotated, Literal

import typer

from posttrainbench.cli.options import Json, print_json

app = typer.Typer(name="image", help="Build and check the images that agents work in.", no_args_is_help=True)

Variant = Annotated[
    Literal["full", "small"], typer.Option(metavar="NAME", help="full: CUDA and all agents; small: no GPU, one agent.")
]
Base = Annotated[
    str | None, typer.Option(metavar="IMAGE", help="Base image; the pinned one by default.", show_default=False)
]


@app.callback()
def image() -> None:
    """Build and check the images that agents work in."""


@app.command()
def show(
    variant: Variant = "full",
    format: Annotated[
        Literal["containerfile", "apptainer"], typer.Option(metavar="FORM", help="containerfile or apptainer.")
    ] = "containerfile",
    base: Base = None,
) -> None:
    """Print the definition of an image that `build` uses.

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
    engine: Annotated[
        Literal["podman", "docker", "apptainer"], typer.Option(metavar="NAME", help="podman, docker or apptainer.")
    ] = "podman",
    variant: Variant = "full",
    base: Base = None,
) -> None:
    """Build an image. Arguments after `--` are passed to the engine.

    Example:  [bold]ptb image build --variant small --tag agent-small -- --network host[/bold]
    """
    from posttrainbench.images.build import build_image

    build_image(variant, engine, tag, base, context.args)


@app.command()
def check(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Image as in `ptb run --image`.")],
    sandbox: Annotated[str, typer.Option(metavar="NAME", help="podman, docker, apptainer or bubblewrap.")] = "podman",
    variant: Variant = "full",
    json: Json = False,
) -> None:
    """Start an image as a run would, check all pinned versions and run the kit's evaluation in it.

    Exit codes: 0 all checks pass, 1 a check fails.

    Example:  [bold]ptb image check agent-small --variant small[/bold]
    """
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.images.check import check_image
    from posttrainbench.report.layout import columns
    from posttrainbench.report.text import plain

    results = check_image(image, sandbox, variant)
    if json:
        print_json(
            [{"what": each.name, "wanted": each.expected, "found": each.actual, "ok": each.ok} for each in results]
        )
    else:
        rows = [[Text(name, style="bold") for name in ("", "component", "expected", "found")]]
        for result in results:
            mark = Text("pass", style="green") if result.ok else Text("FAIL", style="red")
            found = Text(plain(result.actual or "nothing", 100), style="dim")
            rows.append([mark, Text(result.name), Text(result.expected), found])
        console = Console(highlight=False)
        for line in columns(rows):
            console.print(line, soft_wrap=True)
    if not all(result.ok for result in results):
        raise typer.Exit(1)
