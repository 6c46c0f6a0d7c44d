"""The rows that honest recipes train on: the benchmark's train split, or generated ones.

Runs inside the sandbox, without posttrainbench.
"""

from pathlib import Path
from typing import Any

import common
import generated
import generated_code

GENERATORS = {"bfcl": generated.calls, "humaneval": generated_code.functions}
"""Benchmark -> what to call for training rows with the same form of answer."""


def training_rows(task: dict[str, Any], count: int) -> tuple[list[dict[str, Any]], str]:
    """Return the benchmark's train split, or `count` generated rows, and a word that says which of the two.

    Raises:
        SystemExit: the benchmark has no train split, and no rows can be generated for it.
    """
    if Path(task["kit"], "data", "train.jsonl").exists():
        return common.read_rows(task, "train"), "train"
    if task["benchmark"] not in GENERATORS:
        raise SystemExit(f"{task['benchmark']} has no train split, and this recipe cannot generate rows for it")
    return GENERATORS[task["benchmark"]](count, task["seed"]), "generated"
