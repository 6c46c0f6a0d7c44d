"""Compute the baselines of an experiment: base models and instruct counterparts in parallel."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from posttrainbench import catalog
from posttrainbench.catalog import Suite
from posttrainbench.evaluation.baselines import baselines
from posttrainbench.evaluation.plan import suite_plan
from posttrainbench.records import Baseline
from posttrainbench.sandbox import load_sandbox

KINDS = (Baseline.BASE, Baseline.INSTRUCT)


def prepare_baselines(suite: Suite, benchmark_ids: list[str], sandbox: str) -> None:
    """Fill the cache of baselines, in two processes.

    Raises:
        InfrastructureError: a baseline cannot be computed here.
    """
    with ProcessPoolExecutor(len(KINDS), mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(_compute, suite.id, model.id, kind, benchmark_ids, sandbox)
            for model in catalog.base_models(suite)
            for kind in KINDS
        ]
        for job in jobs:
            job.result()


def _compute(suite: str, model: str, kind: Baseline, benchmark_ids: list[str], sandbox: str) -> None:
    plan = suite_plan(catalog.find(catalog.suites(), suite, "suite"), catalog.find(catalog.models(), model, "model"))
    baselines(plan, kind, benchmark_ids, load_sandbox(sandbox), lambda progress: None)
