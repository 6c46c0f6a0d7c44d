"""Run cases: real runs of small agents, and synthetic run directories with the files that an agent would have left."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

from catalogue.case import Case, Observed
from catalogue.items import MADE_UP
from catalogue.scripts import TINY_TRAINING
from catalogue.workspace import Workspace, lay_out
from engine_here import short_evaluations
from posttrainbench import catalog
from posttrainbench.benchmarks import Item, gsm8k
from posttrainbench.benchmarks.base import Split
from posttrainbench.catalog import BenchmarkFacts
from posttrainbench.evaluation.canonical_form import rendered_prompts
from posttrainbench.evaluation.plan import run_plan
from posttrainbench.files import read_jsonl, sha256_bytes, write_json
from posttrainbench.hub import models as hub_models
from posttrainbench.records import Coverage, Finding, Outcome, RunSpec, Stage, SubmissionManifest, Verdict
from posttrainbench.run import Run, pipeline, prepare
from posttrainbench.run import audit as audit_stage
from posttrainbench.run import collect as collect_stage
from posttrainbench.run.prepare import RunRequest, create_run, render_prompt
from posttrainbench.run.progress import ProgressListener
from posttrainbench.submission.sanitize import sanitize
from support import PRELUDE

RULES = "v1.2"
BUDGET = 240.0
SUBSTITUTES = {"Qwen/Qwen3-1.7B-Base": "micro-base", "Qwen/Qwen3-1.7B": "micro-instruct"}
"""Repository on the Hub -> the micro model that replaces it in synthetic run directories."""


class Desk:
    """Runs cases in a folder. Expensive parts are made once and shared.

    Attributes:
        folder: folder of the current case.
        honest: a checkpoint trained on the train split by a real run of an honest agent.
        honest_run: that run, up to the solve stage.
    """

    def __init__(self, root: Path) -> None:
        """Private; use `opened`."""
        self.root = root
        self.folder = root / "honest"
        self.folder.mkdir()
        self._laid_out: dict[str, Path] = {}
        self.honest_run = self.order(TINY_TRAINING.format(split="train"), "micro-math")
        for stage in (Stage.PREPARE, Stage.SOLVE):
            pipeline.STAGES[stage](self.honest_run, self.honest_run.begin(stage), ProgressListener())
            self.honest_run.finish(stage)
        self.honest = self.honest_run.stage(Stage.SOLVE) / "final_model"

    def observe(self, case: Case) -> Observed:
        """Run a case."""
        own = copy.copy(self)
        own.folder = self.root / case.name
        own.folder.mkdir()
        return case.make(own)

    def run(
        self, source: str, *, benchmark: str = "micro-math", budget: float = BUDGET, sandbox: str = "bubblewrap"
    ) -> Observed:
        """Run an agent to its result. `source` is code after `support.PRELUDE`, or the name of a catalog agent."""
        return self.settled(self.order(source, benchmark, budget, sandbox))

    def order(self, source: str, benchmark: str, budget: float = BUDGET, sandbox: str = "bubblewrap") -> Run:
        """Create a run under the newest rules without starting it."""
        agent = source
        if "\n" in source or "(" in source:
            script = self.folder / "agent.py"
            script.write_text(f"{PRELUDE}\n{source}\n")
            agent = f"recipe?script={script}"
        run = create_run(
            RunRequest(agent, "micro-base", benchmark, budget=budget, sandbox=sandbox), self.folder / "run"
        )
        spec = run.spec.model_copy(update={"rules": RULES})
        spec = spec.model_copy(update={"prompt_sha256": sha256_bytes(render_prompt(spec, run.root).encode())})
        write_json(run.root / "run.json", spec)
        return Run(run.root)

    def settled(self, run: Run) -> Observed:
        """Run all stages of a run."""
        with short_evaluations():
            result = pipeline.advance(run, ProgressListener())
        if not run.is_done(Stage.AUDIT):
            return Observed("run", result.status, messages=result.reasons)
        seen = read(run, "run")
        seen.status, seen.messages = result.status, [*result.reasons, *seen.messages]
        seen.gained = result.score is not None and result.score not in (result.raw_score, result.base_score)
        return seen

    def workspace(self, benchmark: str = "gsm8k") -> Workspace:
        """Return a run directory in which the agent has not done anything yet."""
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
    """Collect the submission and audit it, as a run does after the agent's end."""
    run = Run(root)
    for stage in (Stage.COLLECT, Stage.AUDIT):
        pipeline.STAGES[stage](run, run.begin(stage), ProgressListener())
        run.finish(stage)
    return read(run, "workspace")


def read(run: Run, how: str) -> Observed:
    """Read the results that the stages wrote."""
    audited = run.stage(Stage.AUDIT)
    verdict = Verdict.model_validate_json((audited / "verdict.json").read_text())
    manifest = SubmissionManifest.model_validate_json((run.stage(Stage.COLLECT) / "manifest.json").read_text())
    return Observed(
        "run" if how == "run" else "workspace",
        verdict=dict(verdict.rules),
        costs=set(verdict.rules) - set(verdict.report_only),
        findings=[Finding.model_validate(line) for line in read_jsonl(audited / "findings.jsonl")],
        coverage=[Coverage.model_validate(one) for one in json.loads((audited / "coverage.json").read_text())],
        messages=[*verdict.reasons, *manifest.problems, *manifest.facts],
        flagging=verdict.flagging,
        suspecting=verdict.suspecting,
    )


@contextmanager
def opened(root: Path) -> Iterator[Desk]:
    """Open a desk in an empty directory.

    Benchmarks whose data we may not redistribute have made-up items; micro models replace models on the Hub.
    """
    genuine = prepare.load_items

    def items(facts: BenchmarkFacts, split: Split) -> list[Item]:
        return MADE_UP[facts.id, split]() if (facts.id, split) in MADE_UP else genuine(facts, split)

    def snapshot(repository: str, revision: str) -> Path | None:
        return catalog.models()[SUBSTITUTES[repository]].directory if repository in SUBSTITUTES else None

    def stored(benchmark: str, split: Split) -> Sequence[Item]:
        found = MADE_UP[benchmark, split]()
        return found * (max(gsm8k.SHOTS) // len(found) + 1)  # the worked examples are referred to by number

    def checked(spec: RunSpec, source: Path, destination: Path) -> SubmissionManifest:
        """Check in this process: another one would not see the substitutes."""
        base = catalog.models()[spec.model].directory
        return sanitize(source, destination, base, lambda: rendered_prompts([spec.benchmark], run_plan(spec)))

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(collect_stage, "check_submission", checked))
        for module in (prepare, audit_stage):
            stack.enter_context(mock.patch.object(module, "load_items", items))
        stack.enter_context(mock.patch.object(hub_models, "local_snapshot", snapshot))
        stack.enter_context(mock.patch.object(gsm8k, "stored_items", stored))
        yield Desk(root)


def outcome(run: Run) -> Outcome:
    """Return the outcome of a run's agent."""
    return Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())
