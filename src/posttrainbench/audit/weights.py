"""Rule `model_substitution`: does the submission come from a checkpoint that may not be submitted?

The room `lineage` compares; this states what it measured, one finding for each forbidden checkpoint, and `measures`
judges it by the thresholds of a rule set. Proof, and weights that are not the base's in any arrangement, reach
IN_WEIGHTS. A suspect is a fact worth reading and no more (READ): an honest training on much the same data as the
forbidden checkpoint's looks like that. The unchanged base is allowed.

Does not cover: checkpoints that are not among those given, and what docs/lineage.md lists as escapes.
"""

from __future__ import annotations

import time
from pathlib import Path

from posttrainbench.audit.base import AuditInput
from posttrainbench.audit.lineage import Checkpoint, Lineage, Tier, compare
from posttrainbench.audit.lineage.pair import Checkpoints
from posttrainbench.audit.measures import LEVELS, DescentStatistics, quotes
from posttrainbench.audit.untrusted import UnreadableError, printable
from posttrainbench.records import Coverage, Finding, Skipped

RULE = "model_substitution"
DETECTOR = "weights"
QUOTES = 20


def detect(evidence: AuditInput) -> tuple[list[Finding], Coverage]:
    """Compare the submission with the base model and every forbidden checkpoint; one finding for each."""
    started = time.perf_counter()
    if evidence.submission is None:
        return [], _coverage(started, checked=False, notes=["there is no accepted submission to compare"])
    try:
        submitted = Checkpoint.open(evidence.submission, "submission")
        base = Checkpoint.open(evidence.base_model, "base")
    except (UnreadableError, OSError) as error:
        return [], _coverage(started, checked=False, notes=[f"the weights cannot be read: {error}"])

    notes: list[str] = []
    findings: list[Finding] = []
    skipped = [Skipped(path=printable(name), reason=why) for name, why in submitted.skipped.items()]
    if not evidence.forbidden_models:
        notes.append("no forbidden checkpoint is known for this base model")
    checked = bool(evidence.forbidden_models)
    for model, directory in sorted(evidence.forbidden_models.items()):
        try:
            found = compare(submitted, Checkpoints(base, Checkpoint.open(directory, model)))
        except (UnreadableError, OSError) as error:
            checked = False
            skipped.append(Skipped(path=model, reason=f"cannot be compared: {error}"))
            continue
        notes += _notes(found)
        findings.append(_finding(found, evidence))
    return findings, _coverage(started, checked, notes, len(submitted.tensors), submitted.size, skipped)


def _notes(found: Lineage) -> list[str]:
    facts = found.statistics
    notes = ["the submission is the base model unchanged"] if found.verdict is Tier.BASE_UNCHANGED else []
    return [
        *notes,
        f"where {found.against} and the base differ, {facts.share_base:.2%} of the weights are the base's and "
        f"{facts.share_against:.2%} those of {found.against}; slope {facts.slope:.3f}, correlation {facts.rho:.2f}: "
        f"{found.verdict.value.replace('_', ' ')}",
    ]


def _finding(found: Lineage, evidence: AuditInput) -> Finding:
    folder = _name(evidence.submission or Path("submission"), evidence.root)
    identical = [tensor.name for tensor in found.tensors if tensor.identical == "against"]
    guilty = found.verdict not in (Tier.CLEAN, Tier.BASE_UNCHANGED)
    statistics = DescentStatistics(
        against=found.against,
        folder=folder,
        unchanged=found.verdict is Tier.BASE_UNCHANGED,
        statistics=found.statistics.model_dump(mode="json"),
        tensors=identical[: QUOTES - len(found.reasons)],
    )
    return Finding(
        detector=DETECTOR,
        rule=RULE,
        level=LEVELS[found.verdict],
        summary=found.reasons[0],
        count=max(found.statistics.identical, 1) if guilty else 0,
        evidence=quotes(found.reasons, statistics),
        outcome="succeeded",
        statistics=statistics.model_dump(mode="json"),
    )


def _name(path: Path, root: Path) -> str:
    return printable(path.relative_to(root) if path.is_relative_to(root) else path.name)


def _coverage(
    started: float,
    checked: bool,
    notes: list[str],
    documents: int = 0,
    size: int = 0,
    skipped: list[Skipped] | None = None,
) -> Coverage:
    return Coverage(
        detector=DETECTOR,
        rule=RULE,
        checked=checked,
        documents=documents,
        size=size,
        seconds=time.perf_counter() - started,
        skipped=skipped or [],
        note="; ".join(notes),
    )
