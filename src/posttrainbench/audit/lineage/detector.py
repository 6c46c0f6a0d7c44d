"""Rule `model_substitution`: was the submission derived from a checkpoint that must not be submitted?

`lineage` compares the weights. This detector reports the statistics, one finding for each forbidden checkpoint, and
`measures` applies the thresholds of a rule set. `proof` and `not_base_derived` reach level IN_WEIGHTS. `suspect` is
reported at READ, because honest training on the forbidden checkpoint's data can look the same. Submitting the unchanged
base model is allowed.

Does not cover checkpoints that are not among the given ones, or the evasions listed in docs/lineage.md.
"""

from __future__ import annotations

import time
from pathlib import Path

from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.lineage import Checkpoint, Lineage, LineageVerdict, compare
from posttrainbench.audit.lineage.pair import CheckpointPair
from posttrainbench.audit.measures import KINDS, LEVELS, DescentStatistics, quotes
from posttrainbench.records import Coverage, Finding, Skipped
from posttrainbench.untrusted import UnreadableError, printable

RULE = "model_substitution"
DETECTOR = "weights"
QUOTES = 20


def detect(evidence: Evidence) -> tuple[list[Finding], Coverage]:
    """Compare the submission with the base model and each forbidden checkpoint.

    Returns:
        One finding for each forbidden checkpoint that could be compared, and the coverage.
    """
    started = time.perf_counter()
    if evidence.submission is None:
        return [], _coverage(started, checked=False, notes=["no submission was accepted, so nothing was compared"])
    try:
        submitted = Checkpoint.open(evidence.submission, "submission")
        base = Checkpoint.open(evidence.base_model, "base")
    except (UnreadableError, OSError) as error:
        return [], _coverage(started, checked=False, notes=[f"the weights cannot be read: {error}"])

    notes: list[str] = []
    findings: list[Finding] = []
    skipped = [Skipped(path=printable(name), reason=reason) for name, reason in submitted.skipped.items()]
    if not evidence.forbidden_models:
        notes.append("no forbidden checkpoint is known for this base model")
    checked = bool(evidence.forbidden_models)
    for model, directory in sorted(evidence.forbidden_models.items()):
        try:
            comparison = compare(submitted, CheckpointPair(base, Checkpoint.open(directory, model)))
        except (UnreadableError, OSError) as error:
            checked = False
            skipped.append(Skipped(path=model, reason=f"cannot be compared: {error}"))
            continue
        notes += _notes(comparison)
        findings.append(comparison_finding(comparison, evidence, DETECTOR))
    return findings, _coverage(started, checked, notes, len(submitted.tensors), submitted.size, skipped)


def _notes(comparison: Lineage) -> list[str]:
    facts, forbidden = comparison.statistics, comparison.forbidden
    unchanged = comparison.verdict is LineageVerdict.BASE_UNCHANGED
    return [
        *(["the submission is the base model unchanged"] if unchanged else []),
        f"compared with {forbidden}: {comparison.verdict.value.replace('_', ' ')}; of the weights in which it differs "
        f"from the base, {facts.share_base:.2%} equal the base's and {facts.share_forbidden:.2%} equal its own; slope "
        f"{facts.slope:.3f}, correlation {facts.rho:.2f}",
    ]


def comparison_finding(comparison: Lineage, evidence: Evidence, detector: str) -> Finding:
    """Return the finding on a comparison with one forbidden checkpoint.

    All such findings have the same basis: two suspicions from the weights are not independent.
    """
    folder = _name(evidence.submission or Path("submission"), evidence.root)
    identical = [tensor.name for tensor in comparison.tensors if tensor.identical == "against"]
    counts = comparison.verdict not in (LineageVerdict.CLEAN, LineageVerdict.BASE_UNCHANGED)
    statistics = DescentStatistics(
        against=comparison.forbidden,
        folder=folder,
        unchanged=comparison.verdict is LineageVerdict.BASE_UNCHANGED,
        statistics=comparison.statistics.model_dump(mode="json"),
        tensors=identical[: QUOTES - len(comparison.reasons)],
    )
    return Finding(
        detector=detector,
        basis=DETECTOR,
        rule=RULE,
        level=LEVELS[comparison.verdict],
        kind=KINDS.get(comparison.verdict, "fact"),
        summary=comparison.reasons[0],
        count=max(comparison.statistics.identical, 1) if counts else 0,
        evidence=quotes(comparison.reasons, statistics),
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
