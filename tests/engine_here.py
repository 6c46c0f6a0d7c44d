"""The transformers engine in this process: the same generator and server, with the libraries loaded only once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import uvicorn

from lineage_zoo import LOADING
from posttrainbench.engines import Endpoint, Engine, EngineLoadError, Serving
from posttrainbench.engines.transformers_engine import versions
from posttrainbench.errors import InfrastructureError
from posttrainbench.evaluation import evaluate as evaluating
from posttrainbench.evaluation import likelihood
from posttrainbench.evaluation.plan import EvaluationPlan, run_plan
from posttrainbench.records import RunSpec
from posttrainbench.run import evaluate as evaluate_stage
from posttrainbench.run import off_target

KEY = "key"
STOP_SECONDS = 30.0
EVALUATED = 4
"""Items per evaluation; the status of a run does not depend on their number."""


@contextmanager
def start(serving: Serving) -> Iterator[Endpoint]:
    """Serve a checkpoint; see `StartEngine`."""
    import torch

    from posttrainbench.engines.generation import Generator
    from posttrainbench.engines.transformers_server import build_app

    torch.set_num_threads(serving.threads or 1)
    serving.log.touch()
    try:
        with LOADING:
            generator = Generator(serving.checkpoint, serving.template, serving.decoding, serving.dtype)
    except Exception as error:
        raise EngineLoadError(str(error)) from error
    server = uvicorn.Server(uvicorn.Config(build_app(generator, KEY), log_level="critical", lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield Endpoint(
                base_url=f"http://127.0.0.1:{listening.getsockname()[1]}/v1",
                api_key=KEY,
                connections=16,
                greedy=not generator.sample,
                config={"engine": "transformers, in the process of the tests"},
                log=serving.log,
            )
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)


def measure(request: likelihood.Request) -> list[list[tuple[float, float]]]:
    """Measure checkpoints; see `likelihood.measure_in_process`."""
    import torch

    torch.set_num_threads(request.threads or 1)
    try:
        with LOADING:
            return [likelihood.measure(request, checkpoint) for checkpoint in request.checkpoints]
    except Exception as error:
        raise InfrastructureError("engine_failed", str(error)) from error


ENGINE = Engine("transformers", start, versions, kit={})


@contextmanager
def short_evaluations(items: int = EVALUATED) -> Iterator[None]:
    """Evaluate runs that are completed in this process with its engine, on a few items; measure canaries in it, too."""

    def short(spec: RunSpec) -> EvaluationPlan:
        return replace(run_plan(spec), limit=items)

    with (
        mock.patch.object(evaluate_stage, "run_plan", short),
        mock.patch.object(off_target, "run_plan", short),
        mock.patch.object(evaluating, "load_engine", return_value=ENGINE),
        mock.patch.object(likelihood, "measure_in_process", measure),
    ):
        yield
