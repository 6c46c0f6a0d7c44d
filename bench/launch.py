"""Simulate the launcher `local` in virtual time: 10,000 runs, jobs that fail, launchers that are killed.

    python bench/launch.py [--runs 10000] [--gpus 64]

The queue is the real one (`posttrainbench.launch.queue`); the runs and the clock are simulated. A launcher that is
killed loses its queue, as in reality; the next one makes its queue from the states of the runs. The exit code is 1 if a
run is lost (neither done nor given up after its retries), a part of a run is done twice, two jobs share a GPU, or a run
is tried more often than permitted.
"""

import argparse
import heapq
import random
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from posttrainbench.launch.queue import Job, JobQueue
from posttrainbench.records import Ending, Part

RETRIES = 2
AGENT_HOURS, EVALUATION_HOURS = 10.0, 1.0
HOUR = 3600.0


@dataclass
class SimulatedRun:
    """The state of a run, as its directory would have it."""

    done: list[Part] = field(default_factory=list)
    failures: int = 0
    executions: int = 0

    def next_part(self) -> Part | None:
        """Return the next part; None if the run is done."""
        parts: tuple[Part, ...] = ("agent", "evaluation")
        return next((part for part in parts if part not in self.done), None)


class Machine:
    """Simulated runs on GPUs."""

    def __init__(self, runs: int, gpus: int, failing: float, hours_between_kills: float | None, seed: int) -> None:
        self.random = random.Random(seed)
        self.runs = {str(number): SimulatedRun() for number in range(runs)}
        self.gpus = list(range(gpus))
        self.failing, self.between_kills = failing, hours_between_kills
        self.now, self.launchers, self.shared, self.busy_hours = 0.0, 0, 0, 0.0

    def waiting(self) -> Iterable[Job]:
        """Yield a job for each run that is due, as a launcher that starts does."""
        for key, run in self.runs.items():
            part = run.next_part()
            if part is not None and run.failures <= RETRIES:
                yield Job(key, part, 1, run.failures)

    def launch(self) -> None:
        """Launch until nothing is due."""
        while any(True for _ in self.waiting()):
            self.launchers += 1
            self._launch_once()

    def _launch_once(self) -> None:
        queue = JobQueue(None, 0, RETRIES)
        queue.add(self.waiting())
        ends: list[tuple[float, str, Part, Ending]] = []
        between = self.between_kills
        killed_at = self.now + self.random.expovariate(1 / (between * HOUR)) if between else float("inf")
        while not queue.is_empty:
            for job, gpus in queue.start(self.now, self.gpus):
                used = [gpu for key, (_, own) in queue.active.items() if key != job.key for gpu in own]
                self.shared += bool(set(gpus) & set(used))
                hours = AGENT_HOURS if job.part == "agent" else EVALUATION_HOURS
                failed = self.random.random() < self.failing
                seconds = hours * HOUR * (self.random.random() if failed else self.random.uniform(0.5, 1))
                self.runs[job.key].executions += 1
                self.busy_hours += seconds / HOUR
                heapq.heappush(ends, (self.now + seconds, job.key, job.part, "failed" if failed else "done"))
            following = [ends[0][0]] if ends else []
            following += [queue.next_retry] if queue.next_retry is not None and len(ends) < len(self.gpus) else []
            self.now = max(self.now, min(following))
            if self.now >= killed_at:  # active jobs are interrupted, which is not a failure of their runs
                self.busy_hours -= sum(end - self.now for end, *_ in ends) / HOUR
                return
            while ends and ends[0][0] <= self.now:
                _, key, part, ending = heapq.heappop(ends)
                run = self.runs[key]
                if ending == "done":
                    run.done.append(part)
                else:
                    run.failures += 1
                next_part = run.next_part()
                queue.end(key, ending, self.now, Job(key, next_part, 1, run.failures) if next_part else None)


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--gpus", type=int, default=64)
    given = parser.parse_args()
    print(f"{given.runs} runs on {given.gpus} GPUs, {RETRIES} retries")
    print("failing  killed every  launchers  done  given up  lost  doubled  shared  most tries  GPUs busy  ms/run")
    wrong = False
    for failing, between in ((0.0, None), (0.01, None), (0.05, None), (0.2, None), (0.05, 100.0), (0.2, 20.0)):
        machine = Machine(given.runs, given.gpus, failing, between, seed=1)
        began = time.perf_counter()
        machine.launch()
        seconds = time.perf_counter() - began
        runs = machine.runs.values()
        done = sum(run.next_part() is None for run in runs)
        given_up = sum(run.next_part() is not None and run.failures == RETRIES + 1 for run in runs)
        doubled = sum(len(run.done) != len(set(run.done)) for run in runs)
        tries = max(run.failures for run in runs)
        lost = len(runs) - done - given_up
        busy = machine.busy_hours / (machine.now / HOUR * given.gpus)
        print(
            f"{failing:7.0%}  {f'{between:.0f} h' if between else 'never':>12}  {machine.launchers:9}  {done:5}  "
            f"{given_up:7}  {lost:4}  {doubled:7}  {machine.shared:6}  {tries:10}  {busy:9.0%}  "
            f"{1000 * seconds / len(runs):6.2f}"
        )
        wrong = wrong or lost + doubled + machine.shared > 0 or tries > RETRIES + 1
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
