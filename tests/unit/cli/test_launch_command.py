"""`ptb launch`: what it refuses, prints and leaves behind, with a launcher that does nothing."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from posttrainbench.cli.launch import parse_seeds
from posttrainbench.errors import InputError
from posttrainbench.launch.base import LaunchOrder, Watch
from posttrainbench.launch.local import Local
from posttrainbench.records import Result, Status
from posttrainbench.run.preflight import CheckResult
from support import assert_refused

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = ["launch", "--suite", "micro", "--agent", "recipe-noop", "--benchmark", "micro-math", "--name", "e"]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let the local launcher give each run a result; return the names of the runs of each launch."""
    orders: list[list[str]] = []

    def launch(self: Local, order: LaunchOrder, watch: Watch) -> None:
        orders.append(sorted(run.root.name.rpartition("-")[2] for run in order.runs))
        for run in order.runs:
            scores = dict.fromkeys(("score", "raw_score", "base_score", "instruct_score"))
            result = Result(
                run=run.spec.run, status=Status.NOT_AUDITED, verdict={}, reasons=["x"], evidence=[], **scores
            )
            (run.root / "result.json").write_text(result.model_dump_json())
        watch.on_change([], order.runs)

    monkeypatch.setattr(Local, "launch", launch)
    monkeypatch.setattr("posttrainbench.cli.leaderboard.show_leaderboard", lambda *given: [])
    return orders


@pytest.mark.sandbox
def test_the_same_command_continues_and_more_seeds_are_added(
    launched: list[list[str]], ptb_here: Ptb, tmp_path: Path
) -> None:
    dry = ptb_here(*COMMAND, "--dry-run", cwd=tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert "1 run in " in dry.stdout
    assert "Ready; nothing was started." in dry.stdout
    assert not (tmp_path / "runs").exists()

    assert ptb_here(*COMMAND, cwd=tmp_path).returncode == 0
    stored = (tmp_path / "runs" / "e" / "experiment.yaml").read_text()
    assert yaml.safe_load(stored)["seeds"] == [0]
    again = ptb_here("launch", "--name", "e", cwd=tmp_path)
    assert again.returncode == 0
    assert "1 done" in again.stderr
    assert (tmp_path / "runs" / "e" / "experiment.yaml").read_text() == stored
    assert ptb_here("launch", "--name", "e", "--seeds", "2", cwd=tmp_path).returncode == 0
    assert ptb_here("launch", "--name", "e", "--rerun", "*-seed1", cwd=tmp_path).returncode == 0
    assert launched == [["seed0"], ["seed1"], ["seed1"]]
    assert len(list((tmp_path / "runs" / "e").glob("*-seed1.attempt-1"))) == 1

    counted = ptb_here("launch", "--name", "e", "--dry-run", "--json", cwd=tmp_path)
    assert json.loads(counted.stdout)["counts"] == {"done": 2}


def test_the_printed_file_is_accepted_as_input(ptb_here: Ptb, tmp_path: Path) -> None:
    options = ["--seeds", "3,5", "--budget", "2m", "--memory", "1G", "--concurrency", "3", "--engine-setting", "a=b"]
    printed = ptb_here(*COMMAND, *options, "--print-config", cwd=tmp_path)
    assert printed.returncode == 0, printed.stderr
    content = yaml.safe_load(printed.stdout)
    assert (content["seeds"], content["budget"], content["limits"]["memory"]) == ([3, 5], 120, 2**30)
    (tmp_path / "e.yaml").write_text(printed.stdout)
    again = ptb_here("launch", "e.yaml", "--print-config", cwd=tmp_path)
    assert again.stdout == printed.stdout
    changed = ptb_here("launch", "e.yaml", "--memory", "2G", "--evaluations", "2", "--print-config", cwd=tmp_path)
    content = yaml.safe_load(changed.stdout)
    assert (content["limits"]["memory"], content["placement"]["concurrency"]) == (2**31, 3)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        (["launch"], "Missing option --name"),
        (["launch", "--name", "e", "--agent", "recipe-noop"], "Missing option --suite"),
        (
            ["launch", "--name", "../e", "--suite", "micro", "--agent", "recipe-noop"],
            "`name` should consist of letters",
        ),
        (["launch", "none.yaml"], "none.yaml does not exist; give an experiment file"),
        ([*COMMAND, "--seeds", "x"], "`x` are not seeds"),
        ([*COMMAND, "--budget", "10"], "has no unit"),
        ([*COMMAND, "--on", "mars"], "`mars` is not among the installed launchers"),
        ([*COMMAND, "--partition", "gpu"], "The launcher local has no partition"),
        ([*COMMAND, "--sandbox", "process"], "add --insecure-no-sandbox"),
        ([*COMMAND, "--rerun", "nope", "--dry-run"], "so no run can be repeated; leave out --rerun"),
        ([*COMMAND, "--scheduler-option", "x"], "use --scheduler-option KEY=VALUE"),
    ],
)
def test_invalid_input_is_one_sentence(words: list[str], mention: str, ptb_here: Ptb, tmp_path: Path) -> None:
    assert_refused(ptb_here(*words, cwd=tmp_path), mention)
    assert not (tmp_path / "runs").exists()


def test_a_file_cannot_turn_isolation_off(ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("suite: micro\nagents: [recipe-noop]\nsandbox: process\n")
    assert_refused(ptb_here("launch", "e.yaml", cwd=tmp_path), "add --insecure-no-sandbox")


def test_a_directory_that_is_not_an_experiment_is_left_alone(ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "runs" / "e").mkdir(parents=True)
    (tmp_path / "runs" / "e" / "notes").touch()
    assert_refused(ptb_here(*COMMAND, cwd=tmp_path), "is not empty and has no experiment.yaml")


def test_all_problems_are_shown_and_nothing_is_written(
    launched: list[list[str]], ptb_here: Ptb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*given: object) -> list[CheckResult]:
        return [CheckResult("agent needs", "problem", "No key."), CheckResult("engine", "problem", "No engine.")]

    monkeypatch.setattr("posttrainbench.launch.plan.check_request", check)
    said = ptb_here(*COMMAND, cwd=tmp_path)
    assert said.returncode == 2
    assert "2 problems; nothing was started." in said.stderr
    assert "No key." in said.stderr
    assert "No engine." in said.stderr
    assert not (tmp_path / "runs").exists()
    assert launched == []
    dry = ptb_here(*COMMAND, "--dry-run", "--json", cwd=tmp_path)
    assert dry.returncode == 2
    assert [problem["text"] for problem in json.loads(dry.stdout)["problems"]] == ["No key.", "No engine."]


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", 3), ("0,1", [0, 1]), ("7,", [7]), ("0,", [0]), (" 1 , 2", [1, 2]), (None, None)]
)
def test_seeds(text: str | None, seeds: object) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "", "-1", "1.5", "a", "1,,2", ",", "9" * 30])
def test_no_seeds(text: str) -> None:
    with pytest.raises(InputError, match="are not seeds"):
        parse_seeds(text)


def test_an_experiment_that_does_not_exist_is_named(ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "runs" / "micro-opus").mkdir(parents=True)
    assert_refused(
        ptb_here("launch", "--name", "micro-opsu", cwd=tmp_path),
        "There is no experiment `micro-opsu` in runs/; did you mean micro-opus?",
        "--suite and --agent",
    )
    assert_refused(
        ptb_here("launch", "--name", "zzz", "--concurrency", "2", cwd=tmp_path), "There is no experiment `zzz`"
    )
    assert_refused(ptb_here("launch", "--name", "micro-opus", cwd=tmp_path), "/runs/micro-opus`.")
    assert_refused(
        ptb_here("launch", "--name", "new", "--seeds", "2", cwd=tmp_path), "Missing options --suite and --agent"
    )
