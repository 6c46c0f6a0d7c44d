"""Measure what waiting threads of torch cost where other programs compute on the same processors.

    python bench/idle_threads.py [--beside 2] [--seconds 8] [--rounds 3]

Forward and backward passes of a small network on two threads, alone and beside programs that compute all the time, with
the default of OpenMP (waiting threads compute in a loop for a while) and with `engines.base.IDLE_THREADS` (they sleep).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

from posttrainbench.engines.base import IDLE_THREADS

PASSES = """
import json, sys, time, torch
torch.manual_seed(0)
torch.set_num_threads(2)
layer = lambda: [torch.nn.Linear(576, 1536), torch.nn.SiLU(), torch.nn.Linear(1536, 576), torch.nn.LayerNorm(576)]
network = torch.nn.Sequential(*[part for _ in range(12) for part in layer()])
rows = torch.randn(300, 576)
network(rows).sum().backward()
begun, used, count = time.monotonic(), time.process_time(), 0
while time.monotonic() - begun < float(sys.argv[1]):
    network(rows).sum().backward()
    count += 1
print(json.dumps([count / (time.monotonic() - begun), (time.process_time() - used) / count]))
"""
BUSY = "while True: sum(range(100000))"


def measure(seconds: float, variables: dict[str, str]) -> tuple[float, float]:
    """Return passes per second, and CPU seconds of a pass."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", PASSES, str(seconds)]
    done = subprocess.run(command, env=environment | variables, check=True, capture_output=True)
    rate, cpu = json.loads(done.stdout)
    return rate, cpu


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=int, default=2, help="programs that compute at the same time")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print("| beside | waiting threads | passes/s | CPU seconds of a pass |\n|---|---|---|---|")
    for beside in (0, args.beside):
        found: dict[str, list[tuple[float, float]]] = {"compute": [], "sleep": []}
        others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(beside)]
        try:
            for _ in range(args.rounds):
                found["compute"].append(measure(args.seconds, {}))
                found["sleep"].append(measure(args.seconds, dict(IDLE_THREADS)))
        finally:
            for other in others:
                other.kill()
                other.wait()
        for name, values in found.items():
            rate, cpu = (statistics.median(column) for column in zip(*values, strict=True))
            print(f"| {beside} | {name} | {rate:.2f} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
