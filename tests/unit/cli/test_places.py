"""Names of runs and experiments on the command line, and their completion."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from posttrainbench.cli.places import (
    complete_agents,
    complete_benchmarks,
    complete_experiments,
    complete_models,
    complete_runs,
    distinct_places,
    existing_place,
    find_place,
    named_directory,
)
from posttrainbench.errors import InputError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("demo/sft-0", "demo/noop-0", "demo-2/sft-0", "demo-2/sft-1"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").touch()
    (tmp_path / "final_model").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("demo", "runs/demo"),
        ("demo/sft-0", "runs/demo/sft-0"),
        ("noop-0", "runs/demo/noop-0"),
        ("runs/demo", "runs/demo"),
        ("final_model", "final_model"),
        ("absent", "absent"),
        ("../x", "../x"),
        ("/absent", "/absent"),
    ],
)
def test_names_in_runs_are_found(given: str, found: str, here: Path) -> None:
    assert str(find_place(Path(given))) == found


def test_a_path_that_exists_is_never_replaced(here: Path) -> None:
    (here / "demo").mkdir()
    assert find_place(Path("demo")) == Path("demo")


def test_an_ambiguous_name_is_refused(here: Path) -> None:
    with pytest.raises(InputError, match=r"give one of: runs/demo-2/sft-0, runs/demo/sft-0\."):
        find_place(Path("sft-0"))


def test_completion_of_runs_and_experiments(here: Path) -> None:
    assert complete_experiments("") == ["runs/demo", "runs/demo-2"]
    assert complete_experiments("dem") == ["demo", "demo-2"]
    assert complete_experiments("runs/demo/s") == ["runs/demo/sft-0"]
    assert complete_runs("runs/demo-2/") == ["runs/demo-2/sft-0", "runs/demo-2/sft-1"]
    assert complete_runs("sft") == ["sft-0", "sft-1"]
    assert complete_runs("fin") == ["final_model/"]
    assert complete_runs("nothing") == []


def test_completion_of_the_catalog() -> None:
    assert "recipe-sft" in complete_agents("recipe-s")
    assert complete_models("micro-b") == ["micro-base"]
    assert complete_benchmarks("micro-m") == ["micro-math"]


def test_the_shell_gets_completions(here: Path) -> None:
    environment = {"_PTB_COMPLETE": "complete_bash", "COMP_WORDS": "ptb trace noo", "COMP_CWORD": "2", "PATH": "/bin"}
    ptb = Path(sys.executable).with_name("ptb")
    said = subprocess.run([ptb], env=environment, capture_output=True, text=True, cwd=here, timeout=240)
    assert said.stdout.split() == ["noop-0"]


@pytest.mark.parametrize(
    ("name", "run", "path"),
    [
        ("opus", True, "runs/default/opus"),
        ("opus/one", True, "runs/opus/one"),
        ("opus", False, "runs/opus"),
        (None, True, None),
    ],
)
def test_names_instead_of_paths(name: str | None, run: bool, path: str | None) -> None:
    assert named_directory(None, name, run=run) == (path and Path(path))
    assert named_directory(Path("x"), None, run=run) == Path("x")


@pytest.mark.parametrize("name", ["", "../x", "/x", "a/b/c", "a/", "a b", "x.attempt-1", ".x", "\x1b[2J"])
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not a valid name"):
        named_directory(None, name, run=True)
    with pytest.raises(InputError, match="is not a valid name"):
        named_directory(None, "a/b", run=False)
    with pytest.raises(InputError, match="not both"):
        named_directory(Path("x"), "a", run=True)


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("dmo", "demo or demo-2"),
        ("de", "demo or demo-2"),
        ("runs/demoo", "demo or demo-2"),
        ("demo/nop-0", "demo/noop-0"),
        ("noop-1", "demo/noop-0"),
    ],
)
def test_near_names_are_offered_for_one_that_does_not_exist(given: str, near: str, here: Path) -> None:
    with pytest.raises(InputError, match=re.escape(f"{given} does not exist; did you mean {near}")):
        existing_place(Path(given))


@pytest.mark.parametrize("given", ["zzz", "/absent/demo", "..", "demo", "final_model"])
def test_other_paths_are_left_to_the_command(given: str, here: Path) -> None:
    assert existing_place(Path(given)) == find_place(Path(given))


def test_a_directory_given_twice_counts_once(here: Path) -> None:
    given = [Path("demo"), Path("runs/demo"), here / "runs" / "demo", Path("demo-2")]
    assert [place.resolve().name for place in distinct_places(given)] == ["demo", "demo-2"]
    with pytest.raises(InputError, match=r"runs/demo is a part of runs, whose runs are all included"):
        distinct_places([Path("demo"), Path("runs")])
