"""Links out of the workspace: known places are clean, all others are named, and the rule is then not checked."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from posttrainbench.audit.contamination.detector import detect
from posttrainbench.audit.evidence import Evidence
from scan_problems import problems

BASE = "/models/base/snapshots/abc"
TESTS = problems()
WORDS = " ".join(item.question for item in problems(9, seed=11))


def case_of(evidence: Callable[..., Evidence], links: dict[str, str], workspace: str = "/workspace") -> Evidence:
    case = evidence(test_items=TESTS)
    case.kit.mkdir()
    task = {"workspace": workspace, "kit": "/kit", "base_model": BASE, "models": {"other": "/models/other"}}
    (case.kit / "task.json").write_text(json.dumps(task))
    (case.workspace / "notes.txt").write_text(WORDS)
    for name, target in links.items():
        path = case.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return case


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("test.jsonl", "/kit/data/test.jsonl"),
        ("kit", "../kit"),
        ("final_model/model.safetensors", f"{BASE}/model.safetensors"),
        ("final_model/model.safetensors", "/models/base/blobs/123"),
        ("final_model", "/models/other"),
        ("env/bin/python", "/usr/bin/python3"),
        ("env/lib64", "lib"),
        ("latest", "/workspace/runs/3"),
        ("runs/latest", "../runs/./3"),
        ("cache", "/tmp/cache"),
        ("shared", "/dev/shm/rows"),
        (".tmp/link", "/workspace/notes.txt"),
        ("log", "/dev/null"),
        ("gone", "notes that are gone.txt"),
    ],
)
def test_links_to_searched_and_known_places_are_clean(
    evidence: Callable[..., Evidence], name: str, target: str
) -> None:
    findings, coverage = detect(case_of(evidence, {name: target}))
    assert (findings, coverage.checked) == ([], True)
    assert [(skip.path, skip.reason) for skip in coverage.skipped] == [(name, "symbolic link, not opened")]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("train.jsonl", "/data/train.jsonl"),
        ("data", "../data"),
        ("data", "/kit/../data"),
        ("data", "/workspace-2/data"),
        ("data", "/models/secret"),
        ("runs/data", "../../home/agent"),
        ("data", "/proc/self/root/data"),
        (".tmp/data", "../data"),
        (".tmp/a/data", "../../data"),
        ("data", "/var/tmp/data"),
    ],
)
def test_links_elsewhere_are_named_and_not_checked(evidence: Callable[..., Evidence], name: str, target: str) -> None:
    findings, coverage = detect(case_of(evidence, {name: target}))
    assert (findings, coverage.checked) == ([], False)
    assert [(skip.path, skip.reason) for skip in coverage.skipped] == [
        (name, f"symbolic link to {target}, outside of the workspace")
    ]


def test_a_link_above_another_link_is_named(evidence: Callable[..., Evidence]) -> None:
    links = {"a/b/c/down": "/workspace", "a/b/c/data": "down/../data"}
    _, coverage = detect(case_of(evidence, links))
    assert not coverage.checked
    assert {skip.path: skip.reason for skip in coverage.skipped} == {
        "a/b/c/down": "symbolic link, not opened",
        "a/b/c/data": "symbolic link to down/../data, outside of the workspace",
    }


def test_without_a_file_system_of_its_own(evidence: Callable[..., Evidence], tmp_path: Path) -> None:
    workspace = str(tmp_path / "workspace")
    _, coverage = detect(case_of(evidence, {"a": f"{workspace}/b", "c": "/tmp/d"}, workspace))
    assert [skip.path for skip in coverage.skipped if "outside" in skip.reason] == ["c"]
    assert not coverage.checked


def test_the_cache_of_the_hub_is_a_known_place(evidence: Callable[..., Evidence], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    name, blob = ".home/.cache/huggingface/hub/models--a--b/blobs/1", "models--a--b/blobs/1"
    case = case_of(evidence, {name: f"/hub/{blob}", f"{name}2": f"{cache}/{blob}2"})
    assert not detect(case)[1].checked
    assert detect(replace(case, hub_cache=cache))[1].checked
