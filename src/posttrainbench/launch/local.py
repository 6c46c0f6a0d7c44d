"""Execute several runs on this machine, each part of a run in its own process.

A run that crashes does not affect the others. The agent and the evaluation of a run are separate jobs, so that one run
is evaluated while the agent of the next works. A GPU is leased by the process that uses it, by a lock on a file (see
`run.gpus`): an agent that outlives a killed launcher keeps its GPU, and the next launcher sees that it is in use.
"""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence

from posttrainbench.launch.base import LaunchOrder, Watch
from posttrainbench.launch.job_process import ending_of, start_job
from posttrainbench.launch.node_answers import NodeAnswer
from posttrainbench.launch.queue import Job
from posttrainbench.launch.session import Session
from posttrainbench.records import Ending
from posttrainbench.run.directory import Run
from posttrainbench.run.gpus import free_gpus
from posttrainbench.run.preflight import CheckResult
from posttrainbench.run.status import agent_state

POLL_SECONDS = 0.2
GPU_POLL_SECONDS = 5.0
STOP_SECONDS = 30.0
DEFAULT_CONCURRENCY = 2
"""Runs at a time on a machine whose runs use no GPUs."""


class Local:
    """Executes runs on this machine."""

    name = "local"
    options = frozenset({"evaluations"})
    elsewhere = False
    waits = True

    def check(self, order: LaunchOrder) -> Iterator[CheckResult]:
        """Yield how many runs are executed at a time."""
        number = _concurrency(order)
        text = (
            "as many runs at a time as there are free GPUs"
            if number is None
            else f"{number} run{'s' * (number != 1)} at a time"
        )
        yield CheckResult("launcher", "ok", f"this machine, {text}")

    def check_nodes(self, order: LaunchOrder, command: Sequence[str], seconds: float) -> Sequence[NodeAnswer]:
        """Return nothing: this machine has been checked."""
        return ()

    def launch(self, order: LaunchOrder, watch: Watch) -> None:
        """Execute all runs; see `Launcher`."""
        workers = _Processes(order)
        Session(order, watch, workers, _concurrency(order), split=True, poll_seconds=POLL_SECONDS).run_to_end()

    def cancel_waiting(self, runs: Sequence[Run]) -> int:
        """Return 0: what waits is in the process that launches."""
        return 0


class _Processes:
    """Jobs as child processes."""

    def __init__(self, order: LaunchOrder) -> None:
        self.order = order
        self.processes: dict[str, tuple[Run, subprocess.Popen[bytes]]] = {}
        self.free: list[int] = []
        self.asked = -GPU_POLL_SECONDS

    def gpus(self, run: Run) -> int | tuple[int, ...]:
        if agent_state(run) == "running":  # a detached agent, which has its GPUs
            return 0
        return run.spec.gpus if isinstance(run.spec.gpus, int) else tuple(run.spec.gpus)

    def free_gpus(self) -> Sequence[int]:
        """Return the free GPUs, looking at them every few seconds."""
        now = time.monotonic()
        if now - self.asked >= GPU_POLL_SECONDS:
            self.free, self.asked = free_gpus(), now
        return self.free

    def start(self, run: Run, job: Job, gpus: tuple[int, ...]) -> None:
        visible = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))} if gpus else {}
        order = self.order
        process = start_job(
            run.root, job.part, order.retries, Local.name, off_target=order.off_target, variables=visible
        )
        self.processes[job.key] = (run, process)

    def ended(self) -> list[tuple[str, Ending]]:
        done = [
            (key, ending_of(run.root, code))
            for key, (run, one) in self.processes.items()
            if (code := one.poll()) is not None
        ]
        for key, _ in done:
            del self.processes[key]
        return done

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def detach(self) -> None:
        for _, process in self.processes.values():
            process.send_signal(signal.SIGINT)
        for _, process in self.processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _concurrency(order: LaunchOrder) -> int | None:
    uses_gpus = order.gpus or any(run.spec.gpus for run in order.runs)
    return order.placement.concurrency or (None if uses_gpus else DEFAULT_CONCURRENCY)


LAUNCHER = Local()
