"""`ptb run` and `ptb resume`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import (
    ColdCache,
    Cpus,
    DenyInstruct,
    DenyTestData,
    Disk,
    EngineName,
    EngineSettings,
    Gpus,
    GraderName,
    Image,
    Insecure,
    Json,
    Memory,
    NetworkName,
    Out,
    Pids,
    SandboxName,
    parse_budget,
    parse_gpus,
    parse_network,
    parse_settings,
    parse_size,
    print_json,
)
from posttrainbench.errors import InputError

if TYPE_CHECKING:
    from posttrainbench.run import Run


def run(
    again: Annotated[
        str | None,
        typer.Argument(metavar="[@RUN/run.json]", help="Take everything from an earlier run.", show_default=False),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(help="Agent, with settings: NAME or NAME?key=value&key=value.", show_default=False),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Base model.", show_default=False)] = None,
    benchmark: Annotated[str | None, typer.Option(help="Benchmark.", show_default=False)] = None,
    suite: Annotated[
        str | None,
        typer.Option(help="Suite; the first that has both the model and the benchmark, if not given."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time for the agent, such as 30s, 10m, 10h; the suite's if not given.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Handed to the agent; 0 if not given.")] = None,
    engine: EngineName = None,
    engine_setting: EngineSettings = None,
    grader: GraderName = None,
    prompt_file: Annotated[
        Path | None, typer.Option(help="Your own prompt, a template like kit/prompt.md.jinja.", show_default=False)
    ] = None,
    out: Out = None,
    json: Json = False,
    sandbox: SandboxName = None,
    image: Image = None,
    memory: Memory = None,
    cpus: Cpus = None,
    pids: Pids = None,
    disk: Disk = None,
    gpus: Gpus = None,
    network: NetworkName = None,
    deny_test_data: DenyTestData = False,
    deny_instruct: DenyInstruct = False,
    cold_cache: ColdCache = False,
    insecure_no_sandbox: Insecure = False,
) -> None:
    """Run one agent on one base model and one benchmark, to a settled result.

    Example:  [bold]ptb run --agent recipe-sft --model micro-base --benchmark micro-math --budget 30s[/bold]

    Ends with 0 when a result was settled (also a flagged one), 1 on an infrastructure error, 2 on bad input.
    """
    from posttrainbench.evaluation.plan import DEFAULT_GRADER
    from posttrainbench.records import RunLimits, RunSpec
    from posttrainbench.run.prepare import Order, create_run, read_prompt

    seconds = parse_budget(budget) if budget is not None else None
    settings = parse_settings(engine_setting)
    prompt = read_prompt(prompt_file) if prompt_file else None
    limits = RunLimits(
        memory=parse_size(memory) if memory else None,
        processes=pids,
        cpus=cpus,
        disk=parse_size(disk) if disk else None,
    )
    shown: list[int] | int | None = parse_gpus(gpus) if gpus else None
    if again is not None:
        spec = _read_spec(again, RunSpec)
        agent, model, benchmark = agent or spec.agent.name, model or spec.model, benchmark or spec.benchmark
        seconds, seed = seconds or spec.budget, spec.seed if seed is None else seed
        suite, engine, grader = suite or spec.suite, engine or spec.engine, grader or spec.grader
        settings, prompt = settings or spec.engine_settings, prompt or spec.prompt
        if sandbox is None and not insecure_no_sandbox and spec.sandbox != "process":  # which only a user may ask for
            sandbox, image = spec.sandbox, image or spec.image
        limits = RunLimits(**spec.limits.model_dump() | limits.model_dump(exclude_none=True))
        shown = spec.gpus if shown is None else shown
        if choose_sandbox(sandbox, insecure_no_sandbox) != "process":
            network, deny_test_data = network or spec.network, deny_test_data or spec.deny_test_data
            deny_instruct = deny_instruct or spec.deny_instruct
        cold_cache = cold_cache or spec.cold_cache
    for option, value in (("agent", agent), ("model", model), ("benchmark", benchmark)):
        if not value:
            raise InputError(f"Give --{option}; `ptb catalog {option}s` lists what there is.")
    order = Order(
        agent=str(agent),
        model=str(model),
        benchmark=str(benchmark),
        suite=suite,
        budget=seconds,
        seed=seed or 0,
        sandbox=choose_sandbox(sandbox, insecure_no_sandbox),
        image=image,
        limits=limits,
        gpus=shown,
        network=parse_network(network),
        deny_test_data=deny_test_data,
        deny_instruct=deny_instruct,
        cold_cache=cold_cache,
        engine=engine,
        engine_settings=settings,
        grader=grader or DEFAULT_GRADER,
        prompt=prompt,
    )
    finish(create_run(order, out), json)


def resume(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory, or an experiment's.")],
    json: Json = False,
) -> None:
    """Continue a run where it stopped; finished stages are not repeated.

    Given an experiment, continues every unfinished run in it and draws up the leaderboard and its page.

    Example:  [bold]ptb resume runs/demo[/bold]
    """
    from posttrainbench.run import find_runs
    from posttrainbench.run.prepare import require_sandbox

    found = find_runs(path)
    if len(found) == 1:
        require_sandbox(found[0].spec)
        return finish(found[0], json)
    from posttrainbench.cli.many import run_all

    unfinished = [each for each in found if each.next_stage() is not None]
    for spec in {(each.spec.sandbox, each.spec.image): each.spec for each in unfinished}.values():
        require_sandbox(spec)
    run_all(unfinished, path)
    from posttrainbench.cli.board import leaderboard

    return leaderboard(path, html=path / "leaderboard.html", json=json)


def finish(run: "Run", json: bool) -> None:
    """Take a run to its end with live progress, print its result, and exit as the result demands."""
    from posttrainbench.cli.progress import Progress
    from posttrainbench.records import Status
    from posttrainbench.run.pipeline import advance

    spec = run.spec
    title = f"{spec.agent.name} on {spec.model}, {spec.benchmark}, {spec.budget:g} s"
    try:
        with Progress(title) as watch:
            result = advance(run, watch)
    except KeyboardInterrupt:
        print(f"\nptb: stopped; nothing finished is lost. Continue with: ptb resume {run.root}", file=sys.stderr)
        raise typer.Exit(130) from None
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        from rich.console import Console

        from posttrainbench.report import result_table
        from posttrainbench.run.standing import agent_line

        console = Console()
        console.print(result_table(result, spec, run.root))
        if line := agent_line(run):
            console.print(f"\n  {line}", markup=False, highlight=False)
        next_command = (
            f"ptb resume {run.root}" if result.status is Status.INFRASTRUCTURE_ERROR else f"ptb trace {run.root}"
        )
        console.print(f"\n  Next: {next_command}", markup=False, highlight=False, soft_wrap=True)
    if result.status is Status.INFRASTRUCTURE_ERROR:
        raise typer.Exit(1)


def choose_sandbox(name: str | None, insecure: bool) -> str:
    """The backend, which isolates unless the user has said in so many words that it need not.

    Raises:
        InputError: it would not, or the user has said both.
    """
    if insecure and name not in (None, "process"):
        raise InputError(f"`--insecure-no-sandbox` is to run without a sandbox; leave it out to run in `{name}`.")
    if name == "process" and not insecure:
        raise InputError("`process` isolates nothing: the agent can do whatever you can; say --insecure-no-sandbox.")
    return "process" if insecure else name or "bubblewrap"


def _read_spec(again: str, kind: "type[RunSpec]") -> "RunSpec":
    path = Path(again.removeprefix("@"))
    try:
        return kind.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no run.json of this version"
        raise InputError(f"{path} cannot be read: {reason}; give @RUN/run.json of an earlier run.") from None


if TYPE_CHECKING:
    from posttrainbench.records import RunSpec
