"""`ptb sandbox check` on sandboxes that isolate and on one that does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from posttrainbench.cli.sandbox import app
from posttrainbench.errors import InputError
from posttrainbench.sandbox import Limits, bubblewrap
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from posttrainbench.sandbox.cgroup import create_cgroup


@pytest.mark.sandbox
def test_all_attempts_are_listed_and_prevented() -> None:
    group, held = create_cgroup(Limits(memory=2**30, processes=1000))
    group.remove()
    if len(held) < 2:
        pytest.skip("this machine lets us write no control groups with memory and pids")
    said = CliRunner().invoke(app, ["check", "bubblewrap", "--json"])
    assert said.exit_code == 0, said.output
    tried = json.loads(said.stdout)
    assert len(tried) >= 60
    assert {one["held"] for one in tried} == {True}


@pytest.mark.sandbox
def test_interpreter_that_was_started_by_a_path_with_parents_is_found_in_the_sandbox(tmp_path: Path) -> None:
    """The shell passes `../.venv/bin/python` on as it was typed; no folder of the sandbox leads to it."""
    relative = os.path.relpath(sys.executable, tmp_path)
    program = (
        "import sys; from posttrainbench import cli; from posttrainbench.sandbox.bubblewrap import Bubblewrap\n"
        "cli.run_command = lambda: Bubblewrap().check()\ncli.main()\nprint(sys.executable)"
    )
    said = subprocess.run([relative, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr, os.pardir in said.stdout) == (0, "", False)


@pytest.mark.sandbox
def test_sandbox_with_a_hole_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox shares the network of the host."""
    leaky = [word for word in bubblewrap.ISOLATION if word != "--unshare-all"]
    monkeypatch.setattr(bubblewrap, "ISOLATION", [*leaky, "--unshare-pid", "--unshare-ipc", "--unshare-uts"])
    with pytest.raises(InputError, match="bubblewrap does not isolate on this machine: a process in it can "):
        Bubblewrap().check()
    said = CliRunner().invoke(app, ["check", "bubblewrap", "--json"])
    assert said.exit_code == 1, said.output
    open_ones = {one["name"] for one in json.loads(said.stdout) if not one["held"]}
    assert "connect to the host's loopback" in open_ones


def test_backend_without_isolation_has_nothing_to_check() -> None:
    said = CliRunner().invoke(app, ["check", "process"])
    assert isinstance(said.exception, InputError)


def test_missing_program_is_one_sentence_with_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = CliRunner().invoke(app, ["check"])
    assert isinstance(said.exception, InputError)
    assert "apt install bubblewrap" in str(said.exception)
