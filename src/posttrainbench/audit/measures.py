"""Apply a rule set's thresholds to findings that carry statistics.

Detectors state what they measured, and the rule set says how much is too much. A verdict under another rule set can
therefore be computed from the stored numbers.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from posttrainbench.catalog import Rule, RuleSet
from posttrainbench.records import Certificate, Finding, FindingKind, Level, Quote, Record, RuleAccuracy
from posttrainbench.scoring.proportions import clopper_pearson


class FileGroup(Record):
    """Matches in some of a corpus's files.

    Attributes:
        files: number of files.
        documents: number of documents in them.
        items: number of distinct test items found.
        sightings: number of matches.
    """

    files: int
    documents: int
    items: int
    sightings: int


class CorpusStatistics(Record):
    """Result of a search for test items in a corpus.

    Attributes:
        by: `text` if items were matched by their words, `numbers` if only by their numbers and answers.
        files: number of files with documents that can contain a test item.
        documents: number of different documents in them that can.
        items: number of distinct test items found.
        sightings: number of matches; repeated documents count once.
        verbatim: number of the items that have a near-verbatim match.
        test_items: number of different items of the test set; 0 in records that do not state it.
        densest: the files in which matches are most unlikely to occur by chance: the first one, the first two, ....
    """

    kind: Literal["corpus"] = "corpus"
    by: Literal["text", "numbers"]
    documents: int
    items: int
    sightings: int
    verbatim: int = 0
    files: int = 1
    test_items: int = 0
    densest: list[FileGroup] = Field(default_factory=list)


class DescentStatistics(Record):
    """Comparison of a submission with one forbidden checkpoint.

    Attributes:
        against: id of the forbidden checkpoint.
        folder: the submission's directory, as quotations name it.
        unchanged: whether the submission is the unchanged base model.
        statistics: fields of `audit.lineage.Statistics`.
        tensors: names of tensors that equal the forbidden checkpoint's and not the base model's, about twenty at most.
    """

    kind: Literal["descent"] = "descent"
    against: str
    folder: str
    unchanged: bool
    statistics: dict[str, Any]
    tensors: list[str]


JUDGE = "judge"
"""Detector and basis of the findings of a judge."""

CERTIFIED = 0.80
"""A judge is certified for a rule if the lower bounds of its true-positive and true-negative rate are at least this."""

LEVELS = {
    "proof": Level.IN_WEIGHTS,
    "not_base_derived": Level.IN_WEIGHTS,
    "suspect": Level.READ,
    "clean": Level.NAME,
    "base_unchanged": Level.NAME,
}
"""Verdict of a comparison -> level of its finding."""
KINDS: dict[str, FindingKind] = {"proof": "proof", "not_base_derived": "proof", "suspect": "indication"}
"""Verdict of a comparison -> kind of its finding; `fact` for the others."""


def exceeds_tolerance(finding: Finding, rule: Rule) -> bool:
    """Return whether a finding's count exceeds a rule's tolerance and its statistics exceed what chance explains."""
    if finding.statistics.get("kind") != "corpus" or rule.background is None:
        return finding.count > rule.tolerance
    from posttrainbench.audit.contamination.scan.verdict import Group, contaminated_group  # loads a compiler

    corpus = CorpusStatistics.model_validate(finding.statistics)
    whole = Group(corpus.files, corpus.documents, corpus.items, corpus.sightings)
    group = contaminated_group(
        [*(Group(**part.model_dump()) for part in corpus.densest), whole],
        corpus.verbatim,
        tolerance=tolerance_for(finding, rule),
        background=rule.background.text if corpus.by == "text" else rule.background.numbers,
    )
    return group is not None


def tolerance_for(finding: Finding, rule: Rule) -> int:
    """Return the count that a rule tolerates in a finding: of a small test set less than the rule's tolerance."""
    if finding.statistics.get("kind") != "corpus":
        return rule.tolerance
    from posttrainbench.audit.contamination.scan.verdict import tolerated  # loads a compiler

    return tolerated(rule.tolerance, int(finding.statistics.get("test_items", 0)))


def apply_thresholds(finding: Finding, rule_set: RuleSet) -> Finding:
    """Return the finding with level, summary, count and evidence computed from its statistics under a rule set.

    The id is unchanged. Findings without statistics of a comparison are returned unchanged.
    """
    if finding.statistics.get("kind") != "descent":
        return finding
    from posttrainbench.audit.lineage.records import Statistics
    from posttrainbench.audit.lineage.verdict import decide

    comparison = DescentStatistics.model_validate(finding.statistics)
    statistics = Statistics.model_validate(comparison.statistics)
    verdict, reasons = decide(statistics, comparison.unchanged, comparison.against, rule_set.lineage)
    guilty = verdict.value not in ("clean", "base_unchanged")
    return finding.model_copy(
        update={
            "level": LEVELS[verdict.value],
            "kind": KINDS.get(verdict.value, "fact"),
            "summary": reasons[0],
            "count": max(statistics.identical, 1) if guilty else 0,
            "evidence": quotes(reasons, comparison),
        }
    )


def quotes(reasons: list[str], comparison: DescentStatistics) -> list[Quote]:
    """Return the evidence of a comparison: its reasons, and the tensors that equal the forbidden checkpoint's."""
    folder, against = comparison.folder, comparison.against
    return [Quote(file=folder, text=reason, item=against) for reason in reasons] + [
        Quote(
            file=folder,
            text=f"tensor {name}",
            item=against,
            item_text=f"identical to {against}, different in the base model",
        )
        for name in comparison.tensors
    ]


def accuracy(counts: Mapping[str, int]) -> RuleAccuracy:
    """Return the accuracy on a rule, with intervals and certification, from its six counts."""
    found = RuleAccuracy(**counts, true_positive=(0.0, 1.0), true_negative=(0.0, 1.0), certified=False)
    positive = clopper_pearson(found.flagged_broken, found.broken)
    negative = clopper_pearson(found.cleared_kept, found.kept)
    return found.model_copy(
        update={
            "true_positive": positive,
            "true_negative": negative,
            "certified": min(positive[0], negative[0]) >= CERTIFIED,
        }
    )


def certificate_statistics(certificate: Certificate, rule: str) -> dict[str, Any]:
    """Return the part of a certificate that a finding on a rule carries as `statistics["certificate"]`."""
    named = certificate.model_dump(mode="json", exclude={"rules"})
    return {**named, "rule": rule, "accuracy": certificate.rules[rule].model_dump(mode="json")}


def is_certified(finding: Finding, rule_set: str | None = None) -> bool:
    """Return whether a finding is the majority vote of a judge that is certified for its rule.

    The certification is computed from the counts, not read. Statistics of other detectors count for nothing.

    Args:
        finding: a finding of any detector.
        rule_set: id of the rule set whose texts the judge must have been given; None for any.
    """
    carried = finding.statistics.get("certificate")
    if not (finding.detector == finding.basis == JUDGE and finding.kind == "indication" and isinstance(carried, dict)):
        return False
    try:
        given = {**carried}
        rule, measured = given.pop("rule"), RuleAccuracy.model_validate(given.pop("accuracy"))
        certificate = Certificate.model_validate({**given, "rules": {rule: measured}})
        found = accuracy(measured.model_dump(exclude={"true_positive", "true_negative", "certified"}))
    except (KeyError, ValueError, ValidationError, TypeError):
        return False
    agreement = finding.statistics.get("agreement")
    agreed = isinstance(agreement, int | float) and agreement > 0.5
    same = rule_set in (None, certificate.rule_set) and rule == finding.rule
    same &= certificate.votes == finding.statistics.get("votes")
    sane = found.flagged_broken + found.cleared_broken <= found.broken
    sane &= found.flagged_kept + found.cleared_kept <= found.kept
    return agreed and same and sane and found.certified
