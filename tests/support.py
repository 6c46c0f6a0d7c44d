"""Helpers for tests: `ptb` as a child process, agents from a few lines of code, processes."""

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from posttrainbench.files import sha256_file
from posttrainbench.records import JournalEntry, Result, Stage
from posttrainbench.run import Run
from posttrainbench.run.pipeline import advance
from posttrainbench.run.prepare import RunRequest, create_run
from posttrainbench.run.progress import ProgressListener

PTB = Path(sys.executable).with_name("ptb")
ALL = os.environ.get("PTB_TEST_ALL") == "1"
"""Compare all published rows and try all random examples, which takes several times as long."""
PATIENCE = 300.0
"""Time limit of `eventually`, in seconds."""

PRELUDE = """
import json, os, pathlib, shutil, signal, struct, subprocess, sys, time
task = json.loads(pathlib.Path(os.environ["PTB_KIT"], "task.json").read_text())
base = pathlib.Path(task["base_model"])
final = pathlib.Path("final_model")
"""
"""First lines of every test agent. Test agents use only the standard library."""

BACKGROUND = """
def background(marker, ignore_terminate=False):
    "Start three sleepers: a child, one in a session of its own, and a double-forked one."
    code = "import signal, time; "
    code += "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if ignore_terminate else ""
    command = [sys.executable, "-I", "-c", code + "print(flush=True); time.sleep(600)", marker]
    def up(**options):
        subprocess.Popen(command, stdout=subprocess.PIPE, **options).stdout.readline()
    up()
    up(start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            up()
            os._exit(0)
        os._exit(0)
    os.wait()
"""


@dataclass(frozen=True)
class Finished:
    """A run completed by `ptb`, and the completed process."""

    root: Path
    said: "subprocess.CompletedProcess[str]"


def examples(number: int) -> int:
    """Return the number of random examples to try: all, or a third of them."""
    return number if ALL else number // 3


def ptb(
    *args: object, code: str | None = None, timeout: float = 240, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run `ptb` as a user would; with `code`, in a Python that has run that code first."""
    return subprocess.run(
        command(*args, code=code), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, **options
    )


def start_ptb(*args: object, code: str | None = None) -> "subprocess.Popen[str]":
    """Start `ptb` without waiting for its end; see `ptb`."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command(*args, code=code), stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True)


def command(*args: object, code: str | None = None) -> list[str]:
    """Return the command line of `ptb ARGS`."""
    words = [str(word) for word in args]
    if code is None:
        return [str(PTB), *words]
    program = f"{code}\nimport sys\nfrom posttrainbench.cli import main\nsys.argv[0] = 'ptb'\nmain()\n"
    return [sys.executable, "-c", program, *words]


def assert_refused(said: "subprocess.CompletedProcess[str]", *mentions: str) -> None:
    """Check the contract for invalid input: exit code 2, one sentence on stderr, nothing on stdout."""
    assert said.returncode == 2, said.stderr
    assert said.stdout == ""
    assert re.fullmatch(r"ptb: [^\n]+[.?]\n", said.stderr), said.stderr
    for mention in mentions:
        assert mention in said.stderr


def agent(folder: Path, source: str, name: str = "script") -> str:
    """Return the name of an agent that runs `source` after the prelude."""
    script = folder / f"{name}.py"
    script.write_text(f"{PRELUDE}\n{source}\n")
    return f"recipe?script={script}"


@contextmanager
def side_by_side(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads for calls that tests share. At the end nobody waits for them, and calls not begun are dropped."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def make_run(
    root: Path,
    agent: str,
    *,
    benchmark: str = "micro-math",
    budget: float = 60,
    seed: int = 0,
    sandbox: str = "bubblewrap",
) -> Run:
    """Create a run."""
    request = RunRequest(agent, "micro-base", benchmark, budget=budget, seed=seed, sandbox=sandbox)
    return create_run(request, root)


def settle(run: Run) -> Result:
    """Run all stages of a run in this process."""
    return advance(run, ProgressListener())


def printed(run: Run) -> list[str]:
    """Return the lines that the agent printed."""
    return [json.loads(line)["line"] for line in (run.stage(Stage.SOLVE) / "output.jsonl").read_text().splitlines()]


def events(run: Run, event: str) -> list[Stage]:
    """Return the stages with this event, in the order of the journal."""
    return [entry.stage for entry in run.journal() if entry.event == event]


def journal_entries(run: Run, stage: Stage) -> list[JournalEntry]:
    """Return the journal entries of one stage."""
    return [entry for entry in run.journal() if entry.stage is stage]


def contents(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 of everything below a folder except locks; `no file` for other objects."""
    return {
        str(path.relative_to(folder)): sha256_file(path) if path.is_file() and not path.is_symlink() else "no file"
        for path in sorted(folder.rglob("*"))
        if path.name != "lock"
    }


def solve_process(root: Path) -> psutil.Process:
    """Return the live process of a run's solve stage, checked by its start time: process ids are reused."""
    note = json.loads((root / "solve.partial" / "process.jsonl").read_text().splitlines()[0])
    process = psutil.Process(note["pid"])
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    assert int(stat.rpartition(")")[2].split()[19]) == note["ticks"], "the process id belongs to another process"
    return process


def marked(marker: str) -> list[psutil.Process]:
    """Return the living processes with `marker` in their command line, in any namespace."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if any(marker in word for word in process.info["cmdline"] or [])
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and process.pid != os.getpid()
    ]


def eventually(happens: Callable[[], object]) -> None:
    """Wait until a condition is true; fail after `PATIENCE` seconds."""
    end = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def replace_collected(root: Path, name: str, data: bytes) -> None:
    """Replace a file of a run's submission, and its hash in the manifest."""
    path, manifest = root / "submission" / name, root / "submission" / "manifest.json"
    path.unlink()
    path.write_bytes(data)
    content = json.loads(manifest.read_text())
    content["files"][name] = hashlib.sha256(data).hexdigest()
    manifest.unlink()
    manifest.write_text(json.dumps(content))


def filter_result(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Return the result of a seccomp filter for a system call, interpreted as by the kernel."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    at, value = 0, 0
    while True:
        code, if_true, if_false, operand = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            value = struct.unpack_from("=I", data, operand)[0]
        elif code == 0x54:
            value &= operand
        elif code == 0x06:
            return int(operand)
        else:
            truth = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += if_true if truth else if_false
