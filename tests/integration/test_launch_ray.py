"""Runs on a real Ray cluster with two nodes, one of which fails. The stages are stubs."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch_orders import STUBS_PATH, Messages, done, log, make_order
from posttrainbench.launch.base import LaunchOrder
from posttrainbench.launch.experiment import resolve
from posttrainbench.launch.job import executions
from posttrainbench.launch.plan import make_plan
from posttrainbench.launch.ray import LAUNCHER
from posttrainbench.records import Placement
from support import eventually

ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two nodes with two GPUs each, to which this process is connected."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", STUBS_PATH)
        node = {"num_cpus": 4, "num_gpus": 2, "object_store_memory": 80 * 2**20}
        made = Cluster(initialize_head=True, head_node_args=node)
        ray.init(address=made.address, log_to_driver=False)
        made.second = made.add_node(**node)
        made.wait_for_nodes()
        yield made
        ray.shutdown()
        made.shutdown()


def launching(order: LaunchOrder, watch: Messages) -> threading.Thread:
    """Launch in a thread."""

    def launch() -> None:
        try:
            LAUNCHER.launch(order, watch)
        except KeyboardInterrupt:
            watch.texts.append("interrupted")

    thread = threading.Thread(target=launch, daemon=True)
    thread.start()
    return thread


def test_the_cluster_is_checked(cluster: Any, tmp_path: Path) -> None:
    def result(gpus: int, **placement: Any) -> tuple[str, str]:
        [found] = LAUNCHER.check(LaunchOrder([], tmp_path, Placement(**placement), 0, gpus, 60))
        return found.state, found.text

    assert result(1) == ("ok", "Ray, 2 nodes")
    assert result(3) == ("problem", "No node of the Ray cluster has 1 CPU, 3 GPU for a run.")
    assert result(0, cpus=5)[0] == "problem"


def test_a_dry_run_makes_the_checks_on_every_node(cluster: Any, tmp_path: Path) -> None:
    given: dict[str, Any] = {"name": "e", "suite": "micro", "agents": ["recipe-noop"], "benchmarks": ["micro-math"]}
    given["placement"] = {"launcher": "ray", "address": cluster.address}
    given |= {"sandbox": "podman", "image": "localhost/absent:none"}
    plan = make_plan(resolve(given), tmp_path / "e", with_nodes=True)
    assert plan.notes[1].startswith("checked on ")
    assert plan.notes[1].count(":") == 2  # two nodes by host and port
    assert [problem.check for problem in plan.problems] == ["sandbox"]
    assert plan.problems[0].text.startswith("On ")
    assert not (tmp_path / "e").exists()


def test_failures_lose_nothing_and_repeat_nothing(cluster: Any, tmp_path: Path) -> None:
    first = Messages()
    (make_order(tmp_path, "e").runs[0].root / "fail").touch()
    thread = launching(make_order(tmp_path, "abcdef"), first)
    eventually(lambda: len(log(tmp_path, "begin")) == 4)  # as many as there are GPUs
    used = [(line["node"], line["gpus"]) for line in log(tmp_path, "begin")]
    assert len(set(used)) == 4

    first.interrupt = True  # the launcher ends; the jobs end with it
    thread.join(60)
    assert first.texts == ["interrupted"]
    eventually(lambda: all(executions(tmp_path / name)[-1].event == "end" for name in "abcd"))

    thread = launching(make_order(tmp_path, "abcdef"), Messages())
    eventually(lambda: len(log(tmp_path, "begin")) == 8)
    cluster.remove_node(cluster.second, allow_graceful=False)
    (tmp_path / "go").touch()
    eventually(lambda: done(tmp_path) == {*"abcdef"})
    thread.join(60)
    assert not thread.is_alive()
    for what in ("end", "settle"):
        assert Counter(line["run"] for line in log(tmp_path, what)) == Counter("abcdef")
    endings = [line.ending for line in executions(tmp_path / "e") if line.event == "end"]
    assert endings[-2:] == ["failed", "done"]


def test_retries_are_bounded(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    order = make_order(tmp_path, "ab", retries=0, split_evaluation=True)
    (tmp_path / "a" / "fail").touch()
    LAUNCHER.launch(order, Messages())
    assert done(tmp_path) == {"b", "a"} or done(tmp_path) == {"b"}
    assert [line.ending for line in executions(tmp_path / "a") if line.event == "end"] == ["failed"]
    assert [line.part for line in executions(tmp_path / "b") if line.event == "end"] == ["agent", "evaluation"]
