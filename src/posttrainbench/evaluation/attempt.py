"""Run one Inspect evaluation: items of a benchmark, one evaluation seed, one running engine."""

import gc
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from inspect_ai import Task, task_with
from inspect_ai import eval as inspect_eval
from inspect_ai.hooks import Hooks, RunEnd, _startup, hooks
from inspect_ai.log import EvalError
from inspect_ai.model import GenerateConfig, Model, ModelAPI, get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr, value_to_float
from inspect_ai.solver import TaskState
from typing_extensions import override

from posttrainbench.benchmarks import Benchmark, Grade, GraderError, Item, Services
from posttrainbench.benchmarks.inspect_task import WEIGHT
from posttrainbench.engines import MODEL_NAME, Endpoint
from posttrainbench.errors import InfrastructureError
from posttrainbench.evaluation.failures import EvaluationError
from posttrainbench.evaluation.grader import ModelGrader

REQUEST_SECONDS = 6 * 3600
_REFUSED = re.compile(r"Error code: 4(?!08|09|29)[0-9]{2}\b")
THRESHOLDS = (50_000, 20, 20)

OnScore = Callable[[str, Grade], None]
"""(item id, grade), called as soon as an item is scored."""


def attempt(
    benchmark: Benchmark,
    items: list[Item],
    engine: Endpoint,
    services: Services,
    *,
    max_tokens: int,
    seed: int,
    stop: list[str] | None,
    log: Path,
    on_score: OnScore,
    on_tokens: Callable[[int], None] = lambda tokens: None,
) -> None:
    """Answer and score items, with as many concurrent requests as the engine supports.

    Args:
        benchmark: provides the task and its scorer.
        items: with their prompts, as the benchmark builds them for `seed`.
        on_tokens: called before `on_score` with the number of generated tokens.
        log: path of Inspect's `.eval` log after success; after a failure the log keeps Inspect's own name.

    Raises:
        EvaluationError: the engine failed; `on_score` was called for the items scored so far.
        InfrastructureError: a grader, the sandbox or Inspect itself failed.
    """
    ignore_hooks()
    broken: list[Exception] = []
    task = _reporting(benchmark.task(items, services), on_score, on_tokens, broken)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    model = _model(engine, min(max_tokens, engine.context or max_tokens), seed, stop)
    _used.set([model.api, services.grader] if isinstance(services.grader, ModelGrader) else [model.api])
    with _rare_garbage_collection():
        results = inspect_eval(
            task,
            model=model,
            display="none",
            log_dir=str(log.parent),
            log_format="eval",
            log_realtime=False,
            max_samples=engine.connections,
            score_display=False,
            fail_on_error=False,  # continue with the other items, so that they need not be repeated
        )
    if not results or results[0].status == "cancelled":
        raise KeyboardInterrupt
    [result] = results
    for error in broken:
        if isinstance(error, GraderError):
            raise InfrastructureError("grader_failed", f"The grader gave no verdict: {error}") from error
        raise error
    failed = {str(sample.id): _reason(sample.error) for sample in result.samples or [] if sample.error}
    if result.status != "success" or failed:
        refused = [reason for reason in failed.values() if _REFUSED.match(reason)]
        reason = (
            engine.last_error()
            or (result.error and result.error.message)
            or next(iter([*refused, *failed.values()]), None)
        )
        raise EvaluationError(reason or f"Inspect ended with `{result.status}`", tuple(failed), bool(refused))
    Path(result.location.removeprefix("file://")).replace(log)


def load_libraries() -> None:
    """Load what Inspect loads with its first model: every provider that is installed."""
    ignore_hooks()
    get_model(f"openai-api/engine/{MODEL_NAME}", base_url="http://127.0.0.1", api_key="none", memoize=False)


def ignore_hooks() -> None:
    """Keep Inspect from importing every installed package that extends it to look for hooks, which takes seconds.

    Model providers and sandboxes of such packages are still found.
    """
    _startup._registry_hooks_loaded = True


_used: ContextVar[Sequence[ModelAPI | ModelGrader]] = ContextVar("_used", default=())
"""Models of the evaluation that is running."""


@hooks("close", "Closes the connections of models, which Inspect leaves open.")
class _Close(Hooks):
    @override
    async def on_run_end(self, data: RunEnd) -> None:
        for model in _used.get():
            await model.aclose()


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Relax the thresholds of garbage collection, which otherwise takes a third of the evaluation time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _reason(error: EvalError) -> str:
    """Return the engine's error from the traceback; Inspect's message only says that it gave up."""
    match = re.search(r"Error code: .*", error.traceback)
    return match[0] if match else error.message


def _reporting(task: Task, on_score: OnScore, on_tokens: Callable[[int], None], broken: list[Exception]) -> Task:
    """Return the task with a scorer that reports each score, and collects failures that are not the engine's."""
    [inner] = task.scorer or []
    number = value_to_float()

    @scorer(metrics=[mean(), stderr()], name=f"{task.name}-scorer")
    def reporting() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score | None:
            if broken:
                raise broken[0]  # the grader or sandbox fails for all items
            try:
                result = await inner(state, target)
            except (GraderError, InfrastructureError) as error:
                broken.append(error)
                raise
            if result is not None:
                weight = (result.metadata or {}).get(WEIGHT, 1.0)
                on_tokens(state.output.usage.output_tokens if state.output.usage else 0)
                on_score(str(state.sample_id), Grade(number(result.value), weight))
            return result

        return score

    return task_with(task, scorer=reporting())


def _model(engine: Endpoint, max_tokens: int, seed: int, stop: list[str] | None) -> Model:
    return get_model(
        f"openai-api/engine/{MODEL_NAME}",
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
