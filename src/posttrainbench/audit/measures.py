"""Findings that carry statistics, judged by the thresholds of a rule set.

A detector states what it measured; how much of it is too much is the rule set's affair, so a verdict can be computed
again under another one from the stored numbers alone.
"""

from collections.abc import Mapping
from typing import Any, Literal

from posttrainbench.catalog import Rule, RuleSet
from posttrainbench.records import Evidence, Finding, Level, Record


class CorpusStatistics(Record):
    """What a search for test items found in a corpus.

    Attributes:
        by: whether items were found by their words, or by their numbers and answers alone.
        documents: searched.
        items: distinct test items found.
        sightings: how often an item stands in a document.
        verbatim: of these, as good as whole.
    """

    kind: Literal["corpus"] = "corpus"
    by: Literal["text", "numbers"]
    documents: int
    items: int
    sightings: int
    verbatim: int = 0


class DescentStatistics(Record):
    """A submission against one forbidden checkpoint.

    Attributes:
        against: id of the forbidden checkpoint.
        folder: the submission's directory, as evidence names it.
        unchanged: whether the submission is the base model.
        statistics: fields of `audit.lineage.Statistics`.
        tensors: names of tensors that are the forbidden checkpoint's and not the base's, some twenty at most.
    """

    kind: Literal["descent"] = "descent"
    against: str
    folder: str
    unchanged: bool
    statistics: dict[str, Any]
    tensors: list[str]


LEVELS = {
    "proof": Level.IN_WEIGHTS,
    "not_base_derived": Level.IN_WEIGHTS,
    "suspect": Level.READ,
    "clean": Level.NAME,
    "base_unchanged": Level.NAME,
}


def is_too_much(finding: Finding, rule: Rule) -> bool:
    """Whether a finding's count is above a rule's tolerance, and its statistics above what chance explains."""
    if finding.statistics.get("kind") != "corpus" or rule.background is None:
        return finding.count > rule.tolerance
    found = CorpusStatistics.model_validate(finding.statistics)
    limits = {
        "tolerance": rule.tolerance,
        "background": rule.background.text,
        "wordless_background": rule.background.numbers,
    }
    if found.by == "numbers":
        return _contaminated(limits, documents=found.documents, wordless=found.sightings, wordless_items=found.items)
    return _contaminated(
        limits, documents=found.documents, flagged=found.sightings, verbatim=found.verbatim, items=found.items
    )


def _contaminated(limits: Mapping[str, Any], **counts: int) -> bool:
    from posttrainbench.audit.scan.verdict import is_contaminated  # the room loads a compiler

    return is_contaminated(**({"flagged": 0, "verbatim": 0, "items": 0} | counts), **limits)


def judged(finding: Finding, rule_set: RuleSet) -> Finding:
    """The finding with level, summary and evidence as a rule set's thresholds make them of its statistics.

    Its id stays. A finding without such statistics is returned as it is.
    """
    if finding.statistics.get("kind") != "descent":
        return finding
    from posttrainbench.audit.lineage.records import Statistics
    from posttrainbench.audit.lineage.verdict import judge

    found = DescentStatistics.model_validate(finding.statistics)
    statistics = Statistics.model_validate(found.statistics)
    tier, reasons = judge(statistics, found.unchanged, found.against, rule_set.lineage)
    guilty = tier.value not in ("clean", "base_unchanged")
    return finding.model_copy(
        update={
            "level": LEVELS[tier.value],
            "summary": reasons[0],
            "count": max(statistics.identical, 1) if guilty else 0,
            "evidence": quotes(reasons, found),
        }
    )


def quotes(reasons: list[str], found: DescentStatistics) -> list[Evidence]:
    """The evidence on a submission's descent: the reasons, and the tensors that are not its own."""
    return [Evidence(file=found.folder, text=reason, item=found.against) for reason in reasons] + [
        Evidence(
            file=found.folder, text=f"tensor {name}", item=found.against, item_text="identical, and not the base's"
        )
        for name in found.tensors
    ]
