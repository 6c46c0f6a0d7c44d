"""Findings to a verdict. Detectors state facts; which of them cost a score is decided here, by a rule set
alone.

A verdict can therefore be computed again under another version of the rules without looking at the run again.
"""

from collections.abc import Sequence

from posttrainbench.catalog import Rule, RuleSet
from posttrainbench.records import Coverage, Finding, RuleState, Verdict

__all__ = ["Rule", "RuleSet", "decide"]


def decide(
    rule_set: RuleSet, findings: Sequence[Finding], coverage: Sequence[Coverage], required: list[str]
) -> Verdict:
    """Apply a rule set.

    A rule is flagged if one finding reaches its level with a count above its tolerance, however incomplete
    the search was; else not checked, unless some detector of the rule saw all that it needs; else clean. A
    required rule that the set does not have is not checked. Findings on other rules are left out.
    """
    states: dict[str, RuleState] = {}
    reasons: list[str] = []
    for name, rule in rule_set.rules.items():
        against = [
            finding
            for finding in findings
            if finding.rule == name and finding.level.rank >= rule.level.rank and finding.count > rule.tolerance
        ]
        searches = [one for one in coverage if one.rule == name]
        if against:
            states[name] = "flagged"
            reasons += [_flagged(name, rule, finding) for finding in against]
        elif any(search.checked for search in searches):
            states[name] = "clean"
        else:
            states[name] = "not_checked"
            notes = [search.note for search in searches if search.note] or ["no detector reported on it"]
            reasons.append(f"{name} was not checked: {'; '.join(notes)}.")
    for name in required:
        if name not in states:
            states[name] = "not_checked"
            reasons.append(f"{name} was not checked: the rule set {rule_set.id} has no such rule.")
    return Verdict(rule_set=rule_set.id, rules=states, reasons=reasons, required=required)


def _flagged(name: str, rule: Rule, finding: Finding) -> str:
    allowed = f", more than the {rule.tolerance} tolerated" if rule.tolerance else ""
    return f"{name} is broken: {finding.summary} ({finding.level.value}, {finding.count} found{allowed})."
