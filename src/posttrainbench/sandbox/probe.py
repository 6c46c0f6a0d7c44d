"""Attempts to break out of a sandbox, made from inside; each must fail. Uses only the standard library.

An attempt is a function that raises if the sandbox prevents it. It is harmless if the sandbox does not: it removes
everything that it creates, and changes no value.
"""

import ctypes
import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

SECONDS = 5
"""Time limit; an attempt that takes longer counts as prevented."""
REMOUNT, BIND = 32, 4096
PTRACE_SEIZE = 0x4206  # unlike PTRACE_ATTACH it does not stop the process
NEW_USER, NEW_MOUNT, NEW_NETWORK = 0x10000000, 0x00020000, 0x40000000
KEYCTL = {"x86_64": 250, "aarch64": 219}
"""Number of the system call `keyctl`."""
KEYCTL_SEARCH, SESSION_KEYRING = 10, -3
BLOCKED_ERRORS = (OSError, AssertionError, KeyError)
"""Errors that mean that the sandbox prevented an attempt."""
BROKEN = "the attempt itself is broken:"
SLEEPER = "ptb-sleeper"
"""Marker in the command line of the host's process."""
MESSAGE_QUEUES = "/dev/mqueue"
"""Private to the ipc namespace and limited to less than a megabyte, so it cannot hide data."""


@dataclass(frozen=True)
class Facts:
    """The host objects that attempts try to reach.

    Attributes:
        secrets: user-readable files and directories of the host outside all mounts: description -> path.
        sockets: Unix sockets of the host with a listener, outside all mounts: description -> path.
        read_only: read-only mounts (directories and files), as paths inside the sandbox.
        writable: writable mounts, as paths inside the sandbox; the first is a directory.
        addresses: listeners on the host: description -> host and port.
        abstract: name of an abstract Unix socket of the host with a listener.
        pid: a process of the host, with `SLEEPER` in its command line, that may be killed.
        variable: name of an environment variable of the host.
        key: description of a key in the host's session keyring; "" for none.
        setuid: path inside the sandbox of a setuid-root copy of `id`; "" if the caller could not create one.
    """

    secrets: dict[str, str]
    sockets: dict[str, str]
    read_only: list[str]
    writable: list[str]
    addresses: dict[str, tuple[str, int]]
    abstract: str
    pid: int
    variable: str
    key: str
    setuid: str


@dataclass(frozen=True)
class Attempt:
    """One attempt.

    Attributes:
        run: raises one of `BLOCKED_ERRORS` if the sandbox prevents the attempt.
        essential: True if it is made before each run.
        outside: True if it succeeds without a sandbox for an ordinary user, so that it can detect a missing one.
    """

    run: Callable[[], object]
    essential: bool = True
    outside: bool = False


def all_attempts(facts: Facts) -> dict[str, Attempt]:
    """Return all attempts by description."""
    return (
        _files(facts)
        | _mounts(facts)
        | _network(facts)
        | _processes(facts)
        | _rights(facts)
        | _kernel()
        | _keys_and_variables(facts)
    )


def _files(facts: Facts) -> dict[str, Attempt]:
    workspace = facts.writable[0]
    attempts: dict[str, Attempt] = {}
    for name, path in facts.secrets.items():
        attempts |= {
            f"read {name}": Attempt(partial(_read, path), outside=True),
            f"read {name} by way of /proc/1/root": Attempt(partial(_read, f"/proc/1/root{path}")),
            f"read {name} through a link": Attempt(partial(_read_link, f"{workspace}/link", path), outside=True),
        }
    return attempts | {
        "read password hashes of the host": Attempt(partial(_read_hashes, "/etc/shadow")),
        "read a disk": Attempt(_find_disk),
        "leave a file outside of the mounts": Attempt(partial(_leave_file, facts.writable), essential=False),
    }


def _mounts(facts: Facts) -> dict[str, Attempt]:
    workspace = facts.writable[0]
    attempts = {"mount a tmpfs": Attempt(partial(_mount, b"tmpfs", workspace, b"tmpfs", 0))}
    for path in [*facts.read_only, "/usr"]:
        first = path in (facts.read_only[0], "/usr")
        attempts |= {
            f"write to {path}": Attempt(partial(_write, path), first),
            f"change the mode of {path}": Attempt(partial(_change_mode, path), first),
            f"remount {path}": Attempt(partial(_mount, None, path, None, REMOUNT | BIND), first),
            f"unmount {path}": Attempt(partial(_unmount, path), first),
        }
        if Path(path).is_dir():
            attempts[f"mount over {path}"] = Attempt(partial(_mount, os.fsencode(workspace), path, None, BIND), first)
    return attempts


def _network(facts: Facts) -> dict[str, Attempt]:
    attempts = {
        "connect to an abstract socket of the host": Attempt(partial(_connect, f"\0{facts.abstract}"), outside=True),
        "send a datagram to the internet": Attempt(_send),
        "connect to the internet": Attempt(partial(_connect, ("192.0.2.1", 443))),
        "look up a name": Attempt(partial(socket.getaddrinfo, "example.org", 80)),
        "open a virtual machine socket": Attempt(partial(_open_socket, socket.AF_VSOCK, socket.SOCK_STREAM)),
        "open a raw socket": Attempt(partial(_open_socket, socket.AF_INET, socket.SOCK_RAW, 1)),
        "see a network interface other than loopback": Attempt(_see_interfaces, essential=False),
    }
    for name, (host, port) in facts.addresses.items():
        attempts[f"connect to {name}"] = Attempt(partial(_connect, (host, port)), outside=True)
    for name, path in facts.sockets.items():
        attempts[f"connect to {name}"] = Attempt(partial(_connect, path), outside=True)
    return attempts


def _processes(facts: Facts) -> dict[str, Attempt]:
    return {
        "see a process of the host": Attempt(partial(_see_process, facts.pid), outside=True),
        "see more processes than its own": Attempt(_see_processes, essential=False, outside=True),
        "signal a process of the host": Attempt(partial(_signal, facts.pid, signal.SIGCONT), outside=True),
        "end a process of the host": Attempt(partial(_signal, facts.pid, signal.SIGKILL)),
        "trace a process of the host": Attempt(partial(_trace, facts.pid)),
    }


def _rights(facts: Facts) -> dict[str, Attempt]:
    attempts = {
        f"hold capabilities ({name})": Attempt(partial(_hold, name))
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    }
    if facts.setuid:
        attempts["become another user by a setuid program"] = Attempt(partial(_run_setuid, facts.setuid))
    return attempts | {
        "gain privileges by executing a program": Attempt(_may_gain_privileges),
        "become root": Attempt(partial(os.setuid, 0)),
        "make a user namespace": Attempt(partial(_unshare, NEW_USER), essential=False),
        "make a mount namespace": Attempt(partial(_unshare, NEW_MOUNT)),
        "make a network namespace": Attempt(partial(_unshare, NEW_NETWORK)),
        "change the root": Attempt(partial(os.chroot, facts.writable[0])),
        "make a program run with its owner's rights (chmod)": Attempt(
            partial(_set_id, facts.writable[0], _set_id_by_chmod), outside=True
        ),
        "make a program run with its owner's rights (open)": Attempt(
            partial(_set_id, facts.writable[0], _set_id_by_open), essential=False, outside=True
        ),
        "make a program run with its owner's rights (mknod)": Attempt(
            partial(_set_id, facts.writable[0], _set_id_by_mknod), essential=False, outside=True
        ),
        "make a character device": Attempt(
            partial(_make_device, facts.writable[0], stat.S_IFCHR, os.makedev(1, 5)),
        ),
        "make a block device": Attempt(partial(_make_device, facts.writable[0], stat.S_IFBLK, os.makedev(8, 0))),
    }


def _kernel() -> dict[str, Attempt]:
    import time

    opened = {
        "change the program that handles crashes": "/proc/sys/kernel/core_pattern",
        "trigger a SysRq command": "/proc/sysrq-trigger",
        "change the kernel's module loader": "/proc/sys/kernel/modprobe",
        "write to the kernel's memory": "/dev/mem",
        "write to the kernel's log": "/dev/kmsg",
    }
    attempts = {name: Attempt(partial(_open_to_write, path)) for name, path in opened.items()}
    return attempts | {
        "change any setting of the kernel": Attempt(_find_setting, essential=False),
        "read the kernel's log": Attempt(partial(_read, "/dev/kmsg", 1)),
        "rename the host": Attempt(partial(socket.sethostname, socket.gethostname())),
        "set the clock": Attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, time.time())),
    }


def _keys_and_variables(facts: Facts) -> dict[str, Attempt]:
    attempts = {
        "see a variable of the host": Attempt(partial(os.environ.__getitem__, facts.variable), outside=True),
        "see a variable of the host in /proc": Attempt(partial(_see_variable, facts.variable), outside=True),
    }
    if facts.key:
        attempts["find a key in the host's session keyring"] = Attempt(partial(_find_key, facts.key), outside=True)
    return attempts


# --- the attempts ------------------------------------------------------------------------------------------------


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(returned: int) -> None:
    """Raise `OSError` if a C library call returned an error."""
    if returned < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _require(truth: bool) -> None:
    if not truth:
        raise AssertionError


def _status(field: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))


def _read(path: str, size: int = 1) -> None:
    if os.path.isdir(path):  # noqa: PTH112  (also False for a directory without permission)
        os.listdir(path)  # noqa: PTH208
        return
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        file.read(size)


def _read_link(link: str, secret: str) -> None:
    Path(link).symlink_to(secret)
    try:
        _read(link)
    finally:
        Path(link).unlink()


def _read_hashes(path: str) -> None:
    _require(any(line.split(":")[1][:1] == "$" for line in Path(path).read_text().splitlines()))


def _find_disk() -> None:
    _require(any(stat.S_ISBLK(path.stat().st_mode) for path in Path("/dev").rglob("*") if path.exists()))


def _leave_file(writable: list[str]) -> None:
    folders = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    folders += [folder for folder in Path("/").glob("*") if folder.is_dir() and not folder.is_symlink()]
    folders += [folder for parent in ("/etc", "/run", "/var") for folder in Path(parent).glob("*") if folder.is_dir()]
    allowed = [Path(path) for path in (*writable, MESSAGE_QUEUES, "/tmp", "/dev/shm")]  # noqa: S108
    left = []
    for folder in dict.fromkeys(folders):
        if any(folder.is_relative_to(path) for path in allowed):
            continue
        file = folder / f"ptb-{os.getpid()}"
        try:
            file.write_text("")
        except OSError:
            continue
        file.unlink()
        left.append(str(folder))
    if not left:
        raise OSError(errno.EROFS, "nowhere")
    print(f"in {', '.join(left)}", file=sys.stderr)


def _write(path: str) -> None:
    if Path(path).is_dir():
        file = Path(path, f"ptb-{os.getpid()}")
        file.write_text("")
        file.unlink()
    else:
        _open_to_write(path)


def _open_to_write(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


def _find_setting() -> None:
    for folder in ("sys", "irq", "bus", "fs", "acpi", "scsi", "driver", "dynamic_debug", "tty"):
        for path in Path("/proc", folder).rglob("*"):
            try:
                if path.is_dir():
                    continue
                _open_to_write(str(path))
            except OSError:
                continue
            print(f"{path} is writable", file=sys.stderr)
            return
    raise OSError(errno.EROFS, "none")


def _change_mode(path: str) -> None:
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode))  # noqa: PTH101, PTH116


def _mount(source: bytes | None, target: str, kind: bytes | None, flags: int) -> None:
    _check(_libc().mount(source, os.fsencode(target), kind, flags, None))
    if not flags & REMOUNT:
        _libc().umount2(os.fsencode(target), 2)


def _unmount(path: str) -> None:
    _check(_libc().umount2(os.fsencode(path), 2))


def _connect(address: tuple[str, int] | str) -> None:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(SECONDS)
        client.connect(address)


def _send() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"x", ("192.0.2.1", 53))


def _open_socket(family: int, kind: int, protocol: int = 0) -> None:
    socket.socket(family, kind, protocol).close()


def _see_interfaces() -> None:
    _require(len(socket.if_nameindex()) > 1)


def _see_process(pid: int) -> None:
    _require(SLEEPER.encode() in Path(f"/proc/{pid}/cmdline").read_bytes())  # else the sandbox's own


def _signal(pid: int, number: int) -> None:
    os.kill(pid, 0)
    if Path(f"/proc/{pid}").exists():
        _see_process(pid)
    os.kill(pid, number)


def _see_processes() -> None:
    _require(sum(path.name.isdigit() for path in Path("/proc").iterdir()) > 3)


def _trace(pid: int) -> None:
    if Path(f"/proc/{pid}").exists():
        _see_process(pid)
    libc = _libc()
    libc.ptrace.restype = ctypes.c_long
    _check(libc.ptrace(PTRACE_SEIZE, pid, None, None))


def _hold(field: str) -> None:
    _require(int(_status(field), 16) != 0)


def _may_gain_privileges() -> None:
    _require(_status("NoNewPrivs") == "0")


def _run_setuid(program: str) -> None:
    uid = subprocess.run([program, "-u"], capture_output=True, text=True, check=False).stdout
    _require(uid.strip() not in ("", str(os.getuid())))


def _set_id(folder: str, create: Callable[[Path], object]) -> None:
    program = Path(folder, f"set-id-{os.getpid()}")
    try:
        create(program)
        _require(bool(program.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)))
    finally:
        program.unlink(missing_ok=True)


def _set_id_by_chmod(program: Path) -> None:
    program.touch()
    program.chmod(0o6755)


def _set_id_by_open(program: Path) -> None:
    os.close(os.open(program, os.O_CREAT | os.O_WRONLY, 0o6755))


def _set_id_by_mknod(program: Path) -> None:
    os.mknod(program, stat.S_IFREG | 0o6755)


def _unshare(flags: int) -> None:
    _check(_libc().unshare(flags))


def _make_device(folder: str, kind: int, device: int) -> None:
    path = f"{folder}/device"
    os.mknod(path, kind | 0o600, device)
    try:
        _read(path)
    finally:
        Path(path).unlink()


def _see_variable(name: str) -> None:
    environments = b""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                environments += (folder / "environ").read_bytes()
            except OSError:
                continue
    _require(name.encode() in environments)


def _find_key(description: str) -> None:
    libc = _libc()
    libc.syscall.restype = ctypes.c_long
    _check(libc.syscall(KEYCTL[os.uname().machine], KEYCTL_SEARCH, SESSION_KEYRING, b"user", description.encode(), 0))


# --- the program -------------------------------------------------------------------------------------------------


def run_attempt(attempt: Attempt) -> str:
    """Make an attempt. Return `done`, or the error that it met."""
    signal.signal(signal.SIGALRM, _raise_timeout)
    signal.alarm(SECONDS)
    try:
        attempt.run()
    except BLOCKED_ERRORS as error:
        return f"{type(error).__name__} {error}".strip()
    except Exception as error:
        return f"{BROKEN} {error!r}"
    finally:
        signal.alarm(0)
    return "done"


def run_attempt_in_child(attempt: Attempt) -> str:
    """Make an attempt in a child process, so that its side effects do not affect the others."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, run_attempt(attempt).encode()[:2000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        outcome = file.read()
    os.waitpid(pid, 0)
    return outcome or "the attempt was killed"


def _raise_timeout(number: int, frame: object) -> None:
    raise TimeoutError("time limit exceeded")


def main() -> None:
    """Make `all`, the `essential` or the `outside` attempts and print JSON: description -> `done`, or the error.

    Essential attempts are made in this process, which is fast: side effects matter only if an attempt succeeds.
    """
    facts, group = Facts(**json.loads(sys.argv[1])), sys.argv[2]
    run = run_attempt if group == "essential" else run_attempt_in_child
    attempts = all_attempts(facts).items()
    print(json.dumps({name: run(each) for name, each in attempts if group == "all" or getattr(each, group)}))


if __name__ == "__main__":
    main()
