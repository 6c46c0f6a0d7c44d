"""From what a judge answered to what counts: unknown rules dropped, missing ones noted, every citation checked."""

from posttrainbench.audit.judge.citations import check
from posttrainbench.audit.judge.records import Answer, Judged, RuleAnswer
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.task import ReviewTask
from posttrainbench.audit.judge.text import visible

REASONS = 1000
"""Characters that are kept of the reasons for a rule."""


def judged(answer: Answer, task: ReviewTask, review: Review) -> list[Judged]:
    """One entry for each rule of the task, in its order."""
    given: dict[str, list[RuleAnswer]] = {}
    for one in answer.rules:
        given.setdefault(one.rule, []).append(one)
    return [_judged(name, given.get(name, []), review) for name in task.names]


def _judged(name: str, given: list[RuleAnswer], review: Review) -> Judged:
    if len(given) != 1:
        note = "the judge said nothing of it" if not given else "the judge decided it more than once"
        return Judged(rule=name, state="not_checked", note=note)
    said = given[0]
    evidence, rejected = check(review, said.evidence)
    state, note = said.state, ""
    if said.state == "flagged" and not evidence:
        note = "flagged without a quotation that is found in the run: the flag is thrown away"
    return Judged(
        rule=name,
        state="not_checked" if note else state,
        level=said.level,
        outcome=said.outcome,
        count=said.count,
        reasons=visible(" ".join(said.reasons.split()))[:REASONS],
        evidence=evidence,
        rejected=rejected,
        note=note,
    )
