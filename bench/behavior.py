"""Measure the behavior detectors on a workspace with many scripts and on a large trajectory.

python bench/behavior.py [--scripts 2000] [--megabytes 200]

Generates its own input and prints a row per detector: seconds, and peak memory of its process.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from posttrainbench.audit.evidence import Evidence

evidence_module = import_module("behavior_evidence")  # the helper of the tests

SCRIPT = """
import argparse, json, random
from pathlib import Path
from datasets import load_dataset

def build(path, count):
    rows = []
    for line in Path(path).read_text().splitlines():
        row = json.loads(line)
        if len(row["question"]) < 2000:
            rows.append({{"messages": [{{"role": "user", "content": row["question"]}}], "n": {number}}})
    random.shuffle(rows)
    return rows[:count]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100)
    args = parser.parse_args()
    data = build("raw{number}.jsonl", args.count)
    extra = load_dataset("openai/gsm8k", "main", split="train")
    with open("train{number}.jsonl", "w") as file:
        for row in data + list(extra):
            file.write(json.dumps(row) + "\\n")
"""
DETECTORS = ("hosted", "scripts", "access", "grader", "statements", "exploits")


def main() -> None:
    """Generate the inputs and measure all detectors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", type=int, default=2000)
    parser.add_argument("--megabytes", type=int, default=200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        many = evidence_module.Case(Path(place, "many"))
        many.files = {f"s{number}.py": SCRIPT.format(number=number) for number in range(args.scripts)}
        many.steps = [f"python s{number}.py --count 50" for number in range(0, args.scripts, 2)]
        many.items = many.evidence().test_items
        show(f"{args.scripts} scripts, half of them run", many)
        long = evidence_module.Case(Path(place, "long"), files={"t.py": evidence_module.TRAIN})
        output = json.dumps({"loss": 0.5, "text": "lorem ipsum " * 4000})
        while len(long.steps) / 2 * (len(output) + 2000) < args.megabytes * 10**6:
            number = len(long.steps)
            long.steps += [
                evidence_module.write_file(f"w{number % 50}.py", SCRIPT.format(number=number)),
                evidence_module.Command(f"tail -c 50000 log{number}", output),
            ]
        show(f"a trajectory of {args.megabytes} MB, {len(long.steps)} calls", long)


def show(title: str, case: Any) -> None:
    """Measure all detectors on one run and print a table."""
    evidence = case.evidence()
    print(f"{title} ({(evidence.solve / 'trajectory.json').stat().st_size / 10**6:.0f} MB of trajectory)")
    for name in DETECTORS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # separate, to measure its memory
            seconds, peak = pool.apply(measure, (name, evidence))
        print(f"  {name:12} {seconds:7.2f} s   peak {peak:6.0f} MiB")


def measure(name: str, evidence: Evidence) -> tuple[float, float]:
    """Return seconds and peak memory in MiB of one detector."""
    detect = import_module(f"posttrainbench.audit.behavior.{name}").detect
    began = time.perf_counter()
    detect(evidence)
    return time.perf_counter() - began, peak_memory()


def peak_memory() -> float:
    """Return this process's peak memory in MiB, from the kernel's high-water mark."""
    marks = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return next(int(words[1]) / 1024 for words in marks if words[0] == "VmHWM:")


if __name__ == "__main__":
    main()
