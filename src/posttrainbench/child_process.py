"""Run a helper process of the host: start it, wait until it is ready, check on it, stop it.

A helper is `python -m MODULE`. It reads its configuration, one line that may contain API keys, from standard input,
prints one line when it is ready, and exits when standard input closes. The kernel closes that pipe when the parent
exits, even by SIGKILL, so a helper never outlives its parent. The configuration is never in a file, an argument or an
environment variable.
"""

import asyncio
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.errors import InfrastructureError

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Child:
    """A helper process that is ready.

    Attributes:
        name: used in error messages, such as `gateway`.
        cause: `InfrastructureError.cause` if it fails.
        log: file that its standard error is appended to.
        popen: the process.
        ready_line: what it printed when it was ready, with the line end.
    """

    name: str
    cause: str
    log: Path
    popen: "subprocess.Popen[bytes]"
    ready_line: bytes

    def check(self) -> None:
        """Check that the process is still running.

        Raises:
            InfrastructureError: the process has exited.
        """
        if (code := self.popen.poll()) is not None:
            raise InfrastructureError(self.cause, f"The {self.name} exited with code {code}; its log is {self.log}.")


@contextmanager
def run_child(
    module: str,
    config: str,
    log: Path,
    startup_seconds: float,
    *,
    name: str,
    cause: str,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """Run `python -m MODULE` until the context exits.

    Args:
        module: name of the module to run.
        config: one line without its line end, written to the process's standard input.
        log: file that the process's standard error is appended to.
        startup_seconds: time limit for the ready line.
        name: see `Child.name`.
        cause: see `Child.cause`.
        environment: the complete environment of the process; None passes on this process's environment.

    Yields:
        The process, once it is ready.

    Raises:
        InfrastructureError: the process printed no ready line.
    """
    with log.open("ab") as log_file:
        popen = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            env=None if environment is None else dict(environment),
            start_new_session=True,  # Ctrl-C reaches only the parent, which then stops this process
        )
    try:
        line = _ready_line(popen, config, startup_seconds)
        if not line:
            raise InfrastructureError(cause, f"The {name} did not start; its log is {log}.")
        yield Child(name, cause, log, popen, line)
    finally:
        stop(popen)


def stop(popen: "subprocess.Popen[bytes]", seconds: float = STOP_SECONDS) -> None:
    """Close the process's standard input, which makes it exit; kill it if it is still running after `seconds`."""
    for pipe in (popen.stdin, popen.stdout):
        if pipe:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
    try:
        popen.wait(seconds)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()


def call_when_parent_exits(function: Callable[[], object]) -> None:
    """Call `function` in a thread when standard input closes. Read the configuration line first.

    For use in the helper process.
    """

    def wait() -> None:
        sys.stdin.read()
        function()

    threading.Thread(target=wait, daemon=True).start()


def parent_exit_event() -> asyncio.Event:
    """Return an event of the running loop that is set when standard input closes. Read the configuration line first.

    For use in the helper process.
    """
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    call_when_parent_exits(lambda: loop.call_soon_threadsafe(event.set))
    return event


def _ready_line(popen: "subprocess.Popen[bytes]", config: str, seconds: float) -> bytes:
    assert popen.stdin is not None  # noqa: S101  (for the type checker: both are pipes)
    assert popen.stdout is not None  # noqa: S101
    with selectors.DefaultSelector() as selector:
        selector.register(popen.stdout, selectors.EVENT_READ)
        try:
            popen.stdin.write(config.encode() + b"\n")
            popen.stdin.flush()
            return popen.stdout.readline() if selector.select(seconds) else b""
        except BrokenPipeError:
            return b""
