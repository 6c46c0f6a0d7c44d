"""Usage errors: one sentence with the fix, exit code 2, no usage box."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support import assert_refused
from trajectory_recordings import make_recorded_run

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]

USAGE_ERRORS = {
    ("trace",): "Missing argument 'RUN'; write `ptb trace RUN`, and see `ptb trace --help`.",
    ("judge", "run"): "Missing argument 'RUN'; write `ptb judge run RUN`, and",
    ("compare", "a"): "Missing argument 'AGENT_A|RUN_B'; write `ptb compare EXPERIMENT|RUN_A AGENT_A|RUN_B`, and",
    ("baseline",): "Missing option --suite; choose from micro",
    ("nonsense",): "No such command 'nonsense'; see `ptb --help`.",
    ("sandbox", "nonsense"): "No such command 'nonsense'; see `ptb sandbox --help`.",
    ("resum", "x"): "No such command 'resum'; did you mean 'resume'?",
    ("run", "--agnt", "x"): "No such option: --agnt; did you mean --agent",
    ("run", "--zzzz"): "No such option: --zzzz; see `ptb run --help`.",
    ("run", "--seed", "x"): "Invalid value for '--seed': ",
    ("run", "--agent"): "Option '--agent' requires an argument; see `ptb ",
    ("image", "show", "--variant", "big"): "Invalid value for '--variant': 'big' is not one of 'full', 'small'; see",
    ("trace", "a", "b\x1b[2J"): r"(b\x1b[2J); see `ptb trace --help`.",
}


@pytest.mark.parametrize(("words", "message"), USAGE_ERRORS.items(), ids=" ".join)
def test_usage_errors(words: tuple[str, ...], message: str, ptb_here: Ptb) -> None:
    assert_refused(ptb_here(*words), message)


def test_a_group_without_a_command_prints_its_help(ptb_here: Ptb) -> None:
    for words in ((), ("judge",), ("data",)):
        said = ptb_here(*words)
        assert (said.returncode, said.stderr) == (2, "")
        assert "Usage: " in said.stdout


PATHS = [
    *(["resume"], ["stop"], ["status"], ["audit"], ["leaderboard"], ["trace"], ["evaluate"], ["score"]),
    *(["compare", "PATH", "a", "b"], ["adjudicate", "PATH", "x", "--why", "y", "--dismiss"]),
    *(["judge", "PATH", "--judge", "openai/x"], ["check-submission"], ["check-submission", "--model", "micro-base"]),
    *(["lineage", "PATH", "--base", "micro-base"], ["audit", "PATH", "--out", "new"], ["run", "@PATH"]),
    ["lineage", "pack", "--base", "PATH", "--against", "micro-instruct", "--out", "x"],
    *(["scan", "PATH", "--benchmark", "micro-math"], ["scan", ".", "--benchmark-file", "PATH"]),
    ["scan", ".", "--benchmark", "micro-math", "--tokenizer", "PATH"],
    *(["data", "import", "gsm8k", "PATH"], ["--catalog", "PATH", "catalog"]),
    ["run", "--agent", "recipe-noop", "--model", "micro-base", "--benchmark", "micro-math", "--prompt-file", "PATH"],
]


@pytest.mark.parametrize("words", PATHS, ids=" ".join)
def test_a_path_that_does_not_exist(words: list[str], ptb_here: Ptb, tmp_path: Path) -> None:
    words = words if any("PATH" in word for word in words) else [*words, "PATH"]
    said = ptb_here(*(word.replace("PATH", "./absent") for word in words), cwd=tmp_path)
    assert_refused(said, "absent does not exist")


@pytest.mark.parametrize("word", ["resume", "status", "trace", "evaluate", "check-submission"])
def test_a_file_instead_of_a_directory(word: str, ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_refused(ptb_here(word, "file", cwd=tmp_path), "file is not a directory; give the directory of a ")


def test_an_experiment_instead_of_a_run(ptb_here: Ptb, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_recorded_run(tmp_path / "experiment" / name, [])
    for words in (["trace"], ["judge", "--judge", "openai/x"]):
        said = ptb_here(words[0], "experiment", *words[1:], cwd=tmp_path)
        assert_refused(said, "experiment contains 2 runs; give the directory of one of them.")


def test_a_page_in_a_directory_that_does_not_exist(ptb_here: Ptb, tmp_path: Path) -> None:
    make_recorded_run(tmp_path / "run", [])
    assert_refused(ptb_here("leaderboard", "run", "--html", "absent/x.html", cwd=tmp_path), "absent does not exist")


def test_a_directory_without_runs(ptb_here: Ptb, tmp_path: Path) -> None:
    assert_refused(ptb_here("status", tmp_path), "contains no run; start one with `ptb run`")
    assert_refused(ptb_here("trace", tmp_path), "is not a run directory (it has no run.json)")


def test_runs_and_agents_are_not_mixed_up_in_comparisons(ptb_here: Ptb, tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "experiment" / "run", [])
    assert_refused(ptb_here("compare", run, "a", "b"), "is a run; give two runs, or an experiment and two agents")
    assert_refused(ptb_here("compare", run, run), "is not finished; `ptb status ")
