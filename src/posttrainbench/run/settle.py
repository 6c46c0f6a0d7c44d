"""Compute the final status and score of a run."""

from pathlib import Path

from posttrainbench import catalog
from posttrainbench.audit.measures import apply_thresholds
from posttrainbench.errors import shell_quoted
from posttrainbench.files import write_json
from posttrainbench.records import (
    AgentEnd,
    Failure,
    Metrics,
    Outcome,
    Quote,
    Result,
    RunSpec,
    Stage,
    Status,
    SubmissionManifest,
    Verdict,
)
from posttrainbench.run.attempts import count_restarts
from posttrainbench.run.audit import read_audit
from posttrainbench.run.changes import describe_changes
from posttrainbench.run.directory import RESTORE, Run, read_record
from posttrainbench.run.imported import imported_result, imported_run
from posttrainbench.run.living import describe_ended
from posttrainbench.run.model_cache import delete_models
from posttrainbench.run.off_target import read_off_target
from posttrainbench.run.progress import format_duration
from posttrainbench.run.provenance import describe_provenance

MAX_QUOTES = 20
SHORT_SECONDS = 600.0
"""Time limits below this are for trying out, and can be too short for a slow machine."""
USED_UP = 0.9
"""Fraction of the time limit after which an agent that ends by itself had no time left."""
AUDIT_AGAIN = "repeat the audit with `ptb audit {root}`"
EVALUATE_AGAIN = "repeat the evaluation with `ptb evaluate {root}`"


def settle(run: Run) -> None:
    """Run the stage `settle`: write `result.json` from the files of `collect`, `audit` and `evaluate`."""
    write_json(run.root / "result.json", result_of(run, run.stage(Stage.AUDIT)))
    delete_models(run.workspace)


def result_of(run: Run, audited: Path) -> Result:
    """Return the result of an evaluated run, given the directory of an audit of it.

    Raises:
        InputError: a file of a stage is missing or damaged.
    """
    if (imported := imported_run(run)) is not None:
        found = read_record(audited / "verdict.json", Verdict, AUDIT_AGAIN.format(root=shell_quoted(run.root)))
        return imported_result(run, imported, found, _evidence(audited, found))
    evaluated = run.stage(Stage.EVALUATE)
    again = EVALUATE_AGAIN.format(root=shell_quoted(run.root))
    manifest = read_record(run.stage(Stage.COLLECT) / "manifest.json", SubmissionManifest, RESTORE)
    verdict = read_record(audited / "verdict.json", Verdict, AUDIT_AGAIN.format(root=shell_quoted(run.root)))
    base = read_record(evaluated / "base.json", Metrics, again)
    instruct = read_record(evaluated / "instruct.json", Metrics, again)
    outcome = run.outcome()
    raw, reasons = None, list(verdict.reasons)
    if (evaluated / "metrics.json").exists():
        raw = read_record(evaluated / "metrics.json", Metrics, again).score
    if manifest.state != "accepted":
        reasons += manifest.problems
    if (evaluated / "failure.json").exists():
        failure = read_record(evaluated / "failure.json", Failure, again)
        reasons.append(f"The submission could not be evaluated: {failure.message}")
    if verdict.flagged or raw is None:
        status, score = Status.BASE_FALLBACK, base.score
    elif not verdict.complete:
        status, score = Status.NOT_AUDITED, None
    else:
        status, score = Status.SCORED, raw
    return Result(
        run=run.spec.run,
        status=status,
        score=score,
        raw_score=raw,
        base_score=base.score,
        instruct_score=instruct.score,
        verdict=verdict.rules,
        reasons=reasons,
        evidence=_evidence(audited, verdict),
        suspected=[] if verdict.flagged else verdict.suspected_rules,
        provider_away_seconds=outcome.provider_away_seconds,
        restarts=count_restarts(run),
        reprompts=sum(start.why == "time_left" for start in outcome.starts),
        notes=[
            *_stopped(outcome),
            *_too_short(run.spec, outcome, manifest, raw, base.score),
            *_given_back(outcome),
            *filter(None, [manifest.kept]),
            *describe_ended(outcome.processes),
            *describe_provenance(outcome),
            *filter(None, [outcome.trajectory_warning]),
            *describe_changes(run),
        ],
        changes=run.changes(),
        off_target=read_off_target(run.root),
    )


def _stopped(outcome: Outcome) -> list[str]:
    if outcome.end is not AgentEnd.STOPPED:
        return []
    return [f"A person stopped the agent early, {format_duration(round(outcome.seconds))} after its start."]


def _too_short(
    spec: RunSpec, outcome: Outcome, manifest: SubmissionManifest, raw: float | None, base: float | None
) -> list[str]:
    """Return a hint for a run whose short time limit ended before its agent had something better than the base model.

    Args:
        spec: of the run.
        outcome: of its agent.
        manifest: of its submission.
        raw: score of the submission.
        base: score of the base model.
    """
    used_up = outcome.end is AgentEnd.DEADLINE or outcome.seconds >= USED_UP * spec.budget
    if not used_up or spec.budget >= SHORT_SECONDS:
        return []
    if manifest.state in ("missing", "broken"):
        found = "it had saved no complete model"
    elif raw is not None and base is not None and raw <= base:
        found = "what it had saved is not better than the base model"
    else:
        return []
    longer = format_duration(max(2 * spec.budget, 60.0))
    return [
        f"The agent used up its time limit of {format_duration(spec.budget)}, and {found}. If that was too short for "
        f"this machine, start a new run with a longer --budget, such as {longer}."
    ]


def _given_back(outcome: Outcome) -> list[str]:
    if not outcome.given_back_seconds:
        return []
    time = format_duration(round(outcome.given_back_seconds))
    return [f"The agent's deadline was moved by {time}, in which the host waited for its model provider."]


def _evidence(audited: Path, verdict: Verdict) -> list[Quote]:
    """Return the quotations of the findings that flag a rule or make it suspected, proofs first."""
    rules = catalog.find(catalog.rule_sets(), verdict.rule_set, "rule set")
    findings, _, _ = read_audit(audited)
    counting = {*verdict.flagging, *verdict.suspecting}
    flagging = [apply_thresholds(finding, rules) for finding in findings if finding.id in counting]
    flagging.sort(key=lambda one: (one.id not in verdict.flagging, one.kind != "proof", -one.level.rank))
    return [quotation for finding in flagging for quotation in finding.evidence][:MAX_QUOTES]
