"""`ptb audit` and `ptb evaluate`: stages done again on finished runs, or an evaluation of any checkpoint."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from posttrainbench.cli.options import Insecure, Json, Out, print_json
from posttrainbench.errors import InputError, one_line
from posttrainbench.records import Result, Stage, Status


def audit(
    path: Annotated[Path, typer.Argument(metavar="RUN|EXPERIMENT", help="A run's directory, or an experiment's.")],
    json: Json = False,
) -> None:
    """Audit finished runs again, with this installation's detectors and rules, and settle them anew.

    Ends with 0 when all rules of all runs are clean, 1 when one is flagged, 2 when one could not be checked.

    Example:  [bold]ptb audit runs/demo[/bold]
    """
    from rich.console import Console

    from posttrainbench.report import result_table
    from posttrainbench.run import find_runs
    from posttrainbench.run.again import repeat

    results = []
    for run in find_runs(path):
        if not run.is_done(Stage.COLLECT):
            raise InputError(f"{run.root} has nothing to audit yet; continue it with `ptb resume {run.root}`.")
        result = repeat(run, Stage.AUDIT)
        results.append(result)
        if not json:
            Console().print(result_table(result, run.spec, run.root))
    if json:
        print_json([result.model_dump(mode="json") for result in results])
    raise typer.Exit(max((_audit_code(result) for result in results), default=0))


def _audit_code(result: Result) -> int:
    if result.status in (Status.INFRASTRUCTURE_ERROR, Status.NOT_AUDITED):
        return 2
    if "flagged" in result.verdict.values():
        return 1
    return 2 if "not_checked" in result.verdict.values() else 0


def evaluate(
    path: Annotated[Path, typer.Argument(metavar="RUN|CHECKPOINT", help="A run, or any saved checkpoint.")],
    benchmark: Annotated[str | None, typer.Option(help="Benchmark, for a checkpoint.", show_default=False)] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Base model whose chat template is used; the only one if there is but one."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many items.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of sampling, for checkpoints that sample.")] = 0,
    out: Out = None,
    json: Json = False,
    insecure_no_sandbox: Insecure = False,
) -> None:
    """Evaluate a finished run again, or any checkpoint on a benchmark.

    Example:  [bold]ptb evaluate final_model --benchmark micro-math[/bold]
    """
    if (path / "run.json").is_file():
        return _evaluate_run(path, json)
    if not (path / "config.json").is_file():
        raise InputError(f"{path} is neither a run (run.json) nor a checkpoint (config.json); give such a directory.")
    return _evaluate_checkpoint(path, benchmark, base, limit, seed, out, json, insecure_no_sandbox)


def _evaluate_run(path: Path, json: bool) -> None:
    from rich.console import Console

    from posttrainbench.report import result_table
    from posttrainbench.run import Run
    from posttrainbench.run.again import repeat
    from posttrainbench.run.prepare import require_sandbox

    run = Run(path)
    if not run.is_done(Stage.AUDIT):
        raise InputError(f"{path} has nothing to evaluate yet; continue it with `ptb resume {path}`.")
    require_sandbox(run.spec.sandbox)
    result = repeat(run, Stage.EVALUATE)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        Console().print(result_table(result, run.spec, run.root))
    if result.status is Status.INFRASTRUCTURE_ERROR:
        raise typer.Exit(1)


def _evaluate_checkpoint(
    path: Path,
    benchmark: str | None,
    base: str | None,
    limit: int | None,
    seed: int,
    out: Path | None,
    json: bool,
    insecure: bool,
) -> None:
    from rich.console import Console

    from posttrainbench import catalog
    from posttrainbench.engines.base import EngineLoadError
    from posttrainbench.evaluation.evaluate import EvaluationError, EvaluationPlan
    from posttrainbench.evaluation.evaluate import evaluate as evaluate_checkpoint
    from posttrainbench.files import write_json
    from posttrainbench.report.tables import percent
    from posttrainbench.sandbox import load_sandbox

    if benchmark is None:
        raise InputError("Give --benchmark; `ptb catalog benchmarks` lists what there is.")
    bases = [name for name, model in catalog.models().items() if model.instruct]
    if base is None and len(bases) > 1:
        raise InputError(f"Give --base, one of: {', '.join(bases)}.")
    suite = catalog.suite_of(base or bases[0], benchmark)
    plan = EvaluationPlan(
        catalog.find(catalog.models(), base or bases[0], "model"), suite.engine, seed, suite.threads, limit
    )
    sandbox = load_sandbox("process" if insecure else "bubblewrap")
    sandbox.check()
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is no empty directory; choose another: --out DIR.")
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with console.status("starting") as spinner:
                metrics = evaluate_checkpoint(
                    path.resolve(), [benchmark], plan, sandbox, folder, lambda text: spinner.update(text)
                )[benchmark]
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
        score = f"{percent(metrics.score)} ± {100 * metrics.stderr:.1f} per cent over {len(metrics.items)} items"
        Console(highlight=False).print(f"{benchmark}: {score} in {metrics.seconds:.1f} s", markup=False)
