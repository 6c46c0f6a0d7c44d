"""The order of stages, retries, and what a failure leaves, with stages that do nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.files import write_json
from posttrainbench.records import AgentSpec, Result, RunSpec, Stage, Status
from posttrainbench.run import Run, directory, find_runs, pipeline
from posttrainbench.run.directory import last_output_line
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.rerun import rerun_stage

StageFunction = Callable[[Run, Path, ProgressListener], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return write_run(tmp_path / "run")


def write_run(root: Path, **changed: object) -> Run:
    root.mkdir(parents=True)
    facts: dict = {
        "run": "one",
        "created": "2026-01-01T00:00:00+00:00",
        "model": "m",
        "benchmark": "b",
        "suite": "micro",
    }
    facts |= {"agent": AgentSpec(name="a", scaffold="recipe"), "budget": 1.0, "seed": 0, "rules": "v1", "versions": {}}
    facts |= {
        "sandbox": "process",
        "engine": "e",
        "grader": "g",
        "prompt_sha256": "",
        "kit_sha256": "",
        "model_sha256": "",
        "host": {},
    }
    write_json(root / "run.json", RunSpec(**facts | changed))
    return Run(root)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    """Stages that only note that they ran."""
    order: list[Stage] = []

    def stage_of(stage: Stage) -> StageFunction:
        def function(run: Run, out: Path, listener: ProgressListener) -> None:
            order.append(stage)
            (out / "file").write_text(f"{len(order)}")

        return function

    def settle(run: Run) -> None:
        order.append(Stage.SETTLE)
        write_json(run.root / "result.json", result())

    for stage in pipeline.STAGES:
        monkeypatch.setitem(pipeline.STAGES, stage, stage_of(stage))
    monkeypatch.setattr(pipeline, "settle", settle)
    return order


def result(status: Status = Status.SCORED) -> Result:
    none = {"raw_score": None, "base_score": None, "instruct_score": None}
    return Result(run="one", status=status, score=0.5, verdict={}, reasons=[], evidence=[], **none)


def failing(*errors: BaseException) -> StageFunction:
    """A stage that fails in these ways, one after the other, and then succeeds."""
    left = list(errors)

    def function(run: Run, out: Path, listener: ProgressListener) -> None:
        (out / "file").write_text(f"{len(left)} failures left")
        if left:
            raise left.pop(0)

    return function


def told(run: Run) -> list[tuple[Stage, str]]:
    return [(entry.stage, entry.event) for entry in run.journal()]


def test_stages_run_in_order_once(run: Run, done: list[Stage]) -> None:
    assert pipeline.advance(run, ProgressListener()).status is Status.SCORED
    assert done == list(Stage)
    assert pipeline.advance(run, ProgressListener()).status is Status.SCORED
    assert done == list(Stage)
    assert run.next_stage() is None


@pytest.mark.parametrize("stage", list(pipeline.STAGES))
def test_run_continues_at_the_first_stage_that_is_not_done(stage: Stage, run: Run, done: list[Stage]) -> None:
    order = list(Stage)
    for earlier in order[: order.index(stage)]:
        run.stage(earlier).mkdir()
    assert run.next_stage() is stage
    pipeline.advance(run, ProgressListener())
    assert done == order[order.index(stage) :]


@pytest.mark.parametrize(
    ("cause", "tries"), [("engine_failed", 2), ("sandbox_failed", 2), ("baseline_failed", 1), ("kit_changed", 1)]
)
def test_failure_of_the_machine_is_retried_as_the_table_says(
    cause: str, tries: int, run: Run, done: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [InfrastructureError(cause, "It broke.") for _ in range(tries)]
    monkeypatch.setitem(pipeline.STAGES, Stage.AUDIT, failing(*errors))
    failed = pipeline.advance(run, ProgressListener())
    assert failed.status is Status.INFRASTRUCTURE_ERROR
    assert (failed.score, failed.raw_score, failed.base_score) == (None, None, None)
    assert "It broke." in failed.reasons[0]
    assert told(run)[-2 * tries :] == [(Stage.AUDIT, "start"), (Stage.AUDIT, "failed")] * tries
    assert run.next_stage() is Stage.AUDIT

    assert pipeline.advance(run, ProgressListener()).status is Status.SCORED
    assert done == [stage for stage in Stage if stage is not Stage.AUDIT]
    assert len(list(run.root.glob("audit.attempt-*"))) == tries
    assert (run.root / "result.json.attempt-1").is_file()


def test_retry_that_succeeds_leaves_no_error(run: Run, done: list[Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.STAGES, Stage.SOLVE, failing(InfrastructureError("sandbox_failed", "Once.")))
    assert pipeline.advance(run, ProgressListener()).status is Status.SCORED
    assert (run.root / "solve" / "file").read_text() == "0 failures left"
    assert (run.root / "solve.attempt-1" / "file").read_text() == "1 failures left"


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("x"),
        MemoryError(),
        OSError(5, "I/O error"),
        KeyError("x"),
        InfrastructureError("new_cause", "x"),
    ],
    ids=repr,
)
def test_whatever_goes_wrong_is_an_infrastructure_error_and_no_crash(
    error: Exception, run: Run, done: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pipeline.STAGES, Stage.COLLECT, failing(error))
    assert pipeline.advance(run, ProgressListener()).status is Status.INFRASTRUCTURE_ERROR
    assert done == [Stage.PREPARE, Stage.SOLVE]


def test_failure_while_settling_is_an_infrastructure_error_and_no_crash(
    run: Run, done: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Run) -> None:
        raise ValueError("a file of an earlier stage is broken")

    monkeypatch.setattr(pipeline, "settle", broken)
    assert pipeline.advance(run, ProgressListener()).status is Status.INFRASTRUCTURE_ERROR
    assert run.next_stage() is Stage.SETTLE


def test_interruption_is_noted_and_passed_on(run: Run, done: list[Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.STAGES, Stage.SOLVE, failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        pipeline.advance(run, ProgressListener())
    assert told(run)[-1] == (Stage.SOLVE, "interrupted")
    assert not (run.root / "result.json").exists()
    assert pipeline.advance(run, ProgressListener()).status is Status.SCORED


def test_full_disk_stops_the_run_and_leaves_it_to_be_continued(
    run: Run, done: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pipeline.STAGES, Stage.AUDIT, failing(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match="is full; free some space and run `ptb resume"):
        pipeline.advance(run, ProgressListener())
    assert pipeline.advance(run, ProgressListener()).status is Status.SCORED
    assert done == [stage for stage in Stage if stage is not Stage.AUDIT]


def test_repeated_stage_keeps_what_was_there(run: Run, done: list[Stage]) -> None:
    pipeline.advance(run, ProgressListener())
    before = (run.root / "audit" / "file").read_text()
    rerun_stage(run, Stage.AUDIT)
    assert done == [*Stage, Stage.AUDIT, Stage.SETTLE]
    assert (run.root / "audit.attempt-1" / "file").read_text() == before
    assert (run.root / "result.json.attempt-1").is_file()
    assert (Stage.AUDIT, "again") in told(run)


def test_kill_while_setting_a_stage_aside_leaves_no_result_of_before(
    run: Run, done: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.advance(run, ProgressListener())
    with monkeypatch.context() as patch:
        patch.setattr(directory, "set_aside", failing_after_first(directory.set_aside))
        with pytest.raises(KeyboardInterrupt):
            rerun_stage(run, Stage.AUDIT)
    del done[:]
    pipeline.advance(run, ProgressListener())
    assert done[-1:] == [Stage.SETTLE], "a result stands that this audit did not give"


def failing_after_first(keep: Callable[[Path], None]) -> Callable[[Path], None]:
    calls: list[Path] = []

    def function(path: Path) -> None:
        calls.append(path)
        if len(calls) > 1:
            raise KeyboardInterrupt
        keep(path)

    return function


def test_locked_run_is_left_alone(run: Run, done: list[Stage]) -> None:
    with run.lock(), pytest.raises(InputError, match="is working on"):
        pipeline.advance(run, ProgressListener())
    assert done == []


def test_lock_is_free_after_a_failure(run: Run, done: list[Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.STAGES, Stage.SOLVE, failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        pipeline.advance(run, ProgressListener())
    with run.lock():
        pass


def test_runs_are_found_in_an_experiment_and_above_it(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_run(tmp_path / "experiment" / name)
    for path in (tmp_path, tmp_path / "experiment"):
        assert [run.root.name for run in find_runs(path)] == ["a", "b"]
    assert [run.root.name for run in find_runs(tmp_path / "experiment" / "b")] == ["b"]


def test_earlier_attempts_at_a_repeated_run_are_not_found(tmp_path: Path) -> None:
    for name in ("a", "a.attempt-1", "a.attempts-1"):
        write_run(tmp_path / "experiment" / name)
    assert [run.root.name for run in find_runs(tmp_path)] == ["a", "a.attempts-1"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"", ""),
        (b'{"t": 1.0, "stream": "stdout", "line": "one"}\n{"t": 2.0, "stream": "stdout", "line": "two"}\n', "two"),
        (b'{"t": 1.0, "stream": "stdout", "line": "one"}\n{"t": 2.0, "str', "one"),
        (b"\xff" * 20_000 + b'\n{"t": 2.0, "stream": "stderr", "line": "two"}\n', "two"),
    ],
)
def test_last_line_of_an_agent_at_work(written: bytes, expected: str, run: Run) -> None:
    (run.root / "solve.partial").mkdir()
    (run.root / "solve.partial" / "output.jsonl").write_bytes(written)
    assert last_output_line(run) == expected
