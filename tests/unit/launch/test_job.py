"""One execution of a run: its lines in `executions.jsonl`, and when an agent is started over."""

from pathlib import Path

import pytest

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.launch.job import execute, executions
from posttrainbench.records import OutputLine, Result, Stage, Status
from posttrainbench.run import Run, pipeline
from posttrainbench.run.progress import ProgressListener
from trajectory_recordings import make_recorded_run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that is ready to be prepared, with stages that do nothing."""
    run = Run(make_recorded_run(tmp_path / "run", []))
    (run.root / "solve").rename(run.root / "old")
    for stage in pipeline.STAGES:
        monkeypatch.setitem(pipeline.STAGES, stage, lambda run, out, listener: None)

    def settle(run: Run) -> None:
        none = dict.fromkeys(("score", "raw_score", "base_score", "instruct_score"))
        result = Result(run="run", status=Status.SCORED, verdict={}, reasons=[], evidence=[], **none)
        (run.root / "result.json").write_text(result.model_dump_json())

    monkeypatch.setattr(pipeline, "settle", settle)
    return run


def ended(run: Run) -> list[str | None]:
    return [line.ending for line in executions(run.root) if line.event == "end"]


def job(run: Run, part: str = "all", retries: int = 1) -> str | None:
    return execute(run, part, retries, ProgressListener()).ending  # type: ignore[arg-type]


def fail(monkeypatch: pytest.MonkeyPatch, stage: Stage, error: BaseException, works: bool = False) -> None:
    def raising(run: Run, out: Path, listener: ProgressListener) -> None:
        if works:
            line = OutputLine(t=1.0, stream="stdout", line="hello")
            (out / "output.jsonl").write_text(line.model_dump_json() + "\n")
        raise error

    monkeypatch.setitem(pipeline.STAGES, stage, raising)


def test_the_parts_of_a_run_follow_each_other(run: Run) -> None:
    assert job(run, "evaluation") == "failed"
    assert job(run, "agent") == "done"
    assert (run.is_done(Stage.SOLVE), run.is_done(Stage.COLLECT)) == (True, False)
    assert job(run, "evaluation") == "done"
    assert run.next_stage() is None
    assert job(run) == "done"
    assert ended(run) == ["failed", "done", "done", "done"]


def test_a_run_on_which_a_process_works_is_left_alone(run: Run) -> None:
    with run.lock():
        assert job(run) == "busy"
    assert executions(run.root) == []


@pytest.mark.parametrize(
    ("error", "ending"),
    [(InfrastructureError("engine_failed", "No."), "failed"), (InputError("Wrong."), "refused")],
)
def test_the_reason_of_an_end_is_recorded(
    error: Exception, ending: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, Stage.EVALUATE, error)
    assert job(run) == ending
    assert str(error) in executions(run.root)[-1].text


def test_an_interruption_and_a_bug_are_recorded_and_raised(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, Stage.COLLECT, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        job(run)
    monkeypatch.setattr("posttrainbench.launch.job.advance", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job(run)
    assert ended(run) == ["interrupted", "failed"]


def test_an_agent_that_has_worked_is_started_over_a_limited_number_of_times(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, Stage.SOLVE, InfrastructureError("solve_killed", "Killed."), works=True)
    assert [job(run, retries=2) for _ in range(4)] == ["failed", "failed", "failed", "refused"]
    assert len(run.attempts(Stage.SOLVE)) == 2
    assert "--again" in executions(run.root)[-1].text


def test_without_retries_no_agent_is_started_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, Stage.SOLVE, InfrastructureError("solve_killed", "Killed."), works=True)
    assert [job(run, retries=0) for _ in range(2)] == ["failed", "refused"]
    assert run.attempts(Stage.SOLVE) == []


def test_lines_of_another_version_are_skipped(run: Run) -> None:
    assert job(run) == "done"
    with (run.root / "executions.jsonl").open("a") as file:
        file.write('{"event": "moved"}\n{"time"\n')
    assert [line.event for line in executions(run.root)] == ["begin", "end"]
