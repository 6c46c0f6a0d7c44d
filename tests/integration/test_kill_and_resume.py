"""Killed or interrupted anywhere, `ptb resume` brings a run to the result that it would have had."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from posttrainbench.launch.base import LaunchOrder, Watch
from posttrainbench.launch.local import LAUNCHER
from posttrainbench.records import Placement, Stage, Status
from posttrainbench.run import Run
from posttrainbench.run.progress import InterruptChoice
from posttrainbench.run.status import agent_state
from support import (
    BACKGROUND,
    PATIENCE,
    Finished,
    agent,
    assert_refused,
    command,
    contents,
    events,
    eventually,
    journal_entries,
    make_run,
    marked,
    ptb,
    solve_process,
    start_ptb,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.training]

CTRL_C = "Ctrl-C"
WORKING_STAGES = [stage for stage in Stage if stage is not Stage.SETTLE]

KILLED_BEFORE_THE_RENAME = """
import os, signal
from posttrainbench.records import Stage
from posttrainbench.run import pipeline, settle
original = pipeline.STAGES.get(stage := Stage({!r}))
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if original:
    pipeline.STAGES[stage] = lambda *given: die(original(*given))
else:
    settle.write_json = die
"""
KILLED_AFTER_WRITING_THE_RESULT = """
import os, signal
from posttrainbench.run import pipeline
original = pipeline.settle
pipeline.settle = lambda run: (original(run), os.kill(os.getpid(), signal.SIGKILL))
"""
KILLED_AFTER_THE_RENAME = """
import os, signal
from posttrainbench.run import Run
original = Run.finish
Run.finish = lambda run, stage: (original(run, stage), os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.fixture(scope="module")
def killed_everywhere(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run killed with SIGKILL once in every stage, continued by `ptb resume` each time, and left to end at last."""
    root = tmp_path_factory.mktemp("killed") / "run"
    start = ["run", "--agent", "recipe-cheat-swap", "--model", "micro-base", "--benchmark", "micro-math", "--out", root]
    for stage in Stage:
        said = ptb(*start, code=KILLED_BEFORE_THE_RENAME.format(stage.value))
        assert said.returncode == -signal.SIGKILL, said.stderr
        start = ["resume", root]
    return Finished(root, ptb("resume", root, "--json"))


def test_result_is_that_of_an_uninterrupted_run(killed_everywhere: Finished, flagged: Finished) -> None:
    assert killed_everywhere.said.returncode == 0, killed_everywhere.said.stderr
    results = [json.loads(finished.said.stdout) for finished in (killed_everywhere, flagged)]
    for result in results:
        assert result.pop("run")
        assert result["raw_score"] > 0.5
    assert results[0] == results[1]


def test_submission_is_that_of_an_uninterrupted_run(killed_everywhere: Finished, flagged: Finished) -> None:
    assert contents(killed_everywhere.root / "submission") == contents(flagged.root / "submission")


@pytest.mark.parametrize("stage", WORKING_STAGES)
def test_killed_stage_is_repeated_once_and_what_was_partial_is_kept(stage: Stage, killed_everywhere: Finished) -> None:
    run = Run(killed_everywhere.root)
    if stage is Stage.SOLVE:  # whose process had finished it
        assert [entry.event for entry in journal_entries(run, stage)] == ["start", "attached", "done"]
        assert list(run.root.glob("*.partial")) == list(run.root.glob(f"{stage.folder}.*")) == []
        return
    assert [entry.event for entry in journal_entries(run, stage)] == ["start", "start", "done"]
    kept = sorted(path.name for path in run.root.glob(f"{stage.folder}.*"))
    assert kept == [f"{stage.folder}.attempt-1"]
    assert contents(run.stage(stage)).keys() == contents(run.root / kept[0]).keys()


def test_journal_tells_of_each_stage_once_that_it_is_done(killed_everywhere: Finished) -> None:
    assert events(Run(killed_everywhere.root), "done") == list(Stage)


def test_settled_run_is_not_done_again(killed_everywhere: Finished) -> None:
    before = contents(killed_everywhere.root)
    said = ptb("resume", killed_everywhere.root, "--json")
    assert said.returncode == 0
    assert said.stdout == killed_everywhere.said.stdout
    assert contents(killed_everywhere.root) == before


@pytest.mark.parametrize(
    ("code", "stage"),
    [(KILLED_AFTER_THE_RENAME, Stage.PREPARE), (KILLED_AFTER_WRITING_THE_RESULT, Stage.SETTLE)],
    ids=["after a stage's rename", "after the result was written"],
)
def test_kill_between_the_last_step_of_a_stage_and_its_line_in_the_journal(
    code: str, stage: Stage, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", agent(tmp_path, ""))
    assert ptb("resume", run.root, code=code).returncode == -signal.SIGKILL
    assert run.is_done(stage)
    assert ptb("resume", run.root).returncode == 0
    assert events(run, "done") == list(Stage)
    assert not list(run.root.glob("*.attempt-*"))


SLEEPER = f"""{BACKGROUND}
shutil.copytree(base, final)
background(sys.argv[0], ignore_terminate=True)
print("up")
time.sleep(600)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> tuple[str, str]:
    """An agent that saves a model, starts processes in the background and sleeps, and what marks its processes."""
    marker = f"sleeper-{tmp_path.name}-{secrets.token_hex(4)}"
    return agent(tmp_path, SLEEPER, marker), marker


def output_of(root: Path) -> str:
    path = root / "solve.partial" / "output.jsonl"
    return path.read_text() if path.exists() else ""


def test_kill_of_a_stages_process_takes_every_process_of_the_agent_with_it(
    sleeper: tuple[str, str], tmp_path: Path
) -> None:
    """And of the orchestrator, so that nobody is left."""
    name, marker = sleeper
    root = tmp_path / "run"
    process = start_ptb(
        *("run", "--agent", name, "--model", "micro-base", "--benchmark", "micro-math", "--budget", "10m"),
        *("--out", root),
    )
    eventually(lambda: '"up"' in output_of(root))
    assert len(marked(marker)) > 4
    process.kill()
    process.communicate()
    solve_process(root).kill()
    eventually(lambda: not marked(marker))

    agent(tmp_path, "", marker)  # in its second life it leaves nothing
    refused = ptb("resume", root)
    assert_refused(refused, "has already worked", f"ptb resume {root} --again")
    assert not (root / "workspace.attempt-1").exists()
    said = ptb("resume", root, "--again", "--json")
    run = Run(root)
    assert said.returncode == 0, said.stderr
    result = json.loads(said.stdout)
    assert (result["status"], result["restarts"]) == (Status.BASE_FALLBACK, 1)
    assert "up" in (root / "solve.attempt-1" / "output.jsonl").read_text()
    assert (root / "workspace.attempt-1" / "final_model").is_dir()
    assert events(run, "done") == list(Stage)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_without_a_terminal_leaves_the_agent_working(
    number: signal.Signals, sleeper: tuple[str, str], tmp_path: Path
) -> None:
    name, marker = sleeper
    run = make_run(tmp_path / "run", name, budget=600)
    process = start_ptb("resume", run.root, "--json")
    eventually(lambda: '"up"' in output_of(run.root))
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert marked(marker) != []
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "the agent keeps working" in stderr
    assert stderr.endswith(f"Continue with: ptb resume {run.root}\n")
    assert "Traceback" not in stderr
    assert events(run, "interrupted") == [Stage.SOLVE]

    stopped = ptb("stop", run.root, "--json")
    assert stopped.returncode == 0, stopped.stderr
    assert marked(marker) == []
    result = json.loads(stopped.stdout)
    assert (result["status"], result["restarts"]) == (Status.SCORED, 0)
    assert result["notes"][0].startswith("A person stopped the agent early")
    assert not list(run.root.glob("*.attempt-*"))


@pytest.mark.parametrize(
    ("answers", "code"),
    [(["x", "d"], 130), (["", CTRL_C], 130), (["c", CTRL_C, "s"], 0)],
    ids=["detach", "second Ctrl-C", "cancel, then stop"],
)
def test_interruption_on_a_terminal_asks(
    answers: list[str], code: int, sleeper: tuple[str, str], tmp_path: Path
) -> None:
    name, marker = sleeper
    run = make_run(tmp_path / "run", name, budget=600)
    ours, theirs = os.openpty()
    words = command("resume", run.root)
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = [b""]
    threading.Thread(target=read_terminal, args=(ours, shown), daemon=True).start()
    try:
        eventually(lambda: '"up"' in output_of(run.root))
        for answer in [CTRL_C, *answers]:
            before = len(shown)
            if answer == CTRL_C:
                process.send_signal(signal.SIGINT)
            else:
                os.write(ours, f"{answer}\n".encode())
            if answer == "c":
                eventually(lambda: b"s left" in shown[-1])
            elif answer != answers[-1]:
                eventually(lambda: len(shown) > before)  # noqa: B023
        assert process.wait(timeout=2 * PATIENCE) == code
        assert bool(marked(marker)) == (code == 130)
    finally:
        process.kill()
        if marked(marker):
            solve_process(run.root).terminate()
            eventually(lambda: not marked(marker))
    assert (agent_state(run) == "stopped") == (code == 0)


def test_stopping_several_runs_ends_an_agent_that_has_not_started_yet(sleeper: tuple[str, str], tmp_path: Path) -> None:
    name, marker = sleeper
    first, second = (make_run(tmp_path / each, name, budget=600) for each in ("first", "second"))
    changes = 0

    class InterruptOnce(Watch):
        def on_change(self, active: Sequence[Run], ended: Sequence[Run]) -> None:
            nonlocal changes
            changes += 1
            if changes == 1:
                raise KeyboardInterrupt

        def on_interrupt(self) -> InterruptChoice:
            return "stop"

    order = LaunchOrder([first, second], tmp_path, Placement(concurrency=1), retries=0, gpus=0, budget=600)
    with pytest.raises(KeyboardInterrupt):
        LAUNCHER.launch(order, InterruptOnce())
    assert marked(marker) == []
    assert agent_state(first) == "stopped"
    assert first.result() is not None
    assert second.journal() == []


def read_terminal(terminal: int, shown: list[bytes]) -> None:
    """Read a terminal until it is closed; each question begins a new element of `shown`."""
    with contextlib.suppress(OSError):
        while block := os.read(terminal, 4096):
            shown[-1] += block
            while b"[d/s/c]" in shown[-1]:
                shown[-1:] = shown[-1].split(b"[d/s/c]", 1)
