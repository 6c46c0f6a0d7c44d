"""`ptb job` reads the command line of a launcher without Typer, and leaves every other one to the whole command."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.cli import job
from posttrainbench.launch.job_process import EXIT_CODES, ending_of, job_command
from posttrainbench.run import Run

HEAVY = {"typer", "yaml", "asyncio", "numpy", "jinja2", "torch", "transformers", "inspect_ai", "aiohttp"}


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Arguments of jobs, which are not executed."""
    found: list[Any] = []
    monkeypatch.delenv("PTB_CATALOG", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job, "execute_job", lambda *words: found.append(words) or 75)
    return found


def test_the_command_line_of_a_launcher_is_read(executed: list[Any]) -> None:
    words = job_command(Path("/runs/a b"), "agent", 2, "slurm", "17_3", ["gsm8k", "bfcl"])[3:]
    assert job.run_light(words) == 75
    assert job.run_light(["job", "/runs/a"]) == 75
    assert executed == [
        (Path("/runs/a b"), "agent", 2, "slurm", "17_3", ["gsm8k", "bfcl"]),
        (Path("/runs/a"), "all", 0, "local", "", []),
    ]


@pytest.mark.parametrize(
    "words",
    [
        *([], ["job"], ["job", "--help"], ["status", "/runs/a"], ["--catalog", "/c", "job", "/runs/a"]),
        *(["job", "/runs/a", "--part"], ["job", "/runs/a", "--help"], ["job", "/runs/a", "--retries", "many"]),
        *(["job", "/runs/a", "--unknown", "1"], ["job", "/runs/a", "--part", "all", "--part", "agent"]),
    ],
)
def test_any_other_command_line_is_left_to_the_whole_command(words: list[str], executed: list[Any]) -> None:
    assert job.run_light(words) is None
    assert executed == []


def test_additional_catalogs_are_left_to_the_whole_command(
    executed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTB_CATALOG", "/catalogs")
    assert job.run_light(["job", "/runs/a"]) is None


@pytest.mark.parametrize("code", ["import posttrainbench.launch.slurm_job", "import posttrainbench.launch.ray_job"])
def test_a_worker_of_a_scheduler_loads_only_the_standard_library(code: str) -> None:
    assert loaded(code) & {*HEAVY, "pydantic", "rich"} == set()


def test_a_job_loads_only_what_it_needs_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    code = f"import sys; sys.argv = ['ptb', 'job', {str(tmp_path)!r}]; from posttrainbench.cli import main; main()"
    with Run(tmp_path).lock():  # the job ends as busy
        found = loaded(code)
    assert {"pydantic", "posttrainbench.run.pipeline"} <= found
    assert found & HEAVY == set()


def loaded(code: str) -> set[str]:
    """Return the modules that a program loads."""
    tell = "import atexit, sys; atexit.register(lambda: print('LOADED', *sys.modules))"
    said = subprocess.run([sys.executable, "-c", f"{tell}\n{code}"], capture_output=True, text=True, check=False)
    return set(said.stdout.split("LOADED")[1].split())


def test_the_end_of_a_job_is_that_of_its_process(tmp_path: Path) -> None:
    line = {"time": "", "event": "end", "part": "all", "launcher": "ray", "job": "1", "ending": "refused"}
    assert ending_of(tmp_path, -9) == "failed"
    (tmp_path / "executions.jsonl").write_text(json.dumps(line) + "\n")
    assert [ending_of(tmp_path, code) for code in (EXIT_CODES["refused"], EXIT_CODES["busy"], 0)] == [
        *("refused", "busy", "done")
    ]
    (tmp_path / "executions.jsonl").write_text(json.dumps({**line, "event": "begin", "ending": None}) + "\n")
    assert ending_of(tmp_path, -9) == "failed"
