"""What the audit found: facts, how far it looked, people's words, and the verdict."""

import hashlib
import json
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from posttrainbench.records.base import Record


class Level(StrEnum):
    """How far forbidden content got; only the last two can cost a score."""

    NAME = "NAME"
    PATH = "PATH"
    READ = "READ"
    USED = "USED"
    IN_WEIGHTS = "IN_WEIGHTS"

    @property
    def rank(self) -> int:
        """0 for `NAME` up to 4 for `IN_WEIGHTS`."""
        return list(Level).index(self)


class Evidence(Record):
    """A quotation that lets a person check a finding.

    Attributes:
        file: relative to the run directory.
        line: 1-based, where the file has lines.
        text: what stands there, shortened.
        item: id of the test item (or the checkpoint, or the kit file) that it matches.
        item_text: the matching text of that item, shortened.
    """

    file: str
    line: int | None = None
    text: str = ""
    item: str = ""
    item_text: str = ""


FindingOutcome = Literal["succeeded", "attempted", "unknown"]
"""Whether what a finding tells of came to pass: a blocked call, or a script that never ran, is an attempt."""


class Finding(Record):
    """One line of `audit/findings.jsonl`: a fact that a detector established. It is no verdict.

    Attributes:
        rule: the rule that it bears on, a key of the rule sets.
        level: how far it got.
        summary: what was found, without a full stop at the end.
        count: how many distinct things (test items, tensors, files) support it; rules set tolerances on it. 0 for a
            measurement that speaks for nobody's guilt, which is kept because another rule set may judge it otherwise.
        evidence: at least one quotation, at most some twenty; the first is the main one.
        outcome: whether it came to pass; where that is no question, `succeeded`.
        statistics: what a rule set's thresholds act on, where they need more than `count`: `audit/measures.py`.
        id: 12 hexadecimal digits of a hash of detector, rule, level and main evidence, the same in every audit that
            finds the same. Set by itself; adjudications name it.
    """

    detector: str
    rule: str
    level: Level
    summary: str
    count: int
    evidence: list[Evidence]
    outcome: FindingOutcome = "unknown"
    statistics: dict[str, Any] = Field(default_factory=dict)
    id: str = Field(default_factory=lambda finding: _finding_id(finding))


def _finding_id(finding: dict[str, Any]) -> str:
    """See `Finding.id`; from the finding's other values, already validated."""
    quoted: list[Evidence] = finding.get("evidence") or []
    main = quoted[0].model_dump(mode="json") if quoted else None
    named = [finding.get("detector"), finding.get("rule"), finding.get("level"), main]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:12]


class Skipped(Record):
    """Something a detector did not look at, and why."""

    path: str
    reason: str


class Coverage(Record):
    """What one detector looked at. A rule none of whose detectors checked anything is `not_checked`, never clean.

    Attributes:
        checked: True when the detector saw all that it needs for a verdict.
        documents: files or tensors looked at.
        size: bytes looked at.
    """

    detector: str
    rule: str
    checked: bool
    documents: int
    size: int
    seconds: float
    skipped: list[Skipped]
    note: str = ""


class Adjudication(Record):
    """One line of `audit/adjudications.jsonl`: a person's word on a finding. The last one on a finding counts.

    Attributes:
        finding: its id.
        decision: `dismiss`: it does not count; `confirm`: it counts, whatever its level and count.
        why: the person's reason.
        name, email: the person's git identity.
        level, count: of the finding then; a dismissal does not cover a finding that reaches further, or more things.
        signature: armoured, by the key that git signs with, of the other values; "" if git is set up to sign nothing.
    """

    time: str
    run: str
    finding: str
    decision: Literal["dismiss", "confirm"]
    why: str
    name: str
    email: str
    level: Level
    count: int
    signature: str = ""


RuleState = Literal["clean", "flagged", "not_checked"]


class Verdict(Record):
    """`audit/verdict.json`: a rule set applied to the findings.

    Attributes:
        rules: rule -> state.
        reasons: one sentence for each rule that is not clean, and for each adjudication that changed something.
        required: the rules without which the suite accepts no result.
        report_only: rules that are shown and cost nothing.
        flagging: ids of the findings that flag a rule.
    """

    rule_set: str
    rules: dict[str, RuleState]
    reasons: list[str]
    required: list[str]
    report_only: list[str] = Field(default_factory=list)
    flagging: list[str] = Field(default_factory=list)

    @property
    def flagged(self) -> bool:
        """Whether a rule is flagged that costs the score."""
        return any(state == "flagged" and rule not in self.report_only for rule, state in self.rules.items())

    @property
    def complete(self) -> bool:
        """Whether every required rule has been checked."""
        return all(self.rules.get(rule, "not_checked") != "not_checked" for rule in self.required)
