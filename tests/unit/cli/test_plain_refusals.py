"""Messages on mistakes that a new user makes: each names the mistake and a fix that works, with exit code 2."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from scoring_runs import build_cell, write_run

from posttrainbench import catalog
from posttrainbench.cli import interrupt
from posttrainbench.cli.doctor import _first_sentence
from posttrainbench.cli.places import complete_experiments
from posttrainbench.errors import InputError
from posttrainbench.evaluation.model_api import connect
from posttrainbench.files import require_writable
from posttrainbench.run import Run
from support import assert_refused

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parents[3]
MODEL = catalog.models()["micro-base"].directory


def write(root: Path, agent: str = "recipe-sft", benchmark: str = "gsm8k", status: str | None = "scored") -> Path:
    """Write a finished run; an unfinished one if `status` is None."""
    return write_run(build_cell(agent, benchmark=benchmark, status=status, run=root.name), root.parent)


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that cannot be written, also not by root."""
    folder, access = tmp_path / "closed", os.access
    folder.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and access(path, mode))
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["report", "e", "--out", "closed/site"],
        ["plot", "gap", "e", "--out", "closed/gap.svg"],
        ["leaderboard", "e", "--html", "closed/board.html"],
        ["evaluate", str(MODEL), "--benchmark", "micro-math", "--out", "closed/scores", "--insecure-no-sandbox"],
    ],
)
def test_a_directory_that_cannot_be_written_is_named(
    words: list[str], closed: Path, ptb_here: Ptb, tmp_path: Path
) -> None:
    write(tmp_path / "e" / "one")
    assert_refused(
        ptb_here(*words, cwd=tmp_path), f"{closed} is not writable; choose a place in another directory with --"
    )
    assert list(closed.iterdir()) == []


def test_a_place_that_can_be_made_is_accepted(closed: Path, tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "deep", "--out")
    require_writable(tmp_path, "--out")
    with pytest.raises(InputError, match=r"closed is not writable; .* --out"):
        require_writable(closed / "new" / "deep", "--out")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file is not a directory; .* --html"):
        require_writable(tmp_path / "file" / "new", "--html")


def test_misspelt_filters_are_refused_and_known_ones_are_not(ptb_here: Ptb, tmp_path: Path) -> None:
    write(tmp_path / "e" / "one")
    write(tmp_path / "e" / "two", agent="recipe-noop", benchmark="bfcl", status="not_audited")
    assert_refused(
        ptb_here("status", "e", "--agent", "nope", cwd=tmp_path), "--agent nope; choose --agent from recipe-noop"
    )
    assert_refused(
        ptb_here("status", "e", "--benchmark", "x*", "--json", cwd=tmp_path), "--benchmark x*", "from bfcl, gsm8k"
    )
    assert_refused(ptb_here("status", "e", "--agent", "recipe-*", "--agent", "nope", cwd=tmp_path), "--agent nope")
    for words in (["--status", "working"], ["--agent", "recipe-sft", "--benchmark", "bfcl"]):
        none = ptb_here("status", "e", *words, "--json", cwd=tmp_path)
        assert (none.returncode, json.loads(none.stdout)) == (0, []), none.stderr
    assert ptb_here("status", "e", "--agent", "recipe-*", cwd=tmp_path).returncode == 0


def test_the_suggested_leaderboard_can_be_computed(ptb_here: Ptb, tmp_path: Path) -> None:
    def next_command(*words: str) -> str:
        return ptb_here("status", *words, cwd=tmp_path).stdout.rpartition("Next: ")[2].strip()

    def change(root: Path, **fields: object) -> None:
        (root / "run.json").write_text(Run(root).spec.model_copy(update=fields).model_dump_json())

    write(tmp_path / "runs" / "a" / "one")
    write(tmp_path / "runs" / "a" / "two")
    assert next_command() == "ptb leaderboard runs"
    late = write(tmp_path / "runs" / "b" / "one")
    change(late, budget=60.0, created="2026-12-01T12:00:00+00:00")
    assert next_command() == "ptb leaderboard runs/b"
    change(write(tmp_path / "runs" / "b" / "two"), budget=70.0)
    assert next_command() == "ptb leaderboard runs/a"
    assert next_command("b") == "ptb report runs/b"
    change(write(tmp_path / "runs" / "a" / "three"), suite="other")
    assert next_command("a") == "ptb report runs/a"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["check-submission", "empty"], ["empty has no config.json", "`save_pretrained`"]),
        (["compare", "e", "recipe-sft"], ["give a second agent: ptb compare e recipe-sft AGENT_B"]),
        (["lineage", "check", "empty", "--base", "micro-bas"], ["did you mean `micro-base`?"]),
        (["baseline", "--kind", "trivial"], ["Missing option --suite; choose from micro"]),
        (["list", "nowhere"], ["nowhere does not exist; give a folder with experiments"]),
        (
            ["launch", "--suite", "micro", "--agent", "recipe-noop", "--name", "new", "--rerun", "scored"],
            ["new has no experiment yet", "leave out --rerun"],
        ),
        (["review", "e", "--rule", "nope"], ["Unknown rule `nope`; choose from test_data_in_training"]),
        (["launch", "seeds.yaml"], ["`seeds` should be a number of seeds, such as 3, or a list"]),
        (["launch", "agents.yaml"], ["`agents` should be a list, such as [recipe-noop]"]),
        (["launch", "broken.yaml"], ["broken.yaml cannot be read as YAML", "Reason: line 2, column 1: "]),
    ],
)
def test_the_fix_fits_the_mistake(words: list[str], parts: list[str], ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "e" / "one")
    write(tmp_path / "e" / "two")
    (tmp_path / "seeds.yaml").write_text("suite: micro\nagents: [recipe-noop]\nseeds: -1\n")
    (tmp_path / "agents.yaml").write_text("suite: micro\nagents: recipe-noop\n")
    (tmp_path / "broken.yaml").write_text("suite: [micro\n")
    said = ptb_here(*words, cwd=tmp_path)
    assert_refused(said, *parts)
    assert "unicode string" not in said.stderr


def test_a_known_rule_without_suspicions_is_accepted(ptb_here: Ptb, tmp_path: Path) -> None:
    write(tmp_path / "e" / "one")
    said = ptb_here("review", "e", "--rule", "model_substitution", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "No suspicion is open" in said.stdout


def test_messages_of_other_programs_are_not_cut_inside_a_sentence() -> None:
    text = "docker could not create an image: no daemon at unix:///run/docker.sock. Is the daemon\nrunning?"
    assert _first_sentence(text) == "docker could not create an image: no daemon at unix:///run/docker.sock"
    assert _first_sentence("Device or resource busy") == "Device or resource busy"


def test_an_empty_directory_is_not_searched(ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = ptb_here("scan", "empty", "--benchmark", "micro-math", cwd=tmp_path)
    assert said.returncode == 2
    assert "Nothing was searched: no file with readable content was found" in " ".join(said.stdout.split())
    (tmp_path / "train.txt").write_text("The cat sat on the mat. " * 50)
    said = ptb_here("scan", "train.txt", "--benchmark", "micro-math", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "Nothing was searched" not in said.stdout
    assert "(0 MB/s)" not in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 80


def test_a_missing_key_is_named_without_the_text_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InputError) as caught:
        connect("openai/gpt-5-mini", "judge", "X_KEY", max_tokens=1, connections=1, seconds=1, effort="medium")
    assert "set its key in the environment (OPENAI_API_KEY" in str(caught.value)
    assert "ERROR" not in str(caught.value)


def test_sites_are_not_completed_as_experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "runs" / "report-me" / "one")
    (tmp_path / "runs" / "reports").mkdir()
    (tmp_path / "runs" / "reports" / "experiment.yaml").touch()
    (tmp_path / "runs" / "report" / "assets").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert complete_experiments("re") == ["report-me", "reports"]


def test_an_agent_that_ends_at_once_does_not_keep_working(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(interrupt, "LAST_MOMENTS", 0.2)
    runs = [Run(write(tmp_path / name, status=None)) for name in ("ends", "stays")]
    looks = {run.root: 0 for run in runs}

    def state(run: Run) -> str:
        looks[run.root] += 1
        return "finished" if run is runs[0] and looks[run.root] > 1 else "running"

    monkeypatch.setattr("posttrainbench.run.status.agent_state", state)
    assert interrupt.agents_at_work(runs) == [runs[1]]


@pytest.mark.parametrize(
    "name",
    ["runs/x", "report/index.html", "demo.tar.zst", "one.trajectory.json", "one.scout/a", "one.otlp.pb", ".env"],
)
def test_what_commands_write_by_default_is_not_offered_to_git(name: str) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0


def test_sources_are_offered_to_git() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    for name in ("src/posttrainbench/report/new.py", "docs/new.md"):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 1
