"""What is recorded of an agent's output, and that no key is."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.records import OutputLine
from posttrainbench.redaction import MARK, Redactor
from posttrainbench.run import recorder as recorder_module
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.recorder import Recorder, host_secrets
from posttrainbench.trajectory import read_lines

KEY = "planted-0f3c1d9a7b5e"


class Listener(ProgressListener):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_agent_output(self, line: str) -> None:
        self.lines.append(line)


def record(
    folder: Path, output: bytes, limit: int = 2**20, listener: ProgressListener | None = None
) -> tuple[Recorder, list[Any]]:
    path = folder / "output.jsonl"
    recorder = Recorder(path, listener or ProgressListener(), Redactor([KEY]), limit)
    recorder.follow(io.BytesIO(output), "stdout")
    recorder.close()
    return recorder, [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_recorded_as_they_are(tmp_path: Path) -> None:
    recorder, lines = record(tmp_path, "one\n\ntwo ü\nno end".encode())
    assert [line["line"] for line in lines] == ["one", "", "two ü", "no end"]
    assert all(OutputLine.model_validate(line).stream == "stdout" for line in lines)
    assert recorder.recorded == len("one\n\ntwo ü\nno end".encode())


def test_a_known_key_and_one_of_a_known_shape_are_taken_out(tmp_path: Path) -> None:
    listener = Listener()
    shaped = "-".join(["sk", "ant", "a1b2" * 8])
    _, lines = record(tmp_path, f"key={KEY} and {shaped}\n".encode(), listener=listener)
    assert lines[0]["line"] == f"key={MARK} and {MARK}"
    assert listener.lines == [lines[0]["line"]]


@pytest.mark.parametrize("before", range(0, 64, 7))
def test_a_key_is_taken_out_wherever_a_long_line_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr(recorder_module, "LINE_BYTES", 64)
    text = f"{'x' * before} {KEY}," * 9
    _, lines = record(tmp_path, f"{text}\nnext\n".encode())
    assert KEY not in (tmp_path / "output.jsonl").read_text()
    assert [line.get("more", False) for line in lines][-2:] == [False, False]
    assert any(line.get("more") for line in lines)
    assert [line.line for line in read_lines(tmp_path / "output.jsonl")] == [text.replace(KEY, MARK), "next"]


def test_what_is_too_much_is_counted_and_dropped(tmp_path: Path) -> None:
    recorder, lines = record(tmp_path, b"12345678\n" * 10, limit=40)
    assert len(lines) == 4
    assert (recorder.recorded, recorder.dropped) == (36, 54)


def test_what_the_host_says_is_recorded_too(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "output.jsonl", ProgressListener(), Redactor([KEY]), 100)
    recorder.prompt("Go on.\nThere is time.")
    recorder.close()
    [line] = read_lines(tmp_path / "output.jsonl")
    assert (line.stream, line.line) == ("prompt", "Go on.\nThere is time.")


def test_the_hosts_keys_are_known_by_their_names() -> None:
    environment = {
        "OPENAI_API_KEY": "a",
        "HF_TOKEN": "b",
        "aws_secret_access_key": "c",
        "DB_PASSWORD": "d",
        "CLIENT_SECRET": "e",
        "PATH": "/bin",
        "KEYBOARD": "us",
    }
    assert sorted(host_secrets(environment)) == ["a", "b", "c", "d", "e"]
