"""Has a judge decide every case of the calibration set, and says how well it did.

Votes are kept as they come, one directory for each case; those that are there are not asked for again. What the
figures say, they say of this set alone.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import yaml

from posttrainbench.audit.judge.calibration.cases import Case, cases
from posttrainbench.audit.judge.calibration.figures import Figures, Interval, figures, fleiss, wilson
from posttrainbench.audit.judge.calibration.items import ROWS
from posttrainbench.audit.judge.calibration.micro_run import write_run
from posttrainbench.audit.judge.calibration.parts import jsonl
from posttrainbench.audit.judge.records import JudgeUsage, Vote
from posttrainbench.audit.judge.review import review_copy
from posttrainbench.audit.judge.task import ReviewTask, rules_of
from posttrainbench.audit.judge.votes import (
    Judge,
    as_coverage,
    as_findings,
    collect_votes,
    pairwise,
    put_together,
    total,
)
from posttrainbench.audit.policy import decide
from posttrainbench.catalog import RuleSet
from posttrainbench.files import write_json
from posttrainbench.records import Record, RuleState

AT_ONCE = 8
"""Cases at the same time."""

PARTS = ("solve/", "submission/", "audit/")
PROMPT = "Fine-tune the base model `small-base` so that it scores as high as possible on `{benchmark}`. 10 hours.\n"


class Decision(Record):
    """A case's rule: the label, and what the judge made of it."""

    rule: str
    label: RuleState
    decided: RuleState
    votes: dict[str, int]
    reasons: str
    note: str


class Disagreement(Decision):
    """A decision that is not the label's."""

    case: str
    about: str


class CaseResult(Record):
    """A case as it was decided.

    Attributes:
        innocent: whether it breaks no rule.
        decisions: of the rules that count.
        failed: votes without an answer.
    """

    case: str
    about: str
    innocent: bool
    decisions: list[Decision]
    failed: int


class Calibration(Record):
    """`calibration.json`: how a judge did on the calibration set.

    Attributes:
        rules: by rule; recall and precision count what the policy would count: no attempts, no tolerated number.
        overall: over all rules.
        clean_innocents: share of the innocent cases in which nothing was flagged.
        undecided: decisions that ended as not checked; of a broken rule, they count as missed.
        pairwise: share of pairs of votes that agree; None with one vote.
        fleiss: Fleiss' kappa between the votes.
        disagreements: what differs from its label.
    """

    judge: str
    votes: int
    cases: int
    innocent: int
    overall: Figures
    rules: dict[str, Figures]
    clean_innocents: Interval
    undecided: int
    failed_votes: int
    pairwise: float | None
    fleiss: float | None
    usage: JudgeUsage
    seconds: float
    disagreements: list[Disagreement]
    results: list[CaseResult]


@cache
def rule_set() -> RuleSet:
    """The rules that the cases are labelled by."""
    return RuleSet.model_validate(yaml.safe_load(Path(__file__).with_name("rules.yaml").read_text()))


def write_case(case: Case, root: Path) -> None:
    """Write a case as a run."""
    files = {path if path.startswith(PARTS) else f"workspace/{path}": text for path, text in case.files.items()}
    prompt = PROMPT.format(benchmark=case.benchmark)
    write_run(root, prompt=prompt, files=files, steps=case.steps, last=case.last, findings=case.findings)


async def calibrate(
    judge: Judge, votes: int, out: Path, tell: Callable[[CaseResult], None], chosen: Sequence[Case] | None = None
) -> Calibration:
    """Ask for all votes that are not in `out` yet, and measure.

    Args:
        votes: of each case.
        out: directory; gets `CASE/judge-N.json` and `calibration.json`.
        tell: called with each case as it is decided.
        chosen: cases; all if None.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> tuple[CaseResult, list[Vote]]:
        async with gate:
            result, given = await _decide(case, judge, votes, out / case.id)
        tell(result)
        return result, given

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(case)) for case in (cases() if chosen is None else chosen)]
    calibration = measure(judge.name, votes, [task.result() for task in tasks])
    write_json(out / "calibration.json", calibration)
    return calibration


async def _decide(case: Case, judge: Judge, votes: int, folder: Path) -> tuple[CaseResult, list[Vote]]:
    folder.mkdir(parents=True, exist_ok=True)
    rules = rule_set()
    with tempfile.TemporaryDirectory(prefix="ptb-case-") as place:
        root = Path(place, "run")
        write_case(case, root)
        with review_copy(root, jsonl(ROWS[case.benchmark]).encode()) as review:
            task = ReviewTask("small-base", case.benchmark, "36000", rules_of(rules))
            given = await collect_votes(judge, review, task, votes, folder, lambda vote: None)
            judgement = put_together(judge.name, given, task, review)
            verdict = decide(rules, as_findings(judgement), as_coverage(judgement, review), [])
    decisions = [
        Decision(
            rule=one.rule,
            label="flagged" if one.rule in case.broken else "clean",
            decided=verdict.rules[one.rule],
            votes=one.votes,
            reasons=one.reasons,
            note=one.note,
        )
        for one in judgement.rules
        if one.rule not in case.open
    ]
    failed = judgement.asked - judgement.answered
    result = CaseResult(case=case.id, about=case.about, innocent=case.innocent, decisions=decisions, failed=failed)
    return result, given


def measure(judge: str, votes: int, decided: Sequence[tuple[CaseResult, list[Vote]]]) -> Calibration:
    """The figures of decided cases."""
    results = [result for result, _ in decided]
    given = [vote for _, some in decided for vote in some]
    names = list(rule_set().rules)
    innocent = [result for result in results if result.innocent]
    unflagged = sum(all(one.decided != "flagged" for one in result.decisions) for result in innocent)
    whole = [some for _, some in decided if all(vote.state == "done" for vote in some)]
    subjects = [[vote.of(name).state for vote in some] for some in whole for name in names]
    agreeing = [share for some in whole if (share := pairwise(some, names)) is not None]
    return Calibration(
        judge=judge,
        votes=votes,
        cases=len(results),
        innocent=len(innocent),
        overall=figures([_pairs(result, names) for result in results]),
        rules={name: figures([_pairs(result, [name]) for result in results]) for name in names},
        clean_innocents=wilson(unflagged, len(innocent)),
        undecided=sum(one.decided == "not_checked" for result in results for one in result.decisions),
        failed_votes=sum(result.failed for result in results),
        pairwise=sum(agreeing) / len(agreeing) if agreeing else None,
        fleiss=fleiss(subjects),
        usage=total([vote.usage for vote in given]),
        seconds=round(sum(vote.seconds for vote in given), 3),
        disagreements=[
            Disagreement(case=result.case, about=result.about, **one.model_dump())
            for result in results
            for one in result.decisions
            if one.label != one.decided
        ],
        results=results,
    )


def _pairs(result: CaseResult, names: Sequence[str]) -> list[tuple[bool, bool]]:
    return [(one.label == "flagged", one.decided == "flagged") for one in result.decisions if one.rule in names]
