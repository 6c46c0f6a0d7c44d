"""Run programs written by a model in sandboxed runner processes, which are replaced when a program fails.

A program may have damaged its runner, for example by lowering the runner's resource limits or by leaving processes
behind. So a failure counts only in a runner that no other program has used.

A runner is the program of a benchmark's scorer. It reads one JSON request per line and writes one JSON answer per line
with the request's nonce. All runners answer `{"ready": true}`; all other requests are defined by the scorer.
"""

import json
import os
import secrets
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import LifoQueue
from typing import IO, Any

from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox.base import Limits, Mount, Sandbox, SandboxProcess

ANSWER_SECONDS = 60.0
"""Time limit for an answer. A runner limits each program itself; this bounds a runner that a program has broken."""
ANSWER_BYTES = 16 * 2**20
TRIES = 2
"""A program is repeated once if its runner had executed other programs, or if its runner breaks."""

LIMITS = Limits(memory=8 * 2**30, processes=256)
"""Limits of a runner and its programs together; a runner sets lower limits for each program."""

Json = dict[str, Any]


class BrokenRunnerError(Exception):
    """The runner exited, does not answer, or wrote too much output."""


class Runner:
    """A runner in a sandbox that contains only the runner.

    Attributes:
        used: True once the runner has been given a program.
    """

    def __init__(self, process: SandboxProcess) -> None:
        self.process = process
        self.unread = b""
        self.used = False

    def ask(self, request: Json) -> Json:
        """Send a request and return its answer. Lines without the request's nonce are program output and ignored.

        Raises:
            BrokenRunnerError: the runner did not answer.
        """
        nonce = secrets.token_hex(16)
        stdin, stdout = self.process.popen.stdin, self.process.popen.stdout
        if stdin is None or stdout is None:
            raise BrokenRunnerError("the runner has no pipes")
        try:
            stdin.write(json.dumps({**request, "nonce": nonce}).encode() + b"\n")
            stdin.flush()
        except OSError as error:
            raise BrokenRunnerError(str(error)) from None
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            line = self._line(stdout, deadline)
            try:
                answer = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(answer, dict) and answer.pop("nonce", None) == nonce:
                return answer

    def _line(self, stdout: IO[bytes], deadline: float) -> bytes:
        poll = select.poll()  # unlike `select.select`, it accepts file descriptors from 1024 on
        poll.register(stdout, select.POLLIN)
        while b"\n" not in self.unread:
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            chunk = os.read(stdout.fileno(), 2**16) if ready else b""
            if not chunk:
                raise BrokenRunnerError("the runner exited" if ready else "the runner does not answer")
            self.unread += chunk
            if len(self.unread) > ANSWER_BYTES:
                raise BrokenRunnerError("the runner wrote too much output")
        line, _, self.unread = self.unread.partition(b"\n")
        if time.monotonic() > deadline:
            raise BrokenRunnerError("the runner does not answer")
        return line


class CodeExecutor:
    """A pool of runners. Each runner executes one program at a time; thread-safe.

    Attributes:
        running: the started runners.
    """

    def __init__(self, sandbox: Sandbox, runner: Path, parallel: int) -> None:
        """Create a pool of at most `parallel` runners, which start on demand."""
        self.sandbox = sandbox
        self.mount = Mount("runner.py", runner)
        self._idle: LifoQueue[Runner | None] = LifoQueue()  # last in, first out: starts as few runners as possible
        for _ in range(parallel):
            self._idle.put(None)
        self._lock = threading.Lock()
        self.running: set[Runner] = set()
        self._closed = False

    def run(self, request: Json) -> Json:
        """Return the runner's answer, or `{"error": ...}` if the program broke a new runner.

        An answer with an error is of a runner that has executed no other program.

        Raises:
            InfrastructureError: a new runner does not work.
        """
        runner = self._idle.get()
        try:
            for _ in range(TRIES):
                runner = runner or self._start()
                repeats, runner.used = runner.used, True
                try:
                    answer = runner.ask(request)
                except BrokenRunnerError as error:
                    answer = {"error": f"the program broke its runner: {error}"}
                    repeats = True
                if answer.get("error") is None:
                    return answer
                self._end(runner)
                runner = None
                if not repeats:
                    break
            return answer
        finally:
            self._idle.put(runner)

    def close(self) -> None:
        """Kill the runners and all processes of their programs."""
        with self._lock:
            self._closed = True
            running, self.running = self.running, set()
        for runner in running:
            runner.process.kill(0)

    def _end(self, runner: Runner) -> None:
        with self._lock:
            ours = runner in self.running
            self.running.discard(runner)
        if ours:
            runner.process.kill(0)

    def _start(self) -> Runner:
        argv = [self.sandbox.python, "-I", self.sandbox.locate(self.mount)]
        with self._lock:
            if self._closed:
                raise InfrastructureError("sandbox_failed", "The code runner is closed.")
            process = self.sandbox.start(argv, [self.mount], {"PATH": "/usr/bin:/bin"}, "/", limits=LIMITS)
            runner = Runner(process)
            self.running.add(runner)
        try:
            works = runner.ask({"ready": True}).get("ready") is True
            reason = "its self-test failed"
        except BrokenRunnerError as error:
            works = False
            reason = str(error)
        if not works:
            self._end(runner)
            raise InfrastructureError("sandbox_failed", f"The code runner does not work: {reason}.")
        return runner


@contextmanager
def code_executor(sandbox: Sandbox, runner: Path, parallel: int | None = None) -> Iterator[CodeExecutor]:
    """Yield a `CodeExecutor` and close it on exit; `parallel` defaults to the number of processors."""
    executor = CodeExecutor(sandbox, runner, parallel or len(os.sched_getaffinity(0)))
    try:
        yield executor
    finally:
        executor.close()
