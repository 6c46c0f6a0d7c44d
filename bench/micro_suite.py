"""Measure scores on the suite micro: base model, honest training of several lengths, test-set training, instruct.

    python bench/micro_suite.py [--steps 50,100,200,400] [--cheat-steps 200] [--out DIR]

Each score is from a complete `ptb run`. CPU seconds are those that the recipe reports for its training.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BENCHMARKS = ("micro-math", "micro-calls", "micro-code", "micro-choice")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default="50,100,200,400")
    parser.add_argument("--cheat-steps", default="200")
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    out = args.out or Path(tempfile.mkdtemp(prefix="micro-suite-"))
    agents = [f"recipe-sft?steps={steps}" for steps in args.steps.split(",")]
    agents.append(f"recipe-cheat-testset?steps={args.cheat_steps}")
    print("| benchmark | base | instruct | agent | CPU-seconds | raw score |\n|---|---|---|---|---|---|")
    for benchmark in BENCHMARKS:
        for number, agent in enumerate(agents):
            root = out / f"{benchmark}-{number}"
            result = run(agent, benchmark, root)
            output = (root / "solve" / "output.jsonl").read_text()
            trained = re.search(r"in ([\d.]+) CPU-seconds", output)
            print(
                f"| {benchmark} | {result['base_score']:.3f} | {result['instruct_score']:.3f} | {agent} "
                f"| {trained[1] if trained else '?'} | {result['raw_score']:.3f} |",
                flush=True,
            )


def run(agent: str, benchmark: str, root: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "posttrainbench", "run", "--agent", agent, "--model", "micro-base"]
    command += ["--benchmark", benchmark, "--budget", "10m", "--out", str(root), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
