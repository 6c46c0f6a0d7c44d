"""Execute runs as tasks of Ray, one for each run.

An execution that failed through no fault of the agent, or whose worker or node failed, is submitted again by this
process, up to the number of retries. If this process ends, the tasks end; the same command continues. If it is killed,
Ray kills the jobs, which counts as a failure of their runs.
"""

import logging
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.launch.base import LaunchOrder, Watch
from posttrainbench.launch.node_answers import NodeAnswer, choose_nodes, read_answer
from posttrainbench.launch.queue import Job
from posttrainbench.launch.ray_job import NAME, run_check, run_job
from posttrainbench.launch.session import Session
from posttrainbench.records import Ending
from posttrainbench.run.directory import Run
from posttrainbench.run.preflight import CheckResult

POLL_SECONDS = 0.5
STOP_SECONDS = 30.0
CONNECT_SECONDS = 10.0
MISSING = "Ray is not installed in this environment; install it: pip install 'posttrainbench[ray]'."


class RayLauncher:
    """Executes runs on a Ray cluster, or on this machine."""

    name = NAME
    options = frozenset({"address", "split_evaluation"})
    elsewhere = True
    waits = True

    def check(self, order: LaunchOrder) -> Iterator[CheckResult]:
        """Yield whether Ray is installed, and whether the cluster has room for a run."""
        try:
            with _connected(order) as ray:
                total = [node["Resources"] for node in ray.nodes() if node["Alive"]]
                needed = _resources(order)
                if not any(all(node.get(name, 0) >= count for name, count in needed.items()) for node in total):
                    text = ", ".join(f"{count:g} {name}" for name, count in needed.items())
                    yield CheckResult("launcher", "problem", f"No node of the Ray cluster has {text} for a run.")
                    return
                yield CheckResult("launcher", "ok", f"Ray, {len(total)} node{'s' * (len(total) != 1)}")
        except (InputError, InfrastructureError) as error:
            yield CheckResult("launcher", "problem", str(error))

    def check_nodes(self, order: LaunchOrder, command: Sequence[str], seconds: float) -> Sequence[NodeAnswer]:
        """Run the command as a task on each node; see `Launcher`."""
        with _connected(order) as ray:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            alive = [node for node in ray.nodes() if node["Alive"]]
            nodes = choose_nodes(alive, lambda node: str(sorted(_capacity(node).items())))
            task = ray.remote(num_cpus=0, num_gpus=order.gpus, max_retries=0)(run_check)
            asked = {
                task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                    list(command), seconds
                ): f"{node['NodeManagerHostname']}:{node['NodeManagerPort']}"
                for node in nodes
            }
            ready, waiting = ray.wait(list(asked), num_returns=len(asked), timeout=seconds)
            late = f"it did not answer within {seconds:.0f} s"
            answers = [NodeAnswer(asked[each], False, reason=late) for each in waiting]
            for each in waiting:
                ray.cancel(each, force=True)
            for each in ready:
                try:
                    answers.append(read_answer(asked[each], *ray.get(each)))
                except ray.exceptions.RayError as error:
                    answers.append(NodeAnswer(asked[each], False, reason=one_line(error)[:200]))
            return sorted(answers, key=lambda answer: answer.node)

    def launch(self, order: LaunchOrder, watch: Watch) -> None:
        """Execute all runs; see `Launcher`."""
        placement = order.placement
        with _connected(order) as ray:
            tasks = _Tasks(ray, order)
            Session(order, watch, tasks, placement.concurrency, placement.split_evaluation, POLL_SECONDS).run_to_end()

    def cancel_waiting(self, runs: Sequence[Run]) -> int:
        """Return 0: what waits is in the process that launches."""
        return 0


class _Tasks:
    """Jobs as tasks of Ray, which assigns the GPUs."""

    def __init__(self, ray: Any, order: LaunchOrder) -> None:
        self.ray, self.order = ray, order
        self.tasks: dict[Any, Run] = {}
        needed = _resources(order)
        self.function = ray.remote(
            num_gpus=needed.get("GPU", 0),
            num_cpus=needed["CPU"],
            memory=needed.get("memory", 0),
            max_retries=0,  # the queue counts the failures of a run, whatever their cause
            max_calls=0,  # a worker takes the next run, with other GPUs: the job, not the worker, has memory on them
        )(run_job)

    def gpus(self, run: Run) -> int:
        """Return 0."""
        return 0

    def free_gpus(self) -> Sequence[int]:
        """Return an empty list."""
        return ()

    def start(self, run: Run, job: Job, gpus: tuple[int, ...]) -> None:
        """Submit a task."""
        self.tasks[self.function.remote(str(run.root), job.part, self.order.retries, list(self.order.off_target))] = run

    def ended(self) -> list[tuple[str, Ending]]:
        """Return the tasks that have ended. A task whose worker or node failed counts as failed."""
        if not self.tasks:
            return []
        ready, _ = self.ray.wait(list(self.tasks), num_returns=len(self.tasks), timeout=0)
        done = []
        for reference in ready:
            run = self.tasks.pop(reference)
            try:
                ending: Ending = self.ray.get(reference)
            except self.ray.exceptions.RayError:
                ending = "failed"
            done.append((str(run.root), ending))
        return done

    def wait(self, seconds: float) -> None:
        """Wait until a task ends, for some seconds at most."""
        if self.tasks:
            self.ray.wait(list(self.tasks), num_returns=1, timeout=seconds)
        else:
            time.sleep(seconds)

    def detach(self) -> None:
        """End the tasks, and wait until their jobs have recorded it."""
        for reference in self.tasks:
            self.ray.cancel(reference)
        if self.tasks:
            self.ray.wait(list(self.tasks), num_returns=len(self.tasks), timeout=STOP_SECONDS)


def _capacity(node: Any) -> dict[str, float]:
    """Return the CPUs, GPUs and memory of a node in rounded numbers."""
    resources = node["Resources"]
    return {name: round(resources.get(name, 0)) for name in ("CPU", "GPU")} | {
        "memory": resources.get("memory", 0) // 2**33
    }


def _resources(order: LaunchOrder) -> dict[str, float]:
    """Return the resources of a task, in Ray's names."""
    placement = order.placement
    needed = {"CPU": float(placement.cpus or 1), "GPU": float(order.gpus), "memory": float(placement.memory or 0)}
    return {name: count for name, count in needed.items() if count}


@contextmanager
def _connected(order: LaunchOrder) -> Iterator[Any]:
    """Connect to the cluster, or start one on this machine, until the context exits.

    Raises:
        InputError: Ray is not installed.
        InfrastructureError: the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError:
        raise InputError(MISSING) from None
    where = order.placement.address
    own = not ray.is_initialized()
    try:
        if own:
            _require_reachable(where)
            ray.init(address=where, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    except Exception as error:
        if where:
            place = f"The Ray cluster at {where} cannot be reached; check --address with `ray status --address {where}`"
        else:
            place = "Ray does not start on this machine; `ray start --head` by hand shows more"
        raise InfrastructureError("unexpected", f"{place}. Ray's message: {one_line(error)}") from error
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()


def _require_reachable(address: str | None) -> None:
    """Check that something listens at an address, since Ray itself tries for 90 s and prints its log.

    Args:
        address: `HOST:PORT` or `ray://HOST:PORT`. Other forms are left to Ray.

    Raises:
        OSError: nothing does.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()


LAUNCHER = RayLauncher()
