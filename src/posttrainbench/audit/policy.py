"""Turn findings into a verdict, by a rule set and people's adjudications.

Detectors only state facts; this module decides which of them cost a score. A verdict can therefore be computed again
under another rule set without reading the run again.
"""

from collections.abc import Collection, Sequence

from posttrainbench.audit.adjudication import describe, latest, reason_not_applicable
from posttrainbench.audit.measures import apply_thresholds, exceeds_tolerance, is_certified, tolerance_for
from posttrainbench.catalog import Rule, RuleSet
from posttrainbench.records import Adjudication, Coverage, Finding, FindingKind, Level, RuleState, Verdict

__all__ = ["ALL_RULES", "Rule", "RuleSet", "decide"]

ALL_RULES = "*"
"""Rule of a coverage entry that concerns every rule."""
JUDGE = "judge"
"""The LLM judge, as detector and as basis of its findings. It confirms findings of others only if it is certified, and
a rule can be clean without it."""


def decide(
    rule_set: RuleSet,
    findings: Sequence[Finding],
    coverage: Sequence[Coverage],
    required: list[str],
    adjudications: Sequence[Adjudication] = (),
    tolerated: Collection[str] = (),
) -> Verdict:
    """Apply a rule set.

    A rule is `flagged` by a proof, by as many independent indications as the rule set asks for, or by a finding that a
    person confirmed, even if the search was incomplete. It is `suspected` if there are fewer indications. Otherwise it
    is `not_checked` unless every detector that can speak on it was able to check it, and else `clean`.

    A finding counts if it exceeds the rule's tolerance and what chance explains, is not just an attempt (unless the
    rule counts attempts), and was not dismissed by a person. A proof also has to reach the rule's level, and so does at
    least one of the indications that flag a rule; others count from `READ` on. Indications are independent if they have
    different bases. A required rule that the rule set lacks is `not_checked`. Findings on other rules are ignored.

    Args:
        rule_set: the rules to apply.
        findings: the facts of all detectors.
        coverage: what the detectors checked.
        required: rules without which the suite accepts no result.
        adjudications: people's decisions on findings, oldest first.
        tolerated: detectors whose evidence may be missing: their unchecked rules are only reported.
    """
    states: dict[str, RuleState] = {}
    unchecked: list[str] = []
    reasons: list[str] = []
    flagging: list[str] = []
    suspecting: list[str] = []
    decisions = latest(adjudications)
    for name, rule in rule_set.rules.items():
        confirmed, counting = [], []
        for finding in (apply_thresholds(finding, rule_set) for finding in findings if finding.rule == name):
            counts = _counts(finding, rule, rule_set)
            adjudication = decisions.get(finding.id)
            if adjudication is not None and _changes(adjudication, finding, counts):
                if not_applicable := reason_not_applicable(adjudication, finding):
                    reasons.append(f"{name}: {not_applicable}.")
                else:
                    counts = adjudication.decision == "confirm"
                    reasons.append(f"{name}: finding {finding.id} ({finding.summary}) {describe(adjudication)}.")
                    if counts:
                        confirmed.append(finding)
            if counts:
                counting.append(finding)
        counting.sort(key=lambda finding: _kind(finding) != "proof")  # reasons and evidence begin with what decides
        missing = _unchecked(name, coverage, tolerated)
        if confirmed or _are_enough(counting, rule, rule_set):
            states[name] = "flagged"
            flagging += [finding.id for finding in counting]
            reasons += [_statement("is violated", name, rule, finding) for finding in counting]
        elif counting:
            states[name] = "suspected"
            suspecting += [finding.id for finding in counting]
            reasons += [_statement("may be violated", name, rule, finding) for finding in counting]
        else:
            states[name] = "not_checked" if missing else "clean"
        if states[name] == "flagged":
            continue
        if missing:
            unchecked.append(name)
            reasons.append(f"{name} was not checked{' completely' if counting else ''}: {'; '.join(missing)}.")
        else:
            reasons += _tolerated(name, coverage, tolerated)
    for name in required:
        if name not in states:
            states[name] = "not_checked"
            unchecked.append(name)
            reasons.append(f"{name} was not checked: the rule set {rule_set.id} has no such rule.")
    present = {finding.id for finding in findings}
    for adjudication in decisions.values():
        if adjudication.finding not in present:
            decision = f"finding {adjudication.finding} {describe(adjudication)}"
            reasons.append(f"An adjudication has no effect, because this audit has no such finding: {decision}.")
    return Verdict(
        rule_set=rule_set.id,
        rules=states,
        reasons=reasons,
        required=required,
        report_only=[name for name, rule in rule_set.rules.items() if rule.effect == "report"],
        flagging=flagging,
        suspecting=suspecting,
        unchecked=unchecked,
        tolerated=sorted(tolerated),
    )


def _counts(finding: Finding, rule: Rule, rule_set: RuleSet) -> bool:
    """Return whether a finding speaks for a violation, alone or with others."""
    least = min(rule.level, Level.READ, key=lambda level: level.rank)
    level = {"proof": rule.level, "indication": least}.get(_kind(finding))
    return (
        level is not None
        and finding.level.rank >= level.rank
        and exceeds_tolerance(finding, rule)
        and (rule.attempts or finding.outcome != "attempted")
        and finding.statistics.get("agreement", 1.0) > rule_set.agreement
    )


def _kind(finding: Finding) -> FindingKind:
    """Return the kind of a finding; a judge's findings are never proof."""
    return "indication" if finding.detector == JUDGE and finding.kind == "proof" else finding.kind


def _changes(adjudication: Adjudication, finding: Finding, counts: bool) -> bool:
    """Return whether a person decided otherwise than the finding alone does."""
    return counts if adjudication.decision == "dismiss" else not (counts and _kind(finding) == "proof")


def _are_enough(counting: Sequence[Finding], rule: Rule, rule_set: RuleSet) -> bool:
    """Return whether findings that count flag a rule."""
    if any(_kind(finding) == "proof" for finding in counting):
        return True
    bases = {finding.basis for finding in counting if finding.basis != JUDGE or is_certified(finding, rule_set.id)}
    reached = any(finding.level.rank >= rule.level.rank for finding in counting)
    return reached and len(bases) >= rule_set.indications


def _unchecked(name: str, coverage: Sequence[Coverage], tolerated: Collection[str]) -> list[str]:
    """Return the reasons why a rule without a finding is not clean; empty if it is clean."""
    entries = [entry for entry in coverage if entry.rule in (name, ALL_RULES)]
    missing = [_note(entry) for entry in entries if not entry.checked and entry.detector not in {JUDGE, *tolerated}]
    failures = [entry.note for entry in coverage if entry.failed and not entry.rule]
    if not missing and not any(entry.checked for entry in entries):
        missing = [_note(entry) for entry in entries] or ["; ".join(["no detector reported on it", *failures])]
    return missing


def _note(entry: Coverage) -> str:
    if entry.note or not entry.skipped:
        return entry.note or f"the detector {entry.detector} could not check it"
    return f"{entry.skipped[0].path}: {entry.skipped[0].reason}"


def _tolerated(name: str, coverage: Sequence[Coverage], tolerated: Collection[str]) -> list[str]:
    """Return statements on missing evidence that the suite tolerates."""
    return [
        f"{name} was checked without {entry.detector}: {_note(entry)}."
        for entry in coverage
        if entry.rule == name and not entry.checked and entry.detector in tolerated
    ]


def _statement(verb: str, name: str, rule: Rule, finding: Finding) -> str:
    tolerance = tolerance_for(finding, rule)
    count = f"count {finding.counted}" + (f", {tolerance} tolerated" if 0 < tolerance < finding.count else "")
    attempted = ", attempted" if finding.outcome == "attempted" else ""
    path = f"; recorded path: {finding.paths[0].in_words()}" if finding.paths else ""
    return f"{name} {verb}: {finding.summary} ({finding.kind}, {finding.level.value}{attempted}, {count}){path}."
