"""Decides what a run is worth: one table from its state to its status."""

from posttrainbench import catalog
from posttrainbench.audit.measures import judged
from posttrainbench.files import write_json
from posttrainbench.records import (
    Evidence,
    Failure,
    Metrics,
    Result,
    Stage,
    Status,
    SubmissionManifest,
    Verdict,
)
from posttrainbench.run.audit import read_audit
from posttrainbench.run.directory import Run
from posttrainbench.run.model_cache import drop_models

EVIDENCE = 20


def settle(run: Run) -> None:
    """The stage `settle`: `result.json`, from the files of `collect`, `audit` and `evaluate` alone."""
    audited, evaluated = run.stage(Stage.AUDIT), run.stage(Stage.EVALUATE)
    manifest = SubmissionManifest.model_validate_json((run.stage(Stage.COLLECT) / "manifest.json").read_text())
    verdict = Verdict.model_validate_json((audited / "verdict.json").read_text())
    base = Metrics.model_validate_json((evaluated / "base.json").read_text())
    instruct = Metrics.model_validate_json((evaluated / "instruct.json").read_text())
    raw, reasons = None, list(verdict.reasons)
    if (evaluated / "metrics.json").exists():
        raw = Metrics.model_validate_json((evaluated / "metrics.json").read_text()).score
    if manifest.state != "accepted":
        reasons += manifest.problems
    if (evaluated / "failure.json").exists():
        failure = Failure.model_validate_json((evaluated / "failure.json").read_text())
        reasons.append(f"The submission could not be evaluated: {failure.message}")
    if verdict.flagged or raw is None:
        status, score = Status.BASE_FALLBACK, base.score
    elif not verdict.complete:
        status, score = Status.NOT_AUDITED, None
    else:
        status, score = Status.SCORED, raw
    result = Result(
        run=run.spec.run,
        status=status,
        score=score,
        raw_score=raw,
        base_score=base.score,
        instruct_score=instruct.score,
        verdict=verdict.rules,
        reasons=reasons,
        evidence=_evidence(run, verdict),
    )
    write_json(run.root / "result.json", result)
    drop_models(run.workspace)


def _evidence(run: Run, verdict: Verdict) -> list[Evidence]:
    """The quotations of the findings that flag a rule, strongest level first."""
    rules = catalog.find(catalog.rule_sets(), verdict.rule_set, "rule set")
    findings, _, _ = read_audit(run.stage(Stage.AUDIT))
    flagging = [judged(finding, rules) for finding in findings if finding.id in verdict.flagging]
    flagging.sort(key=lambda finding: finding.level.rank, reverse=True)
    return [quotation for finding in flagging for quotation in finding.evidence][:EVIDENCE]
