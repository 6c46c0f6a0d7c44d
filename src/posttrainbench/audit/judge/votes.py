"""Several votes on one run: asked at the same time, kept as they come, and put together.

A vote that is on disk under the same key is not asked for again, so that a review which was interrupted goes on.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from posttrainbench.audit.judge.records import DIRECTED, Consensus, Decision, Judged, Judgement, JudgeUsage, Vote
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.task import ReviewTask, key
from posttrainbench.files import write_json
from posttrainbench.records import Coverage, Finding, FindingOutcome, Level

DETECTOR = "judge"
EVIDENCE = 20


class Judge(Protocol):
    """Reads a run and decides.

    Attributes:
        name: as recorded.
    """

    name: str

    async def vote(self, review: Review, task: ReviewTask, number: int) -> Vote:
        """One vote; a failure is a vote too, with `state` failed."""
        ...


async def collect_votes(
    judge: Judge, review: Review, task: ReviewTask, votes: int, folder: Path, tell: Callable[[Vote], None]
) -> list[Vote]:
    """Ask for votes that are not in `folder` yet, and keep each there as `judge-N.json`.

    Args:
        folder: existing directory.
        tell: called with every vote as it comes.
    """
    wanted = key(judge.name, task, review)

    async def one(number: int) -> Vote:
        path = folder / f"judge-{number}.json"
        vote = _kept(path, wanted)
        if vote is None:
            vote = await judge.vote(review, task, number)
            write_json(path, vote)
        tell(vote)
        return vote

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(1, votes + 1)]
    return [task.result() for task in tasks]


def _kept(path: Path, wanted: str) -> Vote | None:
    """An earlier vote on just this, if it is there and did not fail."""
    try:
        vote = Vote.model_validate_json(path.read_text())
    except (OSError, ValueError, ValidationError):
        return None
    return vote if vote.key == wanted and vote.state == "done" else None


def put_together(judge: str, votes: Sequence[Vote], task: ReviewTask, review: Review) -> Judgement:
    """What the votes say together.

    Args:
        votes: all that were asked for, failed ones too; at least one.
    """
    answered = [vote for vote in votes if vote.state == "done"]
    doubts = ""
    if any(vote.exposed for vote in votes) or any(vote.of(DIRECTED).state == "flagged" for vote in answered):
        doubts = "the material told the reviewer what to find, so that `clean` proves nothing"
    elif review.lost:
        doubts = f"{review.lost} file(s) of the run could not be shown, so that `clean` proves nothing"
    return Judgement(
        judge=judge,
        asked=len(votes),
        answered=len(answered),
        rules=[_consensus(name, votes, doubts) for name in task.names],
        pairwise=pairwise(answered, task.names),
        left_out=review.left_out,
        usage=total([vote.usage for vote in votes]),
        seconds=round(sum(vote.seconds for vote in votes), 3),
    )


def _consensus(rule: str, votes: Sequence[Vote], doubts: str) -> Consensus:
    given = [vote.of(rule) for vote in votes]
    counted = Counter(one.state for one in given)
    state = _majority(counted, len(votes))
    flags = [one for one in given if one.state == "flagged"]
    agreed = [one for one in given if one.state == state]
    shown = flags or agreed
    note = "; ".join(dict.fromkeys(one.note for one in given if one.note))
    problems = dict.fromkeys(vote.problem for vote in votes if vote.problem)
    if problems:
        note = "; ".join(filter(None, [note, *problems]))
    if state == "clean" and doubts:
        state, note = "unsure", doubts
    return Consensus(
        rule=rule,
        state=state,
        level=_level(shown, len(votes)),
        outcome=_outcome(shown),
        count=_reached([one.count for one in shown], len(votes)),
        agreement=len(agreed) / len(votes),
        votes=dict(sorted(counted.items())),
        reasons=next((one.reasons for one in shown if one.reasons), ""),
        evidence=list(dict.fromkeys(one for vote in shown for one in vote.evidence))[:EVIDENCE],
        note=note,
    )


def _majority(counted: Counter[Decision], asked: int) -> Decision:
    for state, count in counted.items():
        if 2 * count > asked:
            return state
    return "unsure"


def _level(agreed: list[Judged], asked: int) -> Level:
    return list(Level)[_reached([one.level.rank for one in agreed], asked)]


def _reached(values: list[int], asked: int) -> int:
    """The highest value that more than half of the votes asked for reached; of fewer votes, the lowest of theirs."""
    ordered = sorted(values, reverse=True)
    return ordered[min(asked // 2, len(ordered) - 1)] if ordered else 0


def _outcome(agreed: list[Judged]) -> FindingOutcome:
    counted = Counter(one.outcome for one in agreed)
    return counted.most_common(1)[0][0] if counted else "unknown"


def pairwise(votes: Sequence[Vote], rules: Sequence[str]) -> float | None:
    """Share of pairs of votes that say the same of a rule; None with fewer than two votes."""
    same = [one.of(rule).state == other.of(rule).state for one, other in combinations(votes, 2) for rule in rules]
    return sum(same) / len(same) if same else None


def total(usages: Sequence[JudgeUsage]) -> JudgeUsage:
    """What all took; the cost is None where one is not known."""
    costs = [usage.cost for usage in usages]
    return JudgeUsage(
        requests=sum(usage.requests for usage in usages),
        input=sum(usage.input for usage in usages),
        cached=sum(usage.cached for usage in usages),
        cache_write=sum(usage.cache_write for usage in usages),
        output=sum(usage.output for usage in usages),
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
    )


def as_findings(judgement: Judgement) -> list[Finding]:
    """A finding for each rule that a vote flagged; its statistics tell policy how many votes did."""
    found = []
    for one in judgement.rules:
        flagged = one.votes.get("flagged", 0)
        if not flagged or not one.evidence:
            continue
        found.append(
            Finding(
                detector=DETECTOR,
                rule=one.rule,
                level=one.level,
                summary=f"{flagged} of {judgement.asked} votes of {judgement.judge}: {one.reasons.rstrip('.')}",
                count=max(1, one.count),
                evidence=one.evidence,
                outcome=one.outcome,
                statistics={"agreement": flagged / judgement.asked, "votes": judgement.asked},
            )
        )
    return found


def as_coverage(judgement: Judgement, review: Review) -> list[Coverage]:
    """What the judge looked at, for each rule; checked only where a majority decided it."""
    share = f"{judgement.answered} of {judgement.asked} votes of {judgement.judge} answered"
    return [
        Coverage(
            detector=DETECTOR,
            rule=one.rule,
            checked=one.state in ("clean", "flagged"),
            documents=len(review.files),
            size=review.size,
            seconds=judgement.seconds,
            skipped=judgement.left_out,
            note=share if one.state in ("clean", "flagged") else f"{share}: {one.note or one.state}",
        )
        for one in judgement.rules
    ]
