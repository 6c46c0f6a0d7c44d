"""`ptb agents`: list agents and their requirements, make a test call, install a CLI."""

from typing import Annotated, Any

import typer

from posttrainbench.cli.options import Insecure, Json, print_json
from posttrainbench.cli.places import complete_agents
from posttrainbench.errors import InputError

app = typer.Typer(
    name="agents",
    no_args_is_help=False,
    rich_markup_mode="rich",
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Agent, such as claude-code/claude-opus-4-6?effort=high.", autocompletion=complete_agents
    ),
]


@app.callback(invoke_without_command=True)
def agents(context: typer.Context, json: Json = False) -> None:
    """List agents, test them and install their CLIs.

    Example:  [bold]ptb agents[/bold]
    """
    if context.invoked_subcommand is None:
        list_(json)


@app.command("list")
def list_(json: Json = False) -> None:
    """List the agents, their requirements and whether they are ready on this machine, like `ptb agents` alone.

    Example:  [bold]ptb agents list[/bold]
    """
    from rich.table import Table
    from rich.text import Text

    from posttrainbench.cli.console import Console

    rows = _rows()
    if json:
        print_json(rows)
        return
    table = Table(box=None)
    for column in ("agent", "description", "requires", "ready"):
        table.add_column(column, overflow="fold")
    for row in rows:
        ready = Text("yes", style="green") if row["ready"] else Text("no", style="yellow")
        table.add_row(Text(row["name"]), Text(row["title"]), Text("\n".join(row["needs"])), ready)
    console = Console(highlight=False)
    console.print(table)
    for problem in dict.fromkeys(problem for row in rows for problem in row["problems"]):
        console.print(f"  {problem}", markup=False, soft_wrap=True)


@app.command()
def check(name: Name, json: Json = False, insecure_no_sandbox: Insecure = False) -> None:
    """Make one short call to the agent's model, in a sandbox and through the gateway. It costs a few cents at most.

    Exit codes: 0 the model answered, 1 the call failed, 2 something is missing on this machine.

    Example:  [bold]ptb agents check claude-code/claude-opus-4-6[/bold]
    """
    from posttrainbench import catalog
    from posttrainbench.cli.console import Console
    from posttrainbench.run.agent_check import check_agent
    from posttrainbench.sandbox import load_sandbox

    sandbox = load_sandbox("process" if insecure_no_sandbox else "bubblewrap")
    checked = check_agent(catalog.agent_spec(name), sandbox)
    usage = checked.usage
    if json:
        details = {"seconds": checked.seconds, "versions": checked.versions, "usage": usage.model_dump(mode="json")}
        return print_json({"name": name, **details})
    price = "at an unknown price" if usage.unpriced else f"for ${usage.cost:.4f}"
    versions = ", ".join(f"{program} {version}" for program, version in checked.versions.items())
    return Console().print(
        f"{name} works{f' ({versions})' if versions else ''}: {usage.requests} request(s), {usage.input} tokens in, "
        f"{usage.output} out, {price}, {checked.seconds:.1f} s.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def install(name: Name) -> None:
    """Install an agent's CLI from npm at its pinned version, into your data directory.

    Example:  [bold]ptb agents install claude-code[/bold]
    """
    from posttrainbench import catalog
    from posttrainbench.agents import load_scaffold
    from posttrainbench.agents.model_agent import CommandLineAgent
    from posttrainbench.agents.programs import install_program
    from posttrainbench.cli.console import Console

    spec = catalog.agent_spec(name)
    scaffold = load_scaffold(spec.scaffold)
    if not isinstance(scaffold, CommandLineAgent):
        raise InputError(f"`{name}` does not use a separate program.")
    installed = install_program(scaffold.program, spec.settings.get("version"))
    Console().print(
        f"{scaffold.program.command} {installed.version}: {installed.executable}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _rows() -> list[dict[str, Any]]:
    """Return one row for each agent of the catalog; without a chosen model, only its program and key are checked."""
    from posttrainbench import catalog
    from posttrainbench.agents import load_scaffold

    rows = []
    for name, entry in catalog.agents().items():
        spec = catalog.agent_spec(name)
        try:
            needs = load_scaffold(spec.scaffold).requirements(spec)
        except InputError as error:
            rows.append({"name": name, "title": entry.title, "needs": [], "problems": [str(error)], "ready": False})
            continue
        problems = [need.problem for need in needs if need.problem]
        row = {"name": name, "title": entry.title, "needs": [need.name for need in needs], "problems": problems}
        rows.append({**row, "ready": not problems})
    return rows
