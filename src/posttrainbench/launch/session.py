"""Execute runs by workers of any kind: keep the queue, pass on the progress, and handle Ctrl-C."""

import time
from collections.abc import Sequence
from typing import Protocol

from posttrainbench.launch.base import LaunchOrder, Watch
from posttrainbench.launch.job import executions, failures
from posttrainbench.launch.queue import Job, JobQueue
from posttrainbench.launch.standing import next_part
from posttrainbench.records import Ending
from posttrainbench.run.directory import Run
from posttrainbench.run.stop import request_stop


class Workers(Protocol):
    """Execute jobs."""

    def gpus(self, run: Run) -> int | tuple[int, ...]:
        """Return the GPUs that the queue assigns to a job of a run."""

    def free_gpus(self) -> Sequence[int]:
        """Return the indices of the free GPUs."""

    def start(self, run: Run, job: Job, gpus: tuple[int, ...]) -> None:
        """Start a job."""

    def ended(self) -> list[tuple[str, Ending]]:
        """Return the keys of the jobs that have ended since the last call, and how."""

    def wait(self, seconds: float) -> None:
        """Wait until a job ends, as far as that is known, or for some seconds."""

    def detach(self) -> None:
        """End all jobs; agents that work are left running where the kind of worker permits it."""


class Session:
    """One call of a launcher that waits for its runs."""

    def __init__(
        self,
        order: LaunchOrder,
        watch: Watch,
        workers: Workers,
        concurrency: int | None,
        split: bool,
        poll_seconds: float,
    ) -> None:
        self.order, self.watch, self.workers = order, watch, workers
        self.split, self.poll_seconds = split, poll_seconds
        self.runs = {str(run.root): run for run in order.runs}
        self.queue = JobQueue(concurrency, order.placement.evaluations or 0, order.retries)
        self.queue.add(filter(None, map(self._next_job, order.runs)))
        self.ended: list[Run] = []
        self.stopped, self.left_out = False, False

    def run_to_end(self) -> None:
        """Execute all runs.

        Raises:
            KeyboardInterrupt: see `Launcher.launch`.
        """
        try:
            while not self.queue.is_empty:
                try:
                    self._step()
                except KeyboardInterrupt:
                    choice = self.watch.on_interrupt()
                    if choice == "detach":
                        raise
                    self.stopped = self.stopped or choice == "stop"
            if self.left_out:
                raise KeyboardInterrupt
        finally:
            self.workers.detach()

    def _step(self) -> None:
        now = time.monotonic()
        for key, ending in self.workers.ended():
            run = self.runs[key]
            if self.queue.end(key, ending, now, self._next_job(run)):
                self.ended.append(run)
        if self.stopped:
            for key in self.queue.active:
                request_stop(self.runs[key])  # again and again: an agent may be starting
            self.left_out = self.queue.drop_agents() or self.left_out
        for job, gpus in self.queue.start(now, self.workers.free_gpus() if self.queue.needs_gpus else ()):
            self.workers.start(self.runs[job.key], job, gpus)
        self.watch.on_change([self.runs[key] for key in self.queue.active], self.ended)
        self.workers.wait(self.poll_seconds)

    def _next_job(self, run: Run) -> Job | None:
        part = next_part(run, self.order.off_target)
        if part is None:
            return None
        part = "all" if part == "agent" and not self.split else part
        return Job(str(run.root), part, self.workers.gpus(run), failures(executions(run.root), running=False))
