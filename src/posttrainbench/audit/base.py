"""What a detector is given, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from posttrainbench.benchmarks import Item
from posttrainbench.records import Coverage, Finding, Outcome, RunSpec, SubmissionManifest


@dataclass(frozen=True)
class AuditInput:
    """The evidence of one run, all of it at rest: the agent's last process is dead.

    Attributes:
        root: the run directory; evidence names files relative to it.
        workspace: the agent's working directory, as it left it. Hostile: symlinks, pipes, anything.
        kit: the kit that the agent was given.
        kit_manifest: relative path -> SHA-256 of the kit's files, from before the run.
        submission: the sanitised submission, or None when none was accepted.
        base_model: directory of the base model.
        forbidden_models: id -> directory of checkpoints that may not be submitted, such as the instruct counterpart.
        test_items: the benchmark's test items.
        legal_items: items that may be trained on: the benchmark's own train split.
        outcome: how the agent ended, and what its sandbox promised.
        spec: what the run is.
        solve: the files of the stage `solve`, written by the host: `output.jsonl`, `trajectory.json`, `usage.jsonl`,
            `egress.jsonl` (`EgressRequest`), `downloads.json` (`Download`), `evaluations.jsonl`, `packages.json`
            (`PackageHashes`). Each may be missing; what stands in them is the agent's and hostile.
    """

    root: Path
    workspace: Path
    kit: Path
    kit_manifest: dict[str, str]
    submission: Path | None
    manifest: SubmissionManifest
    base_model: Path
    forbidden_models: dict[str, Path]
    test_items: list[Item]
    legal_items: list[Item]
    outcome: Outcome
    spec: RunSpec
    solve: Path


Detector = Callable[[AuditInput], tuple[list[Finding], Coverage | list[Coverage]]]
"""States facts, and what it looked at: one coverage for each rule that it can speak on."""


def detectors() -> dict[str, Detector]:
    """All installed detectors by name, from the entry points `posttrainbench.detectors`."""
    return {point.name: point.load() for point in entry_points(group="posttrainbench.detectors")}
