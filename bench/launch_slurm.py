"""Launch 12 runs on a real Slurm with two nodes of two GPUs, and let a node, a job and the launcher fail.

    python bench/launch_slurm.py

Needs root, slurm-wlm and munge. The stages of the runs are stubs (`tests/stub_stages`), of which an agent works for
`SECONDS`; everything else is real: `ptb launch`, submitit, Slurm, the jobs, their locks and journals. Prints what
happened, and exits with 1 if a run is lost, a part of a run is done twice, or two runs share a GPU.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from slurm_cluster import slurm_cluster, why_unavailable  # type: ignore[import-not-found]  # noqa: E402

SECONDS = 10.0
COMMAND = [sys.executable, "-m", "posttrainbench", "launch", "--on", "slurm", "--job-gpus", "1", "--job-cpus", "1"]
EXPERIMENT = ["--suite", "micro", "--agent", "recipe-noop", "--benchmark", "micro-math", "--seeds", "12", "--name", "e"]


def main() -> int:
    """Run the demonstration; return the exit code."""
    if reason := why_unavailable():
        print(f"not possible here: {reason}")
        return 2
    with tempfile.TemporaryDirectory(prefix="launch-") as name, slurm_cluster(Path(name) / "slurm") as slurm:
        root = Path(name) / "runs" / "e"
        stubs = {"PYTHONPATH": str(TESTS / "stub_stages"), "PTB_STUB_SECONDS": str(SECONDS)}
        environment = {**slurm.environment, **stubs}

        def log(what: str) -> list[dict[str, Any]]:
            path = root / "log"
            lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
            return [line for line in lines if line["what"] == what]

        def launch() -> str:
            done = subprocess.run([*COMMAND, *EXPERIMENT], cwd=name, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return next(
                (line for line in done.stderr.splitlines() if line.startswith("Submitted")), "nothing submitted"
            )

        began = time.monotonic()
        print(launch())
        created = time.monotonic()
        _until(lambda: len(log("begin")) >= 4)
        first = time.monotonic()
        lost = {line["run"] for line in log("begin") if line["node"] == "n2"} - {line["run"] for line in log("end")}
        slurm.kill_node("n2")
        running = [job for job, state in slurm.states().items() if state == "RUNNING"]
        slurm.call("scancel", running[0])
        print(f"killed a node with {len(lost)} runs; cancelled job {running[0]}; launched again: {launch()}")

        def idle() -> bool:
            slurm.start_requeued()
            return not {"PENDING", "RUNNING", "COMPLETING"} & set(slurm.states().values())

        _until(idle)
        print(f"{len(log('settle'))} of 12 runs done; launched again: {launch()}")
        _until(lambda: len(log("settle")) >= 12)
        _until(idle)
        ended = time.monotonic()
        done = [line["run"] for line in log("settle")]
        doubled = len(done) - len(set(done)) + len(log("end")) - len({line["run"] for line in log("end")})
        shared = _shared(log("begin"), log("end"))
        print(f"done {len(set(done))}, lost {12 - len(set(done))}, doubled {doubled}, GPUs shared {shared}")
        print(f"{created - began:.0f} s to create and submit, {first - created:.0f} s until four agents worked,")
        print(f"{ended - first:.0f} s until all were done; the agents on the 2 GPUs left: {6 * SECONDS:.0f} s")
        return int(len(set(done)) != 12 or doubled > 0 or shared > 0)


def _shared(begins: list[dict[str, Any]], ends: list[dict[str, Any]]) -> int:
    """Return how often an agent began on a GPU on which another one worked.

    An agent whose run began again before it ended was killed; when, is not known, so that it counts for nothing.
    """
    spans = []
    for begin in begins:
        own = [line for line in ends if line["run"] == begin["run"] and line["time"] > begin["time"]]
        again = [line for line in begins if line["run"] == begin["run"] and line["time"] > begin["time"]]
        if own and not again:
            spans.append(((begin["node"], begin["gpus"]), begin["time"], own[0]["time"]))
    return sum(
        gpu == (line["node"], line["gpus"]) and start < line["time"] < end
        for gpu, start, end in spans
        for line in begins
    )


def _until(condition: Any) -> None:
    end = time.monotonic() + 300
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("it did not happen within 300 s")
        time.sleep(0.3)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
