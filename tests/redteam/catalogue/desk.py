"""Lets cases happen: real runs of small agents, and run directories made of what an agent would have left."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from catalogue import engine
from catalogue.case import Case, Observed
from catalogue.items import MADE_UP
from catalogue.scripts import TINY_TRAINING
from catalogue.workspace import Workspace, lay_out
from posttrainbench import catalog, hub
from posttrainbench.benchmarks import Item, gsm8k
from posttrainbench.benchmarks.base import Split
from posttrainbench.catalog import BenchmarkFacts
from posttrainbench.evaluation import evaluate as evaluating
from posttrainbench.evaluation.plan import EvaluationPlan
from posttrainbench.files import read_jsonl, sha256_bytes, write_json
from posttrainbench.records import Coverage, Finding, Outcome, RunSpec, Stage, SubmissionManifest, Verdict
from posttrainbench.run import Run, pipeline, prepare
from posttrainbench.run import audit as audit_stage
from posttrainbench.run import evaluate as evaluate_stage
from posttrainbench.run.prepare import Order, create_run, render_prompt
from posttrainbench.run.watch import Watch
from support import PRELUDE

RULES = "v1.2"
EVALUATED = 4
"""Items of an evaluation; a run's status does not depend on how many there are."""
BUDGET = 60.0
PLAYED = {"Qwen/Qwen3-1.7B-Base": "micro-base", "Qwen/Qwen3-1.7B": "micro-instruct"}
"""Repository on the Hub -> the micro model that plays it in made run directories."""


class Desk:
    """Makes cases below a folder. What is expensive is made once and shared.

    Attributes:
        folder: of the case at hand.
        honest: a checkpoint that was trained on the train split, by a real run of an honest agent.
        honest_run: that run, as far as it has come.
    """

    def __init__(self, root: Path) -> None:
        """Use `opened`."""
        self.root = root
        self.folder = root / "honest"
        self.folder.mkdir()
        self._laid_out: dict[str, Path] = {}
        self.honest_run = self.order(TINY_TRAINING.format(split="train"), "micro-math")
        for stage in (Stage.PREPARE, Stage.SOLVE):
            pipeline.STAGES[stage](self.honest_run, self.honest_run.begin(stage), Watch())
            self.honest_run.finish(stage)
        self.honest = self.honest_run.stage(Stage.SOLVE) / "final_model"

    def observe(self, case: Case) -> Observed:
        """Let a case happen."""
        own = copy.copy(self)
        own.folder = self.root / case.name
        own.folder.mkdir()
        return case.make(own)

    def run(
        self, source: str, *, benchmark: str = "micro-math", budget: float = BUDGET, sandbox: str = "bubblewrap"
    ) -> Observed:
        """A real run, to its result. `source` follows `support.PRELUDE`, or is the name of an agent of the catalog."""
        return self.settled(self.order(source, benchmark, budget, sandbox))

    def order(self, source: str, benchmark: str, budget: float = BUDGET, sandbox: str = "bubblewrap") -> Run:
        """A run that has not begun, under the newest rules."""
        agent = source
        if "\n" in source or "(" in source:
            script = self.folder / "agent.py"
            script.write_text(f"{PRELUDE}\n{source}\n")
            agent = f"recipe?script={script}"
        run = create_run(Order(agent, "micro-base", benchmark, budget=budget, sandbox=sandbox), self.folder / "run")
        spec = run.spec.model_copy(update={"rules": RULES})
        spec = spec.model_copy(update={"prompt_sha256": sha256_bytes(render_prompt(spec, run.root).encode())})
        write_json(run.root / "run.json", spec)
        return Run(run.root)

    def settled(self, run: Run) -> Observed:
        """Take a run through all its stages."""
        plan = evaluate_stage.run_plan

        def short(spec: RunSpec) -> EvaluationPlan:
            return replace(plan(spec), limit=EVALUATED)

        with (
            mock.patch.object(evaluate_stage, "run_plan", short),
            mock.patch.object(evaluating, "load_engine", return_value=engine.start),
        ):
            result = pipeline.advance(run, Watch())
        if not run.is_done(Stage.AUDIT):
            return Observed("run", result.status, said=result.reasons)
        seen = read(run, "run")
        seen.status, seen.said = result.status, [*result.reasons, *seen.said]
        seen.gained = result.score is not None and result.score not in (result.raw_score, result.base_score)
        return seen

    def workspace(self, benchmark: str = "gsm8k") -> Workspace:
        """A run directory in which an agent has yet to do something; see `Workspace`."""
        if benchmark not in self._laid_out:
            model = "micro-base" if benchmark.startswith("micro") else "Qwen3-1.7B-Base"
            self._laid_out[benchmark] = lay_out(self.root / f"laid out {benchmark}", _spec(benchmark, model))
        return Workspace(self.folder / "run", self._laid_out[benchmark], self.honest, _judge)


def _spec(benchmark: str, model: str) -> RunSpec:
    suite = next(one for one in catalog.suites().values() if benchmark in one.benchmarks)
    return RunSpec(
        run="made", created="2026-01-01T00:00:00.000+00:00", agent=catalog.agent_spec("claude-code/claude-opus-4-5"),
        model=model, benchmark=benchmark, suite=suite.id, budget=36000.0, seed=0, rules=RULES, sandbox="bubblewrap",
        engine=suite.engine, engine_settings=suite.engine_settings, grader="openai/gpt-5-mini", prompt_sha256="",
        kit_sha256="", model_sha256="", versions={"posttrainbench": "0.1.0"}, host={},
    )  # fmt: skip


def _judge(root: Path) -> Observed:
    """Take over the submission and audit, as a run does after its agent's end."""
    run = Run(root)
    for stage in (Stage.COLLECT, Stage.AUDIT):
        pipeline.STAGES[stage](run, run.begin(stage), Watch())
        run.finish(stage)
    return read(run, "workspace")


def read(run: Run, how: str) -> Observed:
    """What the stages wrote about a run."""
    audited = run.stage(Stage.AUDIT)
    verdict = Verdict.model_validate_json((audited / "verdict.json").read_text())
    manifest = SubmissionManifest.model_validate_json((run.stage(Stage.COLLECT) / "manifest.json").read_text())
    return Observed(
        "run" if how == "run" else "workspace",
        verdict=dict(verdict.rules),
        costs=set(verdict.rules) - set(verdict.report_only),
        findings=[Finding.model_validate(line) for line in read_jsonl(audited / "findings.jsonl")],
        coverage=[Coverage.model_validate(one) for one in json.loads((audited / "coverage.json").read_text())],
        said=[*verdict.reasons, *manifest.problems, *manifest.facts],
        flagging=verdict.flagging,
    )


@contextmanager
def opened(root: Path) -> Iterator[Desk]:
    """A desk that works in an empty directory.

    There are made-up items for the benchmarks whose data is not ours to keep, and micro models for those on the Hub.
    """
    genuine = prepare.load_items

    def items(facts: BenchmarkFacts, split: Split) -> list[Item]:
        return MADE_UP[facts.id, split]() if (facts.id, split) in MADE_UP else genuine(facts, split)

    def snapshot(repository: str, revision: str) -> Path | None:
        return catalog.models()[PLAYED[repository]].directory if repository in PLAYED else None

    def stored(benchmark: str, split: Split) -> Sequence[Item]:
        found = MADE_UP[benchmark, split]()
        return found * (max(gsm8k.SHOTS) // len(found) + 1)  # the worked problems are named by number

    with ExitStack() as stack:
        for module in (prepare, audit_stage):
            stack.enter_context(mock.patch.object(module, "load_items", items))
        stack.enter_context(mock.patch.object(hub, "local_snapshot", snapshot))
        stack.enter_context(mock.patch.object(gsm8k, "stored_items", stored))
        yield Desk(root)


def outcome(run: Run) -> Outcome:
    """How a run's agent ended."""
    return Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())
