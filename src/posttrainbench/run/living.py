"""Sample the agent's processes, so that the outcome can name the background work that ended with the agent.

A thread samples them, since the process tree of a hostile agent may be so large that reading it would delay the
deadline. Commands are written by the agent: they are redacted, escaped and cut.

Covers: processes that lived while the scaffold made its last model call, or at the deadline. Does not cover: processes
that start and end between two samples.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from posttrainbench.records import LivingProcess
from posttrainbench.redaction import Redactor
from posttrainbench.run.gpus import load_nvml, memory_by_process
from posttrainbench.run.progress import format_duration
from posttrainbench.sandbox import SandboxProcess
from posttrainbench.untrusted import printable

SECONDS = 1.0
FIRST_SECONDS = 0.2
COST_FACTOR = 100
"""Minimum interval between samples, as a multiple of the time of the previous one."""
MAX_PROCESSES = 50
MAX_COMMAND = 200
"""Characters of a command line that are kept."""


@dataclass(frozen=True)
class Sample:
    """The live processes at one time.

    Attributes:
        time: seconds since 1970; 0 for no sample.
        processes: those with the most CPU time.
    """

    time: float = 0.0
    processes: Sequence[LivingProcess] = ()

    def background(self, since: float) -> list[LivingProcess]:
        """Return the background processes if the sample was taken at `since` or later, else an empty list."""
        return [process for process in self.processes if process.background] if self.time >= since > 0 else []


def describe_ended(processes: Sequence[LivingProcess]) -> list[str]:
    """Return a sentence on the background work that ended with the agent; an empty list if there was none."""
    ended = [process for process in processes if process.background]
    if not ended:
        return []
    first = max(ended, key=lambda process: process.cpu_seconds)
    others = f" and {len(ended) - 1} more" if len(ended) > 1 else ""
    return [
        f"Background processes were ended with the agent: `{first.command}` "
        f"(after {format_duration(round(first.seconds))}){others}."
    ]


class ProcessSampler:
    """Keeps the latest sample of one start of the agent.

    The scaffold runs in the process group of the sandbox's command, and starts the agent's commands in groups of their
    own: a process in another group counts as background work.

    Attributes:
        latest: the latest sample.
    """

    def __init__(self, process: SandboxProcess, redactor: Redactor, gpus: Sequence[int] = ()) -> None:
        self.process = process
        self.redactor = redactor
        self.gpus = gpus
        self._nvml = load_nvml() if gpus else None
        self.latest = Sample()
        self._groups: set[int] = set()

    def sample(self) -> None:
        """Take a sample, unless no process lives."""
        members = self.process.members()
        if not members:
            return
        if not self._groups:
            oldest = min(members, key=lambda member: (member.create_time(), member.pid))
            self._groups = {os.getpgid(oldest.pid)}
        now = time.time()
        on_gpus: dict[int, int] = {}
        if self._nvml is not None:
            with contextlib.suppress(self._nvml.library.NVMLError):
                on_gpus = memory_by_process(self._nvml, self.gpus)
        found = []
        for member in members:
            with contextlib.suppress(psutil.Error, OSError):
                found.append(self._read(member, now, on_gpus.get(member.pid)))
        found.sort(key=lambda process: process.cpu_seconds, reverse=True)
        self.latest = Sample(now, found[:MAX_PROCESSES])

    def _read(self, member: psutil.Process, now: float, gpu_memory: int | None) -> LivingProcess:
        with member.oneshot():
            command = " ".join(member.cmdline())[: 10 * MAX_COMMAND] or member.name()
            text = printable(self.redactor.line(command))
            return LivingProcess(
                command=text if len(text) <= MAX_COMMAND else f"{text[:MAX_COMMAND]}...",
                seconds=round(max(0.0, now - member.create_time()), 1),
                cpu_seconds=round(sum(member.cpu_times()[:2]), 2),
                memory=member.memory_info().rss,
                gpu_memory=gpu_memory,
                background=os.getpgid(member.pid) not in self._groups,
            )

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Take samples in a thread until the context exits."""
        stopped = threading.Event()

        def work() -> None:
            wait = FIRST_SECONDS
            while not stopped.wait(wait):
                began = time.monotonic()
                with contextlib.suppress(psutil.Error, OSError):
                    self.sample()
                wait = max(SECONDS, COST_FACTOR * (time.monotonic() - began))

        threading.Thread(target=work, daemon=True).start()
        try:
            yield
        finally:
            stopped.set()
