"""Runs code that a model wrote: sandboxed runner processes for many programs, renewed when a program breaks one.

A runner is a benchmark's scorer as a program: a JSON request in, a line, and its JSON answer out, with the request's
nonce. Only `{"ready": true}` and the answer to it are the same for all of them; the rest is between scorer and runner.
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
"""A runner limits each program itself; this only bounds one that a program has broken."""
ANSWER_BYTES = 16 * 2**20
TRIES = 2
"""A program that an earlier one has harmed gets a runner of its own; only if it fails there too, it is to blame."""

LIMITS = Limits(memory=8 * 2**30, processes=256)
"""Of a runner and its programs together; a runner limits each program itself, and more narrowly."""

Json = dict[str, Any]


class BrokenRunnerError(Exception):
    """The runner has died, fallen silent or been drowned in output."""


class Runner:
    """One runner in a sandbox with nothing but the runner in it."""

    def __init__(self, process: SandboxProcess) -> None:
        self.process = process
        self.unread = b""

    def ask(self, request: Json) -> Json:
        """The answer to a request. Lines without this request's nonce are some program's own and passed over.

        Raises:
            BrokenRunnerError: there is no answer.
        """
        nonce = secrets.token_hex(16)
        stdin, stdout = self.process.popen.stdin, self.process.popen.stdout
        if stdin is None or stdout is None:
            raise BrokenRunnerError("it has no pipes")
        try:
            stdin.write(json.dumps({**request, "nonce": nonce}).encode() + b"\n")
            stdin.flush()
        except OSError as error:
            raise BrokenRunnerError(str(error)) from None
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                answer = json.loads(self._line(stdout, deadline))
            except ValueError:
                continue
            if isinstance(answer, dict) and answer.pop("nonce", None) == nonce:
                return answer

    def _line(self, stdout: IO[bytes], deadline: float) -> bytes:
        while b"\n" not in self.unread:
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(stdout.fileno(), 2**16) if ready else b""
            if not chunk:
                raise BrokenRunnerError("it has ended" if ready else "it does not answer")
            self.unread += chunk
            if len(self.unread) > ANSWER_BYTES:
                raise BrokenRunnerError("it answers without end")
        line, _, self.unread = self.unread.partition(b"\n")
        if time.monotonic() > deadline:
            raise BrokenRunnerError("it does not answer")
        return line


class CodeExecutor:
    """Sends programs to runners, each to one at a time; may be called from many threads.

    Attributes:
        running: the runners that have started.
    """

    def __init__(self, sandbox: Sandbox, runner: Path, parallel: int) -> None:
        """At most `parallel` runners at a time; they start when they are needed."""
        self.sandbox = sandbox
        self.mount = Mount("runner.py", runner)
        self._idle: LifoQueue[Runner | None] = LifoQueue()  # the latest first, so that few serve where few are needed
        for _ in range(parallel):
            self._idle.put(None)
        self._lock = threading.Lock()
        self.running: set[Runner] = set()
        self._closed = False

    def run(self, request: Json) -> Json:
        """The runner's answer; `{"error": ...}` alone where the program broke a runner of its own.

        Raises:
            InfrastructureError: the runner does not work at all.
        """
        runner = self._idle.get()
        try:
            for _ in range(TRIES):
                runner = runner or self._start()
                try:
                    return runner.ask(request)
                except BrokenRunnerError as error:
                    reason = str(error)
                    self._end(runner)
                    runner = None
            return {"error": f"the program broke its runner: {reason}"}
        finally:
            self._idle.put(runner)

    def close(self) -> None:
        """End the runners and all that programs may have left behind."""
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
            reason = "it fails its own proof"
        except BrokenRunnerError as error:
            works = False
            reason = str(error)
        if not works:
            self._end(runner)
            raise InfrastructureError("sandbox_failed", f"The code runner does not work: {reason}.")
        return runner


@contextmanager
def code_executor(sandbox: Sandbox, runner: Path, parallel: int | None = None) -> Iterator[CodeExecutor]:
    """A `CodeExecutor` that is closed on leaving, with a runner per processor unless told otherwise."""
    executor = CodeExecutor(sandbox, runner, parallel or len(os.sched_getaffinity(0)))
    try:
        yield executor
    finally:
        executor.close()
