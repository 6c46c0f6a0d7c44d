"""Experiments for tests of the site, written as their stages leave them."""

import json
from pathlib import Path

import scoring_runs

from posttrainbench.scoring import Cell


def write_experiment(root: Path, cells: list[Cell], seconds: float = 3600.0, dollars: float = 2.0) -> Path:
    """Write runs with the time and the cost of their agents."""
    for number, cell in enumerate(cells):
        path = scoring_runs.write_run(cell, root)
        (path / "solve").mkdir()
        outcome = {"end": "exited", "exit_code": 0, "seconds": seconds * (1 + number), "output_bytes": 0}
        outcome |= {"output_dropped": 0, "isolation": "namespaces", "network": "none"}
        (path / "solve" / "outcome.json").write_text(json.dumps(outcome))
        usage = {"requests": 3, "input": 1000 * (1 + number), "output": 100, "cost": dollars * (1 + number)}
        (path / "solve" / "usage.json").write_text(json.dumps(usage))
    return root
