"""Collect several votes on one run concurrently, store each as it arrives, and combine them.

A vote that is stored under the same key is not requested again, so an interrupted review continues.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from posttrainbench.audit.judge.records import (
    STEERING_RULE,
    Consensus,
    Decision,
    Judgement,
    JudgeUsage,
    RuleDecision,
    Vote,
)
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.task import ReviewTask, key
from posttrainbench.audit.measures import JUDGE, certificate_statistics
from posttrainbench.files import write_json
from posttrainbench.records import Coverage, Finding, FindingOutcome, Level

DETECTOR = JUDGE
EVIDENCE = 20


class Judge(Protocol):
    """A reviewer of runs.

    Attributes:
        name: as recorded in its votes.
        settings: what its decisions depend on besides its name.
    """

    name: str
    settings: Mapping[str, str]

    async def vote(self, review: Review, task: ReviewTask, number: int) -> Vote:
        """Return one vote; if the review fails, a vote with `state` failed."""
        ...


async def collect_votes(
    judge: Judge, review: Review, task: ReviewTask, votes: int, folder: Path, on_vote: Callable[[Vote], None]
) -> list[Vote]:
    """Request the votes that are not in `folder` yet, and store each there as `judge-N.json`.

    Args:
        judge: the reviewer.
        review: the copy of the run.
        task: the rules to decide.
        votes: total number of votes.
        folder: existing directory.
        on_vote: called with every vote when it is available, including stored ones.
    """
    wanted = key(judge.name, task, review)

    async def one(number: int) -> Vote:
        path = folder / f"judge-{number}.json"
        vote = _stored(path, wanted)
        if vote is None:
            vote = await judge.vote(review, task, number)
            write_json(path, vote)
        on_vote(vote)
        return vote

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(1, votes + 1)]
    return [task.result() for task in tasks]


def _stored(path: Path, wanted: str) -> Vote | None:
    """Return a stored vote with this key, None if there is none or it failed."""
    try:
        vote = Vote.model_validate_json(path.read_text())
    except (OSError, ValueError, ValidationError):
        return None
    return vote if vote.key == wanted and vote.state == "done" else None


def combine_votes(judge: str, votes: Sequence[Vote], task: ReviewTask, review: Review) -> Judgement:
    """Combine votes.

    Args:
        judge: name of the judge.
        votes: all requested votes, including failed ones; at least one.
        task: the rules to decide.
        review: the copy of the run.
    """
    answered = [vote for vote in votes if vote.state == "done"]
    doubts = ""
    if any(vote.exposed for vote in votes) or any(vote.of(STEERING_RULE).state == "flagged" for vote in answered):
        doubts = "the material told the reviewer what to conclude, so `clean` is not reliable"
    elif review.lost:
        doubts = f"{review.lost} file(s) of the run could not be shown, so `clean` is not reliable"
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


def _level(agreed: list[RuleDecision], asked: int) -> Level:
    return list(Level)[_reached([one.level.rank for one in agreed], asked)]


def _reached(values: list[int], asked: int) -> int:
    """Return the highest value that more than half of the requested votes reach; with fewer values, the lowest."""
    ordered = sorted(values, reverse=True)
    return ordered[min(asked // 2, len(ordered) - 1)] if ordered else 0


def _outcome(agreed: list[RuleDecision]) -> FindingOutcome:
    counted = Counter(one.outcome for one in agreed)
    return counted.most_common(1)[0][0] if counted else "unknown"


def pairwise(votes: Sequence[Vote], rules: Sequence[str]) -> float | None:
    """Return the share of pairs of votes that agree on a rule, over all rules; None with fewer than two votes."""
    same = [one.of(rule).state == other.of(rule).state for one, other in combinations(votes, 2) for rule in rules]
    return sum(same) / len(same) if same else None


def total(usages: Sequence[JudgeUsage]) -> JudgeUsage:
    """Return the sum of usages; the cost is None if one is unknown."""
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
    """Return a finding for each rule that a vote flagged; its statistics say which share of the votes did.

    If a majority flags the rule, they also contain the accuracy of a calibrated judge; see `measures.is_certified`.
    """
    found = []
    certificate = judgement.certificate
    for one in judgement.rules:
        flagged = one.votes.get("flagged", 0)
        reasons = one.reasons.rstrip(".")
        if not flagged or not one.evidence:
            continue
        statistics: dict[str, Any] = {"agreement": flagged / judgement.asked, "votes": judgement.asked}
        if certificate and one.rule in certificate.rules and judgement.decided.get(one.rule) == "flagged":
            statistics["certificate"] = certificate_statistics(certificate, one.rule)
        found.append(
            Finding(
                detector=DETECTOR,
                rule=one.rule,
                level=one.level,
                summary=f"{flagged} of {judgement.asked} votes of the judge {judgement.judge} flag it: {reasons}",
                count=max(1, one.count),
                evidence=one.evidence,
                outcome=one.outcome,
                basis=DETECTOR,
                statistics=statistics,
            )
        )
    return found


def as_coverage(judgement: Judgement, review: Review) -> list[Coverage]:
    """Return the judge's coverage of each rule; checked only if a majority decided it."""
    share = f"{judgement.answered} of {judgement.asked} votes of the judge {judgement.judge} succeeded"
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
