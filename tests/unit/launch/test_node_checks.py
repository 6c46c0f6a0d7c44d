"""The checks of a dry run on the nodes of a cluster: what a node answers, and what the plan says about it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.launch import node_checks
from posttrainbench.launch.base import LaunchOrder, load_launcher
from posttrainbench.launch.experiment import resolve
from posttrainbench.launch.node_answers import (
    MARK,
    MAX_NODES,
    NodeAnswer,
    NodeProblem,
    choose_nodes,
    describe,
    merged,
    read_answer,
    to_line,
)
from posttrainbench.launch.plan import ON_NODES, make_plan
from posttrainbench.launch.ray import RayLauncher
from posttrainbench.records import RunKey
from posttrainbench.run.preflight import CheckResult

KEY = RunKey("recipe-noop", "micro-base", "micro-math", 0)
SANDBOX = NodeProblem("sandbox", "bubblewrap is not installed.", [KEY])
GIVEN: dict[str, Any] = {"name": "e", "suite": "micro", "agents": ["recipe-noop"], "benchmarks": ["micro-math"]}


def test_an_answer_is_read_back_among_other_lines() -> None:
    assert read_answer("n1", f"noise\n{to_line([SANDBOX])}\nmore", "a warning") == NodeAnswer("n1", True, [SANDBOX])
    assert read_answer("n1", to_line([]), "") == NodeAnswer("n1", True, [])


@pytest.mark.parametrize(
    ("output", "errors", "reason"),
    [
        ("", "", "it printed nothing"),
        ("hello", "srun: error: node down", "srun: error: node down"),
        (f"{MARK}[{{", "", "its answer cannot be read"),
        (f'{MARK}{{"reached": true}}', "", "its answer cannot be read"),
    ],
)
def test_a_node_without_an_answer_counts_as_not_checked(output: str, errors: str, reason: str) -> None:
    answer = read_answer("n1", output, errors)
    assert not answer.reached
    assert not answer.problems
    assert answer.reason.startswith(reason)


@pytest.mark.parametrize(
    "errors", ["slurmstepd: error: execve(): /x/python: No such file or directory", "No module named posttrainbench"]
)
def test_a_node_without_the_environment_has_a_problem(errors: str) -> None:
    [problem] = read_answer("n1", "", errors).problems
    assert sys.executable in problem.text
    assert "a path that all nodes share" in problem.text


def test_at_least_one_node_of_each_kind_is_checked() -> None:
    nodes = [f"cpu{number}" for number in range(100)] + ["gpu1", "gpu2"]
    chosen = choose_nodes(nodes, lambda node: node[:3])
    assert len(chosen) == MAX_NODES
    assert chosen[:2] == ["cpu0", "gpu1"]
    assert choose_nodes(["a", "b"], lambda node: "same") == ["a", "b"]
    assert len(choose_nodes(nodes, lambda node: node)) == len(nodes)


def test_problems_of_several_nodes_are_one() -> None:
    answers = [
        NodeAnswer("n1", True, [SANDBOX]),
        NodeAnswer("n2", True, [SANDBOX]),
        NodeAnswer("n3", False, (), "down"),
    ]
    assert [(each.check, each.text) for each in merged(answers)] == [
        ("sandbox", "On n1, n2: bubblewrap is not installed.")
    ]
    assert describe(answers) == ["checked on n1, n2", "n3 was not checked: down"]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> list[NodeAnswer]:
    """Let Ray have nodes with these answers."""
    answers: list[NodeAnswer] = []

    def check_nodes(self: RayLauncher, order: LaunchOrder, command: Sequence[str], seconds: float) -> list[NodeAnswer]:
        assert command[:4] == [sys.executable, "-m", "posttrainbench", "check-node"]
        return answers

    monkeypatch.setattr(RayLauncher, "check", lambda self, order: iter([CheckResult("launcher", "ok", "Ray, 2 nodes")]))
    monkeypatch.setattr(RayLauncher, "check_nodes", check_nodes)
    return answers


def test_the_plan_of_a_dry_run_has_the_problems_of_the_nodes(cluster: list[NodeAnswer], tmp_path: Path) -> None:
    experiment = resolve({**GIVEN, "placement": {"launcher": "ray"}})
    cluster += [NodeAnswer("n1", True, [SANDBOX]), NodeAnswer("n2", False, (), "it did not answer within 180 s")]
    plan = make_plan(experiment, tmp_path / "e", with_nodes=True)
    assert [(each.check, each.text, each.keys) for each in plan.problems] == [
        ("sandbox", "On n1: bubblewrap is not installed.", [KEY])
    ]
    assert plan.notes[1:] == ["checked on n1", "n2 was not checked: it did not answer within 180 s"]
    cluster.clear()
    assert make_plan(experiment, tmp_path / "e", with_nodes=True).notes[1:] == [ON_NODES]
    assert not make_plan(experiment, tmp_path / "e").problems


def test_this_machine_is_not_a_node(tmp_path: Path) -> None:
    experiment = resolve(GIVEN)
    launcher = load_launcher("local")
    assert not launcher.elsewhere
    assert launcher.check_nodes(LaunchOrder([], tmp_path, experiment.placement, 0, 0, 60), ["false"], 1) == ()


def test_each_agent_and_benchmark_is_checked_on_the_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = []

    def check(request: Any, root: Path, skipped: Any) -> list[CheckResult]:
        made.append((request.agent, request.benchmark))
        assert "sandbox" not in skipped
        state = "problem" if request.benchmark == "micro-code" else "ok"
        return [CheckResult("sandbox", state, "text")]  # type: ignore[arg-type]

    monkeypatch.setattr(node_checks, "check_request", check)
    agents = ["recipe-noop", "recipe-sft"]
    experiment = resolve({**GIVEN, "agents": agents, "benchmarks": ["micro-math", "micro-code"], "seeds": 3})
    [problem] = node_checks.check_here(experiment, tmp_path)
    assert len(made) == len(set(made)) == 4
    assert (problem.check, [key.agent for key in problem.keys]) == ("sandbox", agents)
