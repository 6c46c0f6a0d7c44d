"""Time the leaderboard of many runs, from the index against a straight pass over the files of the runs.

python bench/aggregate.py [RUNS] [--items N]

Both are measured in one process, one after the other: `cold` includes writing the index, and the
straight pass reads and ranks without it. The command includes the start of Python.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from posttrainbench.report.board_index import rank_indexed
from posttrainbench.report.ranking import rank_with_trivial
from posttrainbench.run.directory import find_roots, root_states
from posttrainbench.scoring import load_cells
from status import make_runs, timed


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=10_000)
    parser.add_argument("--items", type=int, default=20, help="items of each run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "runs", "experiment")
        make_runs(root, options.runs, options.items)
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        time.sleep(0.1)  # files that have just changed are not indexed

        def indexed() -> object:
            roots = root_states(root)
            return rank_indexed(roots, [], lambda: load_cells(map(Path, roots)))[0]

        def straight() -> object:
            return rank_with_trivial(load_cells(find_roots(root)))

        command = [sys.executable, "-m", "posttrainbench", "leaderboard", str(root), "--json"]
        begun = time.perf_counter()
        board = indexed()
        cold = time.perf_counter() - begun
        assert board == straight()
        found = {
            "runs": options.runs,
            "items": options.items,
            "cold_seconds": cold,
            "straight_pass_seconds": (slow := timed(straight)),
            "warm_seconds": (fast := timed(indexed)),
            "straight_pass_divided_by_warm": slow / fast,
            "command_seconds": timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)),
        }
    print(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
