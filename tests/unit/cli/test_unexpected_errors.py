"""Exceptions that no command handles: one sentence, exit code 2, and a traceback only for PTB_DEBUG=1."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from posttrainbench import cli
from posttrainbench.cli.app import NO_INPUT, VERDICT_COMMANDS, app
from posttrainbench.errors import InfrastructureError, InputError
from support import command


class Panic(BaseException):
    """Like the panics of Rust extensions."""


def main_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> object:
    def app() -> None:
        raise error

    monkeypatch.setattr(cli, "run_command", app)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as raised:
        cli.main()
    return raised.value.code


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermissionError(13, "Permission denied", "/x/y\x1b"), "ptb: /x/y\\x1b: Permission denied."),
        (OSError(28, "No space left on device"), "ptb: No space left on device."),
        (OSError("odd"), "ptb: Unexpected OSError: odd."),
        (KeyError("files"), "ptb: Unexpected KeyError: 'files'."),
        (RecursionError("too deep"), "ptb: Unexpected RecursionError: too deep."),
        (MemoryError(), "ptb: Unexpected MemoryError: MemoryError."),
        (Panic("at\nline 3"), "ptb: Unexpected Panic: at line 3."),
    ],
)
def test_one_sentence_and_exit_code_2(
    error: BaseException, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PTB_DEBUG", raising=False)
    assert main_with(error, monkeypatch) == 2
    assert capsys.readouterr().err == f"{text} PTB_DEBUG=1 shows where it happened.\n"
    monkeypatch.setenv("PTB_DEBUG", "1")
    assert main_with(error, monkeypatch) == 2
    printed = capsys.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert printed.endswith(f"{text}\n")


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (EOFError("EOF when reading a line"), "standard input is closed"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "package torch is not installed"),
        (ModuleNotFoundError("No module named 'torch.cuda'", name="torch.cuda"), "package torch is not installed"),
        (
            ModuleNotFoundError("No module named x", name="posttrainbench.x"),
            "not be loaded (No mod",
        ),
        (
            ImportError("libcudart.so.12: cannot open shared object file", name="torch._C"),
            "not be loaded (libcud",
        ),
    ],
)
def test_missing_input_and_libraries(
    error: Exception, part: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PTB_DEBUG", raising=False)
    assert main_with(error, monkeypatch) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("ptb: ")
    assert printed.count("\n") == 1
    assert part in printed
    assert isinstance(error, EOFError) or "pip install 'posttrainbench[local]'" in printed
    monkeypatch.setenv("PTB_DEBUG", "1")
    assert main_with(error, monkeypatch) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(InputError("Bad."), 2), (InfrastructureError("engine_failed", "Down."), 1), (SystemExit(3), 3)]
)
def test_errors_with_an_exit_code_of_their_own(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_with(error, monkeypatch) == code
    assert "PTB_DEBUG" not in capsys.readouterr().err


@pytest.mark.parametrize(("command", "code"), [("audit", 2), ("resume", 1)])
def test_infrastructure_error_is_not_a_verdict(
    command: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(path: object) -> None:
        raise InfrastructureError("engine_failed", "The disk failed.")

    monkeypatch.setattr("posttrainbench.run.find_runs", fail)
    monkeypatch.setattr(sys, "argv", ["ptb", command, "x"])
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == code
    assert capsys.readouterr().err == "ptb: The disk failed.\n"


@pytest.mark.parametrize("ask", [input, lambda: typer.confirm("Stop?"), lambda: typer.prompt("Name")])
def test_a_question_without_input(
    ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("posttrainbench.run.find_runs", lambda path: ask())
    monkeypatch.setattr(sys, "argv", ["ptb", "audit", "x"])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == 2
    assert capsys.readouterr().err.strip() == f"ptb: {NO_INPUT}"


def test_verdict_commands_exist() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    names |= {str(group.name) for group in app.registered_groups}
    assert {name.replace("_", "-") for name in names} >= set(VERDICT_COMMANDS)


@pytest.mark.parametrize(("words", "code"), [(["check-submission", "--model", "micro-base"], 1), (["catalog"], 0)])
def test_a_reader_that_has_gone_is_not_the_verdict_flagged(words: list[str], code: int, tmp_path: Path) -> None:
    (tmp_path / "final_model").mkdir()
    given = [*words, tmp_path / "final_model"] if code else words
    with subprocess.Popen(command(*given), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == code
