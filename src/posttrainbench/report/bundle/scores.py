"""Recompute a score from the results of single items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from posttrainbench.benchmarks import Benchmark, Grade
from posttrainbench.errors import InputError
from posttrainbench.evaluation.evaluate import READ, item_scores
from posttrainbench.evaluation.plan import config_sha256
from posttrainbench.files import read_jsonl, sha256_bytes
from posttrainbench.records import Metrics


def configuration(metrics: Metrics, submission: Mapping[str, str], benchmark: Benchmark) -> str:
    """Return the hash that `items.jsonl` names the evaluation by, from its settings and the submission's files.

    Args:
        metrics: the metrics, with the settings.
        submission: path -> SHA-256 of each file in the evaluated directory, which is `submission/` with its manifest.
        benchmark: the benchmark; a grader's usage is added to the settings only after the evaluation.
    """
    read = sorted(name for name in submission if "/" not in name and Path(name).suffix in READ)
    checkpoint = sha256_bytes("\n".join(f"{name} {submission[name]}" for name in read).encode())
    config = dict(metrics.eval_config)
    if benchmark.graded and isinstance(config.get("grader"), dict):
        config["grader"] = config["grader"].get("name")
    return config_sha256(config | {"checkpoint": checkpoint})


def recompute(items: Path, configuration: str, metrics: Metrics, benchmark: Benchmark) -> Metrics:
    """Return metrics with the scores that follow from `items.jsonl`.

    Raises:
        InputError: the file lacks an item or has others.
    """
    grades: dict[int, dict[str, Grade]] = {}
    for row in read_jsonl(items):
        if row.get("configuration") != configuration:
            continue
        seed, item = int(row["seed"]), str(row["item"])
        if item not in metrics.items or str(seed) not in metrics.seeds:
            raise InputError("items.jsonl has an item or an evaluation seed that metrics.json lacks")
        grades.setdefault(seed, {})[item] = Grade(float(row["score"]), float(row["weight"]))
    if not grades:
        raise InputError("items.jsonl has no result of this evaluation of this submission")
    for seed, of_seed in grades.items():
        if of_seed.keys() != metrics.items.keys():
            raise InputError(f"with seed {seed}, items.jsonl lacks items of metrics.json")
    if {str(seed) for seed in grades} != metrics.seeds.keys():
        raise InputError("items.jsonl lacks evaluation seeds of metrics.json")
    scores = {seed: item_scores([grades[seed][item] for item in metrics.items]) for seed in sorted(grades)}
    means = [fmean(column) for column in zip(*scores.values(), strict=True)]
    seeds = {str(seed): benchmark.summary(column)[0] for seed, column in scores.items()}
    return metrics.model_copy(
        update={
            "score": fmean(seeds.values()),
            "stderr": benchmark.summary(means)[1],
            "items": dict(zip(metrics.items, means, strict=True)),
            "seeds": seeds,
        }
    )
