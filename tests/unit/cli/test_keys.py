"""Keys from `.env`: read for the host, announced, and never given to an agent."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.cli.keys import read_keys
from posttrainbench.errors import InputError

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]

CONTENT = """
# comment
export OPENAI_API_KEY="sk-from-file"
HF_TOKEN=$HOME
ANTHROPIC_API_KEY=from-file
MY_PASSWORD=
PATH=/nowhere
HF_ENDPOINT=http://127.0.0.1:9
this is not a line
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "MY_PASSWORD", "HF_ENDPOINT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from-environment")
    (tmp_path / ".env").write_text(CONTENT)
    return tmp_path / ".env"


def test_only_keys_are_read_and_the_environment_has_precedence(file: Path) -> None:
    path = os.environ["PATH"]
    assert read_keys(file) == (["HF_TOKEN", "OPENAI_API_KEY"], [9])
    assert os.environ["OPENAI_API_KEY"] == "sk-from-file"
    assert os.environ["HF_TOKEN"] == "$HOME"
    assert (os.environ["ANTHROPIC_API_KEY"], os.environ["HF_ENDPOINT"]) == ("from-environment", "")
    assert os.environ["PATH"] == path
    assert read_keys(file) == ([], [9])


def test_without_a_file_nothing_is_read(tmp_path: Path) -> None:
    assert read_keys(tmp_path / ".env") == ([], [])
    (tmp_path / ".env").mkdir()  # a virtual environment
    assert read_keys(tmp_path / ".env") == ([], [])


def test_an_unreadable_file_is_refused(file: Path) -> None:
    file.write_bytes(b"OPENAI_API_KEY=\xff\n")
    with pytest.raises(InputError, match=r"\.env cannot be read .*; fix or remove it\."):
        read_keys(file)
    file.write_bytes(b"#" * 2**21)
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_keys(file)


def test_a_line_says_which_keys_were_read_and_not_their_values(file: Path, ptb_here: Ptb) -> None:
    said = ptb_here("data", "list", cwd=file.parent)
    assert said.stderr.splitlines() == [
        "ptb: Line 9 of .env is ignored: it is not NAME=VALUE.",
        "ptb: HF_TOKEN, OPENAI_API_KEY read from .env; agents never see keys.",
    ]
    os.environ["OPENAI_API_KEY"] = ""
    said = ptb_here("catalog", "agents", cwd=file.parent)  # needs no key
    assert (said.returncode, said.stderr, os.environ["OPENAI_API_KEY"]) == (0, "", "")
