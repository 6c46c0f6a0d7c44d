"""`ptb audit` on runs on which another process is working: the stored audit, and no advice to continue the run."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.run import Run
from posttrainbench.run.directory import lock_experiment
from run_pages import write_full_run
from support import assert_refused, contents

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run that was audited, with a flag, and whose evaluation is not finished."""
    root = write_full_run(tmp_path / "e" / "run", "words")
    (root / "result.json").unlink()
    shutil.rmtree(root / "evaluate")
    for folder in ("prepare", "submission"):
        (root / folder).mkdir(exist_ok=True)
    return root


def test_the_stored_audit_is_shown_while_the_run_is_evaluated(root: Path, ptb_here: Ptb) -> None:
    with Run(root).lock():
        before = contents(root)
        said = ptb_here("audit", root)
        assert "flagged" in said.stdout
        assert "The evaluation is in progress; the run has no score yet." in " ".join(said.stdout.split())
        assert f"ptb status {root} --watch" in said.stderr
        assert "resume" not in said.stdout + said.stderr
        assert said.returncode == 1
        [row] = json.loads(ptb_here("audit", root, "--json").stdout)
        assert (row["status"], row["audit"]["verdict"]["rules"]) == ("unfinished", verdict(root))
        log = json.loads(ptb_here("audit", root, "--sarif").stdout)
        assert log["runs"][0]["results"]
        assert contents(root) == before
        for words in (["--rules", "v1"], ["--out", root.parent.parent / "out"]):
            refused = ptb_here("audit", root, *words)
            assert refused.returncode == 2
            assert "resume" not in refused.stderr


def test_the_experiment_may_be_launched_by_another_process(root: Path, ptb_here: Ptb) -> None:
    with lock_experiment(root.parent):
        assert "evaluation is in progress" in ptb_here("audit", root).stdout
        shutil.rmtree(root / "audit")
        assert_refused(ptb_here("audit", root), "a process is working on it; wait", "--watch")


def test_a_run_that_nobody_continues_is_to_be_resumed(root: Path, ptb_here: Ptb) -> None:
    assert_refused(ptb_here("audit", root), "has not been evaluated yet", f"ptb resume {root}")


def test_one_of_several_runs_is_being_evaluated(root: Path, ptb_here: Ptb) -> None:
    shutil.copytree(root, root.parent / "other")
    with lock_experiment(root.parent):
        said = ptb_here("audit", root.parent)
    assert said.stdout.count("evaluation in progress") == 2
    assert "2 of 2 audited runs are flagged" in said.stderr
    assert f"ptb status {root.parent} --watch" in said.stderr


def verdict(root: Path) -> object:
    return json.loads((root / "audit" / "verdict.json").read_text())["rules"]
