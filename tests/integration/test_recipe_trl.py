"""The recipe of the suite `small` on a micro model: an adapter, all weights, and too little time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posttrainbench import catalog
from posttrainbench.agents.recipe import RECIPES
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.submission.canonical import examine

pytestmark = [pytest.mark.training, pytest.mark.slow]
pytest.importorskip("trl")
pytest.importorskip("peft")
BASE = catalog.models()["micro-base"]


def train(tmp_path: Path, *options: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
    """Run the recipe in `tmp_path` with a kit of 40 train rows."""
    kit = tmp_path / "kit"
    (kit / "data").mkdir(parents=True)
    (kit / "templates").mkdir()
    (kit / "templates" / "chat_template.jinja").write_text(catalog.chat_template(BASE))
    rows = [item.row for item in load_benchmark("micro-math").load("train")[:40]]
    (kit / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"seed": 0, "kit": str(kit), "base_model": str(BASE.directory), "model": BASE.id, "benchmark": "micro-math"}
    (kit / "task.json").write_text(json.dumps(task))
    now = float(Path("/proc/uptime").read_text().split()[0])
    (tmp_path / "deadline").write_text(str(now + seconds))
    environment = {**os.environ, "PTB_KIT": str(kit), "PTB_DEADLINE": str(tmp_path / "deadline"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(RECIPES / "sft_trl.py"), "--batch-size", "2", *options]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def require_trained(folder: Path) -> set[str]:
    """Return the names of the weights that differ from the base model's, in a submission that is accepted."""
    examination = examine(folder / "final_model", BASE.directory, [folder])
    assert examination.state == "accepted", examination
    before, after = weights(BASE.directory), weights(folder / "final_model")
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    return changed


def test_all_weights(tmp_path: Path) -> None:
    done = train(tmp_path, "--tuning", "full", "--steps", "6")
    assert done.returncode == 0, done.stderr
    assert "40 train examples of micro-math\n" in done.stdout
    assert "saved final_model after 6 steps" in done.stdout
    assert "Warning" not in done.stderr, done.stderr
    assert any("embed_tokens" in name for name in require_trained(tmp_path))
    assert len((tmp_path / "train_data.jsonl").read_text().splitlines()) == 12


def test_adapter_is_merged_and_training_stops_before_the_time_runs_out(tmp_path: Path) -> None:
    done = train(tmp_path, "--steps", "5000", seconds=50)
    assert done.returncode == 0, done.stderr
    assert 1 <= int(done.stdout.rpartition("saved final_model after ")[2].split()[0]) < 5000
    assert not any("embed_tokens" in name for name in require_trained(tmp_path))
