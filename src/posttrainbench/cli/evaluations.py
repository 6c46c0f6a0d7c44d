"""`ptb evaluate` and `ptb baseline`: scores of checkpoints."""

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
from posttrainbench.errors import InputError, one_line
from posttrainbench.records import Metrics, Stage, Status

if TYPE_CHECKING:
    from posttrainbench.catalog import Suite
    from posttrainbench.evaluation.plan import EvaluationPlan
    from posttrainbench.evaluation.progress import Tell

NEW_SEEDS = 10**6


def evaluate(
    path: Annotated[Path, typer.Argument(metavar="RUN|CHECKPOINT", help="A run, or any saved checkpoint.")],
    benchmark: Annotated[str | None, typer.Option(help="Benchmark, for a checkpoint.", show_default=False)] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Base model whose chat template is used; the suite's only one if not given."),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="Suite whose settings are used; the first with that benchmark if not given.")
    ] = None,
    engine: EngineName = None,
    engine_setting: EngineSettings = None,
    grader: GraderName = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many items.", show_default=False)] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many evaluation seeds; the suite's if not given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory to write; one with an interrupted evaluation is continued.", show_default=False),
    ] = None,
    json: Json = False,
    insecure_no_sandbox: Insecure = False,
) -> None:
    """Evaluate a finished run again, or any checkpoint on a benchmark.

    Interrupted, the same command continues: items that have been scored are not done again.

    Example:  [bold]ptb evaluate final_model --benchmark micro-math[/bold]
    """
    if (path / "run.json").is_file():
        return _evaluate_run(path, json)
    if not (path / "config.json").is_file():
        raise InputError(f"{path} is neither a run (run.json) nor a checkpoint (config.json); give such a directory.")
    if benchmark is None:
        raise InputError("Give --benchmark; `ptb catalog benchmarks` lists what there is.")
    chosen = _suite(suite, benchmark, base)
    plan = _plan(chosen, base, engine, engine_setting, grader, limit, seeds)
    return _evaluate_checkpoint(path.resolve(), benchmark, plan, out, json, _sandbox(insecure_no_sandbox))


def _evaluate_run(path: Path, json: bool) -> None:
    from rich.console import Console

    from posttrainbench.report import result_table
    from posttrainbench.run import Run
    from posttrainbench.run.again import repeat
    from posttrainbench.run.prepare import require_sandbox

    run = Run(path)
    if not run.is_done(Stage.AUDIT):
        raise InputError(f"{path} has nothing to evaluate yet; continue it with `ptb resume {path}`.")
    require_sandbox(run.spec)
    result = repeat(run, Stage.EVALUATE)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        Console().print(result_table(result, run.spec, run.root))
    if result.status is Status.INFRASTRUCTURE_ERROR:
        raise typer.Exit(1)


def _evaluate_checkpoint(
    path: Path, benchmark: str, plan: "EvaluationPlan", out: Path | None, json: bool, sandbox: str
) -> None:
    from posttrainbench.engines import EngineLoadError
    from posttrainbench.evaluation.evaluate import evaluate as evaluate_checkpoint
    from posttrainbench.evaluation.evaluate import scratch_directory
    from posttrainbench.files import write_json
    from posttrainbench.sandbox import load_sandbox

    backend = load_sandbox(sandbox)
    backend.check()
    if out is not None and (out / "metrics.json").exists():
        raise InputError(f"{out} already holds a finished evaluation; choose another directory: --out DIR.")
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir()) != (out / "items.jsonl").exists()):
        raise InputError(f"{out} exists and is no empty directory; choose another directory: --out DIR.")
    with scratch_directory(path, benchmark, plan, out) as folder, _progress(benchmark) as tell:
        from posttrainbench.evaluation.attempt import EvaluationError

        try:
            metrics = evaluate_checkpoint(path, [benchmark], plan, backend, folder, tell)[benchmark]
        except (EngineLoadError, EvaluationError) as error:
            raise InputError(
                f"{path} cannot be evaluated; save the whole model and its tokenizer anew. "
                f"The engine says: {one_line(error)}"
            ) from None
        if out is not None:
            write_json(out / "metrics.json", metrics)
    if json:
        print_json(metrics.model_dump(mode="json"))
    else:
        _print_scores([(path.name, metrics)])


def baseline(
    suite: Annotated[str, typer.Option(help="Suite whose baselines are wanted.")],
    kind: Annotated[
        str, typer.Option(metavar="base|fewshot|instruct", help="Base model zero-shot, few-shot, or its counterpart.")
    ] = "base",
    model: Annotated[
        str | None, typer.Option(help="Only this base model; all if not given.", show_default=False)
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Only this benchmark; all if not given.", show_default=False)
    ] = None,
    engine: EngineName = None,
    engine_setting: EngineSettings = None,
    grader: GraderName = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many items.", show_default=False)] = None,
    json: Json = False,
    insecure_no_sandbox: Insecure = False,
) -> None:
    """Compute and keep the scores that agents are measured against; what is kept is not computed again.

    Runs use a baseline of one's own where there is one for exactly their settings, and else the published one.

    Example:  [bold]ptb baseline --suite micro --kind instruct --benchmark micro-math[/bold]
    """
    from posttrainbench import catalog
    from posttrainbench.evaluation.baselines import KINDS, baselines
    from posttrainbench.sandbox import load_sandbox

    wanted = next((known for known in KINDS if known == kind), None)
    if wanted is None:
        raise InputError(f"There is no kind of baseline `{kind}`; choose one of: {', '.join(KINDS)}.")
    chosen = catalog.find(catalog.suites(), suite, "suite")
    for name, held in ((model, chosen.models), (benchmark, chosen.benchmarks)):
        if name is not None and name not in held:
            raise InputError(f"The suite {suite} does not have `{name}`; it has: {', '.join(held)}.")
    backend = load_sandbox(_sandbox(insecure_no_sandbox))
    backend.check()
    rows = []
    for base in [model] if model else chosen.models:
        plan = _plan(chosen, base, engine, engine_setting, grader, limit, None)
        with _progress(base) as tell:
            found = baselines(plan, wanted, [benchmark] if benchmark else chosen.benchmarks, backend, tell)
        rows += [(base, metrics) for metrics in found.values()]
    if json:
        print_json([{"model": base, "kind": kind} | metrics.model_dump(mode="json") for base, metrics in rows])
    else:
        _print_scores(rows)


def _suite(suite: str | None, benchmark: str, base: str | None) -> "Suite":
    from posttrainbench import catalog

    if base is not None:
        return catalog.suite_of(base, benchmark, suite)
    catalog.find(catalog.benchmarks(), benchmark, "benchmark")
    holding = [one for one in catalog.suites().values() if benchmark in one.benchmarks and suite in (None, one.id)]
    if not holding:
        raise InputError(f"The suite {suite} does not have `{benchmark}`; see `ptb catalog suites`.")
    if len(holding[0].models) > 1:
        raise InputError(f"Give --base, one of: {', '.join(holding[0].models)}.")
    return holding[0]


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
    """A bar with the running mean and the time left; without a terminal, a line for each phase. On standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from posttrainbench.evaluation.progress import Progress as Moment

    console = Console(stderr=True, highlight=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[score]}", markup=False),
        TimeRemainingColumn(),
    )
    said = ""
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, score="")

        def tell(moment: Moment) -> None:
            nonlocal said
            score = "" if moment.score is None else f"{100 * moment.score:.1f} %"
            if moment.doing != said:
                said = moment.doing
                bar.reset(task, description=said, total=moment.total or None, completed=moment.done, score=score)
                if moment.total and not console.is_terminal:
                    console.print(f"  {moment}", markup=False)
            bar.update(task, completed=moment.done, total=moment.total or None, score=score)

        yield tell


def _print_scores(rows: list[tuple[str, Metrics]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from posttrainbench.report.tables import percent

    table = Table(box=None)
    for column in ("checkpoint", "benchmark"):
        table.add_column(column, overflow="fold")
    for column in ("score, %", "±", "items", "seeds", "seconds"):
        table.add_column(column, justify="right")
    for name, metrics in rows:
        table.add_row(
            Text(name),
            metrics.benchmark,
            percent(metrics.score),
            f"{100 * metrics.stderr:.1f}",
            str(len(metrics.items)),
            str(len(metrics.seeds)),
            f"{metrics.seconds:.1f}",
        )
    Console(highlight=False).print(table)
