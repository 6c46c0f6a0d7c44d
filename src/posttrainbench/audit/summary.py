"""Summarize an audit for display and export: each finding with its effect under the rule set."""

from collections.abc import Sequence
from typing import Any, Literal

from posttrainbench.audit.adjudication import describe, latest, signature_state
from posttrainbench.audit.measures import apply_thresholds
from posttrainbench.catalog import RuleSet
from posttrainbench.records import Adjudication, Coverage, Finding, Record, Result, Verdict
from posttrainbench.sarif import log, result

FindingState = Literal["flags", "suspects", "dismissed", "confirmed", "reported", "measured", "other_rules"]
"""Effect of a finding.

`flags`: it flags its rule. `suspects`: its rule is suspected because of it. `confirmed`: it flags its rule because a
person confirmed it. `dismissed`: a person dismissed it. `reported`: it does not count. `measured`: a measurement that
is not evidence of a violation. `other_rules`: the rule set does not contain its rule.
"""


SARIF_LEVELS = {"flags": "error", "confirmed": "error", "suspects": "warning"}
"""Level of a finding in SARIF by its effect; `note` for the others."""


class FindingSummary(Finding):
    """A finding with its effect under a rule set.

    Attributes:
        state: its effect.
        adjudication: description of the last adjudication; "" if there is none.
    """

    state: FindingState
    adjudication: str = ""


class AuditSummary(Record):
    """The last audit of a run.

    Attributes:
        path: the run's directory.
        rule_set: id of the rule set that the verdict is based on.
        verdict: the state of each rule, and the rules that cost nothing (`report_only`).
        findings: findings that flag a rule or make it suspected first, then by level.
        coverage: what each detector checked and what it skipped.
        adjudications: people's decisions on findings, oldest first.
    """

    path: str
    rule_set: str
    verdict: Verdict
    findings: list[FindingSummary]
    coverage: list[Coverage]
    adjudications: list[Adjudication]


def summarize(
    path: str,
    rule_set: RuleSet,
    findings: Sequence[Finding],
    coverage: list[Coverage],
    verdict: Verdict,
    adjudications: list[Adjudication],
) -> AuditSummary:
    """Return the summary of an audit from the files that it wrote."""
    decisions = latest(adjudications)
    summaries = []
    for stored in findings:
        adjudication = decisions.get(stored.id)
        finding = apply_thresholds(stored, rule_set)
        summaries.append(
            FindingSummary(
                **finding.model_dump(),
                state=_state(finding, adjudication, verdict),
                adjudication=f"{describe(adjudication)} ({signature_state(adjudication)})" if adjudication else "",
            )
        )
    deciding = {*verdict.flagging, *verdict.suspecting}
    summaries.sort(key=lambda one: (one.id not in deciding, one.kind != "proof", -one.level.rank))
    return AuditSummary(
        path=path,
        rule_set=rule_set.id,
        verdict=verdict,
        findings=summaries,
        coverage=coverage,
        adjudications=adjudications,
    )


def _state(finding: Finding, adjudication: Adjudication | None, verdict: Verdict) -> FindingState:
    if finding.id in verdict.flagging:
        return "confirmed" if adjudication and adjudication.decision == "confirm" else "flags"
    if finding.id in verdict.suspecting:
        return "suspects"
    if finding.rule not in verdict.rules:
        return "other_rules"
    if adjudication and adjudication.decision == "dismiss":
        return "dismissed"
    return "measured" if finding.count == 0 else "reported"


def exit_code(verdict: Verdict) -> int:
    """Return 0 if all rules are clean, 1 if one is flagged, 2 if one that matters could not be checked, 3 if suspected.

    A rule matters if the suite requires it or if it costs the score.
    """
    if "flagged" in verdict.rules.values():
        return 1
    unchecked = {name for name, state in verdict.rules.items() if state == "not_checked"} | {*verdict.unchecked}
    if any(name in verdict.required or name not in verdict.report_only for name in unchecked):
        return 2
    return 3 if verdict.suspected_rules else 0


def as_sarif(
    audits: Sequence[tuple[AuditSummary, Result | None]], rule_sets: Sequence[RuleSet], version: str
) -> dict[str, Any]:
    """Return audits as one SARIF 2.1.0 log: an `error` for each finding that flags, a `warning` for suspicions.

    Others are a `note`; measurements are left out.
    """
    texts = {name: rule.text or name for rules in rule_sets for name, rule in rules.rules.items()}
    results, notices = [], []
    for audit, _ in audits:
        for finding in audit.findings:
            if finding.state == "measured":
                continue
            texts.setdefault(finding.rule, finding.rule)
            first = finding.evidence[0] if finding.evidence else None
            path = f" ({finding.paths[0].in_words()})" if finding.paths else ""
            quoted = f": {first.text}" if first and first.text else ""
            results.append(
                result(
                    finding.rule,
                    SARIF_LEVELS.get(finding.state, "note"),
                    f"{finding.summary}{path} ({finding.level.value}){quoted}",
                    [(f"{audit.path}/{quote.file}", quote.line) for quote in finding.evidence],
                    {"id": finding.id, "state": finding.state, "level": finding.level.value, "count": finding.count}
                    | {"outcome": finding.outcome, "evidence": [quote.model_dump() for quote in finding.evidence]}
                    | {"paths": [path.model_dump(mode="json") for path in finding.paths]},
                )
            )
        for entry in audit.coverage:
            if not entry.checked:
                notices.append(
                    ("error", f"{audit.path}: {entry.detector} on {entry.rule or 'all rules'}: {entry.note}")
                )
            notices += [("note", f"{audit.path}/{skip.path}: {skip.reason}") for skip in entry.skipped]
    return log(
        tool="ptb audit",
        version=version,
        rules=texts,
        results=results,
        notices=notices,
        successful=all(exit_code(audit.verdict) != 2 for audit, _ in audits),
        properties={"runs": {audit.path: audit.verdict.rules for audit, _ in audits}},
    )
