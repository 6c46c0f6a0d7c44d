"""Measure the CPU usage of the monitor and the supervisor while an agent runs.

    python bench/monitor.py [--seconds 120] [--processes 50] [--files 10000]

Goal: the monitor uses at most 0.5% of one core with fifty processes and ten thousand files in the workspace. The
supervisor, which enforces the limits including the disk limit, is measured too.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from posttrainbench.run.monitor import Monitor, monitor_in_background
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
    with tempfile.TemporaryDirectory() as folder_name:
        workspace = Path(folder_name, "workspace")
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
        monitor = Monitor(lambda: process, workspace, Path(folder_name, "egress.jsonl"), [], shared_network=False)
        try:
            print(f"one sample without the disk usage: {cost_of_a_sample(monitor):.4f} CPU s")
            monitor = Monitor(lambda: process, workspace, Path(folder_name, "egress.jsonl"), [], shared_network=False)
            monitor_before, supervisor_before = time.process_time(), cpu_seconds(supervisor)
            with monitor_in_background(monitor, Path(folder_name, "monitor.jsonl")):
                threading.Event().wait(args.seconds)
            monitor_spent = time.process_time() - monitor_before
            supervisor_spent = cpu_seconds(supervisor) - supervisor_before
            samples = len(Path(folder_name, "monitor.jsonl").read_text().splitlines())
        finally:
            process.kill(0)
    print(f"monitor: {100 * monitor_spent / args.seconds:.3f}% of one core, {samples} samples in {args.seconds:.0f} s")
    print(f"supervisor: {100 * supervisor_spent / args.seconds:.3f}% of one core")


def cost_of_a_sample(monitor: Monitor) -> float:
    monitor.sample()
    before = time.thread_time()
    monitor.sample()
    return time.thread_time() - before


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
