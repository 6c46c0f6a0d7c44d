"""`ptb evaluate` and `ptb baseline`: evaluate checkpoints."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import (
    EngineName,
    EngineSettings,
    GraderName,
    Insecure,
    Json,
    parse_settings,
    print_json,
)
from posttrainbench.cli.places import (
    complete_benchmarks,
    complete_models,
    complete_runs,
    complete_suites,
    existing_place,
)
from posttrainbench.errors import InputError, one_line, shell_quoted
from posttrainbench.files import require_directory, require_writable
from posttrainbench.records import Metrics, Stage, Status

if TYPE_CHECKING:
    from posttrainbench.catalog import Suite
    from posttrainbench.evaluation.plan import EvaluationPlan
    from posttrainbench.evaluation.progress import Tell

NEW_SEEDS = 10**6


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|CHECKPOINT",
            help="Directory of a run or a checkpoint.",
            callback=existing_place,
            autocompletion=complete_runs,
        ),
    ],
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="Benchmark. Required for a checkpoint.", show_default=False, autocompletion=complete_benchmarks
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Base model of the checkpoint, any of the catalog. Default: the only one of the suite."),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="Suite whose settings are used. Default: the first with base model and benchmark, or with one of them."
        ),
    ] = None,
    engine: EngineName = None,
    engine_setting: EngineSettings = None,
    grader: GraderName = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Evaluate only the first N items.", metavar="N", show_default=False)
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of evaluation seeds. Default: set by the suite.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Output directory. An interrupted evaluation in it is continued.", show_default=False),
    ] = None,
    off_target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BENCHMARK",
            help="Evaluate a run's submission on another benchmark, without effect on its score. Repeatable.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
    insecure_no_sandbox: Insecure = False,
) -> None:
    """Evaluate a checkpoint on a benchmark, or a finished run again.

    To continue an interrupted evaluation, run the same command again: scored items are not repeated.

    Exit codes: 0 evaluated, 1 infrastructure error, 2 invalid input.

    Example:  [bold]ptb evaluate final_model --benchmark micro-math --limit 20[/bold]
    """
    require_directory(path, "the directory of a run or a checkpoint")
    if (path / "run.json").is_file():
        if engine or engine_setting:
            raise InputError(
                "A run is evaluated with its own engine; if its evaluation failed, use "
                f"`ptb resume {shell_quoted(path)} --engine`."
            )
        given = {"benchmark": benchmark, "base": base, "suite": suite, "grader": grader, "limit": limit, "seeds": seeds}
        for name, value in (given | {"out": out}).items():
            if value is not None:
                raise InputError(
                    f"A run is evaluated as its run.json says, and its evaluation is replaced; leave out --{name}, or "
                    f"evaluate the checkpoint {path / 'submission'} with --benchmark."
                )
        return _evaluate_run(path, off_target or [], json)
    if off_target:
        raise InputError("--off-target is for runs; evaluate a checkpoint with --benchmark.")
    if not (path / "config.json").is_file():
        raise InputError(f"{path} is neither a run (no run.json) nor a checkpoint (no config.json); give one.")
    if benchmark is None:
        raise InputError("Give --benchmark; `ptb catalog benchmarks` lists the benchmarks.")
    chosen = _suite(suite, benchmark, base)
    plan = _plan(chosen, base, engine, engine_setting, grader, limit, seeds)
    return _evaluate_checkpoint(path.resolve(), benchmark, plan, out, json, _sandbox(insecure_no_sandbox))


def _evaluate_run(path: Path, off_target: list[str], json: bool) -> None:
    from posttrainbench.cli.console import Console
    from posttrainbench.cli.progress import Progress
    from posttrainbench.report.tables import result_table
    from posttrainbench.run import Run
    from posttrainbench.run.off_target import evaluate_off_target
    from posttrainbench.run.prepare import require_sandbox
    from posttrainbench.run.rerun import rerun_stage

    run = Run(path)
    if not run.is_done(Stage.AUDIT):
        raise InputError(f"{path} has not reached its evaluation; continue it with `ptb resume {shell_quoted(path)}`.")
    require_sandbox(run.spec)
    if off_target:
        with Progress(f"{run.root.name}, off target") as listener:
            result = evaluate_off_target(run, off_target, listener)
    else:
        result = rerun_stage(run, Stage.EVALUATE)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        Console().print(result_table(result, run.spec, run.root), soft_wrap=True)
    if result.status is Status.INFRASTRUCTURE_ERROR:
        raise typer.Exit(1)


def _evaluate_checkpoint(
    path: Path, benchmark: str, plan: "EvaluationPlan", out: Path | None, json: bool, sandbox: str
) -> None:
    from posttrainbench.evaluation.blame import BrokenCheckpointError, evaluate_or_blame
    from posttrainbench.evaluation.evaluate import scratch_directory
    from posttrainbench.files import write_json
    from posttrainbench.sandbox import load_sandbox

    backend = load_sandbox(sandbox)
    backend.check()
    if out is not None and (out / "metrics.json").exists():
        raise InputError(f"{out} already contains a finished evaluation; choose another directory: --out DIR.")
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir()) != (out / "items.jsonl").exists()):
        raise InputError(f"{out} exists and is not an empty directory; choose another directory: --out DIR.")
    if out is not None:
        require_writable(out, "--out")
    with scratch_directory(path, benchmark, plan, out) as folder, _progress(benchmark) as tell:
        try:
            metrics = evaluate_or_blame(path, [benchmark], plan, backend, folder, tell)[benchmark]
        except BrokenCheckpointError as error:
            raise InputError(
                f"{path} cannot be evaluated as a checkpoint of {plan.base.id}; save the complete model and its "
                f"tokenizer again, or name another base model with --base. Reason: {one_line(error)}"
            ) from None
        if out is not None:
            write_json(out / "metrics.json", metrics)
    if json:
        print_json(metrics.model_dump(mode="json"))
    else:
        _print_scores([(path.name, metrics)])


def baseline(
    suite: Annotated[
        str | None,
        typer.Option(help="Suite whose baselines are computed.", show_default=False, autocompletion=complete_suites),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="base (the base model, zero-shot), few_shot (the base model, few-shot), instruct (its counterpart) or "
            "trivial (answers that know nothing, without a model).",
        ),
    ] = "base",
    model: Annotated[
        str | None, typer.Option(help="Only this base model.", show_default=False, autocompletion=complete_models)
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Only this benchmark.", show_default=False, autocompletion=complete_benchmarks)
    ] = None,
    engine: EngineName = None,
    engine_setting: EngineSettings = None,
    grader: GraderName = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Evaluate only the first N items.", metavar="N", show_default=False)
    ] = None,
    json: Json = False,
    insecure_no_sandbox: Insecure = False,
) -> None:
    """Compute and store baselines: the scores of base models, of their instruct counterparts, and of trivial answers.

    A run uses a stored baseline with exactly its settings, otherwise the published one. Stored baselines are not
    computed again.

    Example:  [bold]ptb baseline --suite micro --kind instruct --benchmark micro-math[/bold]

    Example:  [bold]ptb baseline --suite micro --kind trivial[/bold]
    """
    from posttrainbench import catalog
    from posttrainbench.cli.trivial import TRIVIAL, trivial_baselines
    from posttrainbench.evaluation.baselines import baselines
    from posttrainbench.records import Baseline
    from posttrainbench.sandbox import load_sandbox

    if suite is None:
        raise InputError(f"Missing option --suite; choose from {', '.join(catalog.suites())}.")
    if kind not in (*Baseline, TRIVIAL):
        raise InputError(f"Unknown baseline kind `{kind}`; choose from {', '.join((*Baseline, TRIVIAL))}.")
    chosen = catalog.find(catalog.suites(), suite, "suite")
    for name, available in ((model, chosen.models), (benchmark, chosen.benchmarks)):
        if name is not None and name not in available:
            raise InputError(f"The suite {suite} does not have `{name}`; it has: {', '.join(available)}.")
    if kind == TRIVIAL:
        if model or engine or engine_setting or grader:
            raise InputError(
                "--kind trivial uses no model, engine or grader; leave out --model, --engine, --engine-setting and "
                "--grader."
            )
        return trivial_baselines(chosen, benchmark, limit, _sandbox(insecure_no_sandbox), json)
    backend = load_sandbox(_sandbox(insecure_no_sandbox))
    backend.check()
    rows = []
    for base in [model] if model else chosen.models:
        plan = _plan(chosen, base, engine, engine_setting, grader, limit, None)
        with _progress(base) as tell:
            computed = baselines(plan, Baseline(kind), [benchmark] if benchmark else chosen.benchmarks, backend, tell)
        rows += [(base, metrics) for metrics in computed.values()]
    if json:
        print_json([{"model": base, "kind": kind} | metrics.model_dump(mode="json") for base, metrics in rows])
    else:
        _print_scores(rows)
    return None


def _suite(suite: str | None, benchmark: str, base: str | None) -> "Suite":
    from posttrainbench import catalog

    if base is not None:
        return catalog.evaluation_suite(base, benchmark, suite)
    catalog.find(catalog.benchmarks(), benchmark, "benchmark")
    candidates = [
        entry for entry in catalog.suites().values() if benchmark in entry.benchmarks and suite in (None, entry.id)
    ]
    if not candidates:
        raise InputError(f"The suite {suite} does not have `{benchmark}`; see `ptb catalog suites`.")
    if len(candidates[0].models) > 1:
        bases = dict.fromkeys(model for entry in candidates for model in entry.models)
        raise InputError(f"Give --base, one of: {', '.join(bases)}.")
    return candidates[0]


def _plan(
    suite: "Suite",
    base: str | None,
    engine: str | None,
    settings: list[str] | None,
    grader: str | None,
    limit: int | None,
    seeds: int | None,
) -> "EvaluationPlan":
    from posttrainbench import catalog
    from posttrainbench.evaluation.plan import suite_plan

    model = catalog.find(catalog.models(), base or suite.models[0], "model")
    plan = replace(suite_plan(suite, model, engine), limit=limit)
    plan = replace(plan, settings={**plan.settings, **parse_settings(settings)}, grader=grader or plan.grader)
    if seeds is None:
        return plan
    more = range(NEW_SEEDS, NEW_SEEDS + max(0, seeds - len(plan.seeds)))
    return replace(plan, seeds=(*plan.seeds, *more)[:seeds])


def _sandbox(insecure: bool) -> str:
    return "process" if insecure else "bubblewrap"


@contextmanager
def _progress(title: str) -> Iterator["Tell"]:
    """Show a bar with the mean, speed and time left on standard error; without a terminal, lines."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    from posttrainbench.cli.console import Console
    from posttrainbench.cli.heartbeat import Heartbeat
    from posttrainbench.evaluation.progress import Progress as Moment

    console = Console(stderr=True, highlight=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[score]}", markup=False),
        TextColumn("{task.fields[speed]}", markup=False),
    )
    phase, latest, told = "", Moment(title), 0
    heartbeat = Heartbeat(console, lambda: f"  {latest.at(time.monotonic())}")
    with heartbeat, Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, score="", speed="")

        def tell(moment: Moment) -> None:
            nonlocal phase, latest, told
            latest = moment
            score = "" if moment.score is None else f"{100 * moment.score:.1f}%"
            if moment.doing != phase:
                phase, told = moment.doing, 0
                bar.reset(task, description=phase, total=moment.total or None, completed=moment.done, score=score)
                if moment.total and not console.is_terminal:
                    heartbeat.print(f"  {moment}")
            quarters = 4 * moment.done // moment.total if moment.total else 0
            if told < quarters < 4 and not console.is_terminal:
                told = quarters
                heartbeat.print(f"  {moment}")
            bar.update(task, completed=moment.done, total=moment.total or None, score=score, speed=moment.speed)

        yield tell


def _print_scores(rows: list[tuple[str, Metrics]]) -> None:
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import columns
    from posttrainbench.report.text import percent

    header = ("benchmark", "score, %", "±", "items", "seeds", "seconds", "checkpoint")
    table = [[Text(name, style="bold") for name in header]]
    for name, metrics in rows:
        scores = (metrics.benchmark, percent(metrics.score), f"{100 * metrics.stderr:.1f}")
        counts = (str(len(metrics.items)), str(len(metrics.seeds)), f"{metrics.seconds:.1f}")
        table.append([Text(cell) for cell in (*scores, *counts, name)])
    console = Console(highlight=False)
    for line in columns(table, right=range(1, 6)):
        console.print(line, soft_wrap=True)
