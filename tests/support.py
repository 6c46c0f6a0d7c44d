"""What tests of several rooms use: the command line as a child, agents from a few lines, a look at processes."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from posttrainbench.files import sha256_file
from posttrainbench.records import JournalEntry, Result, Stage
from posttrainbench.run import Run
from posttrainbench.run.pipeline import advance
from posttrainbench.run.prepare import Order, create_run
from posttrainbench.run.watch import Watch

PTB = Path(sys.executable).with_name("ptb")
PATIENCE = 60.0
"""Seconds after which something that must happen has not happened."""

PRELUDE = """
import json, os, pathlib, shutil, signal, struct, subprocess, sys, time
task = json.loads(pathlib.Path(os.environ["PTB_KIT"], "task.json").read_text())
base = pathlib.Path(task["base_model"])
final = pathlib.Path("final_model")
"""
"""What every agent of the tests begins with; agents use the standard library alone."""

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
    """A run that `ptb` has brought to its end, and what `ptb` said."""

    root: Path
    said: "subprocess.CompletedProcess[str]"


def ptb(*args: object, code: str | None = None, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run `ptb` as a user would; with `code`, in a Python that has run that code first."""
    return subprocess.run(
        command(*args, code=code), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240, **options
    )


def start_ptb(*args: object) -> "subprocess.Popen[str]":
    """As `ptb`, without waiting for its end."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command(*args), stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True)


def command(*args: object, code: str | None = None) -> list[str]:
    """The argument list of `ptb ARGS`."""
    words = [str(word) for word in args]
    if code is None:
        return [str(PTB), *words]
    program = f"{code}\nimport sys\nfrom posttrainbench.cli import main\nsys.argv[0] = 'ptb'\nmain()\n"
    return [sys.executable, "-c", program, *words]


def assert_refused(said: "subprocess.CompletedProcess[str]", *mentions: str) -> None:
    """The contract for bad input: exit code 2, one sentence with the mend on stderr, nothing on stdout."""
    assert said.returncode == 2, said.stderr
    assert said.stdout == ""
    assert re.fullmatch(r"ptb: [^\n]+[.?]\n", said.stderr), said.stderr
    for mention in mentions:
        assert mention in said.stderr


def agent(folder: Path, source: str, name: str = "script") -> str:
    """An agent that runs `source` after the prelude."""
    script = folder / f"{name}.py"
    script.write_text(f"{PRELUDE}\n{source}\n")
    return f"recipe?script={script}"


def make_run(
    root: Path,
    agent: str,
    *,
    benchmark: str = "micro-math",
    budget: float = 60,
    seed: int = 0,
    sandbox: str = "bubblewrap",
) -> Run:
    """A new run in this process."""
    order = Order(agent, "micro-base", benchmark, budget=budget, seed=seed, sandbox=sandbox)
    return create_run(order, root)


def settle(run: Run) -> Result:
    """Take a run through all its stages in this process."""
    return advance(run, Watch())


def printed(run: Run) -> list[str]:
    """What the agent printed, line by line."""
    return [json.loads(line)["line"] for line in (run.stage(Stage.SOLVE) / "output.jsonl").read_text().splitlines()]


def events(run: Run, event: str) -> list[Stage]:
    """The stages of which the journal tells this, in its order."""
    return [entry.stage for entry in run.journal() if entry.event == event]


def journal_entries(run: Run, stage: Stage) -> list[JournalEntry]:
    """What the journal tells of one stage."""
    return [entry for entry in run.journal() if entry.stage is stage]


def contents(folder: Path) -> dict[str, str]:
    """Everything below a folder, except who holds a run's lock: relative path -> SHA-256, or what else it is."""
    return {
        str(path.relative_to(folder)): sha256_file(path) if path.is_file() and not path.is_symlink() else "no file"
        for path in sorted(folder.rglob("*"))
        if path.name != "lock"
    }


def solve_process(root: Path) -> int:
    """The number of the process that does a run's stage solve."""
    pid: int = json.loads((root / "solve.partial" / "process.jsonl").read_text().splitlines()[0])["pid"]
    return pid


def marked(marker: str) -> list[psutil.Process]:
    """The living processes with `marker` in their command line, in whatever namespace."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if any(marker in word for word in process.info["cmdline"] or [])
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and process.pid != os.getpid()
    ]


def eventually(happens: Callable[[], object]) -> None:
    """Wait until something happens; it is a failure if it does not."""
    end = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
