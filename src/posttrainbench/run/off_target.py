"""Evaluate a submission on benchmarks that it was not trained for, without effect on its score.

Each result is a file `off_target/BENCHMARK.json` of the run, which `result.json` repeats.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.errors import InputError, one_line, shell_quoted
from posttrainbench.evaluation.blame import BrokenCheckpointError, evaluate_or_blame
from posttrainbench.evaluation.plan import run_plan
from posttrainbench.files import write_json
from posttrainbench.records import Baseline, Failure, OffTarget, Result, Stage
from posttrainbench.run.collected import read_submission
from posttrainbench.run.directory import Run, set_aside
from posttrainbench.run.evaluate import baseline_of, evaluation_gpus
from posttrainbench.run.progress import ProgressListener
from posttrainbench.sandbox import load_sandbox

FOLDER = "off_target"


def missing_off_target(run: Run, benchmarks: Sequence[str]) -> list[str]:
    """Return those of these benchmarks on which the submission has not been evaluated."""
    return [
        name for name in benchmarks if name != run.spec.benchmark and not (run.root / FOLDER / f"{name}.json").exists()
    ]


def evaluate_off_target(run: Run, benchmarks: Sequence[str], listener: ProgressListener) -> Result:
    """Evaluate a submission on benchmarks on which it has not been evaluated, and add them to the result.

    The run's own benchmark is left out.

    Returns:
        The result.

    Raises:
        InputError: the run has no result, a benchmark is unknown, or another process is working on the run.
        InfrastructureError: the machine, the engine or the grader failed. Finished benchmarks are kept.
    """
    for name in benchmarks:
        catalog.find(catalog.benchmarks(), name, "benchmark")
    with run.lock():
        result = run.result()
        if result is None or run.next_stage() is not None:
            raise InputError(
                f"{run.root} has no result yet; continue the run with `ptb resume {shell_quoted(run.root)}`."
            )
        if missing := missing_off_target(run, benchmarks):
            listener.on_stage(Stage.EVALUATE)
            (run.root / FOLDER).mkdir(exist_ok=True)
            with evaluation_gpus(run):
                for name in missing:
                    write_json(run.root / FOLDER / f"{name}.json", _evaluate(run, name, listener))
        result = result.model_copy(update={"off_target": read_off_target(run.root)})
        write_json(run.root / "result.json", result)
    return result


def read_off_target(root: Path) -> list[OffTarget]:
    """Return the results of a run on benchmarks that it was not trained for, sorted by benchmark.

    Raises:
        InputError: a file is damaged.
    """
    found = []
    for path in sorted((root / FOLDER).glob("*.json")):
        try:
            found.append(OffTarget.model_validate_json(path.read_text()))
        except (ValidationError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is damaged; remove it and evaluate again: {one_line(error)}") from None
    return found


def _evaluate(run: Run, benchmark: str, listener: ProgressListener) -> OffTarget:
    spec = run.evaluated_spec.model_copy(update={"benchmark": benchmark})
    submission, manifest = read_submission(run)
    sandbox = load_sandbox(spec.sandbox)
    plan = run_plan(spec)

    def tell(progress: object) -> None:
        listener.on_message(f"off target, {progress}")

    base, instruct = (baseline_of(spec, plan, kind, sandbox, tell).score for kind in (Baseline.BASE, Baseline.INSTRUCT))
    score, text = None, "There is no submission that can be evaluated."
    if manifest.state == "accepted":
        out = run.root / FOLDER / f"{benchmark}.partial"  # of an interrupted evaluation; its items are not repeated
        out.mkdir(exist_ok=True)
        try:
            metrics = evaluate_or_blame(submission, [benchmark], plan, sandbox, out, tell)[benchmark]
            write_json(out / "metrics.json", metrics)
            score, text = metrics.score, ""
        except BrokenCheckpointError as error:
            text = one_line(error)
            write_json(out / "failure.json", Failure(cause="submission_broken", message=text))
        set_aside(finished := run.root / FOLDER / benchmark)
        out.rename(finished)
    return OffTarget(benchmark=benchmark, score=score, base_score=base, instruct_score=instruct, text=text)
