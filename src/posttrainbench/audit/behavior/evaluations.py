"""Recognize programs that evaluate on the test split, and the files that they leave.

Covers: the kit's `evaluate.py` and a copy of it whose text is unknown, Inspect's and lm-eval's command lines. What they
print and log may contain test items with their gold answers. A score that is read from it holds none.
"""

import re
from collections.abc import Mapping, Sequence

from posttrainbench.audit.behavior.shell_words import option_value
from posttrainbench.audit.behavior.test_sets import TestData
from posttrainbench.audit.behavior.values import UNKNOWN
from posttrainbench.audit.contamination.evaluation_output import is_log_file
from posttrainbench.audit.evidence import Evidence

EVALUATE = "evaluate.py"
"""Name of the kit's program."""
PRINTED = "the printed output of an evaluation on the test split"
LOGGED = "a log of an evaluation on the test split"
INSPECT_LOGS = "logs"
"""Directory in which Inspect writes its logs unless it is told otherwise."""
MOST_LOGS = 1000
_LM_EVAL = frozenset(("lm_eval", "lm-eval", "lm_eval.__main__"))


def evaluation_logs(evidence: Evidence) -> frozenset[str]:
    """Return the evaluation logs in the workspace, recognized by their content, relative to it."""
    files = [entry for entry in evidence.workspace_files if not entry.reason and entry.relative.endswith(".json")]
    return frozenset(entry.relative for entry in files[:MOST_LOGS] if is_log_file(entry.path))


def is_evaluation(program: str, arguments: Sequence[str], test_data: TestData) -> bool:
    """Return True if a program other than the kit's evaluates on the benchmark's test split.

    Args:
        program: name of the program or Python module.
        arguments: its arguments.
        test_data: the benchmark's test data.
    """
    if program in ("inspect", "inspect_ai"):
        return arguments[:1] in (["eval"], ["eval-set"], ["eval-retry"])
    if program in _LM_EVAL:
        tasks = [part for word in arguments for part in re.split(r"[,=]", word)]
        return any(map(test_data.names_benchmark, tasks))
    return False


def names_benchmark(arguments: Sequence[str], test_data: TestData) -> bool:
    """Return True if a word of a command names the benchmark as a task, such as `inspect_evals/gsm8k`."""
    return any(test_data.names_benchmark(part) for word in arguments for part in re.split(r"[,=/@:]", word))


def log_paths(program: str, arguments: Sequence[str], benchmark: str, env: Mapping[str, str]) -> list[str]:
    """Return the paths of the logs that an evaluation writes, with unknown parts."""
    if program in _LM_EVAL:
        folder = option_value(arguments, "--output_path", "-o")
        logs = folder and not {"--log_samples", "-s"}.isdisjoint(arguments)
        return [f"{folder}/{UNKNOWN}samples_{UNKNOWN}.jsonl"] if logs else []
    folder = option_value(arguments, "--log-dir") or env.get("INSPECT_LOG_DIR") or INSPECT_LOGS
    return [f"{folder}/{UNKNOWN}T{UNKNOWN}_{benchmark}_{UNKNOWN}.json"]
