"""Findings to a verdict. Detectors state facts; which of them cost a score is decided here, by a rule set
and people's adjudications alone.

A verdict can therefore be computed again under another version of the rules without looking at the run again.
"""

from collections.abc import Sequence

from posttrainbench.audit.adjudication import latest, unapplied, who
from posttrainbench.audit.measures import is_too_much, judged
from posttrainbench.catalog import Rule, RuleSet
from posttrainbench.records import Adjudication, Coverage, Finding, RuleState, Verdict

__all__ = ["Rule", "RuleSet", "decide"]


def decide(
    rule_set: RuleSet,
    findings: Sequence[Finding],
    coverage: Sequence[Coverage],
    required: list[str],
    adjudications: Sequence[Adjudication] = (),
) -> Verdict:
    """Apply a rule set.

    A rule is flagged if one finding counts against it, however incomplete the search was; else not checked, unless
    the detectors that it needs saw all that they need; else clean. A finding counts that reaches the rule's level with
    more than its tolerance and what chance explains, and that came to pass, unless a person dismissed it; one that a
    person confirmed always counts. A required rule that the set does not have is not checked. Findings on other rules
    are left out.
    """
    states: dict[str, RuleState] = {}
    reasons: list[str] = []
    flagging: list[str] = []
    words = latest(adjudications)
    for name, rule in rule_set.rules.items():
        against = []
        for finding in (judged(one, rule_set) for one in findings if one.rule == name):
            counts = _counts(finding, rule) and finding.statistics.get("agreement", 1.0) > rule_set.agreement
            word = words.get(finding.id)
            if word is not None and (word.decision == "confirm") != counts:
                if why_not := unapplied(word, finding):
                    reasons.append(f"{name}: {why_not}.")
                else:
                    counts = word.decision == "confirm"
                    reasons.append(f"{name}: finding {finding.id} ({finding.summary}) {who(word)}.")
            if counts:
                against.append(finding)
        if against:
            states[name] = "flagged"
            flagging += [finding.id for finding in against]
            reasons += [_flagged(name, rule, finding) for finding in against]
            continue
        missing = _unchecked(name, rule, coverage)
        states[name] = "not_checked" if missing else "clean"
        if missing:
            reasons.append(f"{name} was not checked: {'; '.join(missing)}.")
    for name in required:
        if name not in states:
            states[name] = "not_checked"
            reasons.append(f"{name} was not checked: the rule set {rule_set.id} has no such rule.")
    return Verdict(
        rule_set=rule_set.id,
        rules=states,
        reasons=reasons,
        required=required,
        report_only=[name for name, rule in rule_set.rules.items() if rule.effect == "report"],
        flagging=flagging,
    )


def _counts(finding: Finding, rule: Rule) -> bool:
    reached = finding.level.rank >= rule.level.rank and is_too_much(finding, rule)
    return reached and (rule.attempts or finding.outcome != "attempted")


def _unchecked(name: str, rule: Rule, coverage: Sequence[Coverage]) -> list[str]:
    """Why a rule without a finding is not clean; nothing if it is."""
    searches = [one for one in coverage if one.rule == name]
    if not rule.needs:
        if any(search.checked for search in searches):
            return []
        return [search.note for search in searches if search.note] or ["no detector reported on it"]
    failures = [one for one in coverage if not one.rule and not one.checked and one.note]
    missing = []
    for needed in rule.needs:
        own = [search for search in searches if search.detector == needed]
        if not any(search.checked for search in own):
            missing += [search.note for search in own if search.note] or [
                f"the detector {needed} did not report" + (f" ({failures[0].note})" if failures else "")
            ]
    return missing


def _flagged(name: str, rule: Rule, finding: Finding) -> str:
    allowed = f", more than the {rule.tolerance} tolerated" if rule.tolerance < finding.count and rule.tolerance else ""
    tried = ", attempted" if finding.outcome == "attempted" else ""
    return f"{name} is broken: {finding.summary} ({finding.level.value}{tried}, {finding.count} found{allowed})."
