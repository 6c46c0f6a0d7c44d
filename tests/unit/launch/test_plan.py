"""The plan of a launch: problems of all runs in one table, missing data, and costs."""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InputError
from posttrainbench.files import append_json, write_json
from posttrainbench.launch import plan as module
from posttrainbench.launch.base import load_launcher
from posttrainbench.launch.estimate import estimate
from posttrainbench.launch.experiment import resolve
from posttrainbench.launch.plan import Problem, concerned, make_plan
from posttrainbench.launch.standing import Standing, State
from posttrainbench.records import Experiment, JournalEntry, ModelUsage, RunKey, RunSpec, Stage
from posttrainbench.run import Run
from posttrainbench.run.preflight import CheckResult
from posttrainbench.run.request import RunRequest
from trajectory_recordings import make_recorded_run

GIVEN: dict[str, Any] = {
    "name": "e",
    "suite": "micro",
    "agents": ["recipe-noop", "recipe-sft"],
    "benchmarks": ["micro-math", "micro-code"],
    "seeds": 2,
}


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Collection[str]]]:
    """Replace the checks of a request; return those that were made."""
    made: list[tuple[str, str, Collection[str]]] = []

    def check(request: RunRequest, root: Path, skipped: Collection[str]) -> list[CheckResult]:
        made.append((request.agent, request.benchmark, skipped))
        results = [CheckResult("seed", "ok", "0")]
        if request.agent == "recipe-sft":
            results.append(CheckResult("agent needs", "problem", "No key."))
        if request.benchmark == "micro-code":
            results.append(CheckResult("benchmark data", "problem", "No data."))
        return results

    monkeypatch.setattr(module, "check_request", check)
    return made


def test_all_problems_are_found_with_the_runs_that_they_concern(checks: list[Any], tmp_path: Path) -> None:
    plan = make_plan(resolve(GIVEN), tmp_path / "e")
    assert len(checks) == 4  # seeds make no difference
    assert [(problem.check, problem.text, len(problem.keys)) for problem in plan.problems] == [
        ("agent needs", "No key.", 4),
        ("benchmark data", "No data.", 4),
    ]
    keys = [entry.key for entry in plan.standings]
    assert [concerned(problem, keys) for problem in plan.problems] == ["recipe-sft", "micro-code"]
    assert plan.counts() == {"new": 4, "missing data": 4}
    assert not (tmp_path / "e").exists()


def test_a_dry_run_says_what_only_the_nodes_can_check(
    checks: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.ON_NODES not in make_plan(resolve(GIVEN), tmp_path / "e").notes
    launcher = load_launcher("ray")
    monkeypatch.setattr(launcher, "check", lambda order: [CheckResult("launcher", "ok", "Ray, 2 nodes")])
    plan = make_plan(resolve(GIVEN | {"placement": {"launcher": "ray"}}), tmp_path / "e")
    assert plan.notes == ["Ray, 2 nodes", module.ON_NODES]
    skipped = checks[-1][2]
    assert set(skipped) >= {"GPUs", "limits", "sandbox"}
    assert all(name in module.ON_NODES for name in skipped - {"provenance"})


def test_a_run_that_was_created_and_has_not_begun_is_not_in_its_own_way(tmp_path: Path) -> None:
    root = tmp_path / "e" / "recipe-noop-micro-base-micro-math-seed0"
    make_recorded_run(root, [])
    shutil.rmtree(root / "solve")
    spec = Run(root).spec
    named = spec.agent.model_copy(update={"name": "recipe-noop"})
    write_json(
        root / "run.json", spec.model_copy(update={"agent": named, "model": "micro-base", "benchmark": "micro-math"})
    )
    experiment = resolve(GIVEN | {"agents": ["recipe-noop"], "benchmarks": ["micro-math"], "sandbox": "process"})
    plan = make_plan(experiment, tmp_path / "e")
    assert [entry.state for entry in plan.standings] == [State.NEW, State.NEW]
    assert [problem for problem in plan.problems if problem.check == "output"] == []
    alone = make_plan(experiment.model_copy(update={"seeds": [0]}), tmp_path / "e")
    assert [problem for problem in alone.problems if problem.check == "output"] == []


def test_missing_data_of_a_benchmark_off_target_is_a_problem(checks: list[Any], tmp_path: Path) -> None:
    given = GIVEN | {"agents": ["recipe-noop"], "benchmarks": ["micro-math"]}
    assert make_plan(resolve(given | {"off_target": ["micro-choice"]}), tmp_path).problems == []
    [problem] = make_plan(resolve(given | {"off_target": ["gsm8k"]}), tmp_path).problems
    assert problem.check == "off target"
    assert "ptb data pull gsm8k" in problem.text


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([], "all runs"),
        ([("a", "m", "x", 0), ("a", "m", "y", 0), ("b", "m", "x", 0), ("b", "m", "y", 0)], "all runs"),
        ([("a", "m", "x", 0), ("a", "m", "y", 0)], "a"),
        ([("a", "m", "x", 0)], "a; x"),
        ([("a", "m", "x", 0), ("b", "m", "y", 0)], "2 runs"),
    ],
)
def test_runs_are_described_by_what_they_have_in_common(keys: list[Any], words: str) -> None:
    entries = [RunKey(agent, "m", benchmark, 0) for agent in "ab" for benchmark in "xy"]
    assert concerned(Problem("c", "t", [RunKey(*key) for key in keys]), entries) == words


def test_an_option_of_another_launcher_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="The launcher local has no partition; leave it out"):
        make_plan(resolve(GIVEN | {"placement": {"partition": "gpu"}}), tmp_path)
    with pytest.raises(InputError, match="`lokal` is not among the installed launchers"):
        make_plan(resolve(GIVEN | {"placement": {"launcher": "lokal"}}), tmp_path)


def test_a_damaged_run_is_a_problem_until_it_is_repeated(checks: list[Any], tmp_path: Path) -> None:
    experiment = resolve(GIVEN | {"agents": ["recipe-noop"], "benchmarks": ["micro-math"], "seeds": 1})
    root = tmp_path / "e" / "recipe-noop-micro-base-micro-math-seed0"
    root.mkdir(parents=True)
    (root / "run.json").write_text("{")
    plan = make_plan(experiment, tmp_path / "e")
    assert [problem.check for problem in plan.problems] == ["run"]
    assert f"`--rerun {root.name}` sets it aside" in plan.problems[0].text
    assert make_plan(experiment, tmp_path / "e", plan.standings).problems == []


def test_a_disk_without_room_is_a_problem(checks: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = resolve(GIVEN | {"agents": ["recipe-noop"], "benchmarks": ["micro-math"]})
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=10**7))
    assert [problem.check for problem in make_plan(experiment, tmp_path).problems] == ["disk"]
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=10**9))
    assert make_plan(experiment, tmp_path).problems == []


def earlier_run(root: Path, agent: str, tokens: int, budget: float, seconds: float) -> None:
    """Make a finished run of an agent with a priced model."""
    spec = Run(make_recorded_run(root, [])).spec
    named = spec.agent.model_copy(update={"name": agent, "settings": {"model": "gpt-5-mini"}})
    changes = {"agent": named, "budget": budget, "model": "micro-base", "benchmark": "micro-math"}
    write_json(root / "run.json", RunSpec.model_validate(spec.model_copy(update=changes).model_dump()))
    write_json(root / "solve" / "usage.json", ModelUsage(requests=1, output=tokens))
    (root / "solve" / "outcome.json").touch()
    for stage in (Stage.AUDIT, Stage.EVALUATE):
        append_json(root / "journal.jsonl", JournalEntry(time="", stage=stage, event="done", seconds=seconds))


def due(experiment: Experiment) -> list[Standing]:
    return [Standing(key, Path(), State.NEW) for key in experiment.run_keys()]


def test_costs_follow_from_earlier_runs(tmp_path: Path) -> None:
    agent = "codex/gpt-5-mini"
    experiment = resolve(GIVEN | {"agents": [agent], "benchmarks": ["micro-math"], "budget": "1h", "gpus": 2})
    before = estimate(experiment, due(experiment), tmp_path / "runs" / "e")
    assert (before.agent_hours, before.gpu_hours, before.evaluation_hours) == (2, 4, None)
    assert (before.dollars, before.unknown) == ({}, [agent])

    for number, tokens in enumerate((1_000_000, 2_000_000, 4_000_000)):
        earlier_run(tmp_path / "runs" / "old" / str(number), agent, tokens, budget=1800, seconds=900)
    earlier_run(tmp_path / "runs" / "old" / "0.attempt-1", agent, 10**9, budget=1800, seconds=900)
    after = estimate(experiment, due(experiment), tmp_path / "runs" / "e")
    price = after.dollars[agent]
    assert price.earlier == 3
    assert price.low > 0
    assert (price.median / price.low, price.high / price.low) == (pytest.approx(2), pytest.approx(4))
    assert after.evaluation_hours == 1.0
    assert after.gpu_hours == 6.0
    assert after.unknown == []


def test_a_price_that_nobody_knows_is_not_zero(tmp_path: Path) -> None:
    agent = "codex/gpt-5-mini"
    experiment = resolve(GIVEN | {"agents": [agent], "benchmarks": ["micro-math"]})
    earlier_run(tmp_path / "runs" / "old" / "a", agent, 1000, budget=60, seconds=1)
    spec = Run(tmp_path / "runs" / "old" / "a").spec
    strange = spec.agent.model_copy(update={"settings": {"model": "nobody-knows-it"}})
    write_json(tmp_path / "runs" / "old" / "a" / "run.json", spec.model_copy(update={"agent": strange}))
    write_json(tmp_path / "runs" / "old" / "a" / "solve" / "usage.json", ModelUsage(requests=1, output=5, unpriced=1))
    assert estimate(experiment, due(experiment), tmp_path / "runs" / "e").unknown == [agent]
