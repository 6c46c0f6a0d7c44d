"""Time `ptb status` on synthetic runs, from the index against a straight pass over the files of the runs.

python bench/status.py [RUNS]

The directories hold what finished runs hold of the files that are read. Both passes are measured in one process, one
after the other, as are whole commands, which include the start of Python and the output of all lines.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from posttrainbench.records import (
    AgentEnd,
    AgentSpec,
    JournalEntry,
    Metrics,
    ModelUsage,
    Outcome,
    Result,
    RunSpec,
    Stage,
    Status,
)
from posttrainbench.run.directory import run_directories
from posttrainbench.run.index import summaries
from posttrainbench.run.summary import summarize

AGENTS = [f"claude-code/claude-model-{number}" for number in range(12)]
MODELS = ["Qwen3-1.7B-Base", "Qwen3-4B-Base", "SmolLM3-3B-Base", "gemma-3-4b-pt"]
BENCHMARKS = ["aime2025", "arenahardwriting", "bfcl", "gpqamain", "gsm8k", "healthbench", "humaneval"]
REPEATS = 3


def make_runs(root: Path, number: int, items: int = 20) -> None:
    """Write the directories of finished runs with a number of items each."""
    for index in range(number):
        rest, agent = divmod(index, len(AGENTS))
        rest, model = divmod(rest, len(MODELS))
        seed, benchmark = divmod(rest, len(BENCHMARKS))
        spec = RunSpec(
            run=f"run-{index}",
            created="2026-11-29T12:00:00+00:00",
            agent=AgentSpec(name=AGENTS[agent], scaffold="claude-code"),
            model=MODELS[model],
            benchmark=BENCHMARKS[benchmark],
            suite="v1",
            budget=36000,
            seed=seed,
            rules="v1",
            sandbox="bubblewrap",
            engine="vllm",
            grader="openai/gpt-5-mini",
            prompt_sha256="x",
            kit_sha256="x",
            model_sha256="x",
            versions={},
            host={},
        )
        write_run(root / f"run-{index:05}", spec, 0.2 + index % 7 / 20, items)


def write_run(root: Path, spec: RunSpec, score: float, number: int) -> None:
    """Write the directory of a finished run."""
    for stage in list(Stage)[:-1]:
        (root / stage.folder).mkdir(parents=True)
    entries = [
        JournalEntry(time=spec.created, stage=stage, event=event, seconds=60.0 if event == "done" else None)
        for stage in Stage
        for event in ("start", "done")
    ]
    outcome = Outcome(
        end=AgentEnd.EXITED,
        exit_code=0,
        seconds=60,
        output_bytes=0,
        output_dropped=0,
        isolation="namespaces",
        network="recorded",
    )
    result = Result(
        run=spec.run,
        status=Status.SCORED,
        score=score,
        raw_score=score,
        base_score=0.1,
        instruct_score=0.8,
        verdict={"contamination": "clean"},
        reasons=[],
        evidence=[],
    )
    for name, value in (("metrics", score), ("base", 0.1), ("instruct", 0.8)):
        items = {f"i{index}": value for index in range(number)}
        metrics = Metrics(
            benchmark=spec.benchmark, score=value, stderr=0.01, items=items, seeds={}, eval_config={}, seconds=1
        )
        (root / "evaluate" / f"{name}.json").write_text(metrics.model_dump_json())
    (root / "run.json").write_text(spec.model_dump_json())
    (root / "solve" / "outcome.json").write_text(outcome.model_dump_json())
    (root / "solve" / "usage.json").write_text(ModelUsage(input=10**6, output=10**5, cost=4.2).model_dump_json())
    (root / "result.json").write_text(result.model_dump_json())
    (root / "journal.jsonl").write_text("".join(f"{entry.model_dump_json()}\n" for entry in entries))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of several calls."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "runs", "experiment")
        make_runs(root, options.runs)
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        time.sleep(0.1)  # files that have just changed are not indexed
        started = time.perf_counter()
        expected = summaries(root)
        first = time.perf_counter() - started
        straight = timed(lambda: [summarize(path) for path in run_directories(root)])
        indexed = timed(lambda: summaries(root))
        assert summaries(root) == expected
        command = [sys.executable, "-m", "posttrainbench"]

        def call(*words: object) -> None:
            subprocess.run([*command, *map(str, words)], check=True, stdout=subprocess.DEVNULL)

        found = {
            "runs": options.runs,
            "straight_pass_seconds": straight,
            "first_pass_that_writes_the_index_seconds": first,
            "index_seconds": indexed,
            "straight_pass_divided_by_index": straight / indexed,
            "command_version_seconds": timed(lambda: call("--version")),
            "command_status_seconds": timed(lambda: call("status", root)),
            "command_list_seconds": timed(lambda: call("list", root.parent)),
        }
        print(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
