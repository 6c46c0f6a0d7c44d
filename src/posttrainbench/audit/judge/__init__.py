"""LLM reviewer for questions that the detectors leave open: it reads a copy of a run, and its quotations are checked.

Covers: a run's text files and the record of what the agent did; text that tries to steer the reviewer; invented
quotations; votes that fail, disagree or cost too much.

Does not cover: weights; whether a quoted text proves the violation, which the model decides; the content of files that
are too large to be copied. A judge never clears a detector's finding.
"""

from posttrainbench.audit.judge.model_judge import ModelJudge
from posttrainbench.audit.judge.records import Judgement, Vote
from posttrainbench.audit.judge.review import Review, review_copy
from posttrainbench.audit.judge.task import ReviewTask, RuleText, rule_texts
from posttrainbench.audit.judge.votes import DETECTOR, Judge, as_coverage, as_findings, collect_votes, combine_votes

__all__ = [
    "DETECTOR",
    "Judge",
    "Judgement",
    "ModelJudge",
    "Review",
    "ReviewTask",
    "RuleText",
    "Vote",
    "as_coverage",
    "as_findings",
    "collect_votes",
    "combine_votes",
    "review_copy",
    "rule_texts",
]
