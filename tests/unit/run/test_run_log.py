"""`ptb logs`: stages, notes and output in order, also across the renaming of a stage's directory."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.files import append_json
from posttrainbench.records import JournalEntry, OutputLine, SolveNote, Stage
from posttrainbench.run import Run
from posttrainbench.run.log import RunLog
from trajectory_recordings import make_recorded_run

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose agent has just printed its first line."""
    run = Run(make_recorded_run(tmp_path / "run", [], "solve.partial"))
    for stage, event, seconds in (
        (Stage.PREPARE, "start", None),
        (Stage.PREPARE, "done", 2.0),
        (Stage.SOLVE, "start", None),
    ):
        log(run, stage, event, seconds)
    append_json(run.root / "solve.partial" / "process.jsonl", SolveNote(kind="say", text="agent is running"))
    output(run, "hello \x1b[2J")
    return run


def log(run: Run, stage: Stage, event: str, seconds: float | None = None) -> None:
    entry = {"time": "2026-11-29T12:00:00+00:00", "stage": stage, "event": event, "seconds": seconds}
    append_json(run.root / "journal.jsonl", JournalEntry.model_validate(entry))


def output(run: Run, text: str, folder: str = "solve.partial") -> None:
    append_json(run.root / folder / "output.jsonl", OutputLine(t=3.0, stream="stdout", line=text))


def texts(log: RunLog) -> list[str]:
    return [line.text for line in log.read()]


def test_each_line_is_read_once_and_in_order(run: Run) -> None:
    found = RunLog(run)
    start = ["prepare start", "prepare done after 2.0 s", "solve start", "agent is running", "hello \x1b[2J"]
    assert texts(found) == start
    assert texts(found) == []
    output(run, "second")
    with (run.root / "solve.partial" / "output.jsonl").open("a") as file:
        file.write('{"t": 4.0, "stream": "stdout", "li')  # being written
    assert texts(found) == ["second"]
    with (run.root / "solve.partial" / "output.jsonl").open("a") as file:
        file.write('ne": "third"}\n')
    (run.root / "solve.partial").rename(run.root / "solve")
    log(run, Stage.SOLVE, "done", 5.0)
    assert texts(found) == ["third", "solve done after 5.0 s"]
    assert texts(RunLog(run)) == [*start, "second", "third", "solve done after 5.0 s"]


def test_the_output_of_a_new_attempt_is_read_from_its_start(run: Run) -> None:
    found = RunLog(run)
    found.read()
    (run.root / "solve.partial").rename(run.root / "solve.attempt-1")
    (run.root / "solve.partial").mkdir()
    output(run, "again")
    assert texts(found) == ["again"]


def test_the_command(run: Run, ptb_here: Ptb) -> None:
    (run.root / "launch.log").write_text("x")
    said = ptb_here("logs", run.root, "-f")  # nothing works on it
    assert said.returncode == 0
    assert [line[10:] for line in said.stdout.splitlines()][-3:] == [
        "stage  solve start",
        "host   agent is running",
        "agent  hello",
    ]
    assert said.stderr == f"ptb: other logs of the run: {run.root}/launch.log\n"
    [line] = ptb_here("logs", run.root, "--agent", "--json", "--tail", 1).stdout.splitlines()
    assert json.loads(line)["text"] == "hello \x1b[2J"
    (run.root / "journal.jsonl").unlink()
    said = ptb_here("logs", run.root)
    assert said.returncode == 2
    assert "has not been started" in said.stderr
