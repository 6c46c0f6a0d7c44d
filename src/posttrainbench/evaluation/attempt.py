"""One Inspect evaluation: some items of a benchmark, one evaluation seed, one running engine."""

import gc
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inspect_ai import Task, task_with
from inspect_ai import eval as inspect_eval
from inspect_ai.log import EvalError
from inspect_ai.model import GenerateConfig, Model, get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr, value_to_float
from inspect_ai.solver import TaskState

from posttrainbench.benchmarks import Benchmark, Grade, GraderError, Item, Services
from posttrainbench.benchmarks.inspect_task import WEIGHT
from posttrainbench.engines import Engine
from posttrainbench.errors import InfrastructureError

REQUEST_SECONDS = 6 * 3600
THRESHOLDS = (50_000, 20, 20)

OnScore = Callable[[str, Grade], None]
"""(item id, grade), called as soon as an item is scored."""


class EvaluationError(Exception):
    """The engine answered with an error while generating. Whose fault that is, the caller finds out."""


def attempt(
    benchmark: Benchmark,
    items: list[Item],
    engine: Engine,
    services: Services,
    *,
    max_tokens: int,
    seed: int,
    stop: list[str] | None,
    log: Path,
    on_score: OnScore,
) -> None:
    """Answer and score `items`, as many at a time as the engine likes.

    Args:
        benchmark: gives the task and its scorer.
        items: as the benchmark poses them under `seed`.
        log: where Inspect's `.eval` log is put when all went well; else it stays beside it under Inspect's own name.

    Raises:
        EvaluationError: the engine failed; the items scored so far have been told.
        InfrastructureError: a grader, the sandbox or Inspect itself failed.
    """
    broken: list[Exception] = []
    task = _telling(benchmark.task(items, services), on_score, broken)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with _rare_garbage_collection():
        results = inspect_eval(
            task,
            model=_model(engine, max_tokens, seed, stop),
            display="none",
            log_dir=str(log.parent),
            log_format="eval",
            log_realtime=False,
            max_samples=engine.connections,
            score_display=False,
            fail_on_error=False,  # the other items are still answered, and need not be again
        )
    if not results or results[0].status == "cancelled":
        raise KeyboardInterrupt
    [result] = results
    for error in broken:
        if isinstance(error, GraderError):
            raise InfrastructureError("grader_failed", f"The grader gave no verdict: {error}") from error
        raise error
    failures = [_reason(sample.error) for sample in result.samples or [] if sample.error]
    if result.status != "success" or failures:
        said = engine.last_error() or (result.error and result.error.message) or next(iter(failures), None)
        raise EvaluationError(said or f"Inspect ended with `{result.status}`")
    Path(result.location.removeprefix("file://")).replace(log)


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Look for garbage less often: Inspect makes so many objects for an item that looking took a third of its time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _reason(error: EvalError) -> str:
    """What the engine said: Inspect's message tells only that it gave up, its traceback also why."""
    said = re.search(r"Error code: .*", error.traceback)
    return said[0] if said else error.message


def _telling(task: Task, on_score: OnScore, broken: list[Exception]) -> Task:
    """The task with a scorer that tells each score at once, and keeps failures which are not the engine's."""
    [inner] = task.scorer or []
    number = value_to_float()

    @scorer(metrics=[mean(), stderr()], name=f"{task.name}-scorer")
    def telling() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score | None:
            if broken:
                raise broken[0]  # what is missing for one item is missing for all
            try:
                given = await inner(state, target)
            except (GraderError, InfrastructureError) as error:
                broken.append(error)
                raise
            if given is not None:
                weight = (given.metadata or {}).get(WEIGHT, 1.0)
                on_score(str(state.sample_id), Grade(number(given.value), weight))
            return given

        return score

    return task_with(task, scorer=telling())


def _model(engine: Engine, max_tokens: int, seed: int, stop: list[str] | None) -> Model:
    return get_model(
        "openai-api/engine/checkpoint",
        base_url=engine.base_url,
        api_key=engine.api_key,
        memoize=False,
        config=GenerateConfig(
            max_tokens=max_tokens,
            seed=seed,
            stop_seqs=stop,
            max_connections=engine.connections,
            max_retries=0,
            timeout=REQUEST_SECONDS,
        ),
    )
