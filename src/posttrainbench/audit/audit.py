"""Run every installed detector over one run's evidence, and decide.

A detector that fails has checked nothing: its failure is coverage that says so, never a crash and never
clean.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from posttrainbench.audit.base import AuditInput, Detector, detectors
from posttrainbench.audit.policy import RuleSet, decide
from posttrainbench.records import Adjudication, Coverage, Finding, Verdict


def audit(
    evidence: AuditInput,
    rule_set: RuleSet,
    required: list[str],
    adjudications: Sequence[Adjudication] = (),
    say: Callable[[str], None] = lambda text: None,
) -> tuple[list[Finding], list[Coverage], Verdict]:
    """All findings, strongest first, what each detector looked at, and the verdict under `rule_set`.

    Args:
        evidence: what the run left.
        rule_set: the version of the rules to decide by.
        required: rules without which the suite accepts no result.
        adjudications: people's words on findings of earlier audits.
        say: told which detector is at work.
    """
    findings: list[Finding] = []
    coverage: list[Coverage] = []
    try:
        installed = detectors()
    except Exception as error:  # an installed extension that cannot even be imported
        installed = {}
        coverage.append(_failure("detectors", "", error, 0.0))
    for number, (name, detector) in enumerate(sorted(installed.items()), 1):
        say(f"detector {name} ({number} of {len(installed)})")
        started = time.perf_counter()
        try:
            found, seen = detector(evidence)
        except Exception as error:  # whatever a hostile file provokes, the other detectors still run
            coverage.append(_failure(name, _rule(detector), error, time.perf_counter() - started))
            continue
        findings += found
        coverage += [seen] if isinstance(seen, Coverage) else seen
    findings.sort(key=lambda finding: (-finding.level.rank, finding.rule, finding.detector))
    findings = _distinct(findings)
    return findings, coverage, decide(rule_set, findings, coverage, required, adjudications)


def _distinct(findings: list[Finding]) -> list[Finding]:
    """The findings with ids that differ: a detector may say two things on one quotation."""
    seen: Counter[str] = Counter()
    result = []
    for finding in findings:
        seen[finding.id] += 1
        number = seen[finding.id]
        result.append(finding if number == 1 else finding.model_copy(update={"id": f"{finding.id}-{number}"}))
    return result


def _rule(detector: Detector) -> str:
    """The rule of a detector that could not say so itself: `RULE` of the function or of its module."""
    module = sys.modules.get(getattr(detector, "__module__", ""))
    return str(getattr(detector, "RULE", getattr(module, "RULE", "")))


def _failure(name: str, rule: str, error: Exception, seconds: float) -> Coverage:
    message = " ".join(str(error).split())[:200].encode("utf-8", "backslashreplace").decode()
    return Coverage(
        detector=name,
        rule=rule,
        checked=False,
        documents=0,
        size=0,
        seconds=seconds,
        skipped=[],
        note=f"the detector {name} failed with {type(error).__name__}" + (f": {message}" if message else ""),
    )
