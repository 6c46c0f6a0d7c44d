"""Evaluate a checkpoint with Inspect and an engine, and record everything that can change the score."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from importlib.util import find_spec
from itertools import chain, count
from pathlib import Path
from statistics import fmean

from posttrainbench import catalog
from posttrainbench.benchmarks import Benchmark, Grade, Item, Services
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.engines import Endpoint, EngineLoadError, Serving, load_engine
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.evaluation import few_shot
from posttrainbench.evaluation.canonical_form import canonical_form
from posttrainbench.evaluation.counter import Counter
from posttrainbench.evaluation.failures import EvaluationError
from posttrainbench.evaluation.items import items_with_prompts, load_items
from posttrainbench.evaluation.ledger import Ledger
from posttrainbench.evaluation.plan import EvaluationPlan, config_sha256, evaluation_config
from posttrainbench.evaluation.progress import Progress, Tell
from posttrainbench.files import sha256_bytes, sha256_file
from posttrainbench.records import Metrics
from posttrainbench.sandbox import Sandbox
from posttrainbench.sandbox.executor import code_executor

LOGS = "logs"
READ = {".safetensors", ".json", ".jinja", ".model", ".txt"}


def model_sha256(directory: Path) -> str:
    """Return a hash of all files of a checkpoint that an engine reads; other files, such as a README, are ignored."""
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.suffix in READ)
    return sha256_bytes("\n".join(f"{path.name} {sha256_file(path)}" for path in files).encode())


def weights_sha256(directory: Path) -> str:
    """Return a hash of the contents of a checkpoint's weight files, whatever their names."""
    return sha256_bytes("\n".join(sorted(map(sha256_file, directory.glob("*.safetensors")))).encode())


def evaluate(
    checkpoint: Path, benchmark_ids: list[str], plan: EvaluationPlan, sandbox: Sandbox, out: Path, tell: Tell
) -> dict[str, Metrics]:
    """Evaluate one checkpoint on benchmarks.

    If the engine fails while generating, the evaluation is retried as the plan says, finally with lower limits on the
    length of completions. Items that were scored in an earlier try or an interrupted evaluation are not repeated.

    Args:
        out: existing directory for `items.jsonl`, `engine.log` and `logs/` (Inspect's). If it contains an interrupted
            evaluation, that one is continued.
        tell: called with the progress.

    Returns:
        Benchmark id -> metrics.

    Raises:
        EngineLoadError: the checkpoint cannot be loaded.
        EvaluationError: the engine failed while generating on every try.
        InfrastructureError: the machine, the engine itself or the grader failed.
    """
    require_libraries()
    (out / LOGS).mkdir(exist_ok=True)
    digest = model_sha256(checkpoint)
    with canonical_form(checkpoint, benchmark_ids, plan, out) as canonical:
        return _evaluate_all(canonical, digest, benchmark_ids, plan, sandbox, out, tell)


def _evaluate_all(
    checkpoint: Path,
    digest: str,
    benchmark_ids: list[str],
    plan: EvaluationPlan,
    sandbox: Sandbox,
    out: Path,
    tell: Tell,
) -> dict[str, Metrics]:
    threading.Thread(target=_load_libraries, daemon=True).start()  # takes seconds, in which the engine starts
    done: dict[str, Metrics] = {}
    failure = EvaluationError("it was never tried")
    for rung, tries in enumerate(plan.tries):
        for _ in range(tries):
            try:
                for benchmark_ids_alike, tools in _by_template(benchmark_ids):
                    pending = [name for name in benchmark_ids_alike if name not in done]
                    if not pending:
                        continue
                    tell(Progress("loading the checkpoint"))
                    with load_engine(plan.engine).serve(_serving(checkpoint, plan, tools, out)) as engine:
                        for name in pending:
                            done[name] = _evaluate_one(name, plan, rung, digest, engine, sandbox, out, tell)
            except EvaluationError as error:
                if error.refused:
                    raise
                failure = error
            else:
                return done
    raise failure


def _load_libraries() -> None:
    from posttrainbench.evaluation.attempt import load_libraries

    load_libraries()


@contextmanager
def scratch_directory(checkpoint: Path, benchmark_id: str, plan: EvaluationPlan, out: Path | None) -> Iterator[Path]:
    """Yield the directory of an evaluation: `out`, or one from which the same evaluation can be resumed.

    The latter is in `$XDG_CACHE_HOME/posttrainbench/evaluations` and is removed at the end of the evaluation.
    """
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        yield out
        return
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posttrainbench" / "evaluations"
    key = config_sha256({"checkpoint": str(checkpoint), "benchmark": benchmark_id, "plan": asdict(plan)})
    folder = root / f"{benchmark_id}-{key[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except (EngineLoadError, EvaluationError, InputError):
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def require_libraries() -> None:
    """Check that the libraries of the evaluation are installed.

    Raises:
        InputError: one is missing.
    """
    missing = [name for name in ("inspect_ai", "openai") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"Evaluating on this machine needs {', '.join(missing)}; "
            "install the extra: pip install 'posttrainbench[local]'."
        )


def _by_template(benchmark_ids: list[str]) -> Iterator[tuple[list[str], bool]]:
    """Group benchmarks by chat template, since an engine serves with only one: without tools, with tools."""
    facts = catalog.benchmarks()
    with_tools = [name for name in benchmark_ids if any(item.tools for item in load_items(facts[name], "test"))]
    yield [name for name in benchmark_ids if name not in with_tools], False
    yield with_tools, True


def _serving(checkpoint: Path, plan: EvaluationPlan, tools: bool, out: Path) -> Serving:
    return Serving(
        checkpoint=checkpoint,
        template=plan.template(tools),
        log=out / "engine.log",
        threads=plan.threads,
        decoding=few_shot.DECODING if plan.few_shot else None,
        settings=plan.settings,
        dtype=plan.dtype,
    )


def _evaluate_one(
    benchmark_id: str,
    plan: EvaluationPlan,
    rung: int,
    checkpoint_sha256: str,
    engine: Endpoint,
    sandbox: Sandbox,
    out: Path,
    tell: Tell,
) -> Metrics:
    from posttrainbench.evaluation.attempt import attempt

    facts = catalog.find(catalog.benchmarks(), benchmark_id, "benchmark")
    benchmark = load_benchmark(benchmark_id)
    items = load_items(facts, "test")
    items = [item for item in items if item.id in plan.only] or items[: plan.limit]
    plan = replace(plan, seeds=plan.seeds_for(facts, benchmark.graded, engine.greedy))
    config = evaluation_config(facts, benchmark, plan, items, rung) | {"engine": engine.config}
    configuration = config_sha256(config | {"checkpoint": checkpoint_sha256})
    started = time.monotonic()
    with ExitStack() as stack:
        services = stack.enter_context(_services(benchmark, plan, sandbox))
        ledger = stack.enter_context(Ledger(out / "items.jsonl", configuration, len(items) * len(plan.seeds)))
        for seed in plan.seeds:
            known = ledger.of_seed(seed)
            prompted = items_with_prompts(benchmark, items, seed, plan)
            pending = [item for item in prompted if item.id not in known]
            counter = Counter(benchmark_id, seed, known, len(items), ledger, tell, engine.rows or engine.connections)
            if pending:
                attempt(
                    benchmark,
                    pending,
                    engine,
                    services,
                    max_tokens=plan.max_tokens(facts, rung),
                    seed=seed,
                    stop=[few_shot.STOP] if plan.few_shot else None,
                    log=_log_path(out / LOGS, benchmark_id, seed),
                    on_score=counter.add,
                    on_tokens=counter.add_tokens,
                )
        by_seed = {seed: ledger.of_seed(seed) for seed in plan.seeds}
        if services.grader is not None:
            config["grader"] = services.grader.usage()
    for seed, scores in by_seed.items():
        if len(scores) != len(items):
            raise InfrastructureError(
                "engine_failed", f"Only {len(scores)} of {len(items)} items of {benchmark_id} were scored, seed {seed}."
            )
    return _metrics(benchmark, items, by_seed, config, time.monotonic() - started)


def _log_path(folder: Path, benchmark_id: str, seed: int) -> Path:
    """Return `BENCHMARK-seedN.eval`; `BENCHMARK-seedN-partM.eval` if an interrupted evaluation left logs."""
    stem = f"{benchmark_id}-seed{seed}"
    names = chain([f"{stem}.eval"], (f"{stem}-part{part}.eval" for part in count(2)))
    return next(path for name in names if not (path := folder / name).exists())


@contextmanager
def _services(benchmark: Benchmark, plan: EvaluationPlan, sandbox: Sandbox) -> Iterator[Services]:
    with ExitStack() as stack:
        execute = grader = None
        if benchmark.executes:
            execute = stack.enter_context(code_executor(sandbox, benchmark.scorer)).run
        if benchmark.graded:
            from posttrainbench.evaluation.grader import ModelGrader

            grader = ModelGrader(plan.grader)
        yield Services(execute=execute, grader=grader)


def _metrics(
    benchmark: Benchmark,
    items: list[Item],
    by_seed: dict[int, dict[str, Grade]],
    config: dict[str, object],
    seconds: float,
) -> Metrics:
    """Return the metrics: the score is the mean over seeds, its standard error that of the items' means over seeds."""
    scores = {seed: item_scores([grades[item.id] for item in items]) for seed, grades in by_seed.items()}
    means = [fmean(column) for column in zip(*scores.values(), strict=True)]
    seeds = {str(seed): benchmark.summary(column)[0] for seed, column in scores.items()}
    return Metrics(
        benchmark=benchmark.id,
        score=fmean(seeds.values()),
        stderr=benchmark.summary(means)[1],
        items={item.id: mean for item, mean in zip(items, means, strict=True)},
        seeds=seeds,
        eval_config=config,
        seconds=seconds,
    )


def item_scores(grades: list[Grade]) -> list[float]:
    """Return scores of equal weight with the mean and the standard error of the grades' weighted mean.

    An item's score is the weighted mean plus the item's weighted deviation from it. If all weights are 1, it is the
    score of the grade.
    """
    total = sum(grade.weight for grade in grades)
    mean = sum(grade.score * grade.weight for grade in grades) / total
    if all(grade.weight == 1 for grade in grades):
        return [grade.score for grade in grades]
    return [mean + len(grades) * grade.weight / total * (grade.score - mean) for grade in grades]
