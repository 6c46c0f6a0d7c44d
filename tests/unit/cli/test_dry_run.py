"""`--dry-run`: every check, nothing written."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.run import preflight
from posttrainbench.run.preflight import CHECKS
from posttrainbench.sandbox.provenance.launch import Availability
from support import assert_refused, contents

pytestmark = pytest.mark.sandbox
Ptb = Callable[..., "subprocess.CompletedProcess[str]"]
WORDS = ("run", "--model", "micro-base", "--benchmark", "micro-math", "--dry-run")


def test_table_of_a_sound_run(ptb_here: Ptb, tmp_path: Path) -> None:
    said = ptb_here(*WORDS, "--agent", "recipe-sft?steps=9", cwd=tmp_path)
    assert (said.returncode, said.stderr) == (0, "")
    lines = said.stdout.splitlines()
    paths = [line for line in lines if str(tmp_path) in line]  # never broken
    assert [line.partition(" ")[0] for line in paths] == ["output"]
    assert max(len(line) for line in lines if line not in paths) <= 80
    for check in CHECKS:
        assert sum(line.startswith(f"{check.name}  ") for line in lines) == 1, check.name
    assert lines[-1] == "Ready; nothing was started. Next: the same command without --dry-run."
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("words", [[], ["--json"]], ids=str)
def test_problems_end_with_2(words: list[str], ptb_here: Ptb, tmp_path: Path) -> None:
    said = ptb_here(*WORDS, "--agent", "recipe-sft?bogus=1", "--gpus", "4096", *words, cwd=tmp_path)
    assert (said.returncode, said.stderr) == (2, "")
    assert contents(tmp_path) == {}
    if not words:
        assert said.stdout.splitlines()[-1] == "2 problems; nothing was started."
        return
    report = json.loads(said.stdout)
    assert report["ready"] is False
    problems = {check["name"]: check["text"] for check in report["checks"] if check["state"] == "problem"}
    assert set(problems) == {"agent", "GPUs"}
    assert "`bogus` is not a setting of the recipe sft" in problems["agent"]


def test_the_reason_why_nothing_will_be_recorded(
    ptb_here: Ptb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "_recording", lambda *_: Availability(False, "the kernel refused"))
    said = ptb_here(*WORDS, "--agent", "recipe-noop", "--json", cwd=tmp_path)
    found = {check["name"]: (check["state"], check["text"]) for check in json.loads(said.stdout)["checks"]}
    assert found["provenance"] == ("ok", "unavailable: the kernel refused")


def test_a_mistake_without_dry_run_is_one_sentence(ptb_here: Ptb, tmp_path: Path) -> None:
    for agent in ("recipe-sft?bogus=1", "recipe-sft?steps=abc"):
        said = ptb_here("run", "--model", "micro-base", "--benchmark", "micro-math", "--agent", agent, cwd=tmp_path)
        assert_refused(said, f"Agent `{agent}`")
    assert contents(tmp_path) == {}


def test_dry_run_of_the_demo_prints_what_its_runs_share_once(ptb_here: Ptb, tmp_path: Path) -> None:
    said = ptb_here("demo", "--quick", "--dry-run", "--json", cwd=tmp_path)
    assert said.returncode == 0
    checks = json.loads(said.stdout)["checks"]
    assert sum(check["name"] == "sandbox" for check in checks) == 1
    assert {"recipe-sft", "recipe-noop"} <= {check["text"] for check in checks if check["name"] == "agent"}
    assert contents(tmp_path) == {}


LIMITS = [("--cpus", "nan"), ("--cpus", "0"), ("--pids", "1"), ("--pids", "-1"), ("--memory", "9" * 400)]


@pytest.mark.parametrize("words", LIMITS, ids=str)
def test_limits_that_are_no_limits(words: tuple[str, str], ptb_here: Ptb, tmp_path: Path) -> None:
    said = ptb_here(*WORDS, "--agent", "recipe-noop", *words, cwd=tmp_path)
    assert said.returncode == 2
    assert said.stderr == ""
    assert "limits          problem" in said.stdout
    assert "1 problem; nothing was started." in said.stdout
    assert_refused(ptb_here(*WORDS[:-1], "--agent", "recipe-noop", *words, cwd=tmp_path))
    assert contents(tmp_path) == {}


def test_options_that_cannot_be_read_stand_beside_all_other_problems(ptb_here: Ptb, tmp_path: Path) -> None:
    given = {
        "budget": ("--budget", "10"),
        "seed": ("--seed", "-1"),
        "limits": ("--disk", "10"),
        "GPUs": ("--gpus", "x"),
        "engine": ("--engine-setting", "x"),
        "kit and prompt": ("--prompt-file", "absent"),
        "agent": ("--agent", "recipe-sft?bogus=1"),
    }
    words = [word for pair in given.values() for word in pair]
    said = ptb_here(*WORDS, *words, "--json", cwd=tmp_path)
    assert (said.returncode, said.stderr) == (2, "")
    problems = [check["name"] for check in json.loads(said.stdout)["checks"] if check["state"] == "problem"]
    assert set(problems) == set(given)
    assert len(problems) == len(given)
    assert contents(tmp_path) == {}
