"""`ptb launch`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    NoProvenance,
    Pids,
    PromptFile,
    SandboxName,
    choose_sandbox,
    parse_gpus,
    parse_settings,
)
from posttrainbench.cli.places import (
    RUNS,
    complete_agents,
    complete_benchmarks,
    complete_models,
    complete_suites,
    near_experiments,
)
from posttrainbench.errors import InputError, one_line
from posttrainbench.untrusted import printable

if TYPE_CHECKING:
    from posttrainbench.records import Experiment
    from posttrainbench.run import Run


def launch(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Experiment file (YAML). Options override its values.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the experiment: its runs are in runs/NAME.", show_default=False)
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="Suite.", show_default=False, autocompletion=complete_suites)
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(help="Agent, as for `ptb run`. Repeatable.", show_default=False, autocompletion=complete_agents),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Base model. Repeatable. Default: all of the suite.",
            show_default=False,
            autocompletion=complete_models,
        ),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(
            help="Benchmark. Repeatable. Default: all of the suite.",
            show_default=False,
            autocompletion=complete_benchmarks,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N|LIST", help="Number of seeds, or seeds such as 0,3,7. Default: 1.", show_default=False),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time limit of each agent, such as 10m or 10h. Default: the suite's.")
    ] = None,
    off_target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BENCHMARK",
            help="Also evaluate each submission on this benchmark, without effect on its score. Repeatable.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[str | None, typer.Option(metavar="LAUNCHER", help="local (default), slurm, ray or htcondor.")] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(help="Maximum number of runs at a time. Default: one for each free GPU; without GPUs, 2."),
    ] = None,
    retries: Annotated[
        int | None, typer.Option(help="How often a run is tried again after an infrastructure error. Default: 2.")
    ] = None,
    rerun: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS|RUN",
            help="Repeat the runs with this status, or with this directory name (* matches any text). The earlier "
            "attempts are kept and counted. Repeatable.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the runs, their costs and all problems; write nothing.")
    ] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the complete experiment file and exit.")
    ] = False,
    json: Json = False,
    evaluations: Annotated[
        int | None, typer.Option(help="local: evaluations at a time, in addition to --concurrency.")
    ] = None,
    job_cpus: Annotated[int | None, typer.Option(help="CPUs of a job.", show_default=False)] = None,
    job_memory: Annotated[str | None, typer.Option(help="Memory of a job, such as 128G.", show_default=False)] = None,
    job_gpus: Annotated[int | None, typer.Option(help="GPUs of a job. Default: those of the agent.")] = None,
    evaluation_time: Annotated[
        str | None, typer.Option(help="Time that a job may take in addition to the budget. Default: 4h.")
    ] = None,
    split_evaluation: Annotated[
        bool, typer.Option("--split-evaluation", help="Clusters: evaluate in a job of its own, after the agent's.")
    ] = False,
    partition: Annotated[str | None, typer.Option(help="slurm: partition.", show_default=False)] = None,
    account: Annotated[
        str | None, typer.Option(help="slurm: account; htcondor: accounting group.", show_default=False)
    ] = None,
    constraint: Annotated[
        str | None, typer.Option(help="slurm: node feature; htcondor: requirements.", show_default=False)
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="ray: address of the cluster. Default: one on this machine.", show_default=False)
    ] = None,
    scheduler_option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Other option of the scheduler, such as qos=low. Repeatable."),
    ] = None,
    engine: EngineName = None,
    engine_setting: EngineSettings = None,
    grader: GraderName = None,
    prompt_file: PromptFile = None,
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
) -> None:
    """Run an experiment: each agent on each base model and benchmark, with each seed.

    The same command again continues: finished runs are kept, and runs that failed through no fault of their agent are
    tried again. Once the experiment exists, `ptb launch --name NAME` is enough.

    Exit codes: 0 all runs have a result (slurm, htcondor: the jobs are submitted), 1 infrastructure error, 2 invalid
    input, 130 interrupted.

    Example:  [bold]ptb launch --suite micro --agent recipe-sft --benchmark micro-math --seeds 2 --name try[/bold]
    """
    from posttrainbench.launch.experiment import read_experiment, read_yaml, resolve, to_yaml
    from posttrainbench.records.experiment import EXPERIMENT_FILE
    from posttrainbench.run.prepare import read_prompt

    given: dict[str, Any] = read_yaml(file) if file else {}
    if file is not None:
        given.setdefault("name", file.stem)
    placement = {
        "launcher": on,
        "concurrency": concurrency,
        "evaluations": evaluations,
        "split_evaluation": split_evaluation or None,
        "evaluation_time": evaluation_time,
        "cpus": job_cpus,
        "memory": job_memory,
        "gpus": job_gpus,
        "partition": partition,
        "account": account,
        "constraint": constraint,
        "address": address,
        "options": parse_settings(scheduler_option, "--scheduler-option") or None,
    }
    chosen = {
        "name": name,
        "suite": suite,
        "agents": agent,
        "models": model,
        "benchmarks": benchmark,
        "seeds": parse_seeds(seeds),
        "budget": budget,
        "off_target": off_target,
        "retries": retries,
        "engine": engine,
        "engine_settings": parse_settings(engine_setting) or None,
        "grader": grader,
        "prompt": read_prompt(prompt_file) if prompt_file else None,
        "sandbox": choose_sandbox(sandbox, insecure_no_sandbox) if sandbox or insecure_no_sandbox else None,
        "image": image,
        "gpus": parse_gpus(gpus) if gpus else None,
        "network": network,
        "deny_test_data": deny_test_data or None,
        "deny_instruct": deny_instruct or None,
        "cold_cache": cold_cache or None,
        "provenance": False if no_provenance else None,
        "limits": _merged(given, "limits", {"memory": memory, "cpus": cpus, "processes": pids, "disk": disk}),
        "placement": _merged(given, "placement", placement),
    }
    given |= {key: value for key, value in chosen.items() if value not in (None, {})}
    if not given.get("name"):
        raise InputError("Missing option --name; it names the directory of the experiment, runs/NAME.")
    root = (RUNS / Path(str(given["name"])).name).absolute()
    existing = read_experiment(root)
    if existing is None and given.keys() <= {"name", "placement"}:
        raise InputError(_no_experiment(root))
    if existing is None and root.exists() and any(entry.name != "lock" for entry in root.iterdir()):
        raise InputError(f"{root} is not empty and has no {EXPERIMENT_FILE}; choose another --name.")
    if existing is None and rerun:
        raise InputError(f"{root} has no experiment yet, so no run can be repeated; leave out --rerun.")
    experiment = resolve(given, existing)
    if experiment.sandbox == "process" and not insecure_no_sandbox:
        raise InputError(
            "The experiment's sandbox `process` does not isolate the agents, which can do whatever you can; add "
            "--insecure-no-sandbox."
        )
    if print_config:
        print(to_yaml(experiment), end="")
        return
    runs, command = carry_out(experiment, root, rerun or [], dry_run, json)
    _finish(experiment, root, runs, command, json)


def _no_experiment(root: Path) -> str:
    """Return a sentence for a command that names only an experiment, which does not exist."""
    if root.exists():
        text = f"{root} has no experiment.yaml, so it is not an experiment of `ptb launch`"
        return f"{text}; continue its runs with `ptb resume {shlex.quote(str(root))}`."
    near = near_experiments(root.name)
    question = f"did you mean {near}?" if near else "`ptb list` shows those that exist."
    return (
        f"There is no experiment `{printable(root.name)}` in {RUNS}/; {question} A new one needs --suite and --agent, "
        "or an experiment file."
    )


def carry_out(
    experiment: "Experiment", root: Path, rerun: list[str], dry_run: bool, json: bool
) -> "tuple[list[Run], str]":
    """Execute the runs of an experiment that are due.

    Args:
        experiment: the experiment, with its defaults.
        root: its directory.
        rerun: statuses and names of runs to repeat.
        dry_run: only print the plan, and exit.
        json: print the plan as JSON.

    Returns:
        The executed runs, and the command that continues.

    Raises:
        typer.Exit: after a dry run, or if a check finds a problem.
        KeyboardInterrupt: the user left.
    """
    from posttrainbench.cli.launch_report import print_plan, print_problems
    from posttrainbench.cli.many import execute
    from posttrainbench.launch.experiment import write_experiment
    from posttrainbench.launch.plan import create_due_runs, make_plan, order_of, standings
    from posttrainbench.launch.standing import keep_attempts, select
    from posttrainbench.run.directory import lock_experiment, require_idle

    command = f"ptb launch --name {experiment.name}"
    command += " --insecure-no-sandbox" if experiment.sandbox == "process" else ""
    require_idle(root)
    repeated = select(standings(experiment, root), rerun)
    plan = make_plan(experiment, root, repeated, with_nodes=dry_run)
    if dry_run:
        print_plan(plan, json)
        raise typer.Exit(2 if plan.problems else 0)
    if plan.problems:
        print_problems(plan)
        raise typer.Exit(2)
    root.mkdir(parents=True, exist_ok=True)
    with lock_experiment(root):
        write_experiment(root, experiment)
        keep_attempts(repeated)
        runs = create_due_runs(plan)
        if runs:
            execute(order_of(plan, runs), command)
    return runs, command


def _finish(experiment: "Experiment", root: Path, runs: "list[Run]", command: str, json: bool) -> None:
    """Show what the experiment has reached."""
    from posttrainbench.cli.launch_report import print_states
    from posttrainbench.cli.leaderboard import show_leaderboard
    from posttrainbench.cli.many import require_all
    from posttrainbench.launch.base import load_launcher
    from posttrainbench.launch.plan import standings

    entries = standings(experiment, root)
    waits = load_launcher(experiment.placement.launcher).waits
    if waits:
        show_leaderboard(root, root / "leaderboard.html", json)
    print_states(entries, root, waits)
    if waits:
        require_all(runs, command)


def job(
    path: Annotated[Path, typer.Argument(metavar="RUN")],
    part: Annotated[str, typer.Option()] = "all",
    retries: Annotated[int, typer.Option()] = 0,
    launcher: Annotated[str, typer.Option()] = "local",
    job: Annotated[str, typer.Option()] = "",
    off_target: Annotated[list[str] | None, typer.Option()] = None,
) -> None:
    """Execute a part of a run as a job of a launcher; see `cli.job`, which reads the usual command line of a job."""
    from posttrainbench.cli.job import execute_job

    raise typer.Exit(execute_job(path, part, retries, launcher, job, off_target or []))


def check_node(
    content: Annotated[str, typer.Argument(metavar="JSON")], root: Annotated[Path, typer.Argument(metavar="DIR")]
) -> None:
    """Make the checks of an experiment on this machine, for a dry run on another one; see `launch.node_checks`."""
    from posttrainbench.launch.node_answers import to_line
    from posttrainbench.launch.node_checks import check_here
    from posttrainbench.records import Experiment

    try:
        experiment = Experiment.model_validate_json(content)
    except ValueError as error:
        raise InputError(f"This is not an experiment: {one_line(error)}") from None
    print(to_line(check_here(experiment, root)))


def parse_seeds(text: str | None) -> int | list[int] | None:
    """Parse a number of seeds, or seeds separated by commas. None is returned unchanged.

    Raises:
        InputError: the text is neither.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    is_number = "," not in text
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts) or (
        is_number and parts == ["0"]
    ):
        raise InputError(f"`{text[:40]}` are not seeds; give their number, such as 3, or a list such as 0,1,2 or `7,`.")
    numbers = [int(part) for part in parts]
    return numbers[0] if is_number else numbers


def _merged(given: dict[str, Any], key: str, options: dict[str, Any]) -> dict[str, Any] | None:
    """Return a mapping of the file, overridden by options that were given."""
    chosen = {name: value for name, value in options.items() if value is not None}
    of_file = given.get(key)
    if not chosen:
        return None
    return (of_file if isinstance(of_file, dict) else {}) | chosen
