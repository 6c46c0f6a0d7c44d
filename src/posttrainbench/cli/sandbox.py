"""`ptb sandbox`: check the sandbox backends on this machine."""

from typing import Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InfrastructureError, InputError

app = typer.Typer(name="sandbox", help="Check the sandboxes that agents run in.", no_args_is_help=True)


@app.callback()
def sandbox() -> None:
    """Check the sandboxes that agents run in."""


@app.command()
def check(
    backend: Annotated[
        str, typer.Argument(metavar="BACKEND", help="bubblewrap, podman, docker, apptainer or process.")
    ] = "bubblewrap",
    image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="Root file system of the sandbox; the host's programs by default."),
    ] = None,
    json: Json = False,
) -> None:
    """Try to break out of a sandbox on this machine and to exceed its limits.

    Exit codes: 0 every attempt is prevented, 1 an attempt succeeds.

    Example:  [bold]ptb sandbox check bubblewrap[/bold]
    """
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import Paragraph
    from posttrainbench.report.text import plain
    from posttrainbench.sandbox import load_sandbox
    from posttrainbench.sandbox.checks import check_isolation
    from posttrainbench.sandbox.limit_checks import check_limits
    from posttrainbench.sandbox.provenance.launch import recording_available

    chosen = load_sandbox(backend, image)
    if chosen.isolation == "none":
        raise InputError(f"`{backend}` does not isolate, so there is nothing to check; choose another sandbox.")
    try:
        chosen.check()
    except InputError as error:
        try:
            check_isolation(chosen)  # if the sandbox starts, its failed attempts are listed below
        except InfrastructureError:
            raise error from None
    results = [*check_isolation(chosen), *check_limits(chosen)]
    if json:
        print_json([{"name": each.name, "held": each.blocked, "said": each.detail} for each in results])
    else:
        console = Console()
        for result in results:
            mark = Text("pass", style="green") if result.blocked else Text("FAIL", style="red")
            line = Text.assemble(result.name, "  ", (plain(result.detail, 100), "dim"))
            console.print(Paragraph(line, len("pass  "), mark), soft_wrap=True)
        blocked = sum(result.blocked for result in results)
        console.print(f"\n  {backend}: {blocked} of {len(results)} attempts prevented", markup=False, highlight=False)
        recording = recording_available(chosen)
        state = "available" if recording.works else "unavailable"
        console.print(f"  file provenance: {state} ({recording.reason})", markup=False, highlight=False)
    if not all(result.blocked for result in results):
        raise typer.Exit(1)
