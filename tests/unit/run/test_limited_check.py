"""The check of a submission in a process with limits: who is at fault when it dies."""

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from posttrainbench import catalog
from posttrainbench.errors import InfrastructureError
from posttrainbench.evaluation import limited_check
from posttrainbench.evaluation.limited_check import Limits, check_submission
from posttrainbench.records import RunSpec
from posttrainbench.run import Run
from posttrainbench.submission.sanitize import sanitize
from trajectory_recordings import make_recorded_run

BASE = catalog.find(catalog.models(), "micro-base", "model").directory
EMBEDDINGS = "model.embed_tokens.weight"
ENOUGH = Limits(memory=300 * 2**20, seconds=100)
TOO_LITTLE = Limits(memory=2**25, seconds=100)


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    spec = Run(make_recorded_run(tmp_path / "run", [])).spec
    return spec.model_copy(update={"model": "micro-base", "benchmark": "micro-math", "suite": "micro"})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (folder := tmp_path / "out").mkdir()
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("torn", [False, True])
def test_it_decides_as_sanitize_does(torn: bool, spec: RunSpec, out: Path, tmp_path: Path) -> None:
    source = shutil.copytree(BASE, tmp_path / "final_model")
    if torn:
        (source / "model.safetensors").write_bytes(b"torn")
    (here := tmp_path / "here").mkdir()
    assert check_submission(spec, source, out, ENOUGH) == sanitize(source, here, BASE)
    assert content(out) == content(here)


def test_a_memory_bomb_is_the_submissions_fault(spec: RunSpec, out: Path, tmp_path: Path) -> None:
    source = shutil.copytree(BASE, tmp_path / "final_model")
    entries = {f"{number:x}": number for number in range(2**16, 2**16 + 480_000)}  # of 7 MB, which are not refused
    junk = json.dumps(entries, separators=(",", ":"))
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        facts = (BASE / name).read_text() if (BASE / name).is_file() else '{"a": 1}'
        (source / name).write_text(f'{{"junk": {junk}, {facts.lstrip()[1:]}')
    manifest = check_submission(spec, source, out, ENOUGH)
    assert (manifest.state, manifest.files) == ("broken", {})
    assert "memory" in manifest.problems[0]
    assert content(out) == {}


def test_limits_that_even_the_base_model_exceeds_are_the_machines_fault(spec: RunSpec, out: Path) -> None:
    with pytest.raises(InfrastructureError, match="even of the base model") as failed:
        check_submission(spec, BASE, out, TOO_LITTLE)
    assert failed.value.cause == "check_failed"


def test_a_check_that_was_killed_from_outside_is_repeated_and_then_the_machines_fault(
    spec: RunSpec, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, codes = subprocess.run, [-signal.SIGKILL]

    def killed(*words: Any, **options: Any) -> Any:
        return subprocess.CompletedProcess(words, codes.pop(), b"", b"") if codes else run(*words, **options)

    monkeypatch.setattr(limited_check.subprocess, "run", killed)
    assert check_submission(spec, BASE, out).state == "accepted"
    codes += [-signal.SIGKILL, -signal.SIGKILL]
    with pytest.raises(InfrastructureError, match="killed by signal 9") as failed:
        check_submission(spec, BASE, out)
    assert failed.value.cause == "out_of_memory"


def test_prompts_that_cannot_be_read_are_the_machines_fault(spec: RunSpec, out: Path, tmp_path: Path) -> None:
    source = shutil.copytree(BASE, tmp_path / "final_model")
    weights = load_file(source / "model.safetensors")
    rows = weights[EMBEDDINGS]
    weights[EMBEDDINGS] = np.concatenate([rows, rows[:64]])
    save_file(weights, source / "model.safetensors", {"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"vocab_size": len(rows) + 64}))
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({"id": len(rows), "content": "<|new|>", "special": True})
    (source / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert check_submission(spec, source, out).state == "accepted"
    absent = spec.model_copy(update={"benchmark": "gsm8k"})  # its data were not pulled
    (other := tmp_path / "other").mkdir()
    with pytest.raises(InfrastructureError, match="ptb data"):
        check_submission(absent, source, other)


def test_a_check_that_takes_too_long(spec: RunSpec, out: Path) -> None:
    with pytest.raises(InfrastructureError, match="seconds of CPU time"):
        check_submission(spec, BASE, out, ENOUGH.model_copy(update={"seconds": 0}))
