"""`ptb harbor`: write suites as tasks of Harbor, and grade what an agent left in one."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import complete_suites

app = typer.Typer(name="harbor", help="Run suites with Harbor instead of `ptb run`.", no_args_is_help=True)


@app.callback()
def harbor() -> None:
    """Run suites with Harbor instead of `ptb run`."""


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New or empty directory.")],
    suite: Annotated[str, typer.Option(help="Suite to export.", autocompletion=complete_suites)] = "micro",
    model: Annotated[
        list[str] | None, typer.Option(help="Base model; all by default. Repeatable.", show_default=False)
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="Benchmark; all by default. Repeatable.", show_default=False)
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time limit of the agent, such as 10h; the suite's by default.", show_default=False),
    ] = None,
    package: Annotated[
        str,
        typer.Option(
            metavar="REQUIREMENT|WHEEL",
            help="What the verifier installs: this version of posttrainbench by default.",
            show_default=False,
        ),
    ] = "",
    base: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Base image; the pinned one by default.", show_default=False)
    ] = None,
    require_audit: Annotated[
        bool,
        typer.Option("--require-audit", help="Give no reward if a rule that the suite requires could not be checked."),
    ] = False,
    json: Json = False,
) -> None:
    """Write a suite as Harbor tasks: a directory for each base model and benchmark.

    Each has the prompt, the agent's image with kit and model, and a separate verifier that audits and evaluates what
    the agent left. Needs the suite's data on this machine, but not the weights.

    Example:  [bold]ptb harbor export --suite micro --benchmark micro-math --out tasks[/bold]
    """
    from posttrainbench import catalog
    from posttrainbench.cli.console import Console
    from posttrainbench.images.definition import containerfile
    from posttrainbench.images.pins import VariantName, load_variant
    from posttrainbench.launch.harbor import export_suite
    from posttrainbench.records.units import parse_budget
    from posttrainbench.report.text import plain

    chosen: Literal["full", "small"] = "full" if catalog.find(catalog.suites(), suite, "suite").gpus else "small"
    variant: VariantName = chosen
    written = export_suite(
        suite,
        out,
        containerfile(load_variant(variant), variant, base),
        models=model or (),
        benchmarks=benchmark or (),
        budget=parse_budget(budget) if budget else None,
        package=package,
        require_audit=require_audit,
    )
    if json:
        return print_json({"tasks": [str(path) for path in written.tasks], "left_out": written.left_out})
    lines = [str(path) for path in written.tasks]
    lines += [f"Left out: {name}: {why}" for name, why in written.left_out.items()]
    lines.append(f"Next: harbor run --path {shlex.quote(str(out))} --agent AGENT --model MODEL")
    console = Console()
    for line in lines:
        console.print(plain(line, 4000), markup=False, highlight=False, soft_wrap=True)
    return None


@app.command(hidden=True)
def verify(
    described: Annotated[Path, typer.Argument(metavar="DIR", help="Directory `run` of a task's verifier.")],
    workspace: Annotated[Path, typer.Option(metavar="DIR", help="What the agent left.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="For reward.json, the result and the audit.")],
    require_audit: Annotated[
        bool, typer.Option("--require-audit", help="Write no reward if the audit is incomplete.")
    ] = False,
) -> None:
    """Grade what an agent left in a task, and write the reward. The verifier of each task calls this.

    Example:  [bold]ptb harbor verify tests/run --workspace workspace --out verifier[/bold]
    """
    from posttrainbench.cli.progress import Progress
    from posttrainbench.launch.harbor_verify import verify as grade

    with Progress("verifier") as progress:
        reward = grade(described, workspace, out, progress, require_audit=require_audit)
    print_json(reward)
