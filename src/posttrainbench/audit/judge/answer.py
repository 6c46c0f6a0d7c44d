"""Check a judge's answer: drop unknown rules, mark missing ones, and verify every citation."""

from posttrainbench.audit.judge.citations import check
from posttrainbench.audit.judge.records import Answer, RuleAnswer, RuleDecision
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.task import ReviewTask
from posttrainbench.audit.judge.text import visible

REASONS = 1000
"""Maximum characters of the reasons for a rule."""


def check_answer(answer: Answer, task: ReviewTask, review: Review) -> list[RuleDecision]:
    """Return one decision for each rule of the task, in the task's order."""
    answers: dict[str, list[RuleAnswer]] = {}
    for rule_answer in answer.rules:
        answers.setdefault(rule_answer.rule, []).append(rule_answer)
    return [_decide(name, answers.get(name, []), review) for name in task.names]


def _decide(name: str, answers: list[RuleAnswer], review: Review) -> RuleDecision:
    if len(answers) != 1:
        note = "the judge did not decide it" if not answers else "the judge decided it more than once"
        return RuleDecision(rule=name, state="not_checked", note=note)
    answer = answers[0]
    evidence, rejected = check(review, answer.evidence)
    state, note = answer.state, ""
    if answer.state == "flagged" and not evidence:
        note = "flagged without a quotation that occurs in the run, so the flag is discarded"
    return RuleDecision(
        rule=name,
        state="not_checked" if note else state,
        level=answer.level,
        outcome=answer.outcome,
        count=answer.count,
        reasons=visible(" ".join(answer.reasons.split()))[:REASONS],
        evidence=evidence,
        rejected=rejected,
        note=note,
    )
