"""Measure the overhead of a run: wall time of `ptb run` minus agent and evaluation. Goal: under 3 seconds.

    python bench/overhead.py [--runs 5]

Also measures `ptb --help`. The first run is discarded, because it may compute the baselines.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    overheads = []
    for number in range(args.runs + 1):
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch, "run")
            seconds = timed(
                *("run", "--agent", "recipe-noop", "--model", "micro-base", "--benchmark", "micro-math"),
                *("--out", str(root), "--json"),
            )
            journal = [json.loads(line) for line in (root / "journal.jsonl").read_text().splitlines()]
            evaluation = next(e["seconds"] for e in journal if e["stage"] == "evaluate" and e["event"] == "done")
            agent = json.loads((root / "solve" / "outcome.json").read_text())["seconds"]
            if number:
                overheads.append(seconds - evaluation - agent)
    print(
        f"overhead of a run: median {statistics.median(overheads):.2f} s, {min(overheads):.2f} to {max(overheads):.2f}"
    )
    helps = [timed("--help") for _ in range(args.runs)]
    print(f"ptb --help: median {statistics.median(helps):.2f} s, {min(helps):.2f} to {max(helps):.2f}")


def timed(*arguments: str) -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "posttrainbench", *arguments], check=True, capture_output=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
