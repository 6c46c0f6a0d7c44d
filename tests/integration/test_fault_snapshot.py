"""The snapshot at the deadline takes no copy of gigabytes, on file systems with reflinks and on those without."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from posttrainbench.records import Stage, Status, SubmissionManifest
from posttrainbench.records.submission import KEPT
from posttrainbench.run import Run
from posttrainbench.run.snapshot import reflink, snapshot
from support import agent, eventually, make_run, settle

TORN = """
shutil.copytree(base, final)
evaluate = f"{task['kit']}/evaluate.py"
subprocess.run([sys.executable, evaluate, "--model-path", "final_model", "--limit", "2"], check=True)
while not os.path.exists("go"):
    time.sleep(0.1)
os.truncate(f"{final}/model.safetensors", 1000)
"""
BYTES = 64 * 2**20


@pytest.fixture
def with_reflinks(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that has reflinks."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system takes root")
    if shutil.which("mkfs.btrfs") is None and shutil.which("apt-get") is not None:
        command = ["apt-get", "install", "--yes", "--no-install-recommends", "btrfs-progs"]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("mkfs.btrfs is missing, and could not be installed")
    image, place = tmp_path / "image", tmp_path / "place"
    with image.open("wb") as file:
        file.truncate(512 * 2**20)
    place.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def model_in(workspace: Path) -> Path:
    model = workspace / "final_model" / "model.safetensors"
    model.parent.mkdir(parents=True)
    with model.open("wb") as file:
        file.write(os.urandom(BYTES))
        file.flush()
        os.fsync(file.fileno())
    return model


def used(place: Path) -> int:
    os.sync()
    facts = os.statvfs(place)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def test_a_reflink_shares_the_blocks_and_not_the_file(with_reflinks: Path) -> None:
    model = model_in(with_reflinks / "workspace")
    before = used(with_reflinks)
    snapshot(with_reflinks / "workspace", "/workspace", with_reflinks / "kept")
    kept = with_reflinks / "kept" / "model.safetensors"
    assert used(with_reflinks) - before < BYTES // 4
    assert kept.stat().st_ino != model.stat().st_ino
    content = kept.read_bytes()
    assert content == model.read_bytes()
    model.write_bytes(b"changed later")
    assert kept.read_bytes() == content


def test_where_there_are_no_reflinks_the_file_is_linked(tmp_path: Path) -> None:
    model = model_in(tmp_path / "workspace")
    if reflink(model, tmp_path / "probe"):
        pytest.skip("this file system has reflinks")
    assert not (tmp_path / "probe").exists()
    snapshot(tmp_path / "workspace", "/workspace", tmp_path / "kept")
    assert (tmp_path / "kept" / "model.safetensors").samefile(model)


def let_go(run: Run, evaluated: bool) -> None:
    """Let the agent tear its model once the host has kept a copy, or at once."""
    partial = run.root / "solve.partial"
    eventually((partial / KEPT).is_dir if evaluated else (partial / "deadline").exists)
    (run.workspace / "go").touch()


@pytest.mark.sandbox
@pytest.mark.parametrize("evaluated", [True, False])
def test_a_torn_submission_is_replaced_by_the_last_whole_one_that_was_evaluated(
    evaluated: bool, tmp_path: Path
) -> None:
    source = TORN if evaluated else "\n".join(line for line in TORN.splitlines() if "evaluate" not in line)
    run = make_run(tmp_path / "run", agent(tmp_path, source))
    thread = threading.Thread(target=let_go, args=(run, evaluated), daemon=True)
    thread.start()
    result = settle(run)
    thread.join()
    manifest = SubmissionManifest.model_validate_json((run.stage(Stage.COLLECT) / "manifest.json").read_text())
    assert bool(manifest.kept) == evaluated
    if evaluated:
        assert (result.status, result.notes) == (Status.SCORED, [manifest.kept]), result.reasons
        assert "The last complete one that was there when the agent used evaluate.py is evaluated" in manifest.kept
    else:
        assert (result.status, result.notes) == (Status.BASE_FALLBACK, [])
