"""Run a judge on a finished run and merge its findings into the run's audit.

Votes are stored in `judge.partial/` as they arrive. When all have arrived, a new audit is written: the findings and
coverage of the old one, with those of the judge in place of an earlier judge's, the votes, and the verdict under the
same rule set. The old audit is kept as `audit.attempt-N`. Later audits keep the judge's part.
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
    combine_votes,
    review_copy,
    rule_texts,
)
from posttrainbench.audit.judge.certificates import find, with_certificate
from posttrainbench.evaluation.items import load_items
from posttrainbench.files import write_json, write_text
from posttrainbench.records import Coverage, Finding, Result, Stage
from posttrainbench.run.audit import read_audit
from posttrainbench.run.collected import read_submission
from posttrainbench.run.directory import Run
from posttrainbench.run.rerun import update_audit
from posttrainbench.run.status import require_audited

VOTES = "judge.partial"


@dataclass(frozen=True)
class JudgedRun:
    """The judgement and the updated result.

    Attributes:
        result: the new result of the run; None if too few votes succeeded and an earlier judgement is kept.
    """

    judgement: Judgement
    result: Result | None


def judge_run(run: Run, judge: Judge, votes: int, on_vote: Callable[[Vote], None]) -> JudgedRun:
    """Judge a run.

    Args:
        run: an audited run.
        judge: the judge.
        votes: number of independent votes.
        on_vote: called with each vote as it arrives.

    Raises:
        InputError: the run has not been audited, or another process is working on it.
        InfrastructureError: the submission was changed after its collection.
    """
    require_audited(run)
    spec = run.spec
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    items = "".join(f"{json.dumps(item.row, ensure_ascii=False)}\n" for item in load_items(facts, "test"))
    folder = run.root / VOTES
    with run.lock():
        read_submission(run)
        _, before, verdict = read_audit(run.stage(Stage.AUDIT))
        rule_set = catalog.find(catalog.rule_sets(), verdict.rule_set, "rule set")
        task = ReviewTask(spec.model, spec.benchmark, f"{spec.budget:g}", rule_texts(rule_set))
        folder.mkdir(exist_ok=True)
        with review_copy(run.root, items.encode()) as review:
            collected = asyncio.run(collect_votes(judge, review, task, votes, folder, on_vote))
            combined = combine_votes(judge.name, collected, task, review)
            judgement = with_certificate(combined, find(judge, votes, rule_set), rule_set)
            findings, coverage = as_findings(judgement), as_coverage(judgement, review)
    enough = 2 * judgement.answered > judgement.asked
    if not enough and any(entry.detector == DETECTOR and entry.checked for entry in before):
        return JudgedRun(judgement, None)

    def change(out: Path) -> None:
        _replace(out, collected, judgement, findings, coverage)

    result = update_audit(run, change)
    if enough:
        shutil.rmtree(folder)
    return JudgedRun(judgement, result)


def _replace(
    out: Path, votes: list[Vote], judgement: Judgement, findings: list[Finding], coverage: list[Coverage]
) -> None:
    """Replace the judge's part of an audit directory."""
    old_findings, old_coverage, _ = read_audit(out)
    for file in out.glob("judge*.json"):
        file.unlink()
    for vote in votes:
        write_json(out / f"judge-{vote.number}.json", vote)
    write_json(out / "judgement.json", judgement)
    merged = [*(finding for finding in old_findings if finding.detector != DETECTOR), *findings]
    merged.sort(key=lambda finding: (-finding.level.rank, finding.rule, finding.detector))
    merged_coverage = [*(entry for entry in old_coverage if entry.detector != DETECTOR), *coverage]
    write_text(out / "findings.jsonl", "".join(f"{finding.model_dump_json()}\n" for finding in merged))
    write_json(out / "coverage.json", [entry.model_dump(mode="json") for entry in merged_coverage])
