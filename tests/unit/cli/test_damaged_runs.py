"""Commands on runs whose files are damaged: the reason and the fix are named, and nothing is called clean."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from scoring_runs import build_cell, write_run

from posttrainbench.errors import InputError
from posttrainbench.files import write_json
from posttrainbench.records import Verdict
from posttrainbench.run import Run
from posttrainbench.run.directory import read_record
from posttrainbench.run.settle import result_of
from support import assert_refused

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


def audited(root: Path) -> Path:
    """Write an audited run without a suspicion."""
    path = write_run(build_cell("recipe-sft", benchmark="micro-math", run=root.name), root.parent)
    (path / "audit").mkdir(exist_ok=True)
    write_json(path / "audit" / "verdict.json", Verdict(rule_set="v1", rules={}, reasons=[], required=[]))
    return path


@pytest.mark.parametrize("name", ["run.json", "audit/verdict.json", "result.json"])
def test_a_damaged_run_is_not_reported_as_free_of_suspicion(name: str, ptb_here: Ptb, tmp_path: Path) -> None:
    audited(tmp_path / "e" / "good")
    bad = audited(tmp_path / "e" / "bad")
    said = ptb_here("review", "e", cwd=tmp_path)
    assert (said.returncode, said.stdout) == (0, "No suspicion is open: 2 audited runs.\n")
    (bad / name).write_text('{"run": ')
    said = ptb_here("review", "e", cwd=tmp_path)
    assert said.returncode == 2
    assert said.stdout == "No suspicion is open: 1 audited run; 1 cannot be read and may have one.\n"
    assert f"{bad / name} " in said.stderr
    said = ptb_here("review", "e", "--json", cwd=tmp_path)
    assert (said.returncode, json.loads(said.stdout)) == (2, [])
    assert_refused(ptb_here("review", "e/bad", "--dismiss", "--why", "x", cwd=tmp_path), name)


def test_charts_say_which_runs_do_not_count(ptb_here: Ptb, tmp_path: Path) -> None:
    audited(tmp_path / "e" / "good")
    bad = audited(tmp_path / "e" / "bad")
    out = str(tmp_path / "x.svg")
    assert ptb_here("plot", "benchmarks", "e", "--out", out, cwd=tmp_path).stderr == ""
    (bad / "run.json").write_text("{")
    said = ptb_here("plot", "benchmarks", "e", "--out", out, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "ptb: bad cannot be read and does not count: " in said.stderr


def test_damaged_files_of_stages_are_named_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    with pytest.raises(InputError, match=r"verdict\.json is missing; do this\.$"):
        read_record(path, Verdict, "do this")
    path.write_text("{")
    with pytest.raises(InputError, match=r"verdict\.json is damaged; do this\. Invalid JSON"):
        read_record(path, Verdict, "do this")
    run = Run(audited(tmp_path / "e" / "one"))
    with pytest.raises(InputError, match=r"outcome\.json is missing; restore it from a copy"):
        run.outcome()
    (run.root / "submission").mkdir()
    (run.root / "submission" / "manifest.json").write_text(
        '{"state": "accepted", "files": {}, "refused": [], "problems": [], "facts": []}'
    )
    (run.root / "evaluate" / "base.json").write_text("{")
    with pytest.raises(InputError, match=r"base\.json is damaged; repeat the evaluation with `ptb evaluate .*one`"):
        result_of(run, run.root / "audit")


def test_commands_in_messages_can_be_pasted(ptb_here: Ptb, tmp_path: Path) -> None:
    path = audited(tmp_path / "two words" / "one")
    (path / "result.json").write_text("{")
    assert_refused(ptb_here("status", path / "nope"), "nope")
    said = ptb_here("review", path, cwd=tmp_path)
    assert f"`ptb audit '{path}'`" in said.stderr
    shutil.rmtree(path / "audit")
    (path / "result.json").unlink()
    assert_refused(ptb_here("judge", path, "--judge", "none/x"), f"`ptb resume '{path}'`")
