"""Stages read a submission only if it is the one that was collected."""

import hashlib
from pathlib import Path

import pytest

from posttrainbench.errors import InfrastructureError
from posttrainbench.files import write_json
from posttrainbench.records import SubmissionManifest
from posttrainbench.run.collected import read_submission
from posttrainbench.run.directory import Run

FILES = {"model.safetensors": b"weights", "config.json": b"{}"}


def collected(root: Path, state: str = "accepted") -> Path:
    (root / "run.json").write_text("{}")
    folder = root / "submission"
    folder.mkdir()
    files = FILES if state == "accepted" else {}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    manifest = SubmissionManifest(state=state, files=hashes, refused=[], problems=[], facts=[])
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.mark.parametrize("state", ["accepted", "refused", "missing", "broken"])
def test_unchanged(state: str, tmp_path: Path) -> None:
    folder = collected(tmp_path, state)
    assert read_submission(Run(tmp_path))[0] == folder
    assert read_submission(Run(tmp_path))[1].state == state


def test_other_times_are_not_a_change(tmp_path: Path) -> None:
    folder = collected(tmp_path)
    (folder / "config.json").touch()
    assert len(read_submission(Run(tmp_path))[1].files) == 2


def change(folder: Path) -> str:
    (folder / "model.safetensors").write_bytes(b"Weights")
    return "model.safetensors is not the file that was collected"


def remove(folder: Path) -> str:
    (folder / "config.json").unlink()
    return "config.json is missing"


def add(folder: Path) -> str:
    (folder / "generation_config.json").write_text("{}")
    return "generation_config.json was added after the collection"


def add_below(folder: Path) -> str:
    (folder / "more").mkdir()
    (folder / "more" / "x.json").write_text("{}")
    return "more/x.json was added after the collection"


def link(folder: Path) -> str:
    (folder / "config.json").rename(folder.parent / "other.json")
    (folder / "config.json").symlink_to(folder.parent / "other.json")
    return "config.json is not the file that was collected"


def break_manifest(folder: Path) -> str:
    (folder / "manifest.json").write_text("{")
    return "manifest.json cannot be read"


def remove_manifest(folder: Path) -> str:
    (folder / "manifest.json").unlink()
    return "manifest.json cannot be read"


@pytest.mark.parametrize("harm", [change, remove, add, add_below, link, break_manifest, remove_manifest])
def test_change_after_the_collection(harm: object, tmp_path: Path) -> None:
    message = harm(collected(tmp_path))  # type: ignore[operator]
    with pytest.raises(InfrastructureError, match=f"submission/{message}") as raised:
        read_submission(Run(tmp_path))
    assert raised.value.cause == "data_changed"
