"""An LLM reviewer for what the detectors leave open: it reads a copy of a run, and its quotations are checked.

Covers: a run's text files and the record of what the agent did; text that tries to steer the reviewer; invented
quotations; votes that fail, disagree or cost too much. Does not cover: weights; what a text proves, which is the
model's judgement; what lies in files too large to be copied. A judge never clears what a detector found.
"""

from posttrainbench.audit.judge.model_judge import ModelJudge
from posttrainbench.audit.judge.records import Judgement, Vote
from posttrainbench.audit.judge.review import Review, review_copy
from posttrainbench.audit.judge.task import ReviewTask, RuleText, rules_of
from posttrainbench.audit.judge.votes import DETECTOR, Judge, as_coverage, as_findings, collect_votes, put_together

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
    "put_together",
    "review_copy",
    "rules_of",
]
