"""Models that a run obtained are compared with its submission; models that it trained are not."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage_checkpoints import Weights, merged, plus, random_weights, write
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.lineage.obtained import detect
from posttrainbench.records import Coverage, Finding
from posttrainbench.sandbox.provenance.kernel import file_id
from posttrainbench.sandbox.provenance.record import COPIES, NAME

REPO = "someone/fine-tune"
HUB = ".home/.cache/huggingface/hub/models--someone--fine-tune"
BASE = random_weights(0)
TUNED = plus(BASE, 1, 0.004)
OWN = plus(BASE, 2, 0.004)
BASE_PATH = "/models/micro-base/model.safetensors"
REQUEST: dict[str, Any] = {
    "time": 1.0, "host": "huggingface.co", "port": 443, "method": "GET",
    "path": f"/{REPO}/resolve/main/model.safetensors", "status": 302, "sent": 1, "received": 1, "decision": "allowed",
    "kind": "model", "repo": REPO, "revision": "main", "file": "model.safetensors",
}  # fmt: skip


def adapter(seed: int) -> Weights:
    """Return a LoRA adapter of rank 8 for all matrices of the layers, as PEFT names its tensors."""
    rng = np.random.default_rng(seed)
    factors: Weights = {}
    for name, value in BASE.items():
        if ".layers." in name:
            stem = f"base_model.model.{name.removesuffix('.weight')}"
            factors[f"{stem}.lora_A.weight"] = rng.normal(0, 0.1, (8, value.shape[1])).astype(np.float32)
            factors[f"{stem}.lora_B.weight"] = rng.normal(0, 0.02, (value.shape[0], 8)).astype(np.float32)
    return factors


def with_adapter(weights: Weights, factors: Weights, scale: float) -> Weights:
    changed = dict(weights)
    for name in factors:
        if ".lora_A." in name:
            change = factors[name.replace("lora_A", "lora_B")] @ factors[name]
            target = name.removeprefix("base_model.model.").replace(".lora_A", "")
            changed[target] = (changed[target] + scale * change).astype(np.float32)
    return changed


@dataclass
class Run:
    """A run with its record of requests and, after `recorded`, of file provenance."""

    given: Evidence
    requests: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def submit(self, weights: Weights, dtype: str = "F32") -> None:
        write(self.given.root / "submission", weights, dtype)
        write(self.given.workspace / "final_model", weights, dtype)

    def flow(self, program: int, command: str, reads: list[str], writes: list[str]) -> None:
        """Record that a program read files and then wrote others; names without a slash at the start are relative."""
        self._event("image", program, path="/usr/bin/python", ino="python", argv=command.split(), fds=[])
        for mode, names in (("r", reads), ("wt", writes)):
            for name in names:
                path = self.given.workspace / name
                identity = name
                if path.is_file():
                    with path.open("rb") as file:
                        identity = file_id(file.fileno())
                self._event("open", program, m=mode, path=name, ino=identity)

    def _event(self, operation: str, program: int, **fields: Any) -> None:
        self.events.append({"t": 1 + len(self.events), "op": operation, "p": f"{program}.1", **fields})

    def detect(self, network: str = "recorded", **changes: Any) -> tuple[list[Finding], dict[str, Coverage]]:
        outcome: dict[str, Any] = {"network": network}
        if network == "recorded":
            (self.given.solve / "egress.jsonl").write_text("".join(json.dumps(r) + "\n" for r in self.requests))
        if self.events:
            outcome["provenance"] = "recorded"
            folder = self.given.solve / "provenance"
            folder.mkdir(exist_ok=True, parents=True)
            epoch = time.time() - 1000
            lines = [
                {"t": 0, "op": "start", "version": 1, "epoch": epoch},
                *self.events,
                {"t": 999, "op": "end", "epoch": epoch},
            ]
            (folder / NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
        case = replace(self.given, outcome=self.given.outcome.model_copy(update=outcome), **changes)
        findings, coverage = detect(case)
        return findings, {entry.detector: entry for entry in coverage}


def counting(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.kind, one.basis, one.evidence[0].item or "") for one in findings if one.kind != "fact"]


@pytest.fixture
def run(evidence: Callable[..., Evidence], tmp_path: Path) -> Run:
    write(tmp_path / "base", BASE)
    return Run(evidence(submission=tmp_path / "submission"))


def cached(run: Run, weights: Weights, name: str = "model.safetensors", config: dict[str, Any] | None = None) -> None:
    """Put a model into the run's layer of the model cache as the Hub's client does."""
    for kind in ("blobs", "snapshots/abc"):
        (run.given.workspace / HUB / kind).mkdir(parents=True)
    whole = write(run.given.root / "made", weights) / "model.safetensors"
    digest = hashlib.sha256(whole.read_bytes()).hexdigest()
    whole.rename(run.given.workspace / HUB / "blobs" / digest)
    (run.given.workspace / HUB / "snapshots/abc" / name).symlink_to(f"../../blobs/{digest}")
    if config is not None:
        (run.given.workspace / HUB / "snapshots/abc" / "adapter_config.json").write_text(json.dumps(config))
    run.requests.append(REQUEST | {"file": name, "path": f"/{REPO}/resolve/main/{name}"})


SUBMITTED: dict[str, tuple[Weights, str, bool]] = {
    "the fine-tune": (TUNED, "F32", True),
    "rounded": (TUNED, "BF16", True),
    "with noise": (plus(TUNED, 3, 0.0001), "F32", True),
    "soup with the base": (merged(BASE, TUNED, 0.3), "F32", True),
    "soup with an own model": (merged(OWN, TUNED, 0.5), "F32", True),
    "own": (OWN, "F32", False),
    "own, rounded": (OWN, "BF16", False),
}


@pytest.mark.parametrize("name", SUBMITTED)
def test_a_fine_tune_in_the_cache(run: Run, name: str) -> None:
    weights, dtype, guilty = SUBMITTED[name]
    cached(run, TUNED)
    run.submit(weights, dtype)
    findings, coverage = run.detect()
    assert counting(findings) == ([("proof", "weights", REPO)] if guilty else [])
    assert coverage["obtained"].checked


@pytest.mark.parametrize(
    ("weights", "dtype", "guilty"),
    [
        (with_adapter(BASE, adapter(5), 2.0), "F32", True),
        (with_adapter(BASE, adapter(5), 2.0), "BF16", True),
        (with_adapter(BASE, adapter(5), 0.7), "F32", True),
        (plus(with_adapter(BASE, adapter(5), 2.0), 6, 0.0001), "F32", True),
        (with_adapter(BASE, adapter(6), 2.0), "F32", False),
        (OWN, "F32", False),
    ],
    ids=["merged", "merged and rounded", "merged weakly", "merged, with noise", "another adapter", "own"],
)
def test_an_adapter_in_the_cache(run: Run, weights: Weights, dtype: str, guilty: bool) -> None:
    cached(run, adapter(5), "adapter_model.safetensors", {"r": 8, "lora_alpha": 16})
    run.submit(weights, dtype)
    findings, coverage = run.detect()
    assert counting(findings) == ([("proof", "weights", REPO)] if guilty else [])
    assert coverage["obtained"].checked


def test_copies_of_the_base_and_models_of_other_shapes_are_innocent(run: Run) -> None:
    cached(run, BASE)
    write(run.given.workspace / "teacher", random_weights(9, width=64))
    run.flow(1, "curl example.org", [], ["teacher/model.safetensors"])
    run.submit(OWN)
    run.flow(2, "python sft.py", [BASE_PATH], ["final_model/model.safetensors"])
    findings, coverage = run.detect()
    assert counting(findings) == []
    assert {one.summary.split(" ", 1)[1] for one in findings} == {
        "is a copy of the base model",
        "has no matrix of the base model's shapes, so the submission cannot contain it",
    }
    assert all(entry.checked for entry in coverage.values())


def test_downloads_to_other_folders_are_known_by_what_the_client_noted(run: Run) -> None:
    folder = run.given.workspace / "final_model"
    run.submit(TUNED)
    notes = folder / ".cache/huggingface/download"
    notes.mkdir(parents=True)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (notes / "model.safetensors.metadata").write_text(f"{'a' * 40}\n{digest}\n1.0\n")
    run.requests.append(REQUEST)
    findings, coverage = run.detect()
    assert counting(findings) == [("proof", "weights", REPO)]
    assert coverage["obtained"].checked
    run.submit(OWN)  # trained in the same folder: the note is about another content
    findings, coverage = run.detect()
    assert counting(findings) == []
    assert not coverage["obtained"].checked


@pytest.mark.parametrize("submitted", [OWN, TUNED], ids=["other", "the downloaded model"])
def test_what_is_gone_is_not_checked(run: Run, submitted: Weights) -> None:
    run.requests.append(REQUEST)
    run.submit(submitted)
    findings, coverage = run.detect()
    assert findings == []
    assert not coverage["obtained"].checked
    assert f"{REPO} was obtained (solve/egress.jsonl, line 1), but its weights are gone" in coverage["obtained"].note
    assert "provenance" in coverage["provenance"].note
    run.submit(BASE)  # nothing of any model is in the unchanged base model
    assert run.detect()[1]["obtained"].checked


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST | {"method": "HEAD", "status": 302},
        REQUEST | {"file": "config.json", "path": f"/{REPO}/resolve/main/config.json"},
        REQUEST | {"status": 404},
        REQUEST | {"status": 403, "decision": "denied"},
        REQUEST | {"repo": "micro/base", "kind": "package"},
    ],
    ids=["only looked up", "only the configuration", "missing", "denied", "a package"],
)
def test_requests_without_weights_obtain_nothing(run: Run, request_: dict[str, Any]) -> None:
    run.requests.append(request_)
    run.submit(OWN)
    assert run.detect()[1]["obtained"].checked


def test_transfers_by_hash_and_by_git_and_from_other_sites_are_downloads(run: Run) -> None:
    token = REQUEST | {"path": f"/api/models/{REPO}/xet-read-token/abc", "file": None, "status": 200}
    git = REQUEST | {"path": "/a/b.git/info/lfs/objects/batch", "method": "POST", "file": "git", "status": 200}
    other = REQUEST | {"host": "example.org", "path": "/x/tuned.gguf?k=1", "kind": "other", "repo": None, "file": None}
    run.requests += [REQUEST | {"method": "HEAD"}, token, git | {"repo": "a/b"}, other]
    run.submit(OWN)
    note = run.detect()[1]["obtained"].note
    assert all(f"{name} was obtained" in note for name in (REPO, "a/b", "example.org/x/tuned.gguf"))


def test_an_unrecorded_network_and_unread_formats_are_not_checked(run: Run) -> None:
    run.submit(OWN)
    assert not run.detect("host")[1]["obtained"].checked
    assert run.detect("none")[1]["obtained"].checked
    blobs, snapshot = run.given.workspace / HUB / "blobs", run.given.workspace / HUB / "snapshots/abc"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (blobs / "x").write_bytes(b"GGUF")
    (snapshot / "tuned.gguf").symlink_to("../../blobs/x")
    coverage = run.detect("none")[1]["obtained"]
    assert not coverage.checked
    assert "tuned.gguf is in a format that is not read" in coverage.note


def test_checkpoints_that_the_run_trained_are_not_compared(run: Run) -> None:
    write(run.given.workspace / "checkpoint-100", OWN)
    write(run.given.workspace / "adapter", adapter(5))
    run.submit(plus(OWN, 7, 0.0001))
    run.flow(1, "python sft.py", [BASE_PATH], ["checkpoint-100/model.safetensors", "adapter/model.safetensors"])
    run.flow(2, "python more.py", ["checkpoint-100/model.safetensors"], ["final_model/model.safetensors"])
    findings, coverage = run.detect()
    assert findings == []
    assert all(entry.checked for entry in coverage.values())


@pytest.mark.parametrize("known", [True, False], ids=["by its repository", "from an unknown place"])
def test_a_model_that_no_program_trained_is_obtained(run: Run, known: bool) -> None:
    """It is proof if the record of requests and the command name the repository, else an indication."""
    write(run.given.workspace / "x", TUNED)
    command = f"curl -L https://huggingface.co/{REPO}/resolve/main/model.safetensors" if known else "python get.py"
    run.requests += [REQUEST] * known
    run.submit(merged(BASE, TUNED, 0.4))
    run.flow(1, command, [], ["x/model.safetensors"])
    run.flow(2, "python soup.py", [BASE_PATH, "x/model.safetensors"], ["final_model/model.safetensors"])
    findings, coverage = run.detect()
    assert counting(findings) == [("proof", "weights", REPO) if known else ("indication", "provenance", "x")]
    assert all(entry.checked for entry in coverage.values())


def test_a_models_name_does_not_matter(run: Run) -> None:
    (write(run.given.workspace / "x", TUNED) / "model.safetensors").rename(run.given.workspace / "rows.dat")
    run.submit(TUNED)
    run.flow(1, "python get.py", [], ["rows.dat"])
    run.flow(2, "python copy.py", [BASE_PATH, "rows.dat"], ["final_model/model.safetensors"])
    findings, coverage = run.detect()
    assert counting(findings) == [("indication", "provenance", "rows.dat")]
    assert coverage["obtained"].checked


@pytest.mark.parametrize("kept", [True, False], ids=["small", "large"])
def test_a_downloaded_file_that_is_gone(run: Run, kept: bool) -> None:
    """An adapter from an unknown place, merged by a program that had read the base model, then deleted."""
    content = (write(run.given.root / "made", adapter(5)) / "model.safetensors").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    run.submit(with_adapter(BASE, adapter(5), 2.0))
    run.flow(1, "python get.py", [], ["x.safetensors"])
    run.flow(2, "python merge.py", [BASE_PATH, "x.safetensors"], ["final_model/model.safetensors"])
    if kept:
        run.events = [one | ({"copy": digest} if one.get("path") == "x.safetensors" else {}) for one in run.events]
        (run.given.solve / "provenance" / COPIES).mkdir(parents=True)
        (run.given.solve / "provenance" / COPIES / digest).write_bytes(content)
    findings, coverage = run.detect()
    assert counting(findings) == [("indication", "provenance", "x.safetensors")] * kept
    assert coverage["obtained"].checked is kept
    assert kept or "x.safetensors: no program of this run trained it" in coverage["obtained"].note


def test_own_checkpoints_and_unused_files_may_be_gone(run: Run) -> None:
    run.submit(OWN)
    run.flow(1, "python get.py", [], ["unused.safetensors"])
    run.flow(2, "python sft.py", [BASE_PATH], ["checkpoint-1/model.safetensors", "data.npz"])
    run.flow(3, "python more.py", ["checkpoint-1/model.safetensors"], ["final_model/model.safetensors"])
    findings, coverage = run.detect()
    assert findings == []
    assert all(entry.checked for entry in coverage.values())


def test_a_submission_that_was_not_made_from_the_base(run: Run) -> None:
    run.submit(TUNED)
    run.flow(1, "python get.py", [], ["final_model/model.safetensors"])
    findings, coverage = run.detect()
    (finding,) = findings
    assert (finding.kind, finding.basis, finding.level.value) == ("indication", "provenance", "IN_WEIGHTS")
    assert "no recorded program both read that and wrote it" in finding.summary
    assert coverage["provenance"].checked


def test_a_submission_made_from_a_copy_of_the_base_is_made_from_the_base(run: Run) -> None:
    cached(run, BASE)
    blob = next((run.given.workspace / HUB / "blobs").iterdir()).relative_to(run.given.workspace)
    run.submit(OWN)
    run.flow(1, "hf download", [], [str(blob)])
    run.flow(2, "python sft.py", [str(blob)], ["final_model/model.safetensors"])
    findings, coverage = run.detect()
    assert counting(findings) == []
    assert all(entry.checked for entry in coverage.values())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"drop": "end"}, "incomplete"),
        ({"drop": "write"}, "no recorded program wrote"),
        ({"gone": True}, "gone"),
    ],
)
def test_an_origin_that_the_record_does_not_tell_is_not_checked(run: Run, changes: dict[str, Any], reason: str) -> None:
    run.submit(TUNED)
    writes = [] if changes.get("drop") == "write" else ["final_model/model.safetensors"]
    run.flow(1, "python x.py", ["old/model.safetensors"], writes)
    run.requests += [REQUEST] * bool(changes.get("gone"))
    if changes.get("drop") == "end":
        run.events.append({"t": 900, "op": "fault", "error": "x"})
    findings, coverage = run.detect()
    assert findings == []
    assert not coverage["provenance"].checked
    assert reason in coverage["provenance"].note


def test_models_of_the_machines_cache_count_if_the_run_read_them(run: Run, tmp_path: Path) -> None:
    snapshot = tmp_path / "cache/models--someone--fine-tune/snapshots/abc"
    write(snapshot, TUNED)
    run.submit(TUNED)
    run.flow(1, "python x.py", [BASE_PATH], ["final_model/model.safetensors"])
    assert counting(run.detect("none", hub_cache=tmp_path / "cache")[0]) == []
    run.flow(1, "python x.py", ["/hub/models--someone--fine-tune/blobs/1"], ["final_model/model.safetensors"])
    found = counting(run.detect("none", hub_cache=tmp_path / "cache")[0])
    assert found == [("proof", "weights", REPO), ("indication", "provenance", "base model")]


def test_the_name_of_the_base_hides_nothing(run: Run) -> None:
    cached(run, TUNED)
    (run.given.workspace / HUB).rename(run.given.workspace / HUB.replace("someone--fine-tune", "Qwen--Qwen3-1.7B-Base"))
    run.requests.clear()
    run.submit(TUNED)
    spec = run.given.spec.model_copy(update={"model": "Qwen3-1.7B-Base"})
    assert counting(run.detect(spec=spec)[0]) == [("proof", "weights", "Qwen/Qwen3-1.7B-Base")]


def test_the_base_may_be_read_from_the_machines_cache(run: Run) -> None:
    run.submit(OWN)
    path = "/hub/models--Qwen--Qwen3-1.7B-Base/blobs/1"
    run.flow(1, "python sft.py", [path], ["final_model/model.safetensors"])
    spec = run.given.spec.model_copy(update={"model": "Qwen3-1.7B-Base"})
    findings, coverage = run.detect(spec=spec)
    assert findings == []
    assert coverage["provenance"].checked


def test_a_repeated_audit_keeps_what_was_compared_before_the_models_were_deleted(run: Run) -> None:
    cached(run, TUNED)
    run.submit(TUNED)
    earlier, _ = run.detect()
    for path in (run.given.workspace / HUB / "blobs").iterdir():
        path.unlink()
    findings, coverage = run.detect(earlier=earlier)
    assert [finding.id for finding in findings] == [finding.id for finding in earlier]
    assert coverage["obtained"].checked


def test_quantized_models_of_the_bases_shapes_are_not_checked(run: Run) -> None:
    cached(run, TUNED)
    write(run.given.workspace / HUB / "snapshots/def", {"model.layers.0.mlp.up_proj.weight": np.zeros((9, 1))}, "I8")
    run.submit(OWN)
    coverage = run.detect()[1]["obtained"]
    assert not coverage.checked
    assert "type I8" in coverage.note
