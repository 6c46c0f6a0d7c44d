"""Output without a reader: a command goes on, and its exit code stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from posttrainbench.cli import interrupt
from support import PTB
from trajectory_recordings import make_recorded_run

PROGRAM = """
import sys
from posttrainbench.cli.console import Console
from posttrainbench.cli.options import print_json
sys.stdin.read()
for stream in (True, False):
    console = Console(stderr=stream)
    console.print("lost")
    console.print("lost")
print_json({"lost": True})
sys.exit(7)
"""


def test_a_command_whose_readers_have_gone_keeps_its_exit_code() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        process.stdin.close()
        assert process.wait() == 7


@pytest.mark.parametrize(("typed", "choice"), [([b"x\nd\n"], "detach"), ([b"x\n", b"s\n"], "stop"), ([b""], "detach")])
def test_answers_typed_together_and_one_after_the_other(
    typed: list[bytes], choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(typed)
    monkeypatch.setattr(interrupt.select, "select", lambda *_: ([0], [], []))
    monkeypatch.setattr(interrupt.os, "read", lambda *_: next(answers))
    monkeypatch.setattr(interrupt.sys, "stdin", open("/dev/null"))  # noqa: SIM115, PTH123
    assert interrupt._answer("?") == choice


def without_readers(*words: str | Path, cwd: Path) -> int:
    """Return the exit code of a command whose outputs are pipes that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run([PTB, *map(str, words)], stdout=writer, stderr=writer, cwd=cwd, check=False).returncode
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["scan", "--help"], 0),
        (["catalog", "--json"], 0),
        (["status", "runs"], 0),
        (["status", "runs", "--watch"], 0),
        (["trace", "e/one"], 0),
        (["scan", "mine.txt", "--benchmark", "micro-math"], 0),
        (["status", "absent"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_closed_pipe_ends_a_command_quietly_with_its_own_exit_code(
    words: list[str], code: int, tmp_path: Path
) -> None:
    make_recorded_run(tmp_path / "runs" / "e" / "one", [])
    (tmp_path / "mine.txt").write_text("nothing of the benchmark's\n")
    assert without_readers(*words, cwd=tmp_path) == code
