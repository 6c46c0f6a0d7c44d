"""The runs of an experiment, and what there is to do for each."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InputError
from posttrainbench.files import append_json, write_json
from posttrainbench.launch.experiment import resolve
from posttrainbench.launch.job import FILE, failures
from posttrainbench.launch.standing import State, keep_attempts, request_for, run_directories, select, standing
from posttrainbench.records import Ending, Execution, Experiment, Result, RunKey, Stage, Status
from posttrainbench.run import Run
from trajectory_recordings import make_recorded_run

GIVEN: dict[str, Any] = {"name": "e", "suite": "micro", "agents": ["recipe-noop"], "benchmarks": ["micro-math"]}
NONE = dict.fromkeys(("score", "raw_score", "base_score", "instruct_score"))


def make(root: Path, status: Status | None = None) -> RunKey:
    """Make a run that has begun, and return its key."""
    spec = Run(make_recorded_run(root, [])).spec
    shutil.rmtree(root / "solve")
    if status:
        result = Result(run="run", status=status, verdict={}, reasons=["Because."], evidence=[], **NONE)
        write_json(root / "result.json", result)
    return RunKey(spec.agent.name, spec.model, spec.benchmark, spec.seed)


def line(event: str, ending: Ending | None = None) -> Execution:
    facts: dict[str, Any] = {"time": "", "part": "agent", "launcher": "local", "job": "1"}
    return Execution(event=event, ending=ending, text="It broke." if ending == "failed" else "", **facts)  # type: ignore[arg-type]


BEGIN, FAILED, DONE = line("begin"), line("end", "failed"), line("end", "done")
STOPPED, SUBMITTED = line("end", "interrupted"), line("submitted")


@pytest.mark.parametrize(
    ("lines", "running", "expected"),
    [
        ([], False, 0),
        ([BEGIN, DONE], False, 0),
        ([BEGIN, FAILED, BEGIN, FAILED], False, 2),
        ([BEGIN], False, 1),  # killed
        ([BEGIN], True, 0),
        ([BEGIN, BEGIN], True, 1),
        ([BEGIN, STOPPED, BEGIN, STOPPED], False, 0),
        ([SUBMITTED, SUBMITTED], False, 0),
    ],
)
def test_which_executions_failed(lines: list[Execution], running: bool, expected: int) -> None:
    assert failures(lines, running) == expected


@pytest.mark.parametrize(
    ("status", "lines", "state", "text"),
    [
        (None, [], State.NEW, ""),
        (None, [BEGIN, STOPPED], State.NEW, ""),  # nothing in the journal
        (Status.SCORED, [BEGIN, DONE], State.DONE, "scored"),
        (Status.NOT_AUDITED, [], State.DONE, "not_audited"),
        (Status.INFRASTRUCTURE_ERROR, [BEGIN, FAILED], State.RETRY, "It broke."),
        (Status.INFRASTRUCTURE_ERROR, [BEGIN, FAILED] * 2, State.GIVEN_UP, "It broke."),
        (Status.INFRASTRUCTURE_ERROR, [], State.CONTINUE, "Because."),  # of `ptb run`
        (None, [BEGIN], State.RETRY, "Its process was killed."),
    ],
)
def test_states(status: Status | None, lines: list[Execution], state: State, text: str, tmp_path: Path) -> None:
    key = make(tmp_path / "run", status)
    for entry in lines:
        append_json(tmp_path / "run" / FILE, entry)
    found = standing(key, tmp_path / "run", retries=1)
    assert (found.state, found.text) == (state, text)


def test_a_run_that_began_is_continued(tmp_path: Path) -> None:
    key = make(tmp_path / "run")
    Run(tmp_path / "run").log(Stage.PREPARE, "start")
    assert standing(key, tmp_path / "run", 0).state is State.CONTINUE


def test_a_run_on_which_a_process_works_is_running(tmp_path: Path) -> None:
    key = make(tmp_path / "run")
    append_json(tmp_path / "run" / FILE, BEGIN)
    with Run(tmp_path / "run").lock():
        assert standing(key, tmp_path / "run", 0).state is State.RUNNING
    assert standing(key, tmp_path / "run", 0).state is State.GIVEN_UP


def test_damage_is_named(tmp_path: Path) -> None:
    key = make(tmp_path / "run")
    assert standing(key, tmp_path / "absent", 0).state is State.NEW
    other = standing(key._replace(seed=7), tmp_path / "run", 0)
    assert (other.state, "contains another run" in other.text) == (State.DAMAGED, True)
    (tmp_path / "run" / "run.json").write_text("{")
    assert standing(key, tmp_path / "run", 0).state is State.DAMAGED


def test_each_run_has_a_directory_of_its_own(tmp_path: Path) -> None:
    agents = ["recipe-noop", "recipe-sft?steps=1", "recipe-sft?steps=2", "claude-code/claude-opus-4-6"]
    experiment = resolve(GIVEN | {"agents": agents, "seeds": 2})
    directories = run_directories(experiment, tmp_path)
    assert len(directories) == 8
    assert directories == run_directories(experiment, tmp_path)
    assert directories[tmp_path / "recipe-noop-micro-base-micro-math-seed1"].seed == 1
    assert all(path.parent == tmp_path for path in directories)


def test_runs_to_repeat_are_selected_by_status_or_name(tmp_path: Path) -> None:
    entries = []
    for name, status in (("a-x", Status.SCORED), ("a-y", Status.BASE_FALLBACK), ("b-x", None)):
        entries.append(standing(make(tmp_path / name, status), tmp_path / name, 0))

    def names(*words: str) -> list[str]:
        return [entry.root.name for entry in select(entries, list(words))]

    assert names("scored") == ["a-x"]
    assert names("base_fallback") == names("base-fallback") == ["a-y"]
    assert names("a-*") == ["a-x", "a-y"]
    assert names("a-*", "scored", "b-x") == ["a-x", "a-y", "b-x"]
    assert names("not_audited") == []
    with pytest.raises(InputError, match="`c` names no run"):
        names("c")


def test_a_running_run_is_not_repeated(tmp_path: Path) -> None:
    key = make(tmp_path / "run")
    with Run(tmp_path / "run").lock(), pytest.raises(InputError, match="is running; end it with `ptb stop"):
        select([standing(key, tmp_path / "run", 0)], ["run"])


def test_earlier_attempts_are_kept(tmp_path: Path) -> None:
    for number in (1, 2):
        entry = standing(make(tmp_path / "run", Status.SCORED), tmp_path / "run", 0)
        keep_attempts([entry])
        assert not (tmp_path / "run").exists()
        assert (tmp_path / f"run.attempt-{number}" / "result.json").exists()


def test_what_is_requested() -> None:
    experiment = resolve(GIVEN | {"budget": "2m", "placement": {"memory": "10G"}, "cold_cache": True})
    key = next(experiment.run_keys())
    request = request_for(experiment, key)
    assert (request.agent, request.budget, request.cold_cache) == ("recipe-noop", 120, True)
    assert request.limits.memory == 9 * 2**30
    own = request_for(resolve(GIVEN | {"limits": {"memory": "1G"}, "placement": {"memory": "10G"}}), key)
    assert own.limits.memory == 2**30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 30}, "was started with budget 1m 0s, not 30s; choose another --name"),
        ({"seeds": [0]}, "also has 1 in its seeds"),
        ({"agents": ["recipe-sft"]}, "also has recipe-noop in its agents"),
        ({"deny_instruct": True}, "was started with deny_instruct False, not True"),
    ],
)
def test_an_experiment_never_changes_its_runs(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(change, resolve(GIVEN | {"seeds": 2}))


def test_an_experiment_may_grow_and_move() -> None:
    old = resolve(GIVEN | {"placement": {"concurrency": 3, "evaluations": 1}})
    new: Experiment = resolve({"seeds": 3, "retries": 5, "placement": {"concurrency": 4}}, old)
    assert (new.seeds, new.retries) == ([0, 1, 2], 5)
    assert (new.placement.concurrency, new.placement.evaluations) == (4, 1)
    assert resolve({}, new) == new


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suite": None}, "Missing option --suite"),
        ({"agents": None}, "Missing option --agent"),
        ({"suite": "macro"}, "Unknown suite `macro`"),
        ({"agents": ["nope"]}, "Unknown agent `nope`"),
        ({"models": ["micro-instruct"]}, "is not a base model"),
        ({"benchmarks": ["gsm8k"]}, "The suite micro does not have `gsm8k`"),
        ({"off_target": ["nope"]}, "Unknown benchmark `nope`"),
    ],
)
def test_unknown_names_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(GIVEN | change)
