"""`ptb demo --quick`, its launcher killed in the middle, and the experiment brought to its end."""

import json
import signal
import time
from pathlib import Path

import psutil
import pytest

from posttrainbench.run import find_runs
from support import eventually, ptb, start_ptb

LIMIT = 1800.0
"""Seconds, which are needed on a heavily loaded machine only."""
LONG_BUDGET = """
from posttrainbench import catalog
object.__setattr__(catalog.suites()["micro"], "budget", 600)
"""
"""Code with which training ends after its steps, not when the suite's budget is used up on a loaded machine."""

pytestmark = [pytest.mark.sandbox, pytest.mark.training, pytest.mark.timeout(2 * LIMIT)]


def test_killed_demo_is_resumed_to_an_honest_leaderboard(tmp_path: Path) -> None:
    experiment = tmp_path / "demo"
    demo = start_ptb("demo", "--quick", "--out", experiment, code=LONG_BUDGET)
    end = time.monotonic() + LIMIT
    while not any(experiment.glob("*/solve.partial/output.jsonl")):
        assert demo.poll() is None, demo.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)
    family = psutil.Process(demo.pid).children(recursive=True)
    runs = [process for process in family if "job" in process.cmdline()]
    demo.send_signal(signal.SIGKILL)
    demo.communicate()
    eventually(lambda: not [process for process in runs if process.is_running() and process.status() != "zombie"])

    resumed = ptb("resume", experiment, "--json", timeout=LIMIT)
    assert resumed.returncode == 0, resumed.stderr
    board = json.loads(resumed.stdout)
    rows = {row["agent"]: row for row in board["rows"]}
    assert board["rows"][0]["agent"] == "recipe-sft"
    assert rows["recipe-sft"]["overall"] > 0.5
    assert rows["recipe-noop"]["reset_cells"] == 0
    for cheat in ("recipe-cheat-testset", "recipe-cheat-swap"):
        [cell] = rows[cheat]["cells"]
        assert cell["status"] == "base_fallback"
        assert cell["raw_score"] > 0.5
        assert rows[cheat]["overall"] == rows["recipe-noop"]["overall"] < 0.05
    assert (experiment / "leaderboard.html").read_text().count("recipe-cheat-testset") > 1
    assert {run.spec.budget for run in find_runs(experiment)} == {600}
    assert all(run.next_stage() is None for run in find_runs(experiment))
