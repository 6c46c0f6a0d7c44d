"""Output without a reader: a command goes on, and its exit code stays."""

import subprocess
import sys

import pytest

from posttrainbench.cli import interrupt

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
