"""An agent that has worked is started over only on request, and the earlier attempts are counted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.files import append_json, write_json
from posttrainbench.records import AgentSpec, OutputLine, Result, RunSpec, SolveNote, Stage, Status
from posttrainbench.run import Run, directory, pipeline
from posttrainbench.run.attempts import count_restarts, has_worked, needs_again, start_over
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.solve_supervisor import NOTES
from posttrainbench.usage.calls import ModelCall

GOOD = ModelCall(time=0, provider="p", model="m", endpoint="chat", seconds=1, status=200, streamed=True, output=1)
LIMITED = GOOD.model_copy(update={"status": 429, "error": "slow down", "output": 0})

Fill = Callable[[Path], None]


def nothing(out: Path) -> None:
    (out / "prompt.md").touch()


def model_agent(*calls: ModelCall) -> Fill:
    def fill(out: Path) -> None:
        (out / "output.jsonl").write_text('{"t": 1.0, "stream": "stdout", "line": "Error: no answer"}\n')
        (out / "usage.jsonl").write_text("".join(call.model_dump_json() + "\n" for call in calls))

    return fill


def recipe(stream: str = "stdout", cause: str = "") -> Fill:
    def fill(out: Path) -> None:
        append_json(out / "output.jsonl", OutputLine(t=1.0, stream=stream, line="hello"))  # type: ignore[arg-type]
        if cause:
            append_json(out / NOTES, SolveNote(kind="end", end="failed", cause=cause, text="It failed."))

    return fill


ATTEMPTS: list[tuple[Fill, bool]] = [
    (nothing, False),
    (model_agent(), False),
    (model_agent(LIMITED, LIMITED), False),
    (model_agent(LIMITED, GOOD), True),
    (recipe(), True),
    (recipe(cause="solve_killed"), True),
    (recipe(cause="sandbox_failed"), True),
    (recipe("stderr", "sandbox_failed"), False),  # messages of the sandbox
    (recipe("stderr"), True),
]
IDS = [
    "nothing",
    "no call",
    "failed calls",
    "a good call",
    "recipe",
    "killed",
    "sandbox",
    "no sandbox",
    "silent recipe",
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that is ready to be solved, with stages that do nothing."""
    none: dict = {"grader": "g", "prompt_sha256": "", "kit_sha256": "", "model_sha256": "", "host": {}, "versions": {}}
    spec = RunSpec(
        run="one",
        created="2026-01-01T00:00:00+00:00",
        agent=AgentSpec(name="a", scaffold="recipe"),
        model="m",
        benchmark="b",
        suite="micro",
        budget=1.0,
        seed=0,
        rules="v1",
        sandbox="process",
        engine="e",
        **none,
    )
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "run.json", spec)
    for stage in pipeline.STAGES:
        monkeypatch.setitem(pipeline.STAGES, stage, lambda run, out, listener: None)

    def settle(run: Run) -> None:
        none = {"score": 0.5, "raw_score": 0.5, "base_score": None, "instruct_score": None}
        facts: dict = {"verdict": {}, "reasons": [], "evidence": [], "restarts": count_restarts(run)}
        write_json(run.root / "result.json", Result(run="one", status=Status.SCORED, **none, **facts))

    monkeypatch.setattr(pipeline, "settle", settle)
    return Run(tmp_path / "run")


def solving(monkeypatch: pytest.MonkeyPatch, fill: Fill, *errors: BaseException) -> list[Path]:
    """Let the stage `solve` leave these files and fail in these ways, then succeed. Return the list of its starts."""
    left, starts = list(errors), []

    def solve(run: Run, out: Path, listener: ProgressListener) -> None:
        starts.append(out)
        fill(out)
        if left:
            raise left.pop(0)

    monkeypatch.setitem(pipeline.STAGES, Stage.SOLVE, solve)
    return starts


def advance(run: Run) -> Result:
    return pipeline.advance(run, ProgressListener())


@pytest.mark.parametrize(("fill", "worked"), ATTEMPTS, ids=IDS)
def test_what_counts_as_work(fill: Fill, worked: bool, tmp_path: Path) -> None:
    fill(tmp_path)
    assert has_worked(tmp_path) is worked


@pytest.mark.parametrize(("fill", "worked"), ATTEMPTS, ids=IDS)
def test_an_agent_that_has_worked_is_started_over_only_on_request(
    fill: Fill, worked: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = solving(monkeypatch, fill, InfrastructureError("provider_failed", "Away."))
    failed = advance(run)
    assert (failed.status, failed.restarts, len(starts)) == (Status.INFRASTRUCTURE_ERROR, 0, 1)
    assert needs_again(run) is worked
    if worked:
        for _ in range(2):
            with pytest.raises(InputError, match=r"has already worked; `ptb resume .*run --again` starts it over"):
                advance(run)
        assert len(starts) == 1
        start_over(run)
    done = advance(run)
    assert (done.status, done.restarts, len(starts)) == (Status.SCORED, int(worked), 2)
    assert (run.root / "solve.attempt-1").is_dir()


@pytest.mark.parametrize("cause", ["gateway_failed", "egress_failed", "service_failed"])
@pytest.mark.parametrize(("calls", "retried"), [([GOOD], False), ([LIMITED], True)])
def test_no_immediate_retry_after_work(
    calls: list[ModelCall], retried: bool, cause: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = solving(monkeypatch, model_agent(*calls), InfrastructureError(cause, "It broke."))
    assert advance(run).status is (Status.SCORED if retried else Status.INFRASTRUCTURE_ERROR)
    assert len(starts) == 1 + retried


def test_a_request_permits_one_start(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    away = [InfrastructureError("provider_failed", "Away.") for _ in range(2)]
    starts = solving(monkeypatch, model_agent(GOOD), *away)
    advance(run)
    start_over(run)
    failed = advance(run)
    assert (failed.status, failed.restarts, len(starts)) == (Status.INFRASTRUCTURE_ERROR, 1, 2)
    with pytest.raises(InputError, match="has already worked"):
        advance(run)
    start_over(run)
    assert advance(run).restarts == 2


def test_an_interrupted_agent_is_started_over_only_on_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    solving(monkeypatch, model_agent(GOOD), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        advance(run)
    with pytest.raises(InputError, match="has already worked"):
        advance(run)


def test_an_agent_that_has_finished_cannot_be_started_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    solving(monkeypatch, model_agent(GOOD))
    assert advance(run).restarts == 0
    with pytest.raises(InputError, match=r"has finished; run `ptb resume .*` without --again"):
        start_over(run)
    assert not list(run.root.glob("solve.attempt-*"))


def test_a_request_without_need_changes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    start_over(run)
    assert run.journal() == []


def test_a_read_only_run_can_be_read_but_not_continued(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory.os, "access", lambda path, mode: False)
    assert run.spec.run == "one"
    assert run.attempts(Stage.SOLVE) == []
    with pytest.raises(InputError, match=r"is read-only for this user; copy the run to a writable directory") as raised:
        advance(run)
    assert not isinstance(raised.value, directory.BusyError)
    assert not (run.root / "lock").exists()


def test_a_locked_run_is_busy(run: Run) -> None:
    with run.lock(), pytest.raises(directory.BusyError, match="is working on"):
        advance(run)


def test_attempts_at_a_repeated_run_are_counted(run: Run) -> None:
    for folder, fill in (("run.attempt-1/solve", recipe()), ("run.attempt-1/solve.attempt-1", recipe())):
        (run.root.parent / folder).mkdir(parents=True)
        fill(run.root.parent / folder)
    for folder, fill in (("run.attempt-2/solve", model_agent(LIMITED)), ("run2.attempt-1/solve", recipe())):
        (run.root.parent / folder).mkdir(parents=True)
        fill(run.root.parent / folder)
    assert count_restarts(run) == 2
