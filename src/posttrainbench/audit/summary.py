"""An audit as a person or a program wants it: each finding with what it counts for under the rules applied."""

from collections.abc import Sequence
from typing import Any, Literal

from posttrainbench.audit.adjudication import latest, signature_state, who
from posttrainbench.audit.measures import judged
from posttrainbench.audit.sarif import log, result
from posttrainbench.catalog import RuleSet
from posttrainbench.records import Adjudication, Coverage, Finding, Record, Result, Verdict

FindingState = Literal["flags", "dismissed", "confirmed", "reported", "measured", "other_rules"]
"""What a finding counts for: it flags its rule, by itself or since a person confirmed it; a person dismissed it; it is
below what the rule asks for; it measures and accuses of nothing; or the rule set has no such rule."""


class JudgedFinding(Finding):
    """A finding under a rule set.

    Attributes:
        state: see `FindingState`.
        adjudication: the last word on it, as a sentence; "" if there is none.
    """

    state: FindingState
    adjudication: str = ""


class AuditSummary(Record):
    """The last audit of a run.

    Attributes:
        path: the run's directory.
        rule_set: that the verdict was drawn by.
        verdict: rule -> state, and `report_only` those that cost nothing.
        findings: those that flag first, then by level.
        coverage: what each detector looked at, and what it skipped.
    """

    path: str
    rule_set: str
    verdict: Verdict
    findings: list[JudgedFinding]
    coverage: list[Coverage]
    adjudications: list[Adjudication]


def summarise(
    path: str,
    rule_set: RuleSet,
    findings: Sequence[Finding],
    coverage: list[Coverage],
    verdict: Verdict,
    adjudications: list[Adjudication],
) -> AuditSummary:
    """Put together what an audit wrote."""
    words = latest(adjudications)
    found = []
    for finding in findings:
        word = words.get(finding.id)
        one = judged(finding, rule_set)
        found.append(
            JudgedFinding(
                **one.model_dump(),
                state=_state(one, word, verdict),
                adjudication=f"{who(word)} ({signature_state(word)})" if word else "",
            )
        )
    found.sort(key=lambda one: (one.id not in verdict.flagging, -one.level.rank))
    return AuditSummary(
        path=path,
        rule_set=rule_set.id,
        verdict=verdict,
        findings=found,
        coverage=coverage,
        adjudications=adjudications,
    )


def _state(finding: Finding, word: Adjudication | None, verdict: Verdict) -> FindingState:
    if finding.id in verdict.flagging:
        return "confirmed" if word and word.decision == "confirm" else "flags"
    if finding.rule not in verdict.rules:
        return "other_rules"
    if word and word.decision == "dismiss":
        return "dismissed"
    return "measured" if finding.count == 0 else "reported"


def exit_code(verdict: Verdict) -> int:
    """0 clean, 1 flagged, 2 could not be checked; a rule that costs nothing needs no check."""
    if "flagged" in verdict.rules.values():
        return 1
    unchecked = [name for name, state in verdict.rules.items() if state == "not_checked"]
    return 2 if any(name in verdict.required or name not in verdict.report_only for name in unchecked) else 0


def as_sarif(
    audits: Sequence[tuple[AuditSummary, Result]], rule_sets: Sequence[RuleSet], version: str
) -> dict[str, Any]:
    """Audits as one SARIF 2.1.0 log: an `error` for what flags, a `note` for the rest but measurements."""
    texts = {name: rule.text or name for rules in rule_sets for name, rule in rules.rules.items()}
    results, notices = [], []
    for audit, _ in audits:
        for one in audit.findings:
            if one.state == "measured":
                continue
            texts.setdefault(one.rule, one.rule)
            first = one.evidence[0] if one.evidence else None
            quoted = f": {first.text}" if first and first.text else ""
            results.append(
                result(
                    one.rule,
                    "error" if one.state in ("flags", "confirmed") else "note",
                    f"{one.summary} ({one.level.value}){quoted}",
                    [(f"{audit.path}/{quote.file}", quote.line) for quote in one.evidence],
                    {"id": one.id, "state": one.state, "level": one.level.value, "count": one.count}
                    | {"outcome": one.outcome, "evidence": [quote.model_dump() for quote in one.evidence]},
                )
            )
        for seen in audit.coverage:
            if not seen.checked:
                notices.append(("error", f"{audit.path}: {seen.detector} on {seen.rule or 'all rules'}: {seen.note}"))
            notices += [("note", f"{audit.path}/{skip.path}: {skip.reason}") for skip in seen.skipped]
    return log(
        tool="ptb audit",
        version=version,
        rules=texts,
        results=results,
        notices=notices,
        successful=all(exit_code(audit.verdict) != 2 for audit, _ in audits),
        properties={"runs": {audit.path: audit.verdict.rules for audit, _ in audits}},
    )
