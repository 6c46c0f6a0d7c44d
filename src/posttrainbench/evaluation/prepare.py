"""Computes the baselines that an experiment will need, the base models and the instruct counterparts side by side."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from posttrainbench import catalog
from posttrainbench.catalog import Suite
from posttrainbench.evaluation.baselines import Kind, baselines
from posttrainbench.sandbox import load_sandbox

KINDS: tuple[Kind, ...] = ("base", "instruct")


def prepare_baselines(suite: Suite, benchmark_ids: list[str], sandbox: str) -> None:
    """Fill the cache, in two processes.

    Raises:
        InfrastructureError: a baseline cannot be computed here.
    """
    with ProcessPoolExecutor(len(KINDS), mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(_compute, model.id, kind, benchmark_ids, suite.engine, suite.threads, sandbox)
            for model in catalog.base_models(suite)
            for kind in KINDS
        ]
        for job in jobs:
            job.result()


def _compute(model: str, kind: Kind, benchmark_ids: list[str], engine: str, threads: int | None, sandbox: str) -> None:
    base = catalog.find(catalog.models(), model, "model")
    baselines(base, kind, benchmark_ids, engine, threads, load_sandbox(sandbox), lambda text: None)
