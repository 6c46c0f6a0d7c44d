"""Runs code that a model wrote: one sandboxed runner process for many programs, restarted when a program breaks it."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox.base import Mount, Sandbox, SandboxProcess

ANSWER_SECONDS = 30.0
"""The runner limits each program itself; this only bounds a runner that a program has broken."""

Json = dict[str, Any]


class CodeExecutor:
    """Sends requests to a runner (one JSON line each way) inside a sandbox with nothing but the runner in it."""

    def __init__(self, sandbox: Sandbox, runner: Path) -> None:
        self.sandbox = sandbox
        self.runner = Mount("runner.py", runner)
        self.lock = threading.Lock()
        self.process: SandboxProcess | None = None

    def run(self, request: Json) -> Json:
        """The runner's answer; `{"returned": null, "error": ...}` where a program broke the runner.

        Raises:
            InfrastructureError: the runner does not work at all.
        """
        with self.lock:
            if self.process is None:
                self.process = self._start()
            try:
                return self._ask(self.process, request)
            except (OSError, ValueError, TimeoutError) as error:
                self.close()
                return {"returned": None, "error": f"the program broke its runner ({error})"}

    def close(self) -> None:
        """End the runner and all that programs may have left behind."""
        if self.process is not None:
            self.process.kill(0)
            self.process = None

    def _start(self) -> SandboxProcess:
        argv = [sys.executable, "-I", self.sandbox.locate(self.runner)]
        process = self.sandbox.start(argv, [self.runner], {"PATH": "/usr/bin:/bin"}, "/")
        try:
            alive = self._ask(process, {"source": "def f():\n    return 1\n", "function": "f", "calls": [[]]})
        except (OSError, ValueError, TimeoutError) as error:
            process.kill(0)
            raise InfrastructureError("sandbox_failed", f"The code runner does not answer: {error}") from None
        if alive.get("returned") != [1]:
            process.kill(0)
            raise InfrastructureError("sandbox_failed", f"The code runner does not work: {alive.get('error')}")
        return process

    @staticmethod
    def _ask(process: SandboxProcess, request: Json) -> Json:
        stdin, stdout = process.popen.stdin, process.popen.stdout
        if stdin is None or stdout is None:
            raise OSError("no pipes")
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        with DefaultSelector() as selector:
            selector.register(stdout, EVENT_READ)
            if not selector.select(ANSWER_SECONDS):
                raise TimeoutError("no answer")
        answer = json.loads(stdout.readline())
        if not isinstance(answer, dict):
            raise ValueError("no JSON object")
        return answer


@contextmanager
def code_executor(sandbox: Sandbox, runner: Path) -> Iterator[CodeExecutor]:
    """A `CodeExecutor` that is closed on leaving."""
    executor = CodeExecutor(sandbox, runner)
    try:
        yield executor
    finally:
        executor.close()
