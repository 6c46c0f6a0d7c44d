"""Tests of the search for whole checkpoints outside of `final_model`."""

import os
import shutil
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.run import elsewhere
from posttrainbench.run.elsewhere import checkpoints_elsewhere

BASE = catalog.find(catalog.models(), "micro-base", "model").directory


def checkpoint(folder: Path) -> Path:
    shutil.copytree(BASE, folder)
    return folder


def test_a_whole_checkpoint_is_named(tmp_path: Path) -> None:
    checkpoint(tmp_path / "outputs" / "checkpoint-500")
    named = checkpoints_elsewhere(tmp_path, BASE)
    assert named == ["A whole checkpoint lies in outputs/checkpoint-500; only final_model is evaluated."]


def test_the_newest_are_named_first(tmp_path: Path) -> None:
    for number in range(5):
        weights = checkpoint(tmp_path / f"c{number}") / "model.safetensors"
        os.utime(weights, (number, number))
    assert checkpoints_elsewhere(tmp_path, BASE) == [
        "Whole checkpoints lie in c4, c3, c2; only final_model is evaluated."
    ]


def test_a_torn_one_a_cache_a_link_and_the_submission_itself_are_not(tmp_path: Path) -> None:
    weights = checkpoint(tmp_path / "torn") / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    checkpoint(tmp_path / ".home" / "cached")
    checkpoint(tmp_path / "final_model")
    (tmp_path / "link").symlink_to(BASE)
    assert checkpoints_elsewhere(tmp_path, BASE) == []


def test_a_folder_with_many_entries_hides_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "MAX_ENTRIES", 100)
    monkeypatch.setattr(elsewhere, "MAX_ENTRIES_PER_FOLDER", 20)
    for number in range(200):
        (tmp_path / "rows" / str(number)).mkdir(parents=True)
    checkpoint(tmp_path / "zz")
    assert checkpoints_elsewhere(tmp_path, BASE) == ["A whole checkpoint lies in zz; only final_model is evaluated."]


def test_a_hostile_name_is_escaped_and_the_search_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint(tmp_path / "a\x1b[2J\nb")
    assert "a\\x1b[2J\\nb" in checkpoints_elsewhere(tmp_path, BASE)[0]
    monkeypatch.setattr(elsewhere, "MAX_ENTRIES", 1)
    assert checkpoints_elsewhere(tmp_path, BASE) == []
