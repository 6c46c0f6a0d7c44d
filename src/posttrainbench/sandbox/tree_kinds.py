"""The kinds of process trees that a supervisor manages: find their processes and end them."""

import contextlib
import json
import math
import os
import subprocess
import time
from typing import Any, Protocol

import psutil

from posttrainbench.sandbox.base import LimitHit
from posttrainbench.sandbox.cgroup import Cgroup, cgroup_of
from posttrainbench.sandbox.job import Job
from posttrainbench.sandbox.process_tree import kill_process, kill_tree, terminate_tree

ENGINE_SECONDS = 60.0
"""Time limit for one command of a container engine."""


class Tree(Protocol):
    """A command's processes as seen from the supervisor (this process)."""

    def root(self) -> psutil.Process | None:
        """Return the ancestor of all processes of the tree; None before it starts and after it has exited."""
        ...

    def end(self, grace: float) -> None:
        """Send SIGTERM to each process, wait `grace` seconds, send SIGKILL; return when no process is left."""
        ...

    def has_ended(self) -> bool:
        """Return True if the command has ended. Called after the process that the supervisor started has exited."""
        ...

    def started(self) -> bool:
        """Return True if the command was started. Called after the tree has ended."""
        ...

    def exit_code(self, code: int) -> int:
        """Return the command's exit code, given the exit code of the process that the supervisor started."""
        ...

    def limit_hits(self) -> list[LimitHit]:
        """Return the limits that the tree has exceeded so far."""
        ...

    def clean_up(self) -> None:
        """Remove control groups or the container after the tree has ended."""
        ...


class Descendants:
    """The supervisor's own descendants; as a child subreaper it also adopts double-forked and setsid ones."""

    def __init__(self, job: Job) -> None:
        self.cgroup = Cgroup(job.cgroups)
        self.recorded_hits: list[LimitHit] | None = None

    def root(self) -> psutil.Process | None:
        """Return this process, the supervisor."""
        return psutil.Process()

    def end(self, grace: float) -> None:
        """End all descendants, and all processes of the control group."""
        if grace > 0:
            terminate_tree(psutil.Process(), grace)
        self.recorded_hits = self.limit_hits()  # before `kill` sets the process limit of the group to 0
        self.cgroup.kill()
        kill_tree(psutil.Process())

    def has_ended(self) -> bool:
        """Return True: the started process is the command itself."""
        return True

    def started(self) -> bool:
        """Return True: a command that does not exist is a failure of the command."""
        return True

    def exit_code(self, code: int) -> int:
        """Return `code`: the started process is the command itself."""
        return code

    def limit_hits(self) -> list[LimitHit]:
        """Return the limits that the control group recorded."""
        return self.cgroup.limit_hits() if self.recorded_hits is None else self.recorded_hits

    def clean_up(self) -> None:
        """Remove the control group."""
        self.cgroup.remove()


class Namespace(Descendants):
    """A pid namespace of bubblewrap: the kernel kills all its processes with its init, so none escapes."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.info_fd = job.info_fd
        self.status_text = ""
        self.init: psutil.Process | None = None
        os.set_blocking(job.info_fd, False)

    def root(self) -> psutil.Process | None:
        """Return the namespace's init, whose host pid bubblewrap reports."""
        if self.init is None:
            self._read()
            with contextlib.suppress(ValueError, KeyError, psutil.NoSuchProcess):
                self.init = psutil.Process(json.loads(self.status_text.partition("\n")[0])["child-pid"])
        return self.init

    def end(self, grace: float) -> None:
        """End the tree. Bubblewrap itself must not get SIGTERM: all would die with it, without the grace period."""
        init = self.root()
        if init is not None:
            if grace > 0:
                terminate_tree(init, grace)
            kill_process(init)
        super().end(0)

    def started(self) -> bool:
        """Return True if bubblewrap reported an exit code, as it does only for a command that it could start."""
        self._read()
        return "exit-code" in self.status_text

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.info_fd, 4096):
                self.status_text += chunk.decode()


class Container:
    """A container of `podman` or `docker`; its first process is our `init`, which forwards SIGTERM to all others."""

    def __init__(self, job: Job) -> None:
        self.engine = job.engine
        self.environment = job.environment
        self.name = job.container
        self.init: psutil.Process | None = None
        self.recorded_hits: list[LimitHit] = []
        self.state: dict[str, Any] = {}
        self._interval = 0.1
        self._next_inspection = time.monotonic() + self._interval

    def root(self) -> psutil.Process | None:
        """Return the container's first process; asks the engine at growing intervals until it is known."""
        if self.init is None and time.monotonic() >= self._next_inspection:
            self._inspect()
            self._interval = min(2 * self._interval, 0.5)
            self._next_inspection = time.monotonic() + self._interval
        return self.init

    def end(self, grace: float) -> None:
        """Stop the container, then kill it."""
        if self.state.get("Pid", 1):  # unless it is known to have ended
            self._inspect()
        if self.state.get("Pid"):
            if grace > 0:
                self._run_engine("stop", "--time", str(math.ceil(grace)), self.name)
            self._run_engine("kill", self.name)
            if self.init is not None:  # even if the engine does not answer
                with contextlib.suppress(psutil.AccessDenied):
                    kill_process(self.init)
            self._inspect()
        kill_tree(psutil.Process())  # the engine's client

    def has_ended(self) -> bool:
        """Return True if the container has ended; its client may exit earlier, with the streams or the engine."""
        return not (self._inspect() and self.state.get("Pid"))

    def started(self) -> bool:
        """Return True if the engine recorded a start time."""
        return not str(self.state.get("StartedAt", "0001-")).startswith("0001-")

    def exit_code(self, code: int) -> int:
        """Return the exit code that the engine recorded; the client's own codes are ambiguous."""
        return int(self.state.get("ExitCode", code))

    def limit_hits(self) -> list[LimitHit]:
        """Return the recorded limits; results are kept, since the counters vanish with the container."""
        hits: list[LimitHit] = ["oom-killed"] if self.state.get("OOMKilled") else []
        if (init := self.init) is not None:
            with contextlib.suppress(OSError):
                hits += cgroup_of(init.pid).limit_hits()
        self.recorded_hits += [hit for hit in dict.fromkeys(hits) if hit not in self.recorded_hits]
        return self.recorded_hits

    def clean_up(self) -> None:
        """Remove the container."""
        self._run_engine("rm", "--force", "--volumes", self.name)

    def _inspect(self) -> bool:
        """Update the state and the first process from the engine. Return False if it did not answer."""
        try:
            self.state = dict(json.loads(self._run_engine("inspect", "--format", "{{json .State}}", self.name)))
        except ValueError:
            return False
        if self.init is None and self.state.get("Pid"):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.init = psutil.Process(self.state["Pid"])
        return True

    def _run_engine(self, *args: str) -> str:
        """Return the engine's output; an empty string if it fails."""
        try:
            result = subprocess.run(
                [*self.engine, *args],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=ENGINE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return result.stdout.strip() if result.returncode == 0 else ""


TREES: dict[str, type[Descendants | Container]] = {
    "descendants": Descendants,
    "namespace": Namespace,
    "container": Container,
}
