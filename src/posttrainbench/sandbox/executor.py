"""Runs code that a model wrote: one sandboxed runner process for many programs, renewed when a program breaks it."""

import json
import os
import secrets
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox.base import Mount, Sandbox, SandboxProcess

ANSWER_SECONDS = 30.0
"""The runner limits each program itself; this only bounds a runner that a program has broken."""
ANSWER_BYTES = 16 * 2**20
TRIES = 2
"""A program that an earlier one has harmed gets a runner of its own; only if it fails there too, it is to blame."""
PROOF = {"source": "def f():\n    return 1\n", "function": "f", "calls": [[]]}

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
    """Sends programs to a runner, one at a time."""

    def __init__(self, sandbox: Sandbox, runner: Path) -> None:
        self.sandbox = sandbox
        self.mount = Mount("runner.py", runner)
        self.lock = threading.Lock()
        self.runner: Runner | None = None

    def run(self, request: Json) -> Json:
        """The runner's answer; `{"returned": null, "error": ...}` where the program broke a runner of its own.

        Raises:
            InfrastructureError: the runner does not work at all.
        """
        with self.lock:
            for _ in range(TRIES):
                if self.runner is None:
                    self.runner = self._start()
                try:
                    return self.runner.ask(request)
                except BrokenRunnerError as error:
                    reason = str(error)
                    self.close()
            return {"returned": None, "error": f"the program broke its runner: {reason}"}

    def close(self) -> None:
        """End the runner and all that programs may have left behind."""
        if self.runner is not None:
            self.runner.process.kill(0)
            self.runner = None

    def _start(self) -> Runner:
        argv = [sys.executable, "-I", self.sandbox.locate(self.mount)]
        runner = Runner(self.sandbox.start(argv, [self.mount], {"PATH": "/usr/bin:/bin"}, "/"))
        try:
            answer = runner.ask(PROOF)
        except BrokenRunnerError as error:
            runner.process.kill(0)
            raise InfrastructureError("sandbox_failed", f"The code runner does not work: {error}.") from None
        if answer.get("returned") != [1]:
            runner.process.kill(0)
            raise InfrastructureError("sandbox_failed", f"The code runner does not work: {answer.get('error')}.")
        return runner


@contextmanager
def code_executor(sandbox: Sandbox, runner: Path) -> Iterator[CodeExecutor]:
    """A `CodeExecutor` that is closed on leaving."""
    executor = CodeExecutor(sandbox, runner)
    try:
        yield executor
    finally:
        executor.close()
