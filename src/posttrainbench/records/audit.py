"""Records of the audit: findings, coverage, adjudications and the verdict."""

import hashlib
import json
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from posttrainbench.records.base import Record
from posttrainbench.records.provenance import ProvenancePath


class Level(StrEnum):
    """Severity: how far forbidden content progressed."""

    NAME = "NAME"
    PATH = "PATH"
    READ = "READ"
    USED = "USED"
    IN_WEIGHTS = "IN_WEIGHTS"

    @property
    def rank(self) -> int:
        """Return the rank, from 0 for `NAME` to 4 for `IN_WEIGHTS`."""
        return list(Level).index(self)


class Quote(Record):
    """A quotation by which a person can check a finding.

    Attributes:
        file: relative to the run directory.
        line: 1-based; None for files without lines.
        text: the quoted text, shortened.
        item: id of the matching test item, checkpoint or kit file.
        item_text: the matching text of the item, shortened.
    """

    file: str
    line: int | None = None
    text: str = ""
    item: str = ""
    item_text: str = ""


FindingOutcome = Literal["succeeded", "attempted", "unknown"]
"""Outcome of the reported action. A blocked call, or a script that never ran, counts as `attempted`."""


FindingKind = Literal["proof", "indication", "fact"]
"""Weight of a finding.

`proof`: it establishes the violation: weights, hashes, records of the host, or test items in a file that a recorded
path leads from into the submission. `indication`: it speaks for a violation, and honest work can look like it. `fact`:
it is worth knowing and never counts.
"""


class Finding(Record):
    """One line of `audit/findings.jsonl`: a fact that a detector established, not a verdict.

    Attributes:
        rule: the rule that the finding concerns, a key of the rule sets.
        level: severity.
        summary: one sentence without a full stop.
        kind: its weight.
        basis: the kind of evidence that it rests on. Indications with different bases are independent. The detector's
            name by default.
        count: number of distinct objects (test items, tensors, files) that support the finding; rules set tolerances
            on it. 0 for a measurement that is not evidence of a violation; it is stored because another rule set may
            decide differently.
        evidence: at least one quotation, about twenty at most; the first is the main one.
        outcome: of the reported action; `succeeded` if the question does not apply.
        canaries: number of `count` that are canaries: generated items of the kit's test file, not of the benchmark.
        paths: recorded paths from files of the finding to the submission, at most ten; empty without a record, and in
            findings of older versions, which wrote the path into the summary.
        statistics: measurements that a rule set's thresholds use in addition to `count`; see `audit/measures.py`.
        id: 12 hexadecimal digits of a hash of detector, rule, level and main evidence, so that repeated audits give
            the same finding the same id. Computed by default. Adjudications refer to it.
    """

    detector: str
    rule: str
    level: Level
    summary: str
    count: int
    evidence: list[Quote]
    outcome: FindingOutcome = "unknown"
    kind: FindingKind = "indication"
    basis: str = Field(default_factory=lambda finding: finding["detector"])
    canaries: int = 0
    paths: list[ProvenancePath] = Field(default_factory=list)
    statistics: dict[str, Any] = Field(default_factory=dict)
    id: str = Field(default_factory=lambda finding: _finding_id(finding))

    @property
    def counted(self) -> str:
        """The count as people read it, such as `200` or `200 and 64 canaries`."""
        extra = f" and {self.canaries} canar{'y' if self.canaries == 1 else 'ies'}" if self.canaries else ""
        return f"{self.count - self.canaries:,}{extra}"


def _finding_id(finding: dict[str, Any]) -> str:
    """Return `Finding.id`, computed from the validated values of the other fields."""
    quoted: list[Quote] = finding.get("evidence") or []
    main = quoted[0].model_dump(mode="json") if quoted else None
    named = [finding.get("detector"), finding.get("rule"), finding.get("level"), main]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:12]


class Skipped(Record):
    """A file or object that a detector did not check, with the reason."""

    path: str
    reason: str


class Coverage(Record):
    """The material that one detector checked. A rule that no detector could check is `not_checked`, never clean.

    Attributes:
        rule: "" or, of this package's detectors, "*" if the detector failed and its rules are unknown.
        checked: True if the detector saw all that it needs for a verdict.
        documents: number of files or tensors that were read.
        size: number of bytes that were read.
        failed: True if the detector could not be imported or raised an error; its rule is then `not_checked`, whatever
            other detectors saw.
    """

    detector: str
    rule: str
    checked: bool
    documents: int
    size: int
    seconds: float
    skipped: list[Skipped]
    note: str = ""
    failed: bool = False


class Adjudication(Record):
    """One line of `audit/adjudications.jsonl`: a person's decision on a finding. The last one for each finding applies.

    Attributes:
        finding: id of the finding.
        decision: `dismiss`: the finding does not count; `confirm`: it counts, whatever its level and count.
        why: the person's reason.
        name, email: the person's git identity.
        level, count: values of the finding at that time; a dismissal does not cover higher ones.
        signature: armored signature of the other values by git's signing key; "" if git is not set up to sign.
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


RuleState = Literal["clean", "suspected", "flagged", "not_checked"]
"""Verdict on a rule.

`flagged`: the violation is established, which costs the score. `suspected`: something speaks for it and does not
establish it; the score counts and is marked. `not_checked`: evidence is missing.
"""


class Verdict(Record):
    """`audit/verdict.json`: a rule set applied to the findings.

    Attributes:
        rules: rule -> state.
        reasons: one sentence for each rule that is not clean, and for each adjudication that changed something or whose
            finding does not exist.
        required: rules that must be checked for the suite to accept a result.
        report_only: rules that are reported but never cost the score.
        flagging: ids of the findings that flag a rule.
        suspecting: ids of the findings for which a rule is suspected.
        unchecked: rules on which evidence is missing, whatever their state.
        tolerated: detectors whose evidence may be missing under the suite.
    """

    rule_set: str
    rules: dict[str, RuleState]
    reasons: list[str]
    required: list[str]
    report_only: list[str] = Field(default_factory=list)
    flagging: list[str] = Field(default_factory=list)
    suspecting: list[str] = Field(default_factory=list)
    unchecked: list[str] = Field(default_factory=list)
    tolerated: list[str] = Field(default_factory=list)

    @property
    def flagged(self) -> bool:
        """True if a rule that costs the score is flagged."""
        return any(state == "flagged" and rule not in self.report_only for rule, state in self.rules.items())

    @property
    def complete(self) -> bool:
        """True if every required rule has been checked."""
        return not self.missing

    @property
    def missing(self) -> list[str]:
        """The required rules that have not been checked, or not completely."""
        return [
            rule
            for rule in self.required
            if self.rules.get(rule, "not_checked") == "not_checked" or rule in self.unchecked
        ]

    @property
    def suspected_rules(self) -> list[str]:
        """The suspected rules that would cost the score."""
        return [rule for rule, state in self.rules.items() if state == "suspected" and rule not in self.report_only]
