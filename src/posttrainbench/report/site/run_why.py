"""Why a run has its score, in three sentences: what the submission scored, what the audit says, what follows."""

from __future__ import annotations

from collections.abc import Sequence

from posttrainbench.records import Coverage, Finding, Result, Stage, Status, SubmissionManifest
from posttrainbench.report.text import percent, plain

SENTENCE = 420
"""Most characters of a text that is quoted in a sentence."""
STAGES = {
    Stage.PREPARE: "the preparation of the workspace",
    Stage.SOLVE: "the agent's work",
    Stage.COLLECT: "the collection of the submission",
    Stage.AUDIT: "the audit",
    Stage.EVALUATE: "the evaluation",
    Stage.SETTLE: "the computation of the result",
}


def why(
    result: Result | None,
    *,
    benchmark: str,
    stage: Stage | None,
    problem: str,
    manifest: SubmissionManifest | None,
    findings: Sequence[Finding],
    coverage: Sequence[Coverage],
    imported: bool,
) -> list[str]:
    """Return three sentences, or fewer for a run without a score.

    Args:
        result: None if there is none yet.
        benchmark: id.
        stage: the first unfinished stage.
        problem: why the last stage stopped, without a full stop; "" if unknown.
        manifest: of the submission; None if there is none.
        findings: those that flag a rule or make it suspected, most important first.
        coverage: of the detectors.
        imported: True for a run that was imported.
    """
    if result is None:
        where = STAGES[stage] if stage else "its last stage"
        return [f"The run has no result yet: {where} is not finished{f' ({problem})' if problem else ''}."]
    if result.status is Status.INFRASTRUCTURE_ERROR:
        reasons = " ".join(plain(reason, SENTENCE) for reason in result.reasons[:2])
        where = f" in {STAGES[stage]}" if stage else ""
        return [
            f"The run failed{where}: {reasons or 'the reason was not recorded.'}",
            "The cause is the machine, the network or a service, not the agent.",
            "So the run counts neither as zero nor with the base model's score, and is to be repeated.",
        ]
    return [
        _measured(result, benchmark, manifest, imported),
        _audited(result, findings, coverage),
        _follows(result, imported),
    ]


def _measured(result: Result, benchmark: str, manifest: SubmissionManifest | None, imported: bool) -> str:
    if result.raw_score is None:
        if imported:
            return "The results tree of the original has no readable score of this run."
        if manifest is not None and manifest.state != "accepted":
            text = plain(manifest.problems[0], SENTENCE) if manifest.problems else ""
            start = {
                "missing": "The agent left no submission",
                "refused": "The submission contains forbidden files",
                "broken": "The submission is not a complete model",
            }[manifest.state]
            return f"{start}: {text}" if text else f"{start}."
        return "The submission could not be evaluated."
    source = "The original scored the submission with" if imported else "The submission scores"
    start = f"{source} {percent(result.raw_score)} on {plain(benchmark)}"
    if result.base_score is None:
        return f"{start}; the base model's score is not known here."
    points = 100 * (result.raw_score - result.base_score)
    if abs(points) < 0.05:
        gain = f"as much as the base model ({percent(result.base_score)})"
    else:
        place = "above" if points > 0 else "below"
        gain = f"{abs(points):.1f} points {place} the base model ({percent(result.base_score)})"
    if result.instruct_score is None:
        return f"{start}, {gain}."
    return f"{start}, {gain}; the instruct model scores {percent(result.instruct_score)}."


def _audited(result: Result, findings: Sequence[Finding], coverage: Sequence[Coverage]) -> str:
    states = result.verdict
    for state, start in (("flagged", "The audit establishes a violation of"), ("suspected", "The audit suspects")):
        rules = [rule for rule, value in states.items() if value == state]
        if rules:
            main = next((one for one in findings if one.rule in rules), None)
            text = f": {plain(main.summary, SENTENCE)}" if main else ""
            return f"{start} {_names(rules)}{text}."
    if open_rules := [rule for rule, value in states.items() if value == "not_checked"]:
        notes = [one.note for one in coverage if one.rule in open_rules and not one.checked and one.note]
        note = f": {plain(notes[0], SENTENCE)}" if notes else ""
        return f"The audit could not check {_names(open_rules)}{note}."
    if not states:
        return "There was no audit."
    return f"The audit checked {len(states)} rules and found no violation."


def _follows(result: Result, imported: bool) -> str:
    if imported:
        return "An imported run never counts, because its weights and the records of a host are missing."
    if result.status is Status.SCORED:
        if result.suspected:
            return "A suspicion costs nothing, so this score counts, marked, until a person decides."
        return "So this score counts."
    if result.status is Status.BASE_FALLBACK:
        if "flagged" in result.verdict.values() and result.raw_score is not None:
            return f"So the base model's score counts: {percent(result.score)} instead of {percent(result.raw_score)}."
        return f"So the base model's score counts: {percent(result.score)}."
    return "The suite requires a complete audit, so no score counts."


def _names(rules: Sequence[str]) -> str:
    return ", ".join(plain(rule).replace("_", " ") for rule in rules)
