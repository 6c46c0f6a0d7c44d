"""`ptb run` and `ptb resume`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.dry_run import OptionProblems, report
from posttrainbench.cli.options import (
    ColdCache,
    Cpus,
    DenyInstruct,
    DenyTestData,
    Disk,
    DryRun,
    EngineName,
    EngineSettings,
    Gpus,
    GraderName,
    Image,
    Insecure,
    Json,
    Memory,
    NetworkName,
    NoProvenance,
    Out,
    Pids,
    PromptFile,
    RunName,
    SandboxName,
    choose_sandbox,
    parse_cpus,
    parse_gpus,
    parse_limit,
    parse_network,
    parse_settings,
    print_json,
)
from posttrainbench.cli.places import (
    RunsPath,
    complete_agents,
    complete_benchmarks,
    complete_models,
    complete_suites,
    named_directory,
)
from posttrainbench.errors import InputError, shell_quoted
from posttrainbench.files import require_existing
from posttrainbench.records.units import parse_budget

if TYPE_CHECKING:
    from posttrainbench.run import Run


def run(
    again: Annotated[
        str | None,
        typer.Argument(metavar="@RUN/run.json", help="Use the settings of an earlier run.", show_default=False),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help="Agent with optional settings: NAME or NAME?KEY=VALUE.",
            show_default=False,
            autocompletion=complete_agents,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Base model.", show_default=False, autocompletion=complete_models)
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Benchmark.", show_default=False, autocompletion=complete_benchmarks)
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="Suite. Default: the first one with both the model and the benchmark.", autocompletion=complete_suites
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time limit of the agent, such as 30s, 10m or 10h. Default: the suite's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed passed to the agent. Default: 0.")] = None,
    engine: EngineName = None,
    engine_setting: EngineSettings = None,
    grader: GraderName = None,
    prompt_file: PromptFile = None,
    out: Out = None,
    name: RunName = None,
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
    no_provenance: NoProvenance = False,
    insecure_no_sandbox: Insecure = False,
    dry_run: DryRun = False,
) -> None:
    """Run one agent on one base model and one benchmark.

    Everything that can be known to be wrong is found before the agent's time starts; --dry-run shows all checks.

    Exit codes: 0 the run has a result, also if it is flagged, 1 infrastructure error, 2 invalid input,
    130 interrupted.

    Example:  [bold]ptb run --agent recipe-sft --model micro-base --benchmark micro-math[/bold]
    """
    from posttrainbench.evaluation.plan import DEFAULT_GRADER
    from posttrainbench.records import RunLimits, RunSpec
    from posttrainbench.run.prepare import check_request, create_run, read_prompt
    from posttrainbench.run.request import RunRequest

    problems = OptionProblems(dry_run)
    with problems.of("output"):
        out = named_directory(out, name, run=True)
    seconds: float | None = None
    settings: dict[str, str] = {}
    prompt: str | None = None
    limits = RunLimits()
    gpu_request: list[int] | int | None = None
    with problems.of("budget"):
        seconds = parse_budget(budget) if budget is not None else None
    with problems.of("engine"):
        settings = parse_settings(engine_setting)
    with problems.of("kit and prompt"):
        prompt = read_prompt(prompt_file) if prompt_file else None
    with problems.of("limits"):
        limits = RunLimits(
            memory=parse_limit("memory", memory),
            processes=pids,
            cpus=parse_cpus(cpus),
            disk=parse_limit("disk", disk),
        )
    with problems.of("GPUs"):
        gpu_request = parse_gpus(gpus) if gpus else None
    canaries = None
    if again is not None:
        spec = _read_spec(again, RunSpec)
        agent, model, benchmark = agent or spec.agent.name, model or spec.model, benchmark or spec.benchmark
        seconds, seed = seconds or spec.budget, spec.seed if seed is None else seed
        suite, engine, grader = suite or spec.suite, engine or spec.engine, grader or spec.grader
        if engine == spec.engine:  # other engines do not have its settings
            settings = spec.engine_settings | settings
        prompt = prompt or spec.prompt
        if (
            sandbox is None and not insecure_no_sandbox and spec.sandbox != "process"
        ):  # only the user can turn isolation off
            sandbox, image = spec.sandbox, image or spec.image
        limits = RunLimits(**spec.limits.model_dump() | limits.model_dump(exclude_none=True))
        gpu_request = spec.gpus if gpu_request is None else gpu_request
        if choose_sandbox(sandbox, insecure_no_sandbox) != "process":
            network, deny_test_data = network or spec.network, deny_test_data or spec.deny_test_data
            deny_instruct = deny_instruct or spec.deny_instruct
        cold_cache = cold_cache or spec.cold_cache
        no_provenance = no_provenance or not spec.provenance
        if (benchmark, suite) == (spec.benchmark, spec.suite):
            canaries = spec.canaries
    for option, value in (("agent", agent), ("model", model), ("benchmark", benchmark)):
        if not value:
            raise InputError(f"Missing option --{option}; `ptb catalog {option}s` lists the choices.")
    request = RunRequest(
        agent=str(agent),
        model=str(model),
        benchmark=str(benchmark),
        suite=suite,
        budget=seconds,
        seed=seed or 0,
        sandbox=choose_sandbox(sandbox, insecure_no_sandbox),
        image=image,
        limits=limits,
        gpus=gpu_request,
        network=parse_network(network),
        deny_test_data=deny_test_data,
        deny_instruct=deny_instruct,
        cold_cache=cold_cache,
        provenance=not no_provenance,
        engine=engine,
        engine_settings=settings,
        grader=grader or DEFAULT_GRADER,
        canaries=canaries,
        prompt=prompt,
    )
    if dry_run:
        return report(problems.among(check_request(request, out)), json)
    return finish(create_run(request, out), json)


def resume(
    path: RunsPath,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Start an agent over that has already worked. The earlier attempt is kept and counted."
        ),
    ] = False,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Evaluate with another engine. Default: the run's engine.", show_default=False
        ),
    ] = None,
    engine_setting: EngineSettings = None,
    json: Json = False,
) -> None:
    """Continue a run where it stopped. Finished stages are not repeated.

    --engine and --engine-setting repair an evaluation that could not start, for example because the engine does not
    work on this machine. The change is recorded, and the result names it.

    For an experiment, continue all unfinished runs in it, then print and write the leaderboard. Without --again, runs
    whose agents would have to be started over are left out.

    Exit codes: 0 the run has a result, 1 infrastructure error, 2 invalid input, 130 interrupted.

    Example:  [bold]ptb resume runs/demo[/bold]
    """
    from posttrainbench.run import find_runs
    from posttrainbench.run.attempts import needs_again, require_permission, start_over
    from posttrainbench.run.changes import change_engine
    from posttrainbench.run.directory import is_busy, lock_experiments
    from posttrainbench.run.prepare import require_sandbox

    runs = find_runs(path)
    settings = parse_settings(engine_setting)
    if (engine or settings) and len(runs) != 1:
        raise InputError(f"{path} contains {len(runs)} runs; give --engine with the directory of one of them.")
    if len(runs) == 1:
        require_sandbox(runs[0].spec)
        if engine or settings:
            change_engine(runs[0], engine, settings)
        if again:
            start_over(runs[0])
        require_permission(runs[0])
        return finish(runs[0], json)
    from posttrainbench.cli.many import require_all, run_all

    unfinished = [run for run in runs if run.next_stage() is not None]
    for run in filter(is_busy, list(unfinished)):
        unfinished.remove(run)
        print(f"ptb: {run.root} is left out: another process is working on it.", file=sys.stderr)
    with lock_experiments(unfinished):
        for spec in {(run.spec.sandbox, run.spec.image): run.spec for run in unfinished}.values():
            require_sandbox(spec)
        for run in [run for run in unfinished if needs_again(run)]:
            if again:
                start_over(run)
            else:
                unfinished.remove(run)
                print(f"ptb: {run.root} is left out: its agent has already worked; see --again.", file=sys.stderr)
        run_all(unfinished, path)
    from posttrainbench.cli.leaderboard import show_leaderboard

    try:
        show_leaderboard(path, path / "leaderboard.html", json)
    except InputError as error:  # a leaderboard is not what was asked for
        print(f"ptb: The leaderboard cannot be computed: {error}", file=sys.stderr)
    if not json:
        print(f"\n  Next: ptb status {shlex.quote(str(path))}")
    return require_all(unfinished, f"ptb resume {shell_quoted(path)}")


def stop(
    path: RunsPath,
    json: Json = False,
) -> None:
    """End a run's agent early and keep its work, then collect, audit and evaluate the submission.

    If another process, such as `ptb run`, waits for the agent, that process runs the remaining stages. For an
    experiment, cancel the jobs that wait in a scheduler, end all agents and start no other runs.

    Exit codes: 0 the agent was stopped, 1 infrastructure error, 2 invalid input.

    Example:  [bold]ptb stop demo/recipe-sft-micro-math-seed0[/bold]
    """
    from posttrainbench.launch.base import load_launcher
    from posttrainbench.launch.experiment import read_experiment
    from posttrainbench.run import find_runs
    from posttrainbench.run.stop import stop_agent, stop_experiment

    runs = find_runs(path)
    experiment = read_experiment(path)
    if experiment or len(runs) > 1:
        canceled = load_launcher(experiment.placement.launcher).cancel_waiting(runs) if experiment else 0
        stopped = stop_experiment(path, runs, canceled)
        if json:
            return print_json([str(run.root) for run in stopped])
        if canceled:
            print(f"ptb: {canceled} waiting job{'' if canceled == 1 else 's'} canceled.")
        print(f"ptb: {len(stopped)} agent{'' if len(stopped) == 1 else 's'} stopped; their work is kept.")
        given = shlex.quote(path.name) if experiment else shlex.quote(str(path))
        return print(f"\n  Next: {'ptb launch --name' if experiment else 'ptb resume'} {given}")
    run = runs[0]
    if not stop_agent(run):
        return finish(run, json)
    return print(f"ptb: the agent of {run.root} was stopped; the process that waits for it continues.", file=sys.stderr)


def finish(run: "Run", json: bool) -> None:
    """Complete a run with live progress, print its result, and exit with the matching code."""
    from posttrainbench.cli.progress import Progress
    from posttrainbench.records import AgentEnd, Status
    from posttrainbench.records.units import short_duration
    from posttrainbench.run.pipeline import advance

    spec = run.spec
    title = f"{spec.agent.name} on {spec.model}, {spec.benchmark}, {short_duration(spec.budget)}"
    try:
        with Progress(title) as listener:
            result = advance(run, listener)
    except KeyboardInterrupt:
        print(f"\nptb: {interruption(run)} Continue with: {_resume_command(run)}", file=sys.stderr)
        raise typer.Exit(130) from None
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        from rich.console import Group
        from rich.text import Text

        from posttrainbench.cli.console import Console
        from posttrainbench.report.layout import Paragraph
        from posttrainbench.report.tables import result_table
        from posttrainbench.report.text import plain
        from posttrainbench.run.directory import last_output_line
        from posttrainbench.run.status import agent_state, agent_summary

        console = Console()
        console.print(result_table(result, spec, run.root), soft_wrap=True)
        if line := agent_summary(run):
            console.print(Group(Text(), Paragraph(Text(line))), soft_wrap=True)
        if agent_state(run) == AgentEnd.CRASHED and (line := last_output_line(run, "stderr")):
            console.print(Paragraph(Text(f"Its last line on standard error: {plain(line, 300)}")), soft_wrap=True)
        next_command = (
            _resume_command(run)
            if result.status is Status.INFRASTRUCTURE_ERROR
            else f"ptb trace {shell_quoted(run.root)}"
        )
        console.print(f"\n  Next: {next_command}", markup=False, highlight=False, soft_wrap=True)
    if result.status is Status.INFRASTRUCTURE_ERROR:
        raise typer.Exit(1)


def interruption(run: "Run") -> str:
    """Return one sentence on what an interruption left behind."""
    from posttrainbench.cli.interrupt import STOPPED, agents_at_work

    if STOPPED.is_set():
        return "ended by `ptb stop`; the agent's work is kept."
    if agents_at_work([run]):
        return f"detached; the agent keeps working, and `ptb stop {shell_quoted(run.root)}` ends it."
    return "stopped; finished stages are kept."


def _resume_command(run: "Run") -> str:
    from posttrainbench.run.attempts import needs_again

    return f"ptb resume {shell_quoted(run.root)}{' --again' if needs_again(run) else ''}"


def _read_spec(again: str, kind: "type[RunSpec]") -> "RunSpec":
    path = Path(again.removeprefix("@"))
    require_existing(path, "@RUN/run.json of an earlier run")
    try:
        return kind.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a run.json of this version"
        raise InputError(f"{path} cannot be read: {reason}; give @RUN/run.json of an earlier run.") from None


if TYPE_CHECKING:
    from posttrainbench.records import RunSpec
