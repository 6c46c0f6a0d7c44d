"""The evidence that detectors read: the files of one finished run, each read and parsed once per audit."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from posttrainbench.audit.behavior.requests import Egress, read_egress
from posttrainbench.audit.behavior.scripts_in_workspace import WorkspaceScripts, path_in_run, read_scripts
from posttrainbench.audit.behavior.trace import Trace, read_trace
from posttrainbench.audit.provenance import Graph, Image, read_graph
from posttrainbench.benchmarks import Item
from posttrainbench.records import CanaryScores, Coverage, Finding, Outcome, RunSpec, SolveIntegrity, SubmissionManifest
from posttrainbench.records.submission import FINAL, KEPT
from posttrainbench.sandbox.provenance.record import COPIES
from posttrainbench.sandbox.provenance.state import FOLDER, record_files
from posttrainbench.untrusted import Entry, UnreadableError, read_json, walk

if TYPE_CHECKING:
    from posttrainbench.audit.contamination.scan.index import Index

AGENT_PATH = "/agent/"
"""Beginning of the paths of the agent's own program in the sandbox."""
LARGEST_TASK = 2**20
"""Maximum size of the kit's `task.json` in bytes."""


@dataclass(frozen=True)
class Evidence:
    """The evidence of one run, read after the agent's last process ended.

    The fields locate the evidence. The cached properties hold what several detectors need; each is read at its first
    use and shared, so detectors must not modify it. `dataclasses.replace` returns an object with empty caches.

    Attributes:
        root: the run directory; quotations name files relative to it.
        workspace: the agent's working directory as the agent left it. Its content is hostile.
        kit: the kit that the agent received.
        kit_manifest: relative path -> SHA-256 of the kit's files before the run.
        submission: directory of the sanitized submission; None if no submission was accepted.
        manifest: what was accepted from `final_model` and what was refused.
        base_model: directory of the base model.
        forbidden_models: id -> directory of checkpoints that may not be submitted, such as the instruct counterpart.
        test_items: the benchmark's test items, and the canaries in the kit's test file.
        legal_items: items that may be trained on: the benchmark's own train split.
        outcome: how the agent ended, and the guarantees of its sandbox.
        spec: the run's specification.
        solve: directory of the stage `solve`, written by the host: `output.jsonl`, `trajectory.json`, `usage.jsonl`,
            `egress.jsonl` (`EgressRequest`), `downloads.json` (`Download`), `evaluations.jsonl`, `integrity.json`
            (`SolveIntegrity`), `provenance/` (`sandbox.provenance`). Each file may be missing. The agent controls
            part of the content, so it is hostile.
        canaries: the measurement of the run's canaries; the reason why there is none, "" if none was needed.
        hub_cache: this machine's cache of the Hub, if the run had access to it.
        earlier: findings of the last audit, for evidence that is deleted when a run is settled.
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
    canaries: CanaryScores | str = ""
    hub_cache: Path | None = None
    earlier: Sequence[Finding] = ()

    @property
    def scored_items(self) -> int:
        """Number of the benchmark's test items. They are the first of `test_items`; canaries follow."""
        return len(self.test_items) - (self.spec.canaries.count if self.spec.canaries and self.test_items else 0)

    def canaries_among(self, items: Iterable[int]) -> int:
        """Return how many of some positions in `test_items` are canaries."""
        return sum(item >= self.scored_items for item in items)

    def proportion(self, items: Collection[int]) -> str:
        """Return a text such as `3 of 200 test items`, with canaries separately."""
        canaries = self.canaries_among(items)
        extra = f" and {canaries} of {len(self.test_items) - self.scored_items} canaries" if canaries else ""
        return f"{len(items) - canaries} of {self.scored_items} test items{extra}"

    @cached_property
    def workspace_path(self) -> str:
        """The workspace's path relative to the run directory, as quotations name it."""
        return path_in_run(self.workspace, self.root)

    @cached_property
    def sandbox_paths(self) -> dict[str, str]:
        """The paths of kit, workspace and base model in the sandbox, from `task.json`; empty if it is unreadable."""
        named = self._task
        return {key: value for key in ("kit", "workspace", "base_model") if isinstance(value := named.get(key), str)}

    @cached_property
    def sandbox_models(self) -> list[str]:
        """The directories of all checkpoints in the sandbox, from `task.json`; empty if it is unreadable."""
        models = self._task.get("models")
        return [path for path in models.values() if isinstance(path, str)] if isinstance(models, dict) else []

    @cached_property
    def _task(self) -> dict[str, Any]:
        try:
            task = read_json(self.kit / "task.json", LARGEST_TASK)
        except UnreadableError:
            return {}
        return task if isinstance(task, dict) else {}

    @property
    def snapshot(self) -> Path:
        """The files from which the submission was taken, with what it left out; hostile, and possibly missing."""
        return self.solve / (KEPT if self.manifest.kept else FINAL)

    @property
    def left_nothing(self) -> bool:
        """True if the agent left no files of its own in `final_model`, or only a link to the base model."""
        if self.manifest.kept:
            return False
        return self.manifest.state == "missing" or (self.submission is not None and self.snapshot.is_symlink())

    @cached_property
    def snapshot_path(self) -> str:
        """The path of `snapshot` relative to the run directory, as quotations name it."""
        return path_in_run(self.snapshot, self.root)

    @cached_property
    def workspace_files(self) -> list[Entry]:
        """The workspace's files in a fixed order; empty if the workspace is missing or a symbolic link."""
        if not self.workspace.is_dir() or self.workspace.is_symlink():
            return []
        return list(walk(self.workspace))

    @cached_property
    def scripts(self) -> WorkspaceScripts:
        """The scripts in the workspace, without installed packages, kit files and the scaffold's own records."""
        return read_scripts(
            self.workspace,
            root=self.root,
            kit_hashes=self.kit_manifest.values(),
            session_files=self.outcome.sessions,
        )

    @cached_property
    def trace(self) -> Trace:
        """The agent's actions and messages, from `trajectory.json`; not `present` if it is missing or unreadable."""
        return read_trace(self.solve / "trajectory.json")

    @cached_property
    def egress(self) -> Egress:
        """The recorded network requests, from `egress.jsonl`; not `present` if the network was not recorded."""
        return read_egress(self.solve / "egress.jsonl")

    @cached_property
    def provenance_records(self) -> list[Path]:
        """The records of file provenance, one for each start of the agent, in order."""
        return record_files(self.solve / FOLDER)

    @cached_property
    def provenance(self) -> Graph | None:
        """The graph of file provenance; None if it was not recorded. A broken record gives an incomplete graph."""
        if not self.provenance_records and self.outcome.provenance != "recorded":
            return None
        return read_graph(*self.provenance_records)

    def is_agent(self, image: Image) -> bool:
        """Return True for a process of the agent's own program; a recipe is itself what is examined."""
        if self.spec.agent.scaffold == "recipe":
            return False
        return any(word.startswith(AGENT_PATH) for word in (image.program, *image.argv[:3]))

    def provenance_copy(self, digest: str) -> Path | None:
        """Return the copy of a small file that the run wrote, by its SHA-256; None if the recorder kept none."""
        paths = (record.with_name(COPIES) / digest for record in self.provenance_records)
        return next((path for path in paths if path.is_file() and not path.is_symlink()), None)

    @cached_property
    def integrity(self) -> SolveIntegrity | None:
        """The host's record of packages, deadline and times; None in runs of versions that did not write it."""
        try:
            return SolveIntegrity.model_validate(json.loads((self.solve / "integrity.json").read_text()))
        except (OSError, ValueError, ValidationError):
            return None

    @cached_property
    def test_item_index(self) -> Index:
        """The scanner's index over the test items, with the train split as permitted text."""
        # Imported here because the scanner loads a compiler.
        from posttrainbench.audit.contamination.scan.index import build_index
        from posttrainbench.audit.contamination.scan.whitelist import Whitelist

        permitted = Whitelist(items=self.legal_items)
        return build_index(self.test_items, permitted.texts, permitted.rows)


Detector = Callable[[Evidence], tuple[list[Finding], Coverage | list[Coverage]]]
"""Returns findings (facts with quotations), and one coverage entry for each rule that it checked."""
