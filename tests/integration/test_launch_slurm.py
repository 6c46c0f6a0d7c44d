"""Runs on a real Slurm with two nodes: failures of nodes and jobs, and launches that overlap. The stages are stubs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch_orders import STUBS_PATH, Messages, done, log, make_order
from posttrainbench.launch.base import LaunchOrder, Watch
from posttrainbench.launch.experiment import resolve
from posttrainbench.launch.job import executions
from posttrainbench.launch.plan import make_plan
from posttrainbench.launch.slurm import LAUNCHER
from posttrainbench.records import Placement
from slurm_cluster import Slurm, slurm_cluster, why_unavailable
from support import eventually

pytestmark = pytest.mark.skipif(why_unavailable() is not None, reason=f"no Slurm: {why_unavailable()}")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The cluster, whose commands this process finds."""
    with pytest.MonkeyPatch.context() as patch, slurm_cluster(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        for name in ("SLURM_CONF", "PATH"):
            patch.setenv(name, cluster.environment[name])
        patch.setenv("PYTHONPATH", STUBS_PATH)
        yield cluster


def order(root: Path, names: str, **options: Any) -> LaunchOrder:
    return make_order(root, names, launcher="slurm", **options)


def test_a_dry_run_makes_the_checks_on_every_node(slurm: Slurm, tmp_path: Path) -> None:
    given: dict[str, Any] = {"name": "e", "suite": "micro", "agents": ["recipe-noop"], "benchmarks": ["micro-math"]}
    given["placement"] = {"launcher": "slurm"}
    plan = make_plan(resolve(given), tmp_path / "e", with_nodes=True)
    assert not plan.problems
    assert plan.notes[1:] == ["checked on n1, n2"]
    assert not (tmp_path / "e").exists()

    slurm.kill_node("n2")
    eventually(lambda: slurm.call("sinfo", "-h", "-N", "-t", "down", "-o", "%N").split() == ["n2"])
    absent = resolve(given | {"sandbox": "podman", "image": "localhost/absent:none"})
    plan = make_plan(absent, tmp_path / "e", with_nodes=True)  # this machine's sandbox does not matter
    assert [problem.check for problem in plan.problems] == ["sandbox"]
    assert plan.problems[0].text.startswith("On n1: ")
    assert plan.notes[1:] == [
        "checked on n1",
        "n2 was not checked: it is busy or down; the jobs check it when they start",
    ]
    slurm.start_node("n2")
    eventually(lambda: slurm.idle_nodes() == ["n1", "n2"])


def test_failures_of_a_node_and_a_job_lose_nothing_and_repeat_nothing(slurm: Slurm, tmp_path: Path) -> None:
    messages = Messages()
    LAUNCHER.launch(order(tmp_path, "abcdef"), messages)
    eventually(lambda: len(log(tmp_path, "begin")) == 4)  # as many as there are GPUs
    used = [(line["node"], line["gpus"]) for line in log(tmp_path, "begin")]
    assert len(set(used)) == 4

    LAUNCHER.launch(order(tmp_path, "abcdef"), messages)  # as after the end of the machine that launched
    assert messages.texts[1:] == ["6 runs are left out: their jobs are queued or running."]

    lost = {line["run"] for line in log(tmp_path, "begin") if line["node"] == "n2"}
    cancelled = next(line["run"] for line in log(tmp_path, "begin") if line["node"] == "n1")
    slurm.kill_node("n2")
    slurm.call("scancel", next(line.job for line in executions(tmp_path / cancelled) if line.event == "submitted"))
    eventually(lambda: slurm.call("sinfo", "-h", "-N", "-t", "down", "-o", "%N").split() == ["n2"])
    eventually(lambda: executions(tmp_path / cancelled)[-1].ending == "interrupted")
    (tmp_path / "go").touch()

    def all_but_the_cancelled_one() -> bool:
        slurm.start_requeued()
        return done(tmp_path) == {*"abcdef"} - {cancelled}

    eventually(all_but_the_cancelled_one)
    assert Counter(line["run"] for line in log(tmp_path, "begin")) == Counter("abcdef") + Counter(lost)

    slurm.start_node("n2")
    eventually(lambda: slurm.idle_nodes() == ["n1", "n2"])
    LAUNCHER.launch(order(tmp_path, "abcdef"), messages)
    assert messages.texts[-1].startswith("Submitted 1 job (all): ")
    eventually(lambda: done(tmp_path) == {*"abcdef"})
    for what in ("end", "settle"):
        assert sorted(line["run"] for line in log(tmp_path, what)) == [*"abcdef"]


def test_an_infrastructure_error_is_queued_again_up_to_the_limit(slurm: Slurm, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    for name in "ab":
        order(tmp_path, name)
        (tmp_path / name / "fail").touch()
    LAUNCHER.launch(order(tmp_path, "a", retries=1), Watch())
    LAUNCHER.launch(order(tmp_path, "b", retries=0), Watch())

    def settled() -> bool:
        slurm.start_requeued()
        ended = [line.ending for line in executions(tmp_path / "a")]
        return ended[-1:] == ["done"] and executions(tmp_path / "b")[-1].ending == "failed"

    eventually(settled)
    assert [line.ending for line in executions(tmp_path / "a") if line.event == "end"] == ["failed", "done"]
    eventually(lambda: "RUNNING" not in slurm.states().values())
    assert [line.event for line in executions(tmp_path / "b")] == ["submitted", "begin", "end"]


def test_a_split_evaluation_follows_only_an_agent_that_has_finished(slurm: Slurm, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    made = order(tmp_path, "ab", retries=0, split_evaluation=True)
    (tmp_path / "b" / "fail").touch()
    LAUNCHER.launch(made, Watch())
    eventually(slurm.is_idle)
    assert {path.name for path in tmp_path.glob("*") if (path / "solve").is_dir()} == {"a"}
    assert [line["run"] for line in log(tmp_path, "settle")] == ["a"]
    parts = [line.part for line in executions(tmp_path / "a") if line.event == "end"]
    assert parts == ["agent", "evaluation"]


def test_waiting_jobs_are_canceled(slurm: Slurm, tmp_path: Path) -> None:
    made = order(tmp_path, "abcdef", retries=0)
    LAUNCHER.launch(made, Watch())
    eventually(lambda: len(log(tmp_path, "begin")) == 4)  # as many as there are GPUs
    assert LAUNCHER.cancel_waiting(made.runs) == 2
    assert LAUNCHER.cancel_waiting(made.runs) == 0
    (tmp_path / "go").touch()
    eventually(lambda: len(done(tmp_path)) == 4)
    eventually(slurm.is_idle)
    assert len(log(tmp_path, "begin")) == 4


def test_the_cluster_is_checked(slurm: Slurm, tmp_path: Path) -> None:
    def problem(gpus: int = 1, **placement: Any) -> str:
        [result] = LAUNCHER.check(LaunchOrder([], tmp_path, Placement(**placement), 0, gpus, 600))
        return result.text if result.state == "problem" else f"ok: {result.text}"

    assert problem() == "ok: Slurm, nodes n1,n2, time limit 265 minutes"
    assert problem(split_evaluation=True).endswith("time limit 25 minutes")
    assert problem(gpus=3) == "No node of Slurm fits a job with 3 GPUs and the other options (n2: 2 GPUs)."
    assert "no partition `gpu`" in problem(partition="gpu")
    assert "8 CPUs" in problem(cpus=9)
    assert "4000 MiB" in problem(memory="5G")
    assert "without the feature h100" in problem(constraint="h100")
