"""Small helpers with which the detectors of this package state their facts."""

from collections.abc import Sequence

from posttrainbench.audit.untrusted import printable
from posttrainbench.records import Coverage, Evidence, Finding, FindingOutcome, Level, Skipped

QUOTES = 20
SHOWN = 100
TRACE = "solve/trajectory.json"


def finding(
    detector: str,
    rule: str,
    level: Level,
    summary: str,
    evidence: Sequence[Evidence],
    *,
    count: int = 1,
    outcome: FindingOutcome = "unknown",
) -> Finding:
    """A finding with at most `QUOTES` quotations."""
    return Finding(
        detector=detector,
        rule=rule,
        level=level,
        summary=summary,
        count=count,
        evidence=list(evidence)[:QUOTES],
        outcome=outcome,
    )


def line_of(text: str, length: int = 300) -> str:
    """Text on one line, without control characters."""
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
    """What a detector looked at."""
    shown = list(skipped)[:SHOWN]
    if len(skipped) > SHOWN:
        shown.append(Skipped(path="...", reason=f"and {len(skipped) - SHOWN} more"))
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
