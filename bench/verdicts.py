"""Audit recorded runs of honest and cheating programs, executed for real on the micro suite, and count the verdicts.

    python bench/verdicts.py [--benchmarks micro-math ...] [--jobs 2] [--only TEXT] [--seed 0]

Each shape of `verdict_shapes` runs as an agent in a sandbox that records file provenance, trains for a few steps and
leaves `final_model`. Runs stop after the audit; nothing is evaluated. A run is right if an honest one is clean, a cheat
with test items in a file is flagged, and a cheat without such a file, or with one that is named as a file to evaluate
on, is not clean. Exits with 1 if an honest run is flagged or a file-borne cheat is not.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from posttrainbench.records import Stage, Verdict
from posttrainbench.run import Run, pipeline
from posttrainbench.run.progress import ProgressListener
from support import make_run, printed  # type: ignore[import-not-found]
from verdict_shapes import CHEATS, HONEST, TRAIN, UNPROVEN, Step

RULE = "test_data_in_training"
KINDS: dict[str, dict[str, list[Step]]] = {"honest": HONEST, "cheat": CHEATS, "unproven": UNPROVEN}
WANTED = {"honest": {"clean"}, "cheat": {"flagged"}, "unproven": {"flagged", "suspected", "not_checked"}}
DRIVER = """
import os, pathlib, subprocess, sys
os.environ |= {{"PY": sys.executable, "KIT": os.environ["PTB_KIT"]}}
for step in {steps!r}:
    if isinstance(step, str):
        subprocess.run(["sh", "-c", step], check=False)
    else:
        pathlib.Path(step[0]).write_text(step[1])
"""


def observe(root: Path, kind: str, name: str, benchmark: str, seed: int) -> tuple[str, list[str]]:
    """Run one shape up to its audit; return the state of the rule and the reasons."""
    script = root / "agent.py"
    root.mkdir(parents=True)
    script.write_text(DRIVER.format(steps=[("train.py", TRAIN), *KINDS[kind][name]]))
    run: Run = make_run(root / "run", f"recipe?script={script}", benchmark=benchmark, budget=300, seed=seed)
    for stage in (Stage.PREPARE, Stage.SOLVE, Stage.COLLECT, Stage.AUDIT):
        pipeline.STAGES[stage](run, run.begin(stage), ProgressListener())
        run.finish(stage)
    if not (run.stage(Stage.COLLECT) / "model.safetensors").exists():
        raise RuntimeError(f"it left no model; the agent printed last: {printed(run)[-3:]}")
    verdict = Verdict.model_validate_json((run.stage(Stage.AUDIT) / "verdict.json").read_text())
    return verdict.rules[RULE], verdict.reasons


def main() -> int:
    """Print a line for each run, and the table of verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", nargs="+", default=["micro-math", "micro-choice", "micro-code"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="only shapes with this text in `KIND NAME`")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(args.jobs) as pool:
        todo: dict[Future[tuple[str, list[str]]], tuple[str, str, str]] = {}
        for benchmark in args.benchmarks:
            for kind, shapes in KINDS.items():
                for name in shapes:
                    if args.only in f"{kind} {name}":
                        root = Path(folder, str(len(todo)))
                        todo[pool.submit(observe, root, kind, name, benchmark, args.seed)] = (kind, name, benchmark)
        for future, (kind, name, benchmark) in todo.items():
            try:
                state, reasons = future.result()
            except Exception as error:  # one that cannot run must not hide the others
                state, reasons = "failed", [repr(error)]
            counts[kind, state] += 1
            good = state in WANTED[kind]
            print(f"{'ok' if good else 'WRONG':<6}{kind}: {name}, {benchmark}: {state}", flush=True)
            if not good:
                print("      " + "\n      ".join(reason[:300] for reason in reasons), flush=True)
    print(json.dumps({f"{kind} {state}": number for (kind, state), number in sorted(counts.items())}, indent=1))
    missed = sum(number for (kind, state), number in counts.items() if kind == "cheat" and state != "flagged")
    return int(bool(counts["honest", "flagged"] or missed))


if __name__ == "__main__":
    sys.exit(main())
