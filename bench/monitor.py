"""What watching an agent costs: CPU seconds per second of the monitor, and of all else that waits beside an agent.

    python bench/monitor.py [--seconds 120] [--processes 50] [--files 10000]

Goal: the monitor takes at most 0.5 % of one core, with a tree of some fifty processes and a workspace of ten thousand
files. The supervisor (which holds the limits, on the disk too) is measured beside it.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from posttrainbench.run.monitor import Monitor, monitoring
from posttrainbench.sandbox import Limits, Mount
from posttrainbench.sandbox.bubblewrap import Bubblewrap

SLEEPERS = """
import os, sys, time
for _ in range(int(sys.argv[1]) - 1):
    if os.fork() == 0: break
print(flush=True)
while True:
    sum(range(10_000)); time.sleep(1)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--files", type=int, default=10_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        workspace = Path(place, "workspace")
        for number in range(args.files):
            folder = workspace / f"{number // 100:03}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.txt").write_text("x" * 1000)
        mount = Mount("workspace", workspace, writable=True)
        limits = Limits(memory=2**33, processes=4096, disk=2**36)
        command = [sys.executable, "-I", "-c", SLEEPERS, str(args.processes)]
        process = Bubblewrap().start(command, [mount], {}, "/workspace", limits=limits)
        assert process.popen.stdout is not None
        process.popen.stdout.readline()
        while process.stats().processes < args.processes:
            time.sleep(0.1)
        supervisor = psutil.Process(process.popen.pid)
        monitor = Monitor(lambda: process, workspace, Path(place, "egress.jsonl"), [], shared_network=False)
        try:
            print(f"one sample without counting files: {cost_of_a_sample(monitor):.4f} CPU s")
            monitor = Monitor(lambda: process, workspace, Path(place, "egress.jsonl"), [], shared_network=False)
            before, beside = time.process_time(), busy(supervisor)
            with monitoring(monitor, Path(place, "monitor.jsonl")):
                threading.Event().wait(args.seconds)
            spent, beside = time.process_time() - before, busy(supervisor) - beside
            samples = len(Path(place, "monitor.jsonl").read_text().splitlines())
        finally:
            process.kill(0)
    print(f"monitor: {100 * spent / args.seconds:.3f} % of one core, {samples} samples in {args.seconds:.0f} s")
    print(f"supervisor: {100 * beside / args.seconds:.3f} % of one core")


def cost_of_a_sample(monitor: Monitor) -> float:
    monitor.sample()
    before = time.thread_time()
    monitor.sample()
    return time.thread_time() - before


def busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
