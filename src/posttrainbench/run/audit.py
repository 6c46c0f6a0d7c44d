"""Lets the detectors look at a finished run, and applies the rule set to what they find."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.audit.adjudication import NAME as ADJUDICATIONS
from posttrainbench.audit.adjudication import read_adjudications
from posttrainbench.audit.audit import audit as run_detectors
from posttrainbench.audit.base import AuditInput
from posttrainbench.audit.policy import decide
from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.evaluation.evaluate import load_items
from posttrainbench.files import sha256_bytes, write_json, write_text
from posttrainbench.records import Coverage, Finding, Outcome, Stage, SubmissionManifest, Verdict
from posttrainbench.run.directory import Run
from posttrainbench.run.prepare import local_directory
from posttrainbench.run.watch import Watch

JUDGE = "judge"
"""Detector whose findings are kept, since a judge is asked apart from the audit: `ptb judge`."""


def audit(run: Run, out: Path, watch: Watch) -> None:
    """The stage `audit`: `findings.jsonl`, `coverage.json`, `verdict.json`; adjudications of earlier ones are kept."""
    watch.say("looking for test data, other models and tampering")
    spec = run.spec
    base = catalog.find(catalog.models(), spec.model, "model")
    instruct = catalog.instruct_of(base)
    counterpart = local_directory(instruct)
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    submission = run.stage(Stage.COLLECT)
    manifest = SubmissionManifest.model_validate_json((submission / "manifest.json").read_text())
    evidence = AuditInput(
        root=run.root,
        workspace=run.workspace,
        kit=run.kit,
        kit_manifest=_kit_manifest(run),
        submission=submission if manifest.state == "accepted" else None,
        manifest=manifest,
        base_model=base.directory,
        forbidden_models={} if counterpart is None else {instruct.id: counterpart},
        test_items=load_items(facts, "test"),
        legal_items=load_items(facts, "train"),
        outcome=Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text()),
        spec=spec,
        solve=run.stage(Stage.SOLVE),
    )
    rules = catalog.find(catalog.rule_sets(), spec.rules, "rule set")
    judgements = _take_over(run, out)
    words = read_adjudications(out)
    findings, coverage, verdict = run_detectors(evidence, rules, suite.required, words, watch.say)
    if judgements is not None:
        findings = [*findings, *(one for one in judgements[0] if one.detector == JUDGE)]
        coverage = [*coverage, *(one for one in judgements[1] if one.detector == JUDGE)]
        verdict = decide(rules, findings, coverage, suite.required, words)
    write_text(out / "findings.jsonl", "".join(f"{finding.model_dump_json()}\n" for finding in findings))
    write_json(out / "coverage.json", [entry.model_dump(mode="json") for entry in coverage])
    write_json(out / "verdict.json", verdict)


def _take_over(run: Run, out: Path) -> tuple[Sequence[Finding], list[Coverage], Verdict] | None:
    """Copy what earlier audits hold that no detector can make anew: people's words, and the judge's.

    Returns:
        The last audit with a judgement, if there is one.
    """
    before = run.attempts(Stage.AUDIT)
    if words := next((one / ADJUDICATIONS for one in before if (one / ADJUDICATIONS).exists()), None):
        shutil.copyfile(words, out / ADJUDICATIONS)
    last = next((one for one in before if (one / "verdict.json").exists()), None)
    if last is None or not (judged := sorted(last.glob("judge*.json"))):
        return None
    for file in judged:
        shutil.copyfile(file, out / file.name)
    return read_audit(last)


def judge_again(last: Path, out: Path, rules: str, change: Callable[[Path], None]) -> None:
    """The stage `audit` from the facts of the last audit, under other rules or adjudications, without a new search.

    Args:
        last: directory of the last audit.
        out: an empty directory.
        rules: id of the rule set.
        change: is given `out` with the facts, before they are judged.

    Raises:
        InputError: there is no such rule set, or the facts cannot be read.
    """
    rule_set = catalog.find(catalog.rule_sets(), rules, "rule set")
    shutil.copytree(last, out, dirs_exist_ok=True)
    change(out)
    findings, coverage, verdict = read_audit(out)
    words = read_adjudications(out)
    write_json(out / "verdict.json", decide(rule_set, findings, coverage, verdict.required, words))


def read_audit(folder: Path) -> tuple[Sequence[Finding], list[Coverage], Verdict]:
    """What an audit wrote: the findings, strongest first, what was looked at, and the verdict.

    Raises:
        InputError: a file of it is missing or cannot be read; a finding that is passed over would make a run clean.
    """
    try:
        findings = [
            Finding.model_validate_json(line)
            for line in (folder / "findings.jsonl").read_text(encoding="utf-8").split("\n")
            if line
        ]
        coverage = [Coverage.model_validate(one) for one in json.loads((folder / "coverage.json").read_text())]
        verdict = Verdict.model_validate_json((folder / "verdict.json").read_text())
    except (OSError, ValueError, ValidationError) as error:
        raise InputError(
            f"The audit in {folder} cannot be read; `ptb audit {folder.parent}` makes it anew. {one_line(error)}"
        ) from None
    return findings, coverage, verdict


def _kit_manifest(run: Run) -> dict[str, str]:
    """The kit's files as they were before the agent began; what the installed package would lay out does not matter.

    Raises:
        InfrastructureError: the manifest is not the one that `run.json` names, so that nothing can be compared.
    """
    try:
        manifest = json.loads((run.stage(Stage.PREPARE) / "kit.json").read_text())
        if sha256_bytes(json.dumps(manifest).encode()) == run.spec.kit_sha256:
            return {str(name): str(digest) for name, digest in manifest.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InfrastructureError("audit_failed", f"The kit's manifest cannot be read: {one_line(error)}") from None
    raise InfrastructureError("audit_failed", "The kit's manifest `prepare/kit.json` is not the one of `run.json`.")
