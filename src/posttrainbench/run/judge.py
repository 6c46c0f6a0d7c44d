"""Has a judge read a finished run, and joins what it found to the run's audit.

Votes are kept in `judge.partial/` as they come. When all are there, the audit is written anew: its findings and
coverage with those of the judge in place of an earlier judge's, the votes, and the verdict by the same rule set. What
was there before is kept as `audit.attempt-N`. A later audit takes the judge's part over.
"""

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.audit.judge import (
    DETECTOR,
    Judge,
    Judgement,
    ReviewTask,
    Vote,
    as_coverage,
    as_findings,
    collect_votes,
    put_together,
    review_copy,
    rules_of,
)
from posttrainbench.errors import InputError
from posttrainbench.evaluation.evaluate import load_items
from posttrainbench.files import write_json, write_text
from posttrainbench.records import Coverage, Finding, Result, RunSpec, Stage
from posttrainbench.run.again import revise
from posttrainbench.run.audit import read_audit
from posttrainbench.run.directory import Run

VOTES = "judge.partial"


@dataclass(frozen=True)
class Reviewed:
    """What came of it.

    Attributes:
        result: the run's, settled anew; None where too few votes answered and an earlier judge's word stands.
    """

    judgement: Judgement
    result: Result | None


def judge_run(run: Run, judge: Judge, votes: int, tell: Callable[[Vote], None]) -> Reviewed:
    """Have a run judged.

    Args:
        votes: how often, independently.
        tell: called with each vote as it comes.

    Raises:
        InputError: the run has not been audited, or another process works on it.
    """
    if not run.is_done(Stage.AUDIT):
        raise InputError(f"{run.root} has not been audited; continue it with `ptb resume {run.root}`.")
    spec = run.spec
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    items = "".join(f"{json.dumps(item.row, ensure_ascii=False)}\n" for item in load_items(facts, "test"))
    folder = run.root / VOTES
    with run.lock():
        _, before, verdict = read_audit(run.stage(Stage.AUDIT))
        task = review_task(spec, verdict.rule_set)
        folder.mkdir(exist_ok=True)
        with review_copy(run.root, items.encode()) as review:
            given = asyncio.run(collect_votes(judge, review, task, votes, folder, tell))
            judgement = put_together(judge.name, given, task, review)
            findings, coverage = as_findings(judgement), as_coverage(judgement, review)
    enough = 2 * judgement.answered > judgement.asked
    if not enough and any(one.detector == DETECTOR and one.checked for one in before):
        return Reviewed(judgement, None)

    def change(out: Path) -> None:
        _replace(out, given, judgement, findings, coverage)

    result = revise(run, change)
    if enough:
        shutil.rmtree(folder)
    return Reviewed(judgement, result)


def review_task(spec: RunSpec, rules: str) -> ReviewTask:
    """What a judge is asked about a run.

    Raises:
        InputError: there is no such rule set.
    """
    rule_set = catalog.find(catalog.rule_sets(), rules, "rule set")
    return ReviewTask(spec.model, spec.benchmark, f"{spec.budget:g}", rules_of(rule_set))


def _replace(
    out: Path, votes: list[Vote], judgement: Judgement, findings: list[Finding], coverage: list[Coverage]
) -> None:
    """Put the judge's part into an audit's directory, in place of an earlier judge's."""
    old_findings, old_coverage, _ = read_audit(out)
    for file in out.glob("judge*.json"):
        file.unlink()
    for vote in votes:
        write_json(out / f"judge-{vote.number}.json", vote)
    write_json(out / "judgement.json", judgement)
    kept = [*(one for one in old_findings if one.detector != DETECTOR), *findings]
    kept.sort(key=lambda finding: (-finding.level.rank, finding.rule, finding.detector))
    seen = [*(one for one in old_coverage if one.detector != DETECTOR), *coverage]
    write_text(out / "findings.jsonl", "".join(f"{finding.model_dump_json()}\n" for finding in kept))
    write_json(out / "coverage.json", [one.model_dump(mode="json") for one in seen])
