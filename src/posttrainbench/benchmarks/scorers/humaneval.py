"""Score a completion of a HumanEval prompt by its unit tests, in a process that the completion cannot access.

`python -I humaneval.py` is a runner. It reads lines `{"prompt", "source", "function", "test", "nonce"}` and writes
lines `{"passed", "error", "nonce"}` until stdin closes. It uses four processes:

    runner     reads the requests and answers them
    checker    one per request: runs the tests, with a stub for the function that calls the candidate
    spawner    forked from the runner before any request, so that its memory never contained a test
    candidate  one per request, forked from the spawner: runs the prompt and the completion, and answers calls

Checker and candidate exchange only calls and plain data, which is rebuilt from exact built-in types. A request passes
if the checker, after its last assertion, sends the runner a secret that only the checker was given.

Covers: a program that exits, loops, prints, fills memory, returns objects that equal everything, patches builtins,
searches frames, memory and `/proc` for tests or secrets, sends forged messages, kills any of the processes, or leaves
processes behind. It fails its own item and does not affect others.

Does not cover: network, small files left in the file system, and a program that runs as root without a sandbox. Run it
in a sandbox.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import secrets
import select
import signal
import socket
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import IO, Any

WALL_SECONDS = 30.0
"""Time limit of an item, as in widely used harnesses."""
CPU_SECONDS = 10
MEMORY_BYTES = 2**30
MESSAGE_BYTES = 2**20
DEPTH = 20
MAX_CUTS = 100
TIDY_SECONDS = 10.0

Json = dict[str, Any]

# A fence opens at the beginning of a line, or after prose if it is marked as Python. It closes at the beginning of a
# line or after the last line of code. An unclosed fence extends to the end.
_FENCE = re.compile(
    r"(?:^[ \t]*```[ \t]*([\w+#.-]*)[^\n]*|```[ \t]*(python3?|py)[ \t]*)\n(.*?)(^[ \t]*```|```[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_FENCE_LINE = re.compile(r"^[ \t]*```", re.MULTILINE)
_PYTHON = ("python", "python3", "py")
_CODE_BEGINS = re.compile(r"^(?:import |from [\w.]+ import |@|(?:async )?def |class )", re.MULTILINE)
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36
_PROOF = {
    "prompt": 'def f(x):\n    """Twice x."""\n',
    "source": "    return 2 * x\n",
    "function": "f",
    "test": "def check(candidate):\n    assert candidate(21) == 42\n",
}


# The host.


def judge(completion: str, target: Json, execute: Callable[[Json], Json]) -> bool:
    """Return whether a completion passes the tests.

    Args:
        completion: The model's output.
        target: `{"prompt": ..., "function": ..., "test": ...}`.
        execute: Sends a request to the runner and returns its reply.
    """
    source = program(completion, target)
    return source is not None and execute({**target, "source": source}).get("passed") is True


def program(completion: str, target: Json) -> str | None:
    """Return the code in a completion: a whole program, or only the function's body.

    This is the first fenced block that defines the function; otherwise the text before any fence, if it defines the
    function; otherwise the first block; otherwise the text before any fence. Blocks marked as Python precede unmarked
    ones, and blocks marked as another language are ignored. Text up to `</think>` is skipped.

    Returns:
        The source, or None if it is blank.
    """
    text = completion.rpartition("</think>")[2].replace("\r\n", "\n")
    marked, unmarked = [], []
    for label, late_label, block, closing in _FENCE.findall(text):
        if (label or late_label).lower() in _PYTHON:
            marked.append(block)
        elif not label and closing:  # an unclosed unmarked fence is the end of a block whose beginning is missing
            unmarked.append(block)
    blocks = [block for block in marked + unmarked if block.strip()]
    before = _FENCE_LINE.split(text, maxsplit=1)[0]
    defining = [source for source in (*blocks, before) if _defines(source, target["function"])]
    chosen = next(iter((*defining, *blocks, before)))
    return chosen if chosen.strip() else None


def _defines(source: str, function: str) -> bool:
    return re.search(rf"^(?:(?:async )?def {function}\b|{function} *=)", source, re.MULTILINE) is not None


# Plain data, the only data that checker and candidate exchange.

_TAGS: dict[str, Callable[[Any], Any]] = {"list": list, "tuple": tuple, "set": set, "dict": dict}
_SEQUENCES: tuple[tuple[Any, str], ...] = ((list, "list"), (tuple, "tuple"), (set, "set"), (frozenset, "set"))


def encode(value: Any, depth: int = DEPTH) -> Any:
    """Convert a value to JSON that preserves its type.

    Instances of subclasses become instances of the built-in class: a `Counter` becomes a `dict`, and an `int` with a
    custom equality becomes a plain `int`. Numbers of numpy become Python's.

    Raises:
        ValueError: the value is not plain data, or nests too deeply.
    """
    if depth < 0:
        raise ValueError("the value nests too deeply")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return encode(value.item(), depth - 1)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, dict):
        return {"dict": [[encode(key, depth - 1), encode(part, depth - 1)] for key, part in dict.items(value)]}
    for kind, tag in _SEQUENCES:
        if isinstance(value, kind):
            return {tag: [encode(part, depth - 1) for part in kind.__iter__(value)]}
    raise ValueError(f"{type(value).__name__} is not plain data")


def decode(wire: Any, depth: int = DEPTH) -> Any:
    """Convert the output of `encode` back to a value.

    Raises:
        ValueError: the input is not an output of `encode`.
        TypeError: a key, or a member of a set, cannot be hashed.
    """
    if wire is None or type(wire) in (bool, int, float, str):
        return wire
    if depth < 0 or type(wire) is not dict or len(wire) != 1:
        raise ValueError("not plain data")
    ((tag, parts),) = wire.items()
    if tag not in _TAGS or type(parts) is not list:
        raise ValueError("not plain data")
    if tag == "dict":
        if not all(type(pair) is list and len(pair) == 2 for pair in parts):
            raise ValueError("not plain data")
        return {decode(key, depth - 1): decode(part, depth - 1) for key, part in parts}
    return _TAGS[tag](decode(part, depth - 1) for part in parts)


# The runner.


def runner_main() -> None:
    """Answer requests until stdin closes, or until a program breaks the spawner."""
    # Programs run as the same user. They cannot read, write or trace a process that is not dumpable; its children
    # inherit this.
    _prctl(_PR_SET_DUMPABLE, 0)
    spawner, theirs = socket.socketpair()
    if os.fork() == 0:
        with _exit_at_end():
            _spawn(theirs)
    theirs.close()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ready": _run(spawner, _PROOF)["passed"]} if "ready" in request else _run(spawner, request)
        except OSError:
            return  # without the spawner its descendants cannot be stopped: exit, which ends the sandbox
        sys.stdout.write(json.dumps({**answer, "nonce": request.get("nonce")}) + "\n")
        sys.stdout.flush()


def _run(spawner: socket.socket, request: Json) -> Json:
    """Run one program with its tests."""
    deadline = time.monotonic() + WALL_SECONDS
    secret = secrets.token_hex(16)
    ours, theirs = socket.socketpair()
    socket.send_fds(spawner, [b"s"], [theirs.fileno()])
    theirs.close()
    reading, writing = os.pipe()
    checker = os.fork()
    if checker == 0:
        with _exit_at_end():
            _check(ours, writing, request, secret)
    os.close(writing)
    ours.close()
    report = b""
    ready = True
    while ready:
        ready = bool(select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0])
        chunk = os.read(reading, 4096) if ready else b""
        if not chunk:
            break
        report += chunk
    os.close(reading)
    os.kill(checker, signal.SIGKILL)
    os.waitpid(checker, 0)
    spawner.settimeout(TIDY_SECONDS)
    spawner.sendall(b"t")
    if spawner.recv(1) != b"d":
        raise BrokenPipeError("the spawner has ended")
    if not ready:
        return {"passed": False, "error": "time limit exceeded"}
    message = report.decode(errors="replace")
    passed = message == secret
    return {"passed": passed, "error": None if passed else message or "the checker was killed"}


# The checker, which has the tests.


def _check(channel: socket.socket, report: int, request: Json, secret: str) -> None:
    _silence()
    _limit(FSIZE=0)
    try:
        stream: Any = channel.makefile("rwb")
        names: Json = {"__name__": "tests"}
        # Some tests use helpers from the prompt: run the benchmark's own version, not the program's.
        exec(compile(request["prompt"], "prompt", "exec", dont_inherit=True), names)

        def candidate(*args: Any, **kwargs: Any) -> Any:
            return decode(_ask(stream, {"args": encode(args), "kwargs": encode(kwargs)}))

        names[request["function"]] = candidate  # tests may call the function by its name
        exec(compile(request["test"], "tests", "exec", dont_inherit=True), names)
        _ask(stream, {key: request[key] for key in ("prompt", "source", "function")})
        names["check"](candidate)
    except BaseException as problem:
        os.write(report, f"{type(problem).__name__}: {problem}".encode(errors="replace")[:200])
    else:
        os.write(report, secret.encode())


def _ask(stream: IO[bytes], message: Json) -> Any:
    """Send a message to the candidate and return its result; raise `ValueError` for an invalid reply."""
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()
    line = stream.readline(MESSAGE_BYTES)
    if not line.endswith(b"\n"):
        raise ValueError("the returned value is too large" if line else "the program ended")
    reply = json.loads(line)
    if type(reply) is not dict or "returned" not in reply:
        raise ValueError(f"the program failed: {str(reply.get('error'))[:100] if type(reply) is dict else ''}")
    return reply["returned"]


# The spawner.


def _spawn(control: socket.socket) -> None:
    """Fork a candidate for each descriptor received; on `t`, kill everything that is left of it."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    control = socket.socket(fileno=_keep_only(control.detach()))
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if message == b"s":
            if os.fork() == 0:
                with _exit_at_end():
                    _answer_calls(descriptors[0])
            os.close(descriptors[0])
            continue
        _end_children()
        if not message:
            return
        control.sendall(b"d")


def _end_children() -> None:
    """Kill every descendant; as a subreaper this process inherits orphans."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _children() -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                # State and parent follow the command name, which may contain any character.
                if int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1]) == os.getpid():
                    yield int(folder.name)


# The candidate: runs model-written code, so nothing below can be trusted.


def _answer_calls(descriptor: int) -> None:
    os.setsid()
    descriptor = _keep_only(descriptor)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy would start threads, which are not allowed
    # NPROC counts all processes of the user and does not apply to root, so it only hinders forking.
    _limit(CPU=CPU_SECONDS, FSIZE=0, NPROC=0)
    stream = socket.socket(fileno=descriptor).makefile("rwb")
    function: Any = None
    for line in stream:
        message = json.loads(line)
        reply: Json
        try:
            if function is None:
                function = _load(message)
                reply = {"returned": None}
            else:
                reply = {"returned": encode(function(*decode(message["args"]), **decode(message["kwargs"])))}
            data = json.dumps(reply)
        except BaseException as problem:  # SystemExit and KeyboardInterrupt are the program's failures too
            data = json.dumps({"error": type(problem).__name__})
        stream.write(data.encode() + b"\n")
        stream.flush()


def _load(message: Json) -> Any:
    """Run the prompt and the program, and return the function."""
    names: Json = {"__name__": "program"}
    exec(compile(message["prompt"], "prompt", "exec", dont_inherit=True), names)
    del names[message["function"]]  # the prompt's stub must not replace a missing definition
    exec(_compiled(**message), names)
    return names[message["function"]]


def _compiled(prompt: str, source: str, function: str) -> CodeType:
    """Compile the first interpretation of a program that is valid Python, or the longest valid beginning of one.

    Text after the function is cut only before a line that is not indented.
    """
    lines = prompt.count("\n") + 1
    if _defines(source, function):
        begin = _CODE_BEGINS.search(source)
        readings = [(source, 1), (source[begin.start() if begin else 0 :], 1)]
    else:
        body = textwrap.indent(textwrap.dedent(source), "    ")
        readings = [(prompt + body, lines), (f"{prompt}    {source.lstrip()}", lines)]
        if source.lstrip("\n")[:1].isspace():
            readings.insert(0, (prompt + source, lines))
    texts = [text for text, _ in readings] + [cut for text, least in readings for cut in _cut(text, least)]
    for text in texts:
        with contextlib.suppress(SyntaxError, ValueError):
            return compile(text, "program", "exec", dont_inherit=True)
    raise SyntaxError("not Python")


def _cut(text: str, least: int) -> Iterator[str]:
    """Yield beginnings of a text, longest first, of at least `least` lines, cut before a line without indentation."""
    lines = text.split("\n")
    ends = [end for end in range(least, len(lines)) if lines[end][:1].strip()]
    yield from ("\n".join(lines[:end]) for end in ends[: -MAX_CUTS - 1 : -1])


# Shared by several of the processes.


@contextlib.contextmanager
def _exit_at_end() -> Iterator[None]:
    """Run the body of a forked process and exit, so that it never returns into its parent's code."""
    try:
        yield
    finally:
        os._exit(0)


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)


def _keep_only(descriptor: int) -> int:
    """Close every descriptor except one, which becomes 3."""
    if descriptor != 3:
        os.dup2(descriptor, 3)
    os.set_inheritable(3, False)
    _silence()
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    return 3


def _limit(**most: int) -> None:
    for name, value in {"AS": MEMORY_BYTES, "CORE": 0, **most}.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None).prctl(option, value, 0, 0, 0) != 0:
        raise OSError("prctl failed")


if __name__ == "__main__":
    runner_main()
