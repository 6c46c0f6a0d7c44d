"""Piped output: a line for each stage, and a heartbeat with the time left and the agent's last line."""

import io
import re
from pathlib import Path

import pytest

from posttrainbench.cli.console import Console
from posttrainbench.cli.heartbeat import Heartbeat
from posttrainbench.cli.many import ManyProgress
from posttrainbench.cli.progress import Progress
from posttrainbench.records import Stage
from posttrainbench.run import Run
from support import eventually
from trajectory_recordings import make_recorded_run


def test_a_line_is_printed_after_silence_only() -> None:
    output = io.StringIO()
    with Heartbeat(Console(file=output), lambda: "[bold]still[/bold] at it", seconds=0.05):
        eventually(lambda: output.getvalue().count("[bold]still[/bold] at it\n") >= 2)
    ended = output.getvalue()
    assert "\x1b" not in ended
    with Heartbeat(Console(file=output), lambda: "too early", seconds=1000):
        pass
    with Heartbeat(Console(file=output, force_terminal=True), lambda: "live", seconds=0.0):
        pass
    assert output.getvalue() == ended


def now(progress: Progress) -> str:
    """Return a heartbeat, whatever time the test took."""
    return re.sub(r"(solve|evaluate) \d+s", r"\1 0s", progress._describe())


def test_stages_and_heartbeats_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("recipe-sft on micro-base, micro-math, 10h 0m") as progress:
        assert progress._describe() == ""
        progress.on_stage(Stage.PREPARE)
        progress.on_stage(Stage.SOLVE)
        progress.on_message("recipe-sft is running")
        progress.on_time_left(35_940.0)
        assert now(progress) == "  solve 0s, 9h 59m left: recipe-sft is running"
        progress.on_agent_output("step 12 \x1b[2J" + "x" * 1400)
        beat = now(progress)
        assert beat.startswith("  solve 0s, 9h 59m left: step 12 xxx")
        assert len(beat) < 150
        progress.on_stage(Stage.EVALUATE)
        progress.on_message("loading the checkpoint")
        for done in range(100):
            progress.on_message(f"micro-math, seed 0: {done} of 256 items, mean so far 40.0 percent")
        assert now(progress) == "  evaluate 0s: micro-math, seed 0: 99 of 256 items, mean so far 40.0 percent"
        progress.on_message("y" * 1400)
    printed = capsys.readouterr().err.splitlines()
    assert printed[:-1] == [
        "recipe-sft on micro-base, micro-math, 10h 0m",
        "  prepare",
        "  solve",
        "  solve: recipe-sft is running",
        "  evaluate",
        "  evaluate: loading the checkpoint",
    ]
    assert len(printed[-1]) < 500


def test_a_heartbeat_of_several_runs_is_short(tmp_path: Path) -> None:
    runs = [Run(make_recorded_run(tmp_path / str(number), [])) for number in range(20)]
    progress = ManyProgress(30)
    assert progress._describe() == "0 of 30 runs done"
    progress.on_change(runs, [])
    one = "agent x seed 0 in prepare"
    assert progress._describe() == f"0 of 30 runs done, active: {one}; {one}; {one}; 17 more"


def test_stages_of_several_runs_are_printed_once_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(make_recorded_run(tmp_path / "one", []))
    progress = ManyProgress(1)
    for _ in range(2):
        progress.on_change([run], [])
    for stage in ("prepare", "solve"):
        (run.root / stage).mkdir(exist_ok=True)
    progress.on_change([run], [])
    assert capsys.readouterr().err.splitlines() == ["  agent x seed 0: prepare", "  agent x seed 0: collect"]


def test_a_heartbeat_of_several_runs_tells_what_an_agent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(make_recorded_run(tmp_path / "one", [], "solve.partial"))
    monkeypatch.setattr("posttrainbench.cli.many.agent_state", lambda run: "running")
    monkeypatch.setattr("posttrainbench.cli.many.seconds_left", lambda run: 125.0)
    monkeypatch.setattr("posttrainbench.cli.many.last_output_line", lambda run: "loss \x1b[2J 0.5")
    progress = ManyProgress(1)
    progress.on_change([run], [])
    assert progress._describe() == "0 of 1 runs done, active: agent x seed 0 in prepare, 2m 5s left: loss 0.5"
