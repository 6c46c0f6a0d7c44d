"""Launch whole runs of the suite micro on a real scheduler, with all their stages, and print where the time goes.

    python bench/launch_real.py [--on local|slurm|ray] [--runs 12] [--concurrency 2] [--faults]

Slurm and Ray are real ones with two nodes of two GPUs on this machine. The GPUs are slots without a device: the runs
compute on the CPU. Slurm needs root, slurm-wlm and munge.

With `--faults`, one node is killed with everything on it while its agents or evaluations work, one job is cancelled,
the launcher is killed, and the same command is given again. The exit code is 1 if a run is lost, a stage of a run was
completed twice, or two jobs had the same GPU at a time.

The overhead of a run is the time in which its slot (a GPU, or a place of the local launcher) executes no stage of a
run: between the stages of a run, and between the last stage of a run and the first one of the next run. The time in
which a slot waits for the last runs on other slots is not counted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import psutil

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from slurm_cluster import Slurm, slurm_cluster, why_unavailable  # type: ignore[import-not-found]  # noqa: E402

PATIENCE = 1800.0
COMMAND = (sys.executable, "-m", "posttrainbench", "launch")
NODE = "PTB_BENCH_NODE"
"""Environment variable of the processes of the second node of Ray."""
SLOTS = 4
UNNAMED = " None"
"""End of the name of a slot without a GPU."""


class Cluster(Protocol):
    """Failures that the benchmark causes in a scheduler.

    Attributes:
        environment: variables of `ptb launch`.
        options: further options of `ptb launch`.
    """

    environment: dict[str, str]
    options: list[str]

    def kill_node(self) -> None:
        """End the second node with everything that runs on it."""

    def cancel(self, root: Path, job: str) -> None:
        """Cancel a job that executes a run."""

    def keep_going(self) -> None:
        """Let jobs that were queued again start without the pause of the scheduler."""


class SlurmNodes:
    """Two nodes of Slurm."""

    def __init__(self, slurm: Slurm) -> None:
        self.slurm, self.environment = slurm, slurm.environment
        self.options = ["--on", "slurm", "--job-gpus", "1", "--job-cpus", "1"]

    def kill_node(self) -> None:
        """See `Cluster`."""
        self.slurm.kill_node("n2")

    def cancel(self, root: Path, job: str) -> None:
        """See `Cluster`."""
        self.slurm.call("scancel", job)

    def keep_going(self) -> None:
        """See `Cluster`."""
        self.slurm.start_requeued()


class RayNodes:
    """Two nodes of Ray: the head with the GPUs 0 and 1, and a second one with the GPUs 2 and 3."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as TwoNodes

        node: dict[str, Any] = {"num_cpus": 4, "num_gpus": 2, "object_store_memory": 80 * 2**20}
        head = node | {"env_vars": {"CUDA_VISIBLE_DEVICES": "0,1"}}
        self.cluster: Any = TwoNodes(initialize_head=True, head_node_args=head)
        self.second = self.cluster.add_node(**node, env_vars={"CUDA_VISIBLE_DEVICES": "2,3", NODE: "second"})
        self.environment = dict(os.environ)
        self.options = ["--on", "ray", "--address", self.cluster.address, "--job-gpus", "1", "--job-cpus", "1"]

    def kill_node(self) -> None:
        """See `Cluster`. All processes are stopped first, so that none records the end of another."""
        roots = [psutil.Process(info.process.pid) for infos in self.second.all_processes.values() for info in infos]
        found = {process.pid: process for root in roots for process in [root, *root.children(recursive=True)]}
        for process in psutil.process_iter(["environ"]):
            if (process.info["environ"] or {}).get(NODE) == "second":
                found[process.pid] = process
        for act in (psutil.Process.suspend, psutil.Process.kill):
            for process in found.values():
                if process.is_running():
                    act(process)

    def cancel(self, root: Path, job: str) -> None:
        """See `Cluster`. Ray has no command for it, so that the job's process is terminated."""
        for process in _jobs(root):
            process.terminate()

    def keep_going(self) -> None:
        """See `Cluster`."""

    def close(self) -> None:
        """End the cluster."""
        self.cluster.shutdown()


class ThisMachine:
    """The local launcher."""

    def __init__(self) -> None:
        self.environment, self.options = dict(os.environ), ["--on", "local"]

    def kill_node(self) -> None:
        """Refuse: there is only one node."""
        raise SystemExit("--faults is for slurm and ray")

    def cancel(self, root: Path, job: str) -> None:
        """Refuse, as `kill_node` does."""
        self.kill_node()

    def keep_going(self) -> None:
        """See `Cluster`."""


@contextmanager
def cluster(name: str, folder: Path) -> Iterator[Cluster]:
    """Start a scheduler, and end it."""
    if name == "local":
        yield ThisMachine()
    elif name == "ray":
        nodes = RayNodes()
        try:
            yield nodes
        finally:
            nodes.close()
    else:
        with slurm_cluster(folder / "slurm") as slurm:
            yield SlurmNodes(slurm)


@dataclass(frozen=True)
class Span:
    """Something that lasted.

    Attributes:
        slot: host and GPU.
        start: seconds since 1970.
        end: None if it was killed.
    """

    run: str
    slot: str
    start: float
    end: float | None


@dataclass
class Experiment:
    """The experiment, and the commands that launch it."""

    folder: Path
    cluster: Cluster
    words: list[str]

    @property
    def root(self) -> Path:
        """The directory of the experiment."""
        return self.folder / "runs" / "e"

    def start(self) -> "subprocess.Popen[str]":
        """Start `ptb launch`."""
        return subprocess.Popen(
            [*COMMAND, *self.words, *self.cluster.options],
            cwd=self.folder,
            env=self.cluster.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def launch(self) -> str:
        """Launch, wait for the end of the command, and return what it submitted."""
        process = self.start()
        _, errors = process.communicate()
        if process.returncode not in (0, 1):
            raise SystemExit(errors)
        return next((line for line in errors.splitlines() if line.startswith("Submitted")), "nothing submitted")

    def runs(self) -> list[Path]:
        """Return the directories of the runs."""
        return sorted(self.root.glob("*-seed*"))

    def done(self) -> int:
        """Return the number of runs with a result."""
        return sum((root / "result.json").is_file() for root in self.runs())

    def executions(self) -> list[Span]:
        """Return the jobs."""
        spans = []
        for root in self.runs():
            lines = _lines(root / "executions.jsonl")
            for number, line in enumerate(lines):
                if line["event"] == "begin":
                    same = (each for each in lines[number + 1 :] if each["job"] == line["job"])
                    after = next((each for each in same if each["event"] in ("begin", "end")), None)
                    end = _seconds(after["time"]) if after and after["event"] == "end" else None
                    spans.append(Span(root.name, f"{line['host']} {line['gpus']}", _seconds(line["time"]), end))
        return sorted(spans, key=lambda span: span.start)

    def working(self) -> list[tuple[Path, dict[str, Any]]]:
        """Return the runs on which a job works, with the line of its beginning."""
        last = [(root, lines[-1]) for root in self.runs() if (lines := _lines(root / "executions.jsonl"))]
        return [(root, line) for root, line in last if line["event"] == "begin"]

    def until(self, condition: Callable[[], bool], launcher: "subprocess.Popen[str] | None" = None) -> None:
        """Wait for a condition."""
        end = time.time() + PATIENCE
        while not condition():
            self.cluster.keep_going()
            if time.time() > end or (launcher is not None and launcher.poll() not in (None, 0)):
                raise SystemExit("it did not happen" + (launcher.communicate()[1] if launcher else ""))
            time.sleep(0.5)


def make_failures(experiment: Experiment, number: int, submits: bool) -> dict[str, Any]:
    """Launch the runs, and let a node, a job and the launcher fail. Return what happened.

    Args:
        experiment: the experiment.
        number: of its runs.
        submits: whether the launcher submits the runs and returns.
    """
    story: dict[str, Any] = {}
    launcher = experiment.start()
    if submits:  # it is killed while it creates the runs
        experiment.until(lambda: len(experiment.runs()) >= number // 3)
        launcher.kill()
        launcher.communicate()
        story["runs_created_by_the_killed_launcher"] = len(experiment.runs())
        story["then_submitted"] = experiment.launch()
    experiment.until(lambda: len(experiment.working()) == SLOTS)
    experiment.until(lambda: experiment.done() >= 1)
    experiment.until(lambda: sum(_stage(root) == "solve" for root, _ in experiment.working()) >= SLOTS - 1)
    working = experiment.working()
    lost = [root.name for root, line in working if _is_second(line)]
    experiment.cluster.kill_node()
    story["runs_on_the_killed_node"] = {name: _stage(experiment.root / name) for name in lost}
    root, line = min(
        ((root, line) for root, line in working if root.name not in lost), key=lambda each: _stage(each[0]) != "solve"
    )
    stage = _stage(root)
    experiment.cluster.cancel(root, line["job"])
    experiment.until(lambda: (root, line) not in experiment.working())
    story["cancelled"] = {root.name: f"{stage}, {_lines(root / 'executions.jsonl')[-1]['ending']}"}
    if not submits:
        done = experiment.done()
        experiment.until(lambda: experiment.done() >= done + 2, launcher)
        launcher.kill()
        launcher.communicate()
        story["runs_done_when_the_launcher_was_killed"] = experiment.done()
        experiment.until(lambda: not any(_jobs(root) for root in experiment.runs()))
    story["launched_again"] = experiment.launch()
    experiment.until(lambda: experiment.done() == number and not experiment.working())
    story["launched_when_all_were_done"] = experiment.launch()
    return story


def judge(experiment: Experiment, number: int) -> dict[str, Any]:
    """Return whether each run was done, and done once, and whether jobs shared a GPU."""
    results = [json.loads((root / "result.json").read_text()) for root in experiment.runs()]
    completed = Counter(
        (root.name, entry["stage"])
        for root in experiment.runs()
        for entry in _lines(root / "journal.jsonl")
        if entry["event"] == "done"
    )
    spans = experiment.executions()
    shared = sum(
        one.run != other.run and one.slot == other.slot and one.start < other.start < one.end
        for one in spans
        if one.end is not None and not one.slot.endswith(UNNAMED)
        for other in spans
    )
    return {
        "runs": len(results),
        "statuses": Counter(result["status"] for result in results),
        "reasons": sorted({reason for result in results for reason in result["reasons"]}),
        "restarts": sum(result["restarts"] for result in results),
        "lost": number - len(results),
        "stages_completed_twice": sum(count - 1 for count in completed.values()),
        "jobs": len(spans),
        "jobs_killed_without_a_record_of_their_end": sum(span.end is None for span in spans),
        "jobs_that_shared_a_gpu": shared,
    }


def overhead(experiment: Experiment, slots: int) -> dict[str, Any]:
    """Return the time in which slots execute no stage of a run, of runs without failures."""
    stages: dict[str, list[tuple[float, float]]] = {}
    seconds: dict[str, list[float]] = {}
    for root in experiment.runs():
        for entry in _lines(root / "journal.jsonl"):
            if entry["event"] == "start":
                begun = _seconds(entry["time"])
            elif entry["event"] == "done":
                stages.setdefault(root.name, []).append((begun, _seconds(entry["time"])))
                seconds.setdefault(entry["stage"], []).append(stages[root.name][-1][1] - begun)
    places: list[list[tuple[float, float]]] = [[] for _ in range(slots)]
    named: dict[str, int] = {}
    between, within = [], dict.fromkeys(stages, 0.0)
    for span in experiment.executions():
        own = [
            stage for stage in stages[span.run] if span.start <= stage[0] + 0.01 and stage[1] <= (span.end or 0) + 0.01
        ]
        within[span.run] += sum(later[0] - earlier[1] for earlier, later in pairwise(own))
        if span.slot.endswith(UNNAMED):  # the local launcher's places have no names: the one that was free the shortest
            free = [place for place in places if not place or place[-1][1] <= own[0][0]]
            place = max(free, key=lambda place: place[-1][1] if place else 0.0)
        else:
            place = places[named.setdefault(span.slot, len(named))]
        if place:
            between.append(own[0][0] - place[-1][1])
        place.append((own[0][0], own[-1][1]))
    jobs_per_run = len(experiment.executions()) / len(stages)
    return {
        "seconds_of_stages": {stage: round(statistics.median(each), 2) for stage, each in seconds.items()},
        "idle_seconds_between_the_stages_of_a_run": _median(list(within.values())),
        "idle_seconds_between_two_jobs": _median(between),
        "jobs_of_a_run": jobs_per_run,
        "overhead_seconds_of_a_run": round(_median(list(within.values())) + jobs_per_run * _median(between), 2),
        "sum_of_stages_divided_by_slots": round(
            sum(end - start for each in stages.values() for start, end in each) / slots, 1
        ),
    }


def main() -> int:
    """Measure, print JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", default="slurm", choices=("local", "slurm", "ray"))
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--agent", default="recipe-noop")
    parser.add_argument("--budget", default="1m")
    parser.add_argument("--benchmark", default="micro-math")
    parser.add_argument("--concurrency", type=int, default=2, help="slots that are used; all four with --faults")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="new directory for the runs, which are kept")
    options = parser.parse_args()
    if options.on == "slurm" and (reason := why_unavailable()):
        print(f"not possible here: {reason}")
        return 2
    slots = SLOTS if options.faults else options.concurrency
    words = ["--suite", "micro", "--agent", options.agent, "--benchmark", options.benchmark, "--name", "e"]
    words += ["--seeds", str(options.runs), "--budget", options.budget, "--concurrency", str(slots)]
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="launch-real-")))
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        experiment = Experiment(folder, stack.enter_context(cluster(options.on, folder)), words)
        load = os.getloadavg()[0]
        began = time.time()
        found: dict[str, Any] = {"launcher": options.on, "slots": slots}
        if options.faults:
            found |= make_failures(experiment, options.runs, submits=options.on == "slurm")
        else:
            experiment.launch()
            experiment.until(lambda: experiment.done() == options.runs and not experiment.working())
        spans = experiment.executions()
        ended = max(span.end or span.start for span in spans)
        found["wall_seconds"] = round(ended - began, 1)
        found["wall_seconds_from_the_first_job"] = round(ended - spans[0].start, 1)
        found |= judge(experiment, options.runs)
        if not options.faults:
            found |= overhead(experiment, slots)
        found["load_before_and_after"] = [round(load, 1), round(os.getloadavg()[0], 1)]
        print(json.dumps(found, indent=2))
        return int(bool(found["lost"] or found["stages_completed_twice"] or found["jobs_that_shared_a_gpu"]))


def _jobs(root: Path) -> list[psutil.Process]:
    """Return the processes that execute a run."""
    found = psutil.process_iter(["cmdline"])
    return [each for each in found if {"job", str(root)} <= set(each.info["cmdline"] or ())]


def _is_second(line: dict[str, Any]) -> bool:
    """Return True if a job was executed on the second node."""
    return line["host"] == "n2" or line["gpus"] in ("2", "3")


def _stage(root: Path) -> str:
    """Return the last stage that a run began; an empty string if it has begun none."""
    begun = [entry["stage"] for entry in _lines(root / "journal.jsonl") if entry["event"] in ("start", "attached")]
    return str(begun[-1]) if begun else ""


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 2) if values else 0.0


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
