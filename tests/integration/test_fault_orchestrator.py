"""The orchestrator may die, be stopped or interrupted: its agent works on to the deadline, and can be found again."""

import json
import signal
import time
from pathlib import Path

import pytest

from posttrainbench.errors import InputError
from posttrainbench.records import AgentEnd, Outcome, SolveNote, Stage, Status
from posttrainbench.run import Run, pipeline, solve_supervisor
from posttrainbench.run.attempts import start_over
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.status import agent_state
from support import (
    BACKGROUND,
    agent,
    eventually,
    journal_entries,
    make_run,
    marked,
    printed,
    ptb,
    settle,
    solve_process,
    start_ptb,
)

pytestmark = pytest.mark.sandbox

WAITS_FOR_A_WORD = f"""{BACKGROUND}
background(sys.argv[0], ignore_terminate=True)
shutil.copytree(base, final)
print("up", flush=True)
while not pathlib.Path("word").exists():
    time.sleep(0.05)
print("went on")
"""


def orphan(tmp_path: Path, source: str, budget: float) -> tuple[Run, str]:
    """A run whose orchestrator was killed when its agent was up, and what marks the agent's processes."""
    marker = f"orphan-{tmp_path.name}"
    run = make_run(tmp_path / "run", agent(tmp_path, source, marker), budget=budget)
    process = start_ptb("resume", run.root)
    eventually(lambda: '"up"' in so_far(run))
    process.kill()
    process.communicate()
    return run, marker


def so_far(run: Run) -> str:
    path = run.root / "solve.partial" / "output.jsonl"
    return path.read_text() if path.exists() else ""


def outcome(run: Run) -> Outcome:
    return Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())


def events(run: Run) -> list[str]:
    return [entry.event for entry in journal_entries(run, Stage.SOLVE)]


@pytest.mark.training
def test_resume_goes_on_with_an_agent_that_is_at_work(tmp_path: Path) -> None:
    run, marker = orphan(tmp_path, WAITS_FOR_A_WORD, budget=120)
    assert len(marked(marker)) > 4, "the agent died with its orchestrator"
    again = start_ptb("resume", run.root, "--json")
    eventually(lambda: "attached" in events(run))
    (run.workspace / "word").touch()
    stdout, stderr = again.communicate(timeout=240)
    assert again.returncode == 0, stderr
    assert json.loads(stdout)["status"] == Status.SCORED
    assert printed(run) == ["up", "went on"]
    assert events(run) == ["start", "attached", "done"]
    assert not list(run.root.glob("*.attempt-*"))
    assert outcome(run).end is AgentEnd.EXITED
    assert marked(marker) == []


def test_resume_collects_an_agent_that_has_finished_meanwhile(solving_only: None, tmp_path: Path) -> None:
    run, marker = orphan(tmp_path, WAITS_FOR_A_WORD, budget=120)
    (run.workspace / "word").touch()
    eventually(lambda: not solve_supervisor.is_alive(run.root / "solve.partial"))
    settle(run)
    assert printed(run) == ["up", "went on"]
    assert events(run) == ["start", "attached", "done"]
    assert (run.stage(Stage.SOLVE) / "final_model" / "config.json").is_file()
    assert (run.stage(Stage.SOLVE) / "trajectory.json").is_file()
    assert marked(marker) == []


def test_an_orphan_ends_at_its_deadline(solving_only: None, tmp_path: Path) -> None:
    run, marker = orphan(tmp_path, WAITS_FOR_A_WORD, budget=6)
    eventually(lambda: not marked(marker))
    settle(run)
    assert outcome(run).end is AgentEnd.DEADLINE
    assert (run.stage(Stage.SOLVE) / "final_model" / "config.json").is_file()


def test_stop_ends_an_orphan_early_and_collects_its_model(tmp_path: Path) -> None:
    run, marker = orphan(tmp_path, WAITS_FOR_A_WORD, budget=600)
    process = start_ptb("stop", run.root, "--json")
    stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["status"] == Status.SCORED
    assert (outcome(run).end, outcome(run).exit_code) == (AgentEnd.STOPPED, None)
    assert (events(run), marked(marker)) == (["start", "attached", "done"], [])
    assert agent_state(run) == "stopped"
    assert not list(run.root.glob("*.attempt-*"))
    refused = ptb("stop", run.root)
    assert (refused.returncode, "has finished" in refused.stderr) == (2, True)


def test_stop_refuses_a_run_that_was_not_started(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", agent(tmp_path, WAITS_FOR_A_WORD, "unused"), budget=600)
    refused = ptb("stop", run.root)
    assert (refused.returncode, "is not running" in refused.stderr) == (2, True)


def test_interrupting_a_resume_leaves_the_agent_working(tmp_path: Path) -> None:
    run, marker = orphan(tmp_path, WAITS_FOR_A_WORD, budget=600)
    again = start_ptb("resume", run.root)
    eventually(lambda: "attached" in events(run))
    again.send_signal(signal.SIGINT)
    _, stderr = again.communicate(timeout=60)
    assert again.returncode == 130, stderr
    assert marked(marker) != []
    assert events(run)[-1] == "interrupted"
    assert solve_supervisor.is_alive(run.root / "solve.partial")
    solve_process(run.root).terminate()
    eventually(lambda: not solve_supervisor.is_alive(run.root / "solve.partial"))
    assert marked(marker) == []
    assert (run.root / "solve.partial" / "final_model" / "config.json").is_file()
    refused = ptb("resume", run.root)  # whoever ended that process did not ask for a collection
    assert (refused.returncode, "has already worked" in refused.stderr) == (2, True)


def test_an_agent_on_another_machine_is_left_alone(tmp_path: Path) -> None:
    run, _ = orphan(tmp_path, WAITS_FOR_A_WORD, budget=120)
    notes = run.root / "solve.partial" / solve_supervisor.NOTES
    process, written = solve_process(run.root), notes.read_text()
    try:
        start = SolveNote.model_validate_json(written.splitlines()[0])
        moved = start.model_copy(update={"boot": "another", "text": "far-away"})
        with notes.open("r+") as file:  # the same file: it is locked
            file.write(moved.model_dump_json() + "\n")
            file.truncate()
        with pytest.raises(InputError, match="is running on another machine, far-away"):
            settle(run)
        assert process.is_running()
    finally:
        process.terminate()
        eventually(lambda: not solve_supervisor.is_alive(run.root / "solve.partial"))


def test_a_failure_that_nobody_saw_is_in_the_journal(solving_only: None, tmp_path: Path) -> None:
    run, _ = orphan(tmp_path, WAITS_FOR_A_WORD, budget=120)
    children = solve_process(run.root).children()
    next(each for each in children if "posttrainbench.sandbox.supervisor" in each.cmdline()).kill()
    eventually(lambda: not solve_supervisor.is_alive(run.root / "solve.partial"))
    agent(tmp_path, "print('second')", f"orphan-{tmp_path.name}")
    with pytest.raises(InputError, match="has already worked"):
        settle(run)
    assert events(run) == ["start", "failed"]
    assert journal_entries(run, Stage.SOLVE)[1].cause == "sandbox_failed"
    start_over(run)
    settle(run)
    assert events(run) == ["start", "failed", "again", "start", "done"]
    assert printed(run) == ["second"]


def test_a_stopped_process_of_the_stage_delays_no_deadline(solving_only: None, tmp_path: Path) -> None:
    """As on a machine that is suspended, the supervisor outside of all comes first."""
    run, marker = orphan(tmp_path, WAITS_FOR_A_WORD, budget=4)
    process = solve_process(run.root)
    process.suspend()
    try:
        eventually(lambda: not marked(marker))
    finally:
        process.resume()
    settle(run)
    assert outcome(run).end is AgentEnd.DEADLINE


def test_a_clock_set_back_delays_no_deadline(
    solving_only: None, solve_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, real = time.time(), time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86400 * (real() > began + 1))
    run = make_run(tmp_path / "run", agent(tmp_path, "print('up')\ntime.sleep(600)"), budget=3)
    settle(run)
    assert outcome(run).end is AgentEnd.DEADLINE


def test_the_watcher_is_told_how_it_goes(solving_only: None, tmp_path: Path) -> None:
    class Told(ProgressListener):
        def __init__(self) -> None:
            self.says: list[str] = []
            self.lines: list[str] = []
            self.times: list[float] = []

        def on_message(self, text: str) -> None:
            self.says.append(text)

        def on_agent_output(self, line: str) -> None:
            self.lines.append(line)

        def on_time_left(self, seconds: float) -> None:
            self.times.append(seconds)

    told = Told()
    run = make_run(tmp_path / "run", agent(tmp_path, "print('up')\ntime.sleep(1.5)"), budget=30)
    pipeline.advance(run, told)
    assert any(text.endswith("is running") for text in told.says)
    assert told.lines == ["up"]
    assert 0 < min(told.times) <= max(told.times) <= 30


def test_keys_of_the_host_are_in_no_argument_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "planted-5b1f0e77aa"
    monkeypatch.setenv("SOME_PROVIDER_API_KEY", secret)
    run, _ = orphan(tmp_path, WAITS_FOR_A_WORD, budget=120)
    family = solve_process(run.root)
    arguments = [word for each in (family, *family.children(recursive=True)) for word in each.cmdline()]
    assert [word for word in arguments if secret in word] == []
    (run.workspace / "word").touch()
    eventually(lambda: not solve_supervisor.is_alive(run.root / "solve.partial"))
    files = [path for path in run.root.rglob("*") if path.is_file()]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_ptb_says_where_a_killed_run_stands(tmp_path: Path) -> None:
    run, _ = orphan(tmp_path, WAITS_FOR_A_WORD, budget=120)
    said = ptb("status", run.root, "--json")
    assert json.loads(said.stdout)[0]["agent_state"] == "running"
    solve_process(run.root).kill()
    eventually(lambda: not solve_supervisor.is_alive(run.root / "solve.partial"))
    said = ptb("status", run.root, "--json")
    assert json.loads(said.stdout)[0]["agent_state"] == "killed"
