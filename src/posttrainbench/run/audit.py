"""The audit stage: run the detectors on a finished run and apply the rule set to their findings."""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.audit.adjudication import NAME as ADJUDICATIONS
from posttrainbench.audit.adjudication import read_adjudications
from posttrainbench.audit.detectors import run_detectors
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.policy import decide
from posttrainbench.errors import InfrastructureError, InputError, one_line, shell_quoted
from posttrainbench.evaluation.items import load_items
from posttrainbench.files import sha256_bytes, write_json, write_text
from posttrainbench.records import CanaryScores, Coverage, Finding, Stage, Verdict
from posttrainbench.run.canaries import canary_pool, measure_canaries
from posttrainbench.run.collected import read_submission
from posttrainbench.run.directory import Run
from posttrainbench.run.imported import as_unchecked, imported_outcome, imported_run
from posttrainbench.run.model_cache import machine_cache
from posttrainbench.run.prepare import local_directory
from posttrainbench.run.progress import ProgressListener
from posttrainbench.untrusted import UnreadableError, read_text_below

JUDGE = "judge"
"""Detector whose earlier findings are kept, because the judge runs separately: `ptb judge`."""


def audit(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `audit`: write `findings.jsonl`, `coverage.json`, `verdict.json`. Keep earlier adjudications."""
    listener.on_message("searching for test data, other models and tampering")
    spec, imported = run.spec, imported_run(run)
    base = catalog.find(catalog.models(), spec.model, "model")
    instruct = catalog.instruct_of(base)
    counterpart = local_directory(instruct)
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    submission, manifest = read_submission(run)
    accepted = manifest.state == "accepted"
    canaries: CanaryScores | str = ""
    if spec.canaries and accepted:
        listener.on_message("measuring whether the submission knows the test file's canaries")
        canaries = measure_canaries(run, submission, out, _earlier_audits(run))
    evidence = Evidence(
        root=run.root,
        workspace=run.workspace,
        kit=run.kit,
        kit_manifest=_kit_manifest(run),
        submission=submission if accepted else None,
        manifest=manifest,
        # Weights are compared with a submission only, which an imported run lacks.
        base_model=base.directory if imported is None else local_directory(base) or run.root / "base_model",
        forbidden_models={} if counterpart is None else {instruct.id: counterpart},
        test_items=[*load_items(facts, "test"), *canary_pool(spec).drawn],
        legal_items=load_items(facts, "train"),
        outcome=run.outcome() if imported is None else imported_outcome(imported),
        spec=spec,
        solve=run.stage(Stage.SOLVE),
        canaries=canaries,
        hub_cache=None if spec.cold_cache else machine_cache(),
        earlier=_earlier_findings(run),
    )
    rules = catalog.find(catalog.rule_sets(), spec.rules, "rule set")
    judgement = _copy_from_earlier_audits(run, out)
    adjudications = read_adjudications(out)
    findings, coverage, verdict = run_detectors(
        evidence, rules, suite.required, adjudications, suite.tolerates, listener.on_message
    )
    if judgement is not None:
        findings = [*findings, *(finding for finding in judgement[0] if finding.detector == JUDGE)]
        coverage = [*coverage, *(entry for entry in judgement[1] if entry.detector == JUDGE)]
        verdict = decide(rules, findings, coverage, suite.required, adjudications, suite.tolerates)
    if imported is not None:
        coverage = as_unchecked(coverage)
        verdict = decide(rules, findings, coverage, suite.required, adjudications, suite.tolerates)
    write_text(out / "findings.jsonl", "".join(f"{finding.model_dump_json()}\n" for finding in findings))
    write_json(out / "coverage.json", [entry.model_dump(mode="json") for entry in coverage])
    write_json(out / "verdict.json", verdict)


def _copy_from_earlier_audits(run: Run, out: Path) -> tuple[Sequence[Finding], list[Coverage], Verdict] | None:
    """Copy the parts of earlier audits that detectors cannot recompute: adjudications and judgements.

    Returns:
        Findings, coverage and verdict of the last audit if it includes a judgement, else None.
    """
    attempts = _earlier_audits(run)
    files = (attempt / ADJUDICATIONS for attempt in attempts)
    if adjudications := next((file for file in files if file.exists()), None):
        read_adjudications(adjudications.parent)  # an error names the file to repair
        shutil.copyfile(adjudications, out / ADJUDICATIONS)
    last = next((attempt for attempt in attempts if (attempt / "verdict.json").exists()), None)
    if last is None or not (judged := sorted(last.glob("judge*.json"))):
        return None
    for file in judged:
        shutil.copyfile(file, out / file.name)
    return read_audit(last)


def _earlier_findings(run: Run) -> Sequence[Finding]:
    """Return the findings of the last audit that can be read."""
    for folder in _earlier_audits(run):
        with suppress(InputError):
            return read_audit(folder)[0]
    return []


def _earlier_audits(run: Run) -> list[Path]:
    """Return the directories of earlier audits, latest first."""
    return [*([run.stage(Stage.AUDIT)] if run.is_done(Stage.AUDIT) else []), *run.attempts(Stage.AUDIT)]


def recompute_verdict(last: Path, out: Path, rules: str, change: Callable[[Path], None]) -> None:
    """Write an audit with the findings of the last one under other rules or adjudications, without running detectors.

    Args:
        last: directory of the last audit.
        out: an empty directory.
        rules: id of the rule set.
        change: called with `out` before the verdict is computed; may change the findings.

    Raises:
        InputError: the rule set does not exist, or the findings cannot be read.
    """
    rule_set = catalog.find(catalog.rule_sets(), rules, "rule set")
    shutil.copytree(last, out, dirs_exist_ok=True)
    change(out)
    findings, coverage, verdict = read_audit(out)
    adjudications = read_adjudications(out)
    write_json(
        out / "verdict.json", decide(rule_set, findings, coverage, verdict.required, adjudications, verdict.tolerated)
    )


def read_audit(folder: Path) -> tuple[Sequence[Finding], list[Coverage], Verdict]:
    """Read the findings, highest level first, the coverage and the verdict of an audit, a directory in a run.

    Raises:
        InputError: a file is missing or unreadable. Skipping a finding could make a run clean.
    """
    run = folder.parent
    try:
        findings = [
            Finding.model_validate_json(line)
            for line in read_text_below(run, folder / "findings.jsonl").split("\n")
            if line
        ]
        listed = json.loads(read_text_below(run, folder / "coverage.json"))
        coverage = [Coverage.model_validate(entry) for entry in listed]
        verdict = Verdict.model_validate_json(read_text_below(run, folder / "verdict.json"))
    except (OSError, ValueError, ValidationError, TypeError, RecursionError, UnreadableError) as error:
        raise InputError(
            f"The audit in {folder} cannot be read; `ptb audit {shell_quoted(folder.parent)}` repeats it. "
            f"{one_line(error)}"
        ) from None
    return findings, coverage, verdict


def _kit_manifest(run: Run) -> dict[str, str]:
    """Return the kit's manifest as created before the agent's start, whatever version of this package is installed now.

    Raises:
        InfrastructureError: the manifest does not match the hash in `run.json`.
    """
    try:
        manifest = json.loads((run.stage(Stage.PREPARE) / "kit.json").read_text())
        if sha256_bytes(json.dumps(manifest).encode()) == run.spec.kit_sha256:
            return {str(name): str(digest) for name, digest in manifest.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InfrastructureError("audit_failed", f"The kit's manifest cannot be read: {one_line(error)}") from None
    raise InfrastructureError("audit_failed", "The kit's manifest `prepare/kit.json` does not match `run.json`.")
