"""An evaluation whose engine does not work on this machine is repaired with `ptb resume --engine`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.records import Result
from support import assert_refused, contents

pytestmark = [pytest.mark.sandbox, pytest.mark.training]
Ptb = Callable[..., "subprocess.CompletedProcess[str]"]
BROKEN = """\
#!/bin/sh
test "$4" = versions && { echo '{"vllm": "0.33.0", "torch": "2.14.0", "transformers": "5.23.0"}'; exit 0; }
echo "OSError: libcudart.so.12: cannot open shared object file" >&2
exit 1
"""


def result(root: Path) -> Result:
    return Result.model_validate_json((root / "result.json").read_text())


def test_evaluation_that_could_not_start_is_repaired(tmp_path: Path, ptb_here: Ptb) -> None:
    python = tmp_path / "python"
    python.write_text(BROKEN)
    python.chmod(0o755)
    root = tmp_path / "experiment" / "run"
    said = ptb_here(
        *("run", "--agent", "recipe-noop", "--model", "micro-base", "--benchmark", "micro-math", "--out", root),
        *("--engine", "vllm", "--engine-setting", f"python={python}", "--budget", "60s"),
    )
    assert said.returncode == 1, said.stderr
    assert "libcudart.so.12" in result(root).reasons[0]
    assert "--engine NAME" in " ".join(result(root).reasons[0].split())
    frozen = (root / "run.json").read_bytes()
    solved = contents(root / "solve")

    assert_refused(ptb_here("resume", root, "--engine", "vlm"), "`vlm` is not among the installed engines")
    assert_refused(ptb_here("resume", root, "--engine-setting", "x=1"), "has no setting `x`")
    assert not (root / "changes.jsonl").exists()
    assert_refused(ptb_here("evaluate", root, "--engine", "transformers"), "ptb resume")
    assert_refused(ptb_here("evaluate", root, "--limit", "5"), "leave out --limit")

    repaired = ptb_here("resume", root, "--engine", "transformers", "--json")
    assert repaired.returncode == 0, repaired.stderr
    found = result(root)
    assert found.status == "scored"
    assert found.score == found.base_score  # the agent submitted the base model
    assert any(f"evaluated with engine transformers instead of vllm (python={python})" in note for note in found.notes)
    [change] = found.changes
    assert (change.old.engine, change.new.engine) == ("vllm", "transformers")
    assert (root / "run.json").read_bytes() == frozen
    assert contents(root / "solve") == solved
    metrics = json.loads((root / "evaluate" / "metrics.json").read_text())
    assert metrics["eval-config"]["engine"]["engine"] == "transformers"

    board = json.loads(ptb_here("leaderboard", root.parent, "--json").stdout)
    assert any("evaluated with engine transformers instead of vllm" in note for note in board["notes"])
    assert_refused(ptb_here("resume", root, "--engine", "transformers"), "is already evaluated")
