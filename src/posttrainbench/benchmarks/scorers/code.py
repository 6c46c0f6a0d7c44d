"""Score a Python function by its return values; the process that runs it never has the expected outputs.

`python -I code.py` is a runner. It reads lines `{"source", "function", "calls", "nonce"}` and writes lines
`{"returned", "error", "nonce"}` until stdin closes. The nonce distinguishes a reply from the output of an earlier
program. The host compares the returned values (`verdict`); the runner knows only the calls. `{"ready": true}` requests
a self-test.

Covers: a program that exits, loops, prints, fills memory, creates huge files, returns objects that equal everything,
reads its caller's frames, or writes forged results (which it would have to compute).

Does not cover: files, network, processes that leave their process group as root, and a program that kills the runner
(its stdout then ends, and the item fails). Run it in a sandbox.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

WALL_SECONDS = 3.0
CPU_SECONDS = 2
MEMORY_BYTES = 512 * 2**20
FILE_BYTES = 2**20
PAYLOAD_BYTES = 2**20
DEPTH = 20

_FENCE = re.compile(r"```[a-zA-Z0-9]*[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
_PR_SET_DUMPABLE = 4
_PROOF = ("def f(x):\n    return 2 * x\n", "f", [[21]])


def program(completion: str, target: dict[str, Any]) -> str | None:
    """Return the source in a completion: the first fenced block that contains the function's name, or the whole text.

    Args:
        completion: The model's output.
        target: `{"function": ..., "calls": ..., "outputs": ...}`.

    Returns:
        Python source, or None if the function's name does not occur.
    """
    blocks = _FENCE.findall(completion) if "```" in completion else [completion]
    return next((block for block in blocks if target["function"] in block), None)


def judge(completion: str, target: dict[str, Any], execute: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
    """Return whether a completion is correct.

    Args:
        completion: The model's output.
        target: `{"function": ..., "calls": ..., "outputs": ...}`.
        execute: Sends a request to the runner and returns its reply.
    """
    source = program(completion, target)
    if source is None:
        return False
    request = {"source": source, "function": target["function"], "calls": target["calls"]}
    return verdict(execute(request).get("returned"), target)


def verdict(returned: list[Any] | None, target: dict[str, Any]) -> bool:
    """Return whether the returned values equal the expected outputs by exact type and value."""
    return returned is not None and _same(returned, target["outputs"])


def _same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def runner_main() -> None:
    """Answer requests until stdin closes."""
    # Programs run as the same user. They cannot access a process that is not dumpable through /proc.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        if "ready" in request:
            answer = {"ready": _run(*_PROOF) == ([42], None)}
        else:
            returned, error = _run(request["source"], request["function"], request["calls"])
            answer = {"returned": returned, "error": error}
        sys.stdout.write(json.dumps({**answer, "nonce": request.get("nonce")}) + "\n")
        sys.stdout.flush()


def _run(source: str, function: str, calls: list[list[Any]]) -> tuple[list[Any] | None, str | None]:
    """Run a program in a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _child(writing, source, function, calls)
        finally:
            os._exit(1)
    os.close(writing)
    payload = b""
    error = None
    deadline = time.monotonic() + WALL_SECONDS
    while error is None:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(reading, 65536) if ready else b""
        if not ready:
            error = "time limit exceeded"
        elif not chunk:
            break
        payload += chunk
        if len(payload) > PAYLOAD_BYTES:
            error = "the returned values are too large"
    os.close(reading)
    for kill, whom in ((os.killpg, child), (os.kill, child)):
        with contextlib.suppress(OSError):
            kill(whom, signal.SIGKILL)
    os.waitpid(child, 0)
    return (None, error) if error else _unpack(payload, len(calls))


def _unpack(payload: bytes, calls: int) -> tuple[list[Any] | None, str | None]:
    """Parse the output of the child, which is untrusted."""
    try:
        message = json.loads(payload)
        returned = message["returned"]
        if type(returned) is list and len(returned) == calls and _plain(returned):
            return returned, None
        return None, str(message["error"])[:200]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, "nothing was returned"


def _child(writing: int, source: str, function: str, calls: list[list[Any]]) -> None:
    """In the child: close all descriptors except the pipe, run the program, write its return values."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    pipe = os.dup2(writing, 3, inheritable=False) if writing != 3 else 3
    os.closerange(4, 4096)
    # NPROC counts all processes of the user and does not apply to root, so it only hinders forking.
    for limit, most in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (most, most))
    message: dict[str, Any] = {"returned": None, "error": None}
    try:
        names: dict[str, Any] = {"__name__": "program"}
        exec(compile(source, "program", "exec"), names)
        returned = [names[function](*call) for call in calls]
        if _plain(returned):
            message["returned"] = returned
        else:
            message["error"] = "a returned value is not plain data"
    except BaseException as problem:  # SystemExit and KeyboardInterrupt are the program's failures too
        message["error"] = type(problem).__name__
    data = json.dumps(message).encode()
    while data:
        data = data[os.write(pipe, data) :]
    os._exit(0)


def _plain(value: Any, depth: int = DEPTH) -> bool:
    """Return whether a value consists of exact JSON types; a subclass could define its own equality."""
    if type(value) is list:
        return depth > 0 and all(_plain(part, depth - 1) for part in value)
    if type(value) is dict:
        return depth > 0 and all(type(key) is str and _plain(part, depth - 1) for key, part in value.items())
    if type(value) is float:
        return value - value == 0  # neither infinite nor nan
    return value is None or type(value) in (int, str, bool)


if __name__ == "__main__":
    runner_main()
