"""Check by real attempts that a sandbox isolates on this machine: before each run, and for `ptb sandbox check`."""

import ctypes
import json
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.sandbox import probe
from posttrainbench.sandbox.base import Mount, Sandbox
from posttrainbench.sandbox.host import python_binds

SECONDS = 60.0
ADD_KEY = {"x86_64": 248, "aarch64": 217}
KEYCTL_INVALIDATE = 21


@dataclass(frozen=True)
class AttemptResult:
    """The result of one attempt.

    Attributes:
        name: description of the attempt.
        blocked: True if the sandbox prevented it.
        detail: the exception that the attempt met, or `done`.
    """

    name: str
    blocked: bool
    detail: str


@dataclass(frozen=True)
class CheckEnvironment:
    """The mounts and host objects that attempts use.

    Attributes:
        mounts: mounts of the sandbox.
        facts: the host objects.
    """

    mounts: list[Mount]
    facts: probe.Facts


def check_isolation(sandbox: Sandbox, which: Literal["all", "essential"] = "all") -> list[AttemptResult]:
    """Start a sandbox, make the attempts of `probe` in it and return their results.

    Raises:
        InfrastructureError: the sandbox did not start, or the attempts could not be made.
    """
    with check_environment(sandbox) as environment:
        outcomes = run_probe(sandbox, environment, which)
    return [
        AttemptResult(name, outcome != "done" and not outcome.startswith(probe.BROKEN), outcome)
        for name, outcome in outcomes.items()
    ]


def require_isolation(sandbox: Sandbox, fix: str) -> None:
    """Refuse a sandbox that does not work on this machine, or in which an essential attempt succeeds.

    Args:
        fix: hint for the error message.

    Raises:
        InputError: the sandbox is refused.
    """
    try:
        results = check_isolation(sandbox, "essential")
    except InfrastructureError as error:
        raise InputError(f"{sandbox.name} does not work on this machine ({one_line(error)[:-1]}); {fix}.") from None
    if succeeded := [result.name for result in results if not result.blocked]:
        raise InputError(
            f"{sandbox.name} does not isolate on this machine: a process in it can {succeeded[0]}; run "
            f"`ptb sandbox check {sandbox.name}` to see all attempts; {fix}."
        )


def run_probe(
    sandbox: Sandbox, environment: CheckEnvironment, which: Literal["all", "essential"] = "all"
) -> dict[str, str]:
    """Run the probe in a sandbox. Return description of the attempt -> `done`, or the error that it met.

    Raises:
        InfrastructureError: the probe could not be run.
    """
    program = Mount("probe.py", Path(probe.__file__))
    argv = [sandbox.python, "-I", "-S", sandbox.locate(program), json.dumps(asdict(environment.facts)), which]
    workspace = environment.facts.writable[0]
    process = sandbox.start(argv, [*environment.mounts, program], {"PATH": "/usr/bin:/bin"}, workspace)
    try:
        out, errors = process.popen.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        out, errors = b"", b"the probe did not finish in time"
    finally:
        process.kill(0)
    try:
        outcomes = json.loads(out)
    except ValueError:
        last = errors.decode(errors="replace").strip() or f"exit code {process.popen.returncode}"
        raise InfrastructureError("sandbox_failed", last) from None
    return {str(name): str(outcome) for name, outcome in outcomes.items()}


@contextmanager
def check_environment(sandbox: Sandbox) -> Iterator[CheckEnvironment]:
    """Create host objects (files, sockets, a process, a key) that a sandbox must hide, and remove them on exit."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ptb-check-")))
        mounts = [Mount("workspace", root / "workspace", writable=True), Mount("kit", root / "kit")]
        for mount in mounts:
            mount.source.mkdir()
        (root / "kit" / "file").write_text("")
        secret = root / "secret"
        secret.write_text(secrets.token_hex(8))
        variable = stack.enter_context(_variable())
        kit = sandbox.locate(mounts[1])
        yield CheckEnvironment(
            mounts,
            probe.Facts(
                secrets={"a file of the host": str(secret)},
                sockets={"another run's socket": stack.enter_context(_unix_listener(str(root / "other-run")))},
                read_only=[kit, f"{kit}/file", *(map(str, python_binds()) if sandbox.python == sys.executable else [])],
                writable=[sandbox.locate(mounts[0])],
                addresses={name: stack.enter_context(_listener(host)) for name, host in host_addresses().items()},
                abstract=stack.enter_context(_unix_listener(f"\0{root}"))[1:],
                pid=stack.enter_context(sleeper()),
                variable=variable,
                key=stack.enter_context(host_key()),
                setuid=f"{kit}/id" if _setuid_copy(root / "kit" / "id") else "",
            ),
        )


def host_addresses() -> dict[str, str]:
    """Return description -> address: the loopback address, and another IPv4 address of this machine if it has one."""
    addresses = {"the host's loopback": "127.0.0.1"}
    for interface in psutil.net_if_addrs().values():
        for entry in interface:
            if entry.family == socket.AF_INET and not entry.address.startswith("127."):
                addresses["the host's address"] = entry.address
    return addresses


@contextmanager
def sleeper() -> Iterator[int]:
    """Run a process that attempts may kill, and yield its pid."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", "read line", probe.SLEEPER], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.communicate()


@contextmanager
def host_key() -> Iterator[str]:
    """Add a key to this process's session keyring and yield its description; "" if the kernel has no keyrings."""
    name = f"ptb-{secrets.token_hex(8)}"
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    number = ADD_KEY.get(platform.machine())
    key = -1 if number is None else libc.syscall(number, b"user", name.encode(), b"x", 1, probe.SESSION_KEYRING)
    try:
        yield name if key >= 0 else ""
    finally:
        if key >= 0:
            libc.syscall(probe.KEYCTL[platform.machine()], KEYCTL_INVALIDATE, key)


@contextmanager
def _variable() -> Iterator[str]:
    name = f"PTB_SECRET_{secrets.token_hex(8)}"
    os.environ[name] = "secret"
    try:
        yield name
    finally:
        del os.environ[name]


@contextmanager
def _listener(host: str) -> Iterator[tuple[str, int]]:
    with socket.create_server((host, 0)) as listener:
        yield host, listener.getsockname()[1]


@contextmanager
def _unix_listener(address: str) -> Iterator[str]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        yield address


def _setuid_copy(path: Path) -> bool:
    """Create a setuid-root copy of `id`. Return False if the caller is not root or `id` is missing."""
    program = shutil.which("id")
    if program is None or os.geteuid() != 0:
        return False
    shutil.copyfile(program, path)
    path.chmod(0o4755)
    return True
