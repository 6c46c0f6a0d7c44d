"""`ptb cleanup` frees workspaces of finished runs and old caches, and never anything else."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InputError
from posttrainbench.records import AgentSpec, Result, RunSpec, Stage, Status
from posttrainbench.run import Run
from posttrainbench.run.cleanup import free, freeable, require_workspace
from posttrainbench.run.index import summaries
from posttrainbench.run.rerun import rerun_stage

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]
OLD = 1_000_000_000


def write(root: Path, status: str | None = "scored", old: bool = True, **changes: Any) -> Path:
    for stage in list(Stage)[:-1]:
        (root / stage.folder).mkdir(parents=True)
    (root / "workspace" / "data").mkdir(parents=True)
    (root / "workspace" / "data" / "big").write_bytes(b"x" * 100_000)
    spec = RunSpec(
        run=root.name,
        created="2026-11-29T12:00:00+00:00",
        agent=AgentSpec(name="agent", scaffold="recipe"),
        **dict.fromkeys(("model", "benchmark", "suite", "rules", "sandbox", "engine", "grader"), "x"),
        **dict.fromkeys(("prompt_sha256", "kit_sha256", "model_sha256"), "x"),
        budget=60,
        seed=0,
        versions={},
        host={},
    )
    (root / "run.json").write_text(spec.model_dump_json())
    (root / "journal.jsonl").write_text("")
    if status:
        none = dict.fromkeys(("raw_score", "base_score", "instruct_score"))
        fields = {"run": root.name, "score": 0.5, "verdict": {}, "reasons": [], "evidence": [], **none, **changes}
        (root / "result.json").write_text(Result(status=Status(status), **fields).model_dump_json())
        if old:
            os.utime(root / "result.json", (OLD, OLD))
    return root


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with runs of all kinds and with caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs" / "e"
    write(runs / "done")
    write(runs / "reset", "base_fallback")
    write(runs / "recent", old=False)
    write(runs / "suspected", suspected=["x"])
    write(runs / "failed", "infrastructure_error", score=None)
    write(runs / "unaudited", "not_audited", score=None)
    write(runs / "unfinished", None)
    (write(runs / "damaged") / "run.json").write_text("{}")
    for name in ("kernels-1", "kernels-2", "baselines/1", "evaluations/1"):
        (tmp_path / "cache" / "posttrainbench" / name).mkdir(parents=True)
        if name != "kernels-2":
            os.utime(tmp_path / "cache" / "posttrainbench" / name, (OLD, OLD))
    return tmp_path


def kept(place: Path) -> set[str]:
    files = [*(place / "runs").rglob("*"), *(place / "cache").rglob("*")]
    return {str(path.relative_to(place)) for path in files if path.name != "lock" and "sqlite" not in path.name}


def test_nothing_is_freed_before_it_was_shown(place: Path, ptb_here: Ptb) -> None:
    before = kept(place)
    said = ptb_here("cleanup", cwd=place)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert [line.split()[-1].removeprefix(f"{place}/") for line in lines[:-1]] == [
        "runs/e/done/workspace",
        "runs/e/reset/workspace",
        "cache/posttrainbench/kernels-1",
        "cache/posttrainbench/evaluations/1",
    ]
    assert lines[-1].endswith("in 4 directories can be freed; add --yes to free it.")
    assert kept(place) == before


def test_only_workspaces_of_finished_runs_and_old_caches_are_freed(place: Path, ptb_here: Ptb) -> None:
    before = kept(place)
    done = json.loads(ptb_here("cleanup", "--yes", "--json", cwd=place).stdout)
    assert done["freed"]
    assert done["bytes"] >= 200_000
    runs = ("runs/e/done", "runs/e/reset")
    gone = {f"{run}/workspace{rest}" for run in runs for rest in ("", "/data", "/data/big")}
    gone |= {"cache/posttrainbench/kernels-1", "cache/posttrainbench/evaluations/1"}
    assert before - kept(place) == gone
    assert kept(place) - before == {f"{run}/cleanup.jsonl" for run in runs}
    assert ptb_here("cleanup", "--yes", cwd=place).stdout == "Nothing to free that is older than 7d.\n"
    run = Run(place / "runs" / "e" / "done")
    with pytest.raises(InputError, match=r"was freed with `ptb cleanup`, so the run cannot be audited again"):
        rerun_stage(run, Stage.AUDIT)
    assert run.is_done(Stage.AUDIT)
    require_workspace(Run(place / "runs" / "e" / "recent"))


def test_an_experiment_and_an_age_can_be_chosen(place: Path, ptb_here: Ptb) -> None:
    said = ptb_here("cleanup", "e", "--older-than", "0h", cwd=place)
    names = [line.split()[-1].removeprefix(f"{place}/runs/e/") for line in said.stdout.splitlines()[:-1]]
    assert names == ["done/workspace", "recent/workspace", "reset/workspace"]
    assert ptb_here("cleanup", "--older-than", "soon", cwd=place).returncode == 2


def test_links_are_not_followed_and_state_is_checked_again(place: Path) -> None:
    (place / "precious").mkdir()
    (place / "precious" / "file").write_text("x")
    run = place / "runs" / "e" / "done"
    (run / "workspace" / "link").symlink_to(place / "precious")
    item = next(freeable(summaries(run), 0))
    assert item.run is not None
    result = (run / "result.json").read_text()
    (run / "result.json").write_text(result.replace('"suspected":[]', '"suspected":["x"]'))
    with pytest.raises(InputError, match=r"has changed; its workspace is kept"):
        free(item)
    (run / "result.json").write_text(result)
    with item.run.lock(), pytest.raises(InputError, match=r"is working on"):
        free(item)
    assert (run / "workspace").is_dir()
    free(item)
    assert not (run / "workspace").exists()
    assert (place / "precious" / "file").exists()
