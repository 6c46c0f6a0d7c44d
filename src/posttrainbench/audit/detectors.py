"""Load the installed detectors, run them on the evidence of one run, and compute the verdict.

Detectors are entry points in the group `posttrainbench.detectors`. One that cannot be imported, raises an error or
returns anything but findings and coverage is reported by name in the coverage, and the others still run. Its rules
(`RULE` or `RULES` of its module) are `not_checked`, also if it does not report on them. If they are unknown, as after a
failed import, all rules are `not_checked` if the detector is one of this package's, and else those that no other
detector checked.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points

from posttrainbench.audit.evidence import Detector, Evidence
from posttrainbench.audit.policy import ALL_RULES, decide
from posttrainbench.catalog import RuleSet
from posttrainbench.records import Adjudication, Coverage, Finding, Verdict

GROUP = "posttrainbench.detectors"


def load_detectors() -> tuple[dict[str, Detector], list[Coverage]]:
    """Return the installed detectors by name, and an unchecked coverage entry for each that cannot be used.

    A detector with the name of another one never replaces a built-in detector.
    """
    loaded: dict[str, Detector] = {}
    broken: list[Coverage] = []
    names = Counter(point.name for point in entry_points(group=GROUP))
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        started = time.perf_counter()
        if names[point.name] > 1 and not point.value.startswith("posttrainbench."):
            reason = f"the detector {point.name} ({point.value}) has the name of another detector; rename it"
            broken.append(_failure(point.name, "", reason, 0.0))
            continue
        try:
            loaded[point.name] = point.load()
        except (Exception, SystemExit) as error:  # code of another package: it may raise anything on import
            reason = f"the detector {point.name} ({point.value}) cannot be imported: {_describe(error)}"
            rule = ALL_RULES if _is_own(point.name) else ""
            broken.append(_failure(point.name, rule, reason, time.perf_counter() - started))
    return loaded, broken


def run_detectors(
    evidence: Evidence,
    rule_set: RuleSet,
    required: list[str],
    adjudications: Sequence[Adjudication] = (),
    tolerated: Sequence[str] = (),
    on_progress: Callable[[str], None] = lambda message: None,
) -> tuple[list[Finding], list[Coverage], Verdict]:
    """Run all installed detectors and apply a rule set.

    Args:
        evidence: the evidence of the run.
        rule_set: the rules to apply.
        required: rules without which the suite accepts no result.
        adjudications: people's decisions on findings of earlier audits.
        tolerated: detectors whose evidence may be missing.
        on_progress: called with a message before each detector.

    Returns:
        The findings with the highest level first, the coverage of each detector, and the verdict.
    """
    findings: list[Finding] = []
    installed, coverage = load_detectors()
    for number, (name, detector) in enumerate(sorted(installed.items()), 1):
        on_progress(f"detector {name} ({number} of {len(installed)})")
        started = time.perf_counter()
        try:
            new_findings, new_coverage = _run(detector, evidence)
        except (Exception, SystemExit) as error:  # hostile files may provoke any error; the other detectors still run
            reason = f"the detector {name} failed: {_describe(error)}"
            seconds = time.perf_counter() - started
            rules = _rules_of(detector) or [ALL_RULES if _is_own(name) else ""]
            coverage += [_failure(name, rule, reason, seconds) for rule in rules]
            continue
        findings += new_findings
        coverage += new_coverage
        for rule in _rules_of(detector):
            if all(entry.rule != rule for entry in new_coverage):
                coverage.append(_failure(name, rule, f"the detector {name} did not report", 0.0))
    findings.sort(key=lambda finding: (-finding.level.rank, finding.rule, finding.detector))
    findings = _with_distinct_ids(findings)
    return findings, coverage, decide(rule_set, findings, coverage, required, adjudications, tolerated)


def _is_own(name: str) -> bool:
    """Return True for the name of one of this package's detectors."""
    return any(point.name == name and point.value.startswith("posttrainbench.") for point in entry_points(group=GROUP))


def _run(detector: Detector, evidence: Evidence) -> tuple[list[Finding], list[Coverage]]:
    """Run one detector.

    Raises:
        TypeError: it returned something else than findings and coverage.
    """
    findings, coverage = detector(evidence)
    entries = [coverage] if isinstance(coverage, Coverage) else list(coverage)
    findings = list(findings)
    for value, expected in [*((one, Finding) for one in findings), *((one, Coverage) for one in entries)]:
        if not isinstance(value, expected):
            raise TypeError(f"it returned {type(value).__name__} instead of {expected.__name__}")
    return findings, entries


def _with_distinct_ids(findings: list[Finding]) -> list[Finding]:
    """Number the ids of findings that share detector, rule, level and main quotation."""
    counts: Counter[str] = Counter()
    result = []
    for finding in findings:
        counts[finding.id] += 1
        number = counts[finding.id]
        result.append(finding if number == 1 else finding.model_copy(update={"id": f"{finding.id}-{number}"}))
    return result


def _rules_of(detector: Detector) -> list[str]:
    """Return the rules of a detector, `RULES` and `RULE` of the function or its module; empty if unknown."""
    rules: list[str] = []
    for holder in (detector, sys.modules.get(getattr(detector, "__module__", ""))):
        several = getattr(holder, "RULES", ())
        named = [getattr(holder, "RULE", ""), *(several.values() if isinstance(several, dict) else several)]
        rules += [rule for rule in named if isinstance(rule, str) and rule and rule not in rules]
    return rules


def _describe(error: BaseException) -> str:
    message = " ".join(str(error).split())[:200].encode("utf-8", "backslashreplace").decode()
    return type(error).__name__ + (f": {message}" if message else "")


def _failure(name: str, rule: str, note: str, seconds: float) -> Coverage:
    return Coverage(
        detector=name,
        rule=rule,
        checked=False,
        documents=0,
        size=0,
        seconds=seconds,
        skipped=[],
        note=note,
        failed=True,
    )
