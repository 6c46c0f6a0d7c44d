"""Build the findings and coverage entries that detectors return."""

from collections.abc import Sequence

from posttrainbench.records import Coverage, Finding, FindingKind, FindingOutcome, Level, Quote, Skipped
from posttrainbench.untrusted import printable

QUOTES = 20
"""Maximum quotations of a finding."""
SKIPPED = 100
"""Maximum skipped files that a coverage entry names."""
TRACE = "solve/trajectory.json"


def finding(
    detector: str,
    rule: str,
    level: Level,
    summary: str,
    evidence: Sequence[Quote],
    *,
    count: int = 1,
    canaries: int = 0,
    outcome: FindingOutcome = "unknown",
    kind: FindingKind = "indication",
    basis: str = "",
) -> Finding:
    """Return a finding with at most `QUOTES` quotations."""
    return Finding(
        detector=detector,
        rule=rule,
        level=level,
        summary=summary,
        count=count,
        canaries=canaries,
        evidence=list(evidence)[:QUOTES],
        outcome=outcome,
        kind=kind,
        basis=basis or detector,
    )


def line_of(text: str, length: int = 300) -> str:
    """Return at most `length` characters of a text on one line, without control characters."""
    return printable(" ".join(text.split())[:length])


def coverage(
    detector: str,
    rule: str,
    *,
    checked: bool,
    documents: int,
    size: int = 0,
    seconds: float = 0.0,
    skipped: Sequence[Skipped] = (),
    note: str = "",
) -> Coverage:
    """Return a coverage entry that names at most `SKIPPED` skipped files."""
    shown = list(skipped)[:SKIPPED]
    if len(skipped) > SKIPPED:
        shown.append(Skipped(path="...", reason=f"and {len(skipped) - SKIPPED} more"))
    return Coverage(
        detector=detector,
        rule=rule,
        checked=checked,
        documents=documents,
        size=size,
        seconds=seconds,
        skipped=shown,
        note=note,
    )
