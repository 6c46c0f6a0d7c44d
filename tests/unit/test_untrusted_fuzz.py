"""Fuzz readers of agent-written content: each returns a value or raises an error that blames the content."""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posttrainbench import catalog
from posttrainbench.audit.behavior import makefile, shell
from posttrainbench.audit.behavior.requests import read_egress
from posttrainbench.audit.behavior.scripts_in_workspace import notebook_code
from posttrainbench.audit.contamination.scan import containers
from posttrainbench.audit.contamination.scan.readers import Budget
from posttrainbench.audit.contamination.scan.windows import as_text, is_by_line, windows
from posttrainbench.audit.judge.steering import find_steering_text
from posttrainbench.feedback.evaluator_server import Evaluator
from posttrainbench.feedback.grader_request import RequestError, parse_request
from posttrainbench.run.solve import _copy_evaluations
from posttrainbench.submission.pickles import dangerous_calls
from posttrainbench.trajectory import events
from posttrainbench.trajectory.conversion import RecordingInfo, convert
from posttrainbench.trajectory.formats import FORMATS
from posttrainbench.untrusted import UnreadableError, parse_json
from posttrainbench.usage.calls import read_calls
from support import examples

BASE = catalog.find(catalog.models(), "micro-base", "model").directory
FUZZ = settings(max_examples=examples(450), suppress_health_check=list(HealthCheck))
TEXT = b"Is 7 a prime number?\n" * 20


def packed(write: Callable[[io.BytesIO], object]) -> bytes:
    """Return what a function writes into a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def write_zip(file: io.BytesIO) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", TEXT)
        archive.writestr("inner.gz", gzip.compress(TEXT))


def write_tar(file: io.BytesIO) -> None:
    with tarfile.open(fileobj=file, mode="w:bz2") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(TEXT)
        archive.addfile(entry, io.BytesIO(TEXT))


SEEDS = [
    b'{"time": 1.0, "items": 2, "score": 0.5, "checkpoint": "ab"}',
    b'{"time": 1, "provider": "p", "model": "m", "endpoint": "chat", "seconds": 1, "status": 200, "streamed": true}',
    b'{"t": 1.0, "host": "example.org", "path": "/a", "method": "GET", "sent": 1, "received": 2, "outcome": "allowed"}',
    b'{"cells": [{"cell_type": "code", "source": ["import os\\n"]}]}',
    b'{"type": "item.completed", "item": {"type": "command_execution", "command": "ls"}}',
    b'{"answers": [{"id": "a", "answer": "text"}]}',
    b"for f in *.py; do python3 <<'X' | tee out; done\nprint(1)\nX\n",
    b"import os\nfor x in [1, 2]:\n    print(f'{x!r}')\n",
    b'{"checkpoint": "/workspace/final_model"}',
    b"A := 1\nall: a b\n\tpython train.py $(A) $@\n%.o: %.c\n\tcc $<\nB ?= $(shell ls)\n",
    b'{"type": "assistant", "message": {"id": "m", "content": [{"type": "tool_use", "id": "1", "input": {}}]}}',
    b'{"type": "tool_use", "tool_id": "1", "tool_name": "run", "parameters": {"command": "ls"}}',
    b'{"type": "tool_use", "part": {"callID": "1", "tool": "bash", "state": {"input": {}, "output": "a"}}}',
    gzip.compress(TEXT),
    bz2.compress(TEXT),
    lzma.compress(TEXT),
    zlib.compress(TEXT),
    zstandard.compress(TEXT),
    packed(write_zip),
    packed(write_tar),
    b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
]
PARTS = [
    b"[" * 20_000, b'{"a":' * 20_000, b"(" * 3000, b"$(" * 200, b"-" * 3000, b"9" * 5000, b"1e999", b"NaN",
    b'"\\ud800"', b"\xff\xfe", b"\0", b"\n", b'"', b"'", b"{}", b"null", b"true", b"-1", b'""', b"\\", b"<<A", b"`",
]  # fmt: skip
Read = Callable[[bytes, Path], object]


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Generate a valid file with parts replaced by hostile ones, or arbitrary bytes."""
    data = draw(st.sampled_from(SEEDS) | st.binary(max_size=200))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        data = data[:start] + draw(st.sampled_from(PARTS) | st.binary(max_size=8)) + data[end:]
    return data


def stored(read: Callable[[Path], object]) -> Read:
    """Return a reader of bytes from a reader of files."""

    def of(data: bytes, folder: Path) -> object:
        path = folder / "content.jsonl"
        path.write_bytes(data)
        return read(path)

    return of


def text(read: Callable[[str], object]) -> Read:
    """Return a reader of bytes from a reader of text, as audits decode it."""
    return lambda data, _: read(data.decode(errors="replace").replace("\0", ""))


def evaluations(path: Path) -> object:
    """Copy evaluations, and check that the copy is JSON."""
    copy = path.with_name("copy.jsonl")
    _copy_evaluations(path, copy)
    return [json.loads(line) for line in copy.read_text().splitlines()]


def search(data: bytes, folder: Path) -> object:
    """Read all texts of a file as the search for test data does."""
    texts = (as_text(part) for _, part in containers.contents(io.BytesIO(data), Budget(len(data))))
    return [len(window.data) for text in texts for window in windows(text, 64, is_by_line(text))]


def trajectory(format: str) -> Read:
    """Return a function that converts lines of output, and checks that the trajectory is JSON."""
    info = RecordingInfo("s", "agent", "1", datetime(2026, 1, 1, tzinfo=UTC), "prompt")

    def of(data: bytes, folder: Path) -> object:
        output = folder / "output.jsonl"
        lines = data.decode(errors="replace").split("\n")
        output.write_text("".join(json.dumps({"t": 1.0, "stream": "stdout", "line": line}) + "\n" for line in lines))
        convert(output, format, folder / "trajectory.json", info=info)
        return json.loads((folder / "trajectory.json").read_text())

    return of


def evaluator(data: bytes, folder: Path) -> object:
    """Request an evaluation by a host whose evaluation itself never fails."""
    (folder / "workspace").mkdir(exist_ok=True)
    host = Evaluator(
        folder / "workspace", "/workspace", BASE, 3, 2, lambda checkpoint, work: 0.5, folder, folder / "log.jsonl"
    )
    reply = host.answer(data)
    assert reply["left"] == 2
    return reply


READERS: dict[str, Read] = {
    "JSON": lambda data, _: parse_json(data),
    "evaluations": stored(evaluations),
    "model calls": stored(lambda path: list(read_calls(path))),
    "network requests": stored(read_egress),
    "notebook": text(notebook_code),
    "output of the agent": text(events.parse),
    "shell commands": text(shell.parse),
    "steering text": text(find_steering_text),
    "grader request": lambda data, _: parse_request(data, 3),
    "pickle": stored(dangerous_calls),
    "compressed file or archive": search,
    "Makefile": text(lambda content: makefile.recipe(["all"], "/", {}, lambda path, folder: content)),
    "request to the evaluator": evaluator,
    **{f"trajectory of {format}": trajectory(format) for format in FORMATS},
}


@pytest.mark.parametrize("reader", READERS)
def test_hostile_content_is_read_or_blamed(reader: str, tmp_path: Path) -> None:
    @FUZZ
    @given(contents())
    def examine(data: bytes) -> None:
        with contextlib.suppress(UnreadableError, RequestError):  # the errors that blame the content
            READERS[reader](data, tmp_path)

    examine()
