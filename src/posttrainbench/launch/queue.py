"""Decide which job starts next: a queue without clock, processes or files."""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from posttrainbench.records import Ending, Part

RETRY_SECONDS = 10.0
"""Before the first retry; it doubles with each further one."""
MAX_RETRY_SECONDS = 600.0


@dataclass(frozen=True)
class Job:
    """A part of a run.

    Attributes:
        key: of the run.
        gpus: number of GPUs, or the indices of those that it must have.
        failures: number of earlier executions of the run that failed.
        not_before: time at which it may start.
    """

    key: str
    part: Part
    gpus: int | tuple[int, ...] = 0
    failures: int = 0
    not_before: float = 0.0


class JobQueue:
    """Jobs in the order in which they start, and those that are active.

    A job that needs more GPUs than are free keeps its place, and no later job of its part overtakes it, so that it is
    not starved. An evaluation goes before an agent that has not started, since it completes a run.

    Attributes:
        active: key of a run -> its job and the GPUs of that.
    """

    def __init__(self, concurrency: int | None, evaluations: int, retries: int) -> None:
        """Make an empty queue.

        Args:
            concurrency: maximum number of active jobs; None for no limit.
            evaluations: number of evaluations that do not count for `concurrency`; 0 for none.
            retries: how often a failed run is tried again.
        """
        self.concurrency, self.evaluations, self.retries = concurrency, evaluations, retries
        self.active: dict[str, tuple[Job, tuple[int, ...]]] = {}
        self._lines: dict[Part, deque[Job]] = {part: deque() for part in ("evaluation", "agent", "all")}
        self._delayed: list[tuple[float, int, Job]] = []
        self._added = 0
        self._active_evaluations = 0

    def add(self, jobs: Iterable[Job]) -> None:
        """Append jobs to the line."""
        for job in jobs:
            self._added += 1
            heapq.heappush(self._delayed, (job.not_before, self._added, job))

    @property
    def is_empty(self) -> bool:
        """True if no job waits or is active."""
        return not self.active and not self._delayed and not any(self._lines.values())

    @property
    def needs_gpus(self) -> bool:
        """True if a job that may start needs a GPU."""
        return any(line[0].gpus for line in self._lines.values() if line) or any(
            job.gpus for *_, job in self._delayed[:1]
        )

    @property
    def next_retry(self) -> float | None:
        """The time at which the next delayed job may start; None if none is delayed."""
        return self._delayed[0][0] if self._delayed else None

    def drop_agents(self) -> bool:
        """Remove the jobs of agents that have not started. Return True if there were any."""
        kept = [entry for entry in self._delayed if entry[2].part == "evaluation"]
        dropped = len(kept) < len(self._delayed) or any(self._lines[part] for part in ("agent", "all"))
        self._delayed = kept
        heapq.heapify(self._delayed)
        self._lines["agent"].clear()
        self._lines["all"].clear()
        return dropped

    def start(self, now: float, free: Sequence[int] = ()) -> list[tuple[Job, tuple[int, ...]]]:
        """Return the jobs that start now, each with its GPUs. They are active from here on.

        Args:
            now: the time.
            free: indices of the GPUs that nobody uses; those of active jobs are left out.
        """
        while self._delayed and self._delayed[0][0] <= now:
            job = heapq.heappop(self._delayed)[2]
            self._lines[job.part].append(job)
        taken = {gpu for _, gpus in self.active.values() for gpu in gpus} if free else set()
        available = [gpu for gpu in free if gpu not in taken]
        started = []
        for line in self._lines.values():
            while line:
                job = line[0]
                gpus = _choose(job, available)
                if gpus is None or not self._has_slot(job):
                    break
                available = [gpu for gpu in available if gpu not in gpus]
                line.popleft()
                self.active[job.key] = (job, gpus)
                self._active_evaluations += job.part == "evaluation"
                started.append((job, gpus))
        return started

    def end(self, key: str, ending: Ending, now: float, following: Job | None = None) -> bool:
        """Remove an active job, and append the job that follows from its ending.

        Args:
            key: of the run.
            ending: how the job ended.
            now: the time.
            following: the next part of the run, if the job is done.

        Returns:
            True if the run has ended here: it is done, or no further job of this queue executes it.
        """
        job, _ = self.active.pop(key)
        self._active_evaluations -= job.part == "evaluation"
        if ending == "done" and following is not None:
            self.add([following])
            return False
        if ending == "failed" and job.failures < self.retries:
            pause = min(MAX_RETRY_SECONDS, RETRY_SECONDS * 2**job.failures)
            self.add([Job(job.key, job.part, job.gpus, job.failures + 1, now + pause)])
            return False
        return True

    def _has_slot(self, job: Job) -> bool:
        if self.concurrency is None:
            return True
        evaluations = self._active_evaluations
        if job.part == "evaluation" and evaluations < self.evaluations:
            return True
        return len(self.active) - min(evaluations, self.evaluations) < self.concurrency


def _choose(job: Job, available: Sequence[int]) -> tuple[int, ...] | None:
    """Return the GPUs for a job; None if it has to wait."""
    if isinstance(job.gpus, int):
        return tuple(available[: job.gpus]) if len(available) >= job.gpus else None
    return job.gpus if set(job.gpus) <= set(available) else None
