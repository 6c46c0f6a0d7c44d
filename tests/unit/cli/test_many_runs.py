"""Commands that launch several runs: one at a time for each experiment, and a reason for each run without a result."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from posttrainbench import catalog
from posttrainbench.cli.demo import _described
from posttrainbench.cli.interrupt import question
from posttrainbench.cli.leaderboard import _to_compare
from posttrainbench.cli.many import ManyProgress, require_all
from posttrainbench.records import Result, Status
from posttrainbench.run import Run
from posttrainbench.run.directory import BusyError, lock_experiments, require_idle
from posttrainbench.scoring.permutation import Block, permutation_test
from support import assert_refused
from trajectory_recordings import make_recorded_run

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Two unfinished runs of the experiment `experiment`."""
    return [Run(make_recorded_run(tmp_path / "experiment" / name, [])) for name in ("one", "two")]


@pytest.mark.parametrize("words", [["resume", "experiment"], ["resume", "."], ["demo", "--out", "experiment"]])
def test_a_second_command_on_an_experiment_is_refused(
    words: list[str], runs: list[Run], ptb_here: Ptb, tmp_path: Path
) -> None:
    experiment = runs[0].root.parent
    with lock_experiments(runs):
        said = ptb_here(*words, cwd=tmp_path)
        message = f"already working on {experiment} (process {os.getpid()}); watch it with `ptb status {experiment}`."
        assert_refused(said, message)
    assert not list(experiment.glob("*/launch.log"))


def test_other_experiments_and_later_commands_are_not_refused(runs: list[Run], tmp_path: Path) -> None:
    other = Run(make_recorded_run(tmp_path / "other" / "one", []))
    for _ in range(2):
        with lock_experiments(runs), lock_experiments([other]):
            with pytest.raises(BusyError):
                require_idle(runs[0].root.parent)
            with runs[0].lock():
                pass
        require_idle(runs[0].root.parent)
    require_idle(tmp_path / "absent")


def test_the_lock_ends_with_its_process(runs: list[Run]) -> None:
    code = (
        "import os, sys; from pathlib import Path; from posttrainbench.run.directory import *\n"
        "with lock_experiments([Run(Path(sys.argv[1]))]): os._exit(7)"
    )
    assert subprocess.run([sys.executable, "-c", code, runs[0].root], check=False).returncode == 7
    require_idle(runs[0].root.parent)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("x on y\nptb: The disk is full.\n\n", "ended without a result: The disk is full. See "),
        ("x on y\n  solve: loading \x1b[2Jthe model\n", "ended without a result after printing: solve: loading the mo"),
        ("", "ended without a result. See "),
        (None, "ended without a result. See "),
    ],
)
def test_a_run_without_a_result_names_the_reason_and_the_log(
    log: str | None, reason: str, runs: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    if log is not None:
        (runs[0].root / "launch.log").write_text(log)
    ManyProgress(2).on_change([], [runs[0]])
    printed = capsys.readouterr().err
    assert printed.startswith(f"[1/2] agent x seed 0: {reason}")
    assert printed.endswith(f"See {runs[0].root}/launch.log.\n")


def test_an_infrastructure_error_is_shown_with_its_reason(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    none = dict.fromkeys(("score", "raw_score", "base_score", "instruct_score"))
    result = Result(
        run="run", status=Status.INFRASTRUCTURE_ERROR, verdict={}, reasons=["The GPU is lost."], evidence=[], **none
    )
    (runs[0].root / "result.json").write_text(result.model_dump_json())
    ManyProgress(2).on_change([], [runs[0]])
    assert capsys.readouterr().err == "[1/2] agent x seed 0: infrastructure error: The GPU is lost.\n"


@pytest.mark.parametrize(
    ("working", "parts"),
    [
        (None, ["An agent is at work. Type", "it keeps working", "stop it now and keep what it has\n"]),
        (["a on b, seed 0"], ["An agent is at work: a on b, seed 0. Type", "it keeps working", "start no other runs"]),
        (
            ["a", "b"],
            ["2 agents are at work: a; b. Type", "they keep working", "stop them now and keep"],
        ),
        ([], ["No agent is at work", "finish the active runs; start no others"]),
    ],
)
def test_the_question_is_about_all_agents(working: list[str] | None, parts: list[str]) -> None:
    for part in parts:
        assert part in question(working)


def test_the_demo_says_what_its_runs_are(tmp_path: Path) -> None:
    def run(agent: str, benchmark: str, seed: int) -> Run:
        run = Run(make_recorded_run(tmp_path / f"{agent}-{benchmark}-{seed}", []))
        named = run.spec.agent.model_copy(update={"name": agent})
        run.spec = run.spec.model_copy(update={"agent": named, "benchmark": benchmark, "seed": seed})
        return run

    runs = [run("honest", benchmark, seed) for benchmark in ("x", "y") for seed in (0, 1)]
    runs += [run("cheat", benchmark, 0) for benchmark in ("x", "y")]
    assert _described(runs) == "6 runs (2 agents on 2 benchmarks; honest with 2 seeds)"
    assert _described([runs[0], runs[-2]]) == "2 runs (2 agents on 1 benchmark)"


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["baselines", "runs"])
def test_an_interrupted_demo_says_once_how_to_continue(
    moment: str, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def create(request: object, root: Path) -> Run:
        return Run(make_recorded_run(root, []))

    monkeypatch.setattr("posttrainbench.run.prepare.create_run", create)
    prepare = interrupted if moment == "baselines" else lambda *_: None
    monkeypatch.setattr("posttrainbench.evaluation.prepare.prepare_baselines", prepare)
    monkeypatch.setattr("posttrainbench.launch.local.Local.launch", interrupted)
    said = ptb_here("demo", "--quick", "--out", "demo", cwd=tmp_path)
    assert said.returncode == 130
    assert said.stdout == ""
    assert said.stderr.count("Continue with: ") == said.stderr.count(f"ptb resume {tmp_path}/demo\n") == 1


def test_runs_without_a_result_are_exit_code_1(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    first, second = runs
    result = Result(
        **dict.fromkeys(("score", "raw_score", "base_score", "instruct_score")),
        **{"run": "one", "status": Status.BASE_FALLBACK, "verdict": {}, "reasons": [], "evidence": []},
    )
    (first.root / "result.json").write_text(result.model_dump_json())
    require_all([first], "ptb again")
    assert capsys.readouterr().err == ""
    with pytest.raises(typer.Exit) as ended:
        require_all([first, second], "ptb again")
    assert ended.value.exit_code == 1
    assert "1 of 2 runs have no result. Continue with: ptb again" in capsys.readouterr().err


def test_the_demo_has_enough_runs_to_tell_its_honest_agents_apart() -> None:
    suite = catalog.suites()["micro"]
    assert suite.demo is not None
    seeds = [suite.demo.repeats.get(agent, 1) for agent in ("recipe-sft", "recipe-noop")]
    scores = [[base + 0.01 * seed for seed in range(number)] for base, number in zip((0.8, 0.0), seeds, strict=True)]
    blocks = [Block(1 / len(suite.demo.benchmarks), *scores) for _ in suite.demo.benchmarks]
    assert permutation_test(blocks).p_value < 0.05


def test_agents_without_resets_are_compared_first() -> None:
    rows = [("cheat", 2), ("best", 0), ("cheat-too", 1), ("noop", 0)]
    board: Any = SimpleNamespace(rows=[SimpleNamespace(agent=agent, reset_cells=resets) for agent, resets in rows])
    assert _to_compare(board) == ["best", "noop", "cheat", "cheat-too"]
