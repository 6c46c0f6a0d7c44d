"""Launch whole runs of the suite micro on a real scheduler, with all their stages, and print where the time goes.

    python bench/launch_real.py [--on local|slurm|ray] [--runs 4] [--agent recipe-noop] [--budget 1m]

Slurm is a real one with two nodes on this machine (needs root, slurm-wlm and munge), Ray a local one. The overhead of a
run is the time from the start of its job's process to its end, without the stages of agent, audit and evaluation.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from slurm_cluster import slurm_cluster, why_unavailable  # type: ignore[import-not-found]  # noqa: E402

WORK = ("solve", "audit", "evaluate")
PATIENCE = 1800.0


def main() -> int:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", default="slurm", choices=("local", "slurm", "ray"))
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--agent", default="recipe-noop")
    parser.add_argument("--budget", default="1m")
    parser.add_argument("--benchmark", default="micro-math")
    options = parser.parse_args()
    if options.on == "slurm" and (reason := why_unavailable()):
        print(f"not possible here: {reason}")
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="launch-real-")))
        environment = dict(os.environ)
        if options.on == "slurm":
            environment = stack.enter_context(slurm_cluster(folder / "slurm")).environment
        words = [
            "launch",
            "--suite",
            "micro",
            "--agent",
            options.agent,
            "--benchmark",
            options.benchmark,
            "--name",
            "e",
        ]
        words += ["--seeds", str(options.runs), "--budget", options.budget, "--concurrency", "2", "--on", options.on]
        if options.on != "local":
            words += ["--job-cpus", "1"]
        began = time.time()
        command = [sys.executable, "-m", "posttrainbench", *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        roots = sorted((folder / "runs" / "e").glob("*-seed*"))
        while not all((root / "result.json").is_file() for root in roots):
            if time.time() - began > PATIENCE:
                print(f"the runs did not end within {PATIENCE:.0f} s", file=sys.stderr)
                return 1
            time.sleep(0.5)
        time.sleep(3)  # the last job ends
        runs = [measured(root) for root in roots]
        statuses = [json.loads((root / "result.json").read_text())["status"] for root in roots]
        print(
            json.dumps(
                {
                    "launcher": options.on,
                    "runs": len(runs),
                    "statuses": sorted(set(statuses)),
                    "wall_seconds": round(max(run["end"] for run in runs) - began, 1),
                    "seconds_of_a_run": median(runs, "whole"),
                    **{f"seconds_of_{stage}": median(runs, stage) for stage in WORK},
                    "overhead_seconds": median(runs, "overhead"),
                    "cpu_seconds_of_the_launcher": round(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]), 1),
                    "load": round(os.getloadavg()[0], 1),
                },
                indent=2,
            )
        )
    return 0


def measured(root: Path) -> dict[str, float]:
    """Return the seconds of a run's jobs: as a whole, of each stage that works, and the rest."""
    lines = _lines(root / "executions.jsonl")
    begins = {line["job"] + line["part"]: _seconds(line["time"]) for line in lines if line["event"] == "begin"}
    ends = {line["job"] + line["part"]: _seconds(line["time"]) for line in lines if line["event"] == "end"}
    whole = sum(end - begins[job] for job, end in ends.items())
    stages = {
        stage: sum(entry["seconds"] or 0 for entry in _lines(root / "journal.jsonl") if entry["stage"] == stage)
        for stage in WORK
    }
    return {"whole": whole, **stages, "overhead": whole - sum(stages.values()), "end": max(ends.values())}


def median(runs: list[dict[str, float]], name: str) -> float:
    """Return the median of a number over the runs."""
    return round(statistics.median(run[name] for run in runs), 2)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
